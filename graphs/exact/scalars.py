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

from pytensor_stabilize.graphs.exact.balls import (
    EITHER,
    NEG_INF,
    ONE,
    POS_INF,
    STRUCTURAL_ZERO,
    UNDEFINED,
    UNKNOWN,
    ZERO,
    is_unknown,
)

Scalar = Callable[..., arb]


def real_function(
    function: Scalar,
    lo: float = -inf,
    hi: float = inf,
    at_lo: float | None = None,
    at_hi: float | None = None,
) -> Scalar:
    """A function of one real number, with its domain and its limits.

    Parameters
    ----------
    function
        Computes it on balls inside the domain.
    lo, hi
        Ends of the domain.
    at_lo, at_hi
        Values or limits at the ends; None where there is none.
    """
    low, high = arb(lo), arb(hi)

    def evaluate(x: arb) -> arb:
        y = function(x)
        if y.is_finite():
            return y
        if x.is_nan() or x < low or x > high:
            return UNDEFINED
        if not x.is_exact():
            return UNKNOWN
        for end, limit in ((low, at_lo), (high, at_hi)):
            if x == end:
                return UNDEFINED if limit is None else arb(limit)
        return UNKNOWN

    return evaluate


def add(a: arb, b: arb) -> arb:
    """Sum of two."""
    # What annihilates is neutral here, and stays recognisable.
    if a is STRUCTURAL_ZERO:
        return b
    if b is STRUCTURAL_ZERO:
        return a
    y = a + b
    if y.is_finite():
        return y
    if a.is_nan() or b.is_nan():
        return UNDEFINED
    if is_unknown(a) or is_unknown(b):
        return UNKNOWN
    if a.is_finite() or b.is_finite():
        return b if a.is_finite() else a
    return a if a == b else UNDEFINED


def subtract(a: arb, b: arb) -> arb:
    """Difference."""
    return add(a, negate(b))


def negate(a: arb) -> arb:
    """Negative."""
    return a if a is STRUCTURAL_ZERO else -a


def multiply(a: arb, b: arb) -> arb:
    """Product of two."""
    if a is STRUCTURAL_ZERO or b is STRUCTURAL_ZERO:
        return STRUCTURAL_ZERO
    y = a * b
    if y.is_finite():
        return y
    if a.is_nan() or b.is_nan():
        return UNDEFINED
    if is_unknown(a) or is_unknown(b) or _may_vanish(a) or _may_vanish(b):
        # An infinity times an exact zero is undefined at any precision.
        exact_zero = (a.is_zero() and not b.is_finite()) or (b.is_zero() and not a.is_finite())
        return UNDEFINED if exact_zero and not (is_unknown(a) or is_unknown(b)) else UNKNOWN
    return POS_INF if (a > 0) == (b > 0) else NEG_INF


def _may_vanish(a: arb) -> bool:
    return a.is_finite() and not a > 0 and not a < 0


def divide(a: arb, b: arb) -> arb:
    """Quotient; undefined at a zero of the denominator, because zeros have no sign here."""
    if a is STRUCTURAL_ZERO:
        return a
    y = a / b
    if y.is_finite():
        return y
    return multiply(a, reciprocal(b))


def reciprocal(x: arb) -> arb:
    """``1 / x``, undefined at 0."""
    y = 1 / x
    if y.is_finite():
        return y
    return UNDEFINED if x.is_nan() or x.is_zero() else UNKNOWN


def square(a: arb) -> arb:
    """Square, which of a ball around 0 is not negative."""
    return multiply(a, a) if not a.is_finite() or a is STRUCTURAL_ZERO else a**2


def power(a: arb, b: arb) -> arb:
    """``a ** b`` with the limits of IEEE 754, undefined at 1 ** inf."""
    if b.is_exact() and b.is_integer() and abs(b) < 1 << 62:
        exponent = int(b.unique_fmpz())
        if exponent == 0:
            return ONE if not a.is_nan() else UNDEFINED
        if exponent < 0:
            return reciprocal(power(a, -b))
        if a is STRUCTURAL_ZERO:
            return a
        y = a**exponent
        if y.is_finite():
            return y
        if a.is_nan() or is_unknown(a):
            return UNDEFINED if a.is_nan() else UNKNOWN
        return POS_INF if exponent % 2 == 0 or a > 0 else NEG_INF
    if a.is_nan() or b.is_nan() or a < 0:
        return UNDEFINED
    if a.is_zero():
        if b > 0:
            return ZERO
        return UNDEFINED if b < 0 else UNKNOWN
    y = a**b
    if y.is_finite():
        return y
    return exp(multiply(b, log(a)))


def sigmoid(x: arb) -> arb:
    """``1 / (1 + exp(-x))`` in the form that needs no huge number."""
    if x >= 0:
        return 1 / (1 + (-x).exp())
    e = x.exp()
    return e / (1 + e)


def softplus(x: arb) -> arb:
    """``log(1 + exp(x))`` in the form that needs no huge number."""
    return x + (-x).exp().log1p() if x > 0 else x.exp().log1p()


def compare(less: bool, or_equal: bool) -> Scalar:
    """An order relation; `EITHER` where the balls overlap."""

    def evaluate(a: arb, b: arb) -> arb:
        if a.is_nan() or b.is_nan():
            return UNDEFINED
        if not less:
            a, b = b, a
        yes, no = (a <= b, a > b) if or_equal else (a < b, a >= b)
        return ONE if yes else STRUCTURAL_ZERO if no else EITHER

    return evaluate


def equal(a: arb, b: arb) -> arb:
    """Whether two are the same number; `EITHER` for balls that overlap."""
    if a.is_nan() or b.is_nan():
        return UNDEFINED
    return ONE if a == b else STRUCTURAL_ZERO if a != b else EITHER


