"""PyTensor's scalar operations on balls.

A real function is a row: what computes it where it is finite, its domain, and its limits at the
ends.  Where Arb gives no finite ball the row says whether the value is a limit, undefined, or
only not known at this precision.
"""

from collections.abc import Callable
from functools import reduce
from math import inf
from typing import Any

import pytensor.scalar.basic as ps
import pytensor.scalar.math as psm
from flint import arb

from pytensor_stabilize.graphs.exact.arithmetic import (
    Scalar,
    absolute,
    add,
    atan2,
    clip,
    compare,
    conjunction,
    disjunction,
    divide,
    equal,
    exclusive,
    floor,
    floor_divide,
    invert,
    is_inf,
    is_nan,
    maximum,
    minimum,
    modulo,
    multiply,
    negate,
    power,
    reciprocal,
    round_half_away,
    round_half_to_even,
    sign,
    square,
    stepwise,
    subtract,
    switch,
    trunc,
    unequal,
)
from pytensor_stabilize.graphs.exact.balls import UNDEFINED, UNKNOWN

# A limit that is no float is computed at the precision of the moment.
Limit = float | Callable[[], arb] | None


def real_function(
    function: Scalar, lo: float = -inf, hi: float = inf, at_lo: Limit = None, at_hi: Limit = None
) -> Scalar:
    """A function of one real number, with its domain and its limits.

    Parameters
    ----------
    function
        Computes it on balls inside the domain; outside it gives no finite ball.
    lo, hi
        Ends of the domain.
    at_lo, at_hi
        Values or limits at the ends; None where there is none.
    """
    low, high = arb(lo), arb(hi)

    def evaluate(x: arb) -> arb:
        # Of an infinite ball nothing is known, also if the function is bounded.
        if x.is_finite():
            y = function(x)
            if y.is_finite():
                return y
        if x.is_nan() or x < low or x > high:
            return UNDEFINED
        if not x.is_exact():
            return UNKNOWN
        for end, limit in ((low, at_lo), (high, at_hi)):
            if x == end:
                return UNDEFINED if limit is None else arb(limit() if callable(limit) else limit)
        return UNKNOWN

    return evaluate


def sigmoid(x: arb) -> arb:
    """``1 / (1 + exp(-x))`` in the form that needs no huge number."""
    if x >= 0:
        return 1 / (1 + (-x).exp())
    e = x.exp()
    return e / (1 + e)


def softplus(x: arb) -> arb:
    """``log(1 + exp(x))`` in the form that needs no huge number."""
    return x + (-x).exp().log1p() if x > 0 else x.exp().log1p()


def log1mexp(x: arb) -> arb:
    """``log(1 - exp(x))`` in the form that keeps the digits of a tiny result."""
    return (-x.exp()).log1p() if x < -1 else (-x.expm1()).log()


def _quarter_turn() -> arb:
    return arb.pi() / 2


exp = real_function(arb.exp, at_lo=0, at_hi=inf)
log = real_function(arb.log, 0, at_lo=-inf, at_hi=inf)

# Scalar op class -> function of balls.  Ops with state (Cast, Composite) are elsewhere.
SCALARS: dict[type, Scalar] = {
    ps.Add: lambda *a: reduce(add, a),
    ps.Mul: lambda *a: reduce(multiply, a),
    ps.Sub: subtract,
    ps.Neg: negate,
    ps.TrueDiv: divide,
    ps.Reciprocal: reciprocal,
    ps.Sqr: square,
    ps.Pow: power,
    ps.Abs: absolute,
    ps.Sign: sign,
    ps.Identity: lambda x: x,
    ps.Second: lambda a, b: b,
    ps.Switch: switch,
    ps.Clip: clip,
    ps.Maximum: maximum,
    ps.Minimum: minimum,
    ps.ScalarMaximum: maximum,
    ps.ScalarMinimum: minimum,
    ps.LT: compare(less=True, or_equal=False),
    ps.LE: compare(less=True, or_equal=True),
    ps.GT: compare(less=False, or_equal=False),
    ps.GE: compare(less=False, or_equal=True),
    ps.EQ: equal,
    ps.NEQ: unequal,
    ps.IsNan: is_nan,
    ps.IsInf: is_inf,
    # Of conditions; those of the bits of integers are `BITS`.
    ps.AND: conjunction,
    ps.OR: disjunction,
    ps.XOR: exclusive,
    ps.Invert: invert,
    ps.Floor: floor,
    ps.Ceil: stepwise(arb.ceil),
    ps.Trunc: trunc,
    ps.RoundHalfToEven: round_half_to_even,
    ps.RoundHalfAwayFromZero: round_half_away,
    ps.IntDiv: floor_divide,
    ps.Mod: modulo,
    ps.Exp: exp,
    ps.Exp2: real_function(lambda x: arb(2) ** x, at_lo=0, at_hi=inf),
    ps.Expm1: real_function(arb.expm1, at_lo=-1, at_hi=inf),
    ps.Log: log,
    ps.Log2: real_function(lambda x: x.log() / arb.const_log2(), 0, at_lo=-inf, at_hi=inf),
    ps.Log10: real_function(lambda x: x.log() / arb.const_log10(), 0, at_lo=-inf, at_hi=inf),
    ps.Log1p: real_function(arb.log1p, -1, at_lo=-inf, at_hi=inf),
    ps.Sqrt: real_function(arb.sqrt, 0, at_hi=inf),
    ps.Cos: real_function(arb.cos),
    ps.Sin: real_function(arb.sin),
    ps.Tan: real_function(arb.tan),
    ps.ArcCos: real_function(arb.acos, -1, 1),
    ps.ArcSin: real_function(arb.asin, -1, 1),
    ps.ArcTan: real_function(arb.atan, at_lo=lambda: -_quarter_turn(), at_hi=_quarter_turn),
    ps.ArcTan2: atan2,
    ps.Cosh: real_function(arb.cosh, at_lo=inf, at_hi=inf),
    ps.Sinh: real_function(arb.sinh, at_lo=-inf, at_hi=inf),
    ps.Tanh: real_function(arb.tanh, at_lo=-1, at_hi=1),
    ps.ArcCosh: real_function(arb.acosh, 1, at_hi=inf),
    ps.ArcSinh: real_function(arb.asinh, at_lo=-inf, at_hi=inf),
    ps.ArcTanh: real_function(arb.atanh, -1, 1, -inf, inf),
    psm.Sigmoid: real_function(sigmoid, at_lo=0, at_hi=1),
    psm.Softplus: real_function(softplus, at_lo=0, at_hi=inf),
    psm.Log1mexp: real_function(log1mexp, hi=0, at_lo=0, at_hi=-inf),
}

is_negative = SCALARS[ps.LT]
_ZERO, _ONE = arb(0), arb(1)
_BRANCH_FREE = "pytensor_stabilize.rewrites.branch_free.ops"
# Ops of other packages, by the name of their class, so that these are not imported.
BY_NAME: dict[str, Scalar] = {
    f"{_BRANCH_FREE}.WholeSigmoid": SCALARS[psm.Sigmoid],
    f"{_BRANCH_FREE}.WholeSoftplus": SCALARS[psm.Softplus],
    f"{_BRANCH_FREE}.WholeTanh": SCALARS[ps.Tanh],
    f"{_BRANCH_FREE}.ExpMinusAbs": lambda x: exp(negate(absolute(x))),
    f"{_BRANCH_FREE}.Log1pOfUnit": SCALARS[ps.Log1p],
    f"{_BRANCH_FREE}.GeneralExp": SCALARS[ps.Exp],
    f"{_BRANCH_FREE}.GeneralExpm1": SCALARS[ps.Expm1],
    f"{_BRANCH_FREE}.GeneralLog": SCALARS[ps.Log],
    f"{_BRANCH_FREE}.GeneralLog1p": SCALARS[ps.Log1p],
    f"{_BRANCH_FREE}.GeneralLog1mexp": SCALARS[psm.Log1mexp],
    f"{_BRANCH_FREE}.StrictAdd": add,
    f"{_BRANCH_FREE}.StrictSub": subtract,
    f"{_BRANCH_FREE}.DensityFromExp": lambda e: divide(e, square(add(_ONE, e))),
    f"{_BRANCH_FREE}.SigmoidFromExp": lambda x, e: divide(
        switch(is_negative(x, _ZERO), e, _ONE), add(_ONE, e)
    ),
    f"{_BRANCH_FREE}.SigmoidOfMinusFromExp": lambda x, e: divide(
        switch(is_negative(negate(x), _ZERO), e, _ONE), add(_ONE, e)
    ),
    f"{_BRANCH_FREE}.SoftplusOfMinusFromLog": lambda x, log: add(maximum(negate(x), _ZERO), log),
    f"{_BRANCH_FREE}.SoftplusFromLog": lambda x, log: add(maximum(x, _ZERO), log),
    f"{_BRANCH_FREE}.TanhFromExp": lambda x, e: multiply(
        sign(x), divide(subtract(_ONE, e), add(_ONE, e))
    ),
}


def scalar_function(op: Any) -> Scalar | None:
    """The function that computes a scalar op on balls, or None."""
    for cls in type(op).__mro__:
        function = SCALARS.get(cls) or BY_NAME.get(f"{cls.__module__}.{cls.__name__}")
        if function is not None:
            return function
    return None