def switch(c: arb, a: arb, b: arb) -> arb:
    """The branch that is selected, and only that."""
    if c is STRUCTURAL_ZERO or c.is_zero():
        return b
    if c > 0 or c < 0:
        return a
    if c.is_nan():
        return UNDEFINED
    if a is b or (a.is_exact() and a == b):
        return a
    return a.union(b) if a.is_finite() and b.is_finite() else UNKNOWN


def maximum(a: arb, b: arb) -> arb:
    """The larger of two; undefined if one is."""
    if a.is_nan() or b.is_nan():
        return UNDEFINED
    if a >= b:
        return a
    return b if a < b else a.max(b)


def minimum(a: arb, b: arb) -> arb:
    """The smaller of two; undefined if one is."""
    if a.is_nan() or b.is_nan():
        return UNDEFINED
    if a <= b:
        return a
    return b if a > b else a.min(b)


def clip(x: arb, lo: arb, hi: arb) -> arb:
    """``x`` moved into [lo, hi]."""
    return minimum(maximum(x, lo), hi)


def sign(x: arb) -> arb:
    """-1, 0 or 1."""
    if x.is_zero():
        return ZERO
    return ONE if x > 0 else -ONE if x < 0 else UNDEFINED if x.is_nan() else arb(0, 1)


def absolute(x: arb) -> arb:
    """Absolute value."""
    return x if x is STRUCTURAL_ZERO else abs(x)


def is_nan(x: arb) -> arb:
    """Whether it is undefined."""
    return ONE if x.is_nan() else EITHER if is_unknown(x) else STRUCTURAL_ZERO


def is_inf(x: arb) -> arb:
    """Whether it is infinite: the exact value, not a float that has overflowed."""
    if is_unknown(x):
        return EITHER
    return STRUCTURAL_ZERO if x.is_finite() or x.is_nan() else ONE


def stepwise(function: Scalar) -> Scalar:
    """A function with jumps, which keeps infinities."""

    def evaluate(x: arb) -> arb:
        if not x.is_finite():
            return x
        return function(x)

    return evaluate


def trunc(x: arb) -> arb:
    """Round toward 0."""
    return x.floor() if x >= 0 else x.ceil() if x < 0 else (x.floor()).union(x.ceil())


def round_half_to_even(x: arb) -> arb:
    """Nearest integer, of two the even one."""
    nearest = (x + 0.5).floor()
    tie = x - x.floor() == 0.5
    if not nearest.is_exact():
        return nearest
    return nearest - 1 if tie and int(nearest.unique_fmpz()) % 2 else nearest


def round_half_away(x: arb) -> arb:
    """Nearest integer, of two the one further from 0."""
    if x >= 0:
        return (x + 0.5).floor()
    return (x - 0.5).ceil() if x < 0 else (x + 0.5).floor().union((x - 0.5).ceil())


def floor_divide(a: arb, b: arb) -> arb:
    """``floor(a / b)``."""
    return floor(divide(a, b))


def modulo(a: arb, b: arb) -> arb:
    """Remainder with the sign of the divisor, as in Python."""
    return subtract(a, multiply(floor_divide(a, b), b))


def atan2(y: arb, x: arb) -> arb:
    """Angle of the point (x, y); undefined at the origin's infinities."""
    if y.is_nan() or x.is_nan():
        return UNDEFINED
    if y.is_finite() and x.is_finite():
        return arb.atan2(y, x)
    return UNKNOWN if is_unknown(x) or is_unknown(y) else UNDEFINED


exp = real_function(arb.exp, at_lo=0, at_hi=inf)
log = real_function(arb.log, 0, at_lo=-inf, at_hi=inf)
floor = stepwise(arb.floor)

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
    ps.NEQ: lambda a, b: subtract(ONE, equal(a, b)),
    ps.IsNan: is_nan,
    ps.IsInf: is_inf,
    # Conditions are 0, 1 or EITHER here.
    ps.AND: lambda *a: reduce(minimum, a),
    ps.OR: lambda *a: reduce(maximum, a),
    ps.XOR: lambda *a: reduce(lambda p, q: abs(p - q), a),
    ps.Invert: lambda a: subtract(ONE, a),
    ps.Floor: floor,
    ps.Ceil: stepwise(arb.ceil),
    ps.Trunc: stepwise(trunc),
    ps.RoundHalfToEven: stepwise(round_half_to_even),
    ps.RoundHalfAwayFromZero: stepwise(round_half_away),
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
    ps.ArcTan: real_function(arb.atan),
    ps.ArcTan2: atan2,
    ps.Cosh: real_function(arb.cosh, at_lo=inf, at_hi=inf),
    ps.Sinh: real_function(arb.sinh, at_lo=-inf, at_hi=inf),
    ps.Tanh: real_function(arb.tanh, at_lo=-1, at_hi=1),
    ps.ArcCosh: real_function(arb.acosh, 1, at_hi=inf),
    ps.ArcSinh: real_function(arb.asinh, at_lo=-inf, at_hi=inf),
    ps.ArcTanh: real_function(arb.atanh, -1, 1, -inf, inf),
    psm.Sigmoid: real_function(sigmoid, at_lo=0, at_hi=1),
    psm.Softplus: real_function(softplus, at_lo=0, at_hi=inf),
    psm.Log1mexp: real_function(lambda x: (-x.expm1()).log(), hi=0, at_lo=0, at_hi=-inf),
}


def scalar_function(op: Any) -> Scalar | None:
    """The function that computes a scalar op on balls, or None."""
    for cls in type(op).__mro__:
        if cls in SCALARS:
            return SCALARS[cls]
    return None
