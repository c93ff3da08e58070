"""Products of powers with symbolic exponents, ``s**a * (1 - s)**b / s**c``, in log space.

The factors under- and overflow long before their product does; the exponent of
``exp(a log s + b log(1 - s) - c log s)`` is a sum of softplus and does not.
"""

from __future__ import annotations

from fractions import Fraction
from math import prod

import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.math import add, log, log1p, mul, sub, true_div

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.algebra.arguments import is_float
from pytensor_stabilize.rewrites.algebra.building import Builder
from pytensor_stabilize.rewrites.algebra.factoring import Factored
from pytensor_stabilize.rewrites.algebra.forms import (
    TooBigError,
)
from pytensor_stabilize.rewrites.algebra.limits import within_limits
from pytensor_stabilize.rewrites.algebra.reading import Reader
from pytensor_stabilize.rewrites.exponents import Exponents
from pytensor_stabilize.rewrites.matching import (
    exact_constant,
    is_a,
    same_pattern,
    scalar_op_of,
    strip_sign,
    terms,
)
from pytensor_stabilize.rewrites.rules import ConstantPower, Interval, Left, Rule

# 1 - s**3 is a short polynomial times sigmoid(-x).
_FEW = 3


def _read(variable: Variable) -> Exponents | None:
    reader = Reader()
    if not is_float(variable) or not _may_hold_power(variable) or not reader.survey(variable):
        return None
    exponents = Exponents(reader)
    exponents.read(variable)
    return exponents


def _may_hold_power(variable: Variable) -> bool:
    """Cheap test, asked of every product in a graph with a power."""
    op = scalar_op_of(variable.owner)
    if is_a(op, ps.Mul, ps.TrueDiv, ps.Reciprocal):
        assert variable.owner is not None
        return any(map(_may_hold_power, variable.owner.inputs))
    return is_a(op, ps.Pow)


@within_limits
def product_of_powers(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``s**a * (1 - s)**b -> exp(a log s + b log(1 - s))``, with whatever else is a factor."""
    (output,) = node.outputs
    try:
        found = _read(output)
        if found is None or not found.symbolic or found.symbolic + found.plain < 2:
            return None
        dtype = str(output.type.dtype)
        factors = found.as_monomial()
        rest = found.rest(dtype)
        if factors is None:
            factors = found.apart()
            if found.is_single:
                return None
            power = found.power(dtype)
            if not factors:
                return power if rest is None else pt.mul(rest, power)
            rest = power if rest is None else pt.mul(rest, power)
        power = Builder(found.reader, dtype).product(Factored(Fraction(1), factors))
        return power if rest is None else pt.mul(rest, power)
    except TooBigError:
        return None


@within_limits
def log_of_powers(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``log(s**a * r) -> a log s + log r``."""
    (output,), (argument,) = node.outputs, node.inputs
    try:
        found = _read(argument)
        if found is None or not found.symbolic:
            return None
        if found.numbers:
            # Of (2 q)**a it is 0 where q is 1 / 2: the logarithms of 2 and of q would cancel.
            return _of_factors(argument)
        dtype = str(output.type.dtype)
        rest = found.rest(dtype)
        logarithm = found.logarithm(dtype)
        return logarithm if rest is None else logarithm + pt.log(rest)
    except TooBigError:
        return None


def _of_factors(argument: Variable) -> Variable | None:
    """``a log(b)`` of ``b**a``, where nothing else is a factor."""
    node = argument.owner
    if node is None or not is_a(scalar_op_of(node), ps.Pow):
        return None
    base, exponent = node.inputs
    return pt.mul(exponent, pt.log(base))


@within_limits
def one_minus_power(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``c - c s**k -> -c expm1(k log s)``, for a symbolic k and for one above 3."""
    (output,) = node.outputs
    summed = list(terms(node))
    if not is_float(output) or len(summed) != 2:
        return None
    for (sign, one), (other, power) in (summed, summed[::-1]):
        c = exact_constant(one)
        if not c or not same_pattern(power, output):
            continue
        logarithm = _log_of_power(power, -sign * other * c, str(output.type.dtype))
        return None if logarithm is None else _times(-sign * c, pt.expm1(logarithm))
    return None


@within_limits
def log1p_of_minus_power(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``log1p(-s**k) -> log1mexp(k log s)``."""
    (output,), (argument,) = node.outputs, node.inputs
    if not is_float(output):
        return None
    logarithm = _log_of_power(argument, Fraction(-1), str(output.type.dtype))
    return None if logarithm is None else pt.log1mexp(logarithm)


def _log_of_power(variable: Variable, factor: Fraction, dtype: str) -> Variable | None:
    """The logarithm of a product of powers of companions, if `factor` times it is the variable."""
    sign, power = strip_sign(variable)
    try:
        found = _read(power)
        if found is None or found.below or found.numbers:
            return None
        # Of roots the conjugate is shorter.
        if not (found.symbolic or found.degree > _FEW or found.degree.denominator > 2):
            return None
        constants = [exact_constant(v) or Fraction(0) for v in found.above]
        if sign * prod(constants, start=Fraction(1)) != factor:
            return None
        if found.symbolic and found.as_monomial() is not None:
            return None
        return found.logarithm(dtype)
    except TooBigError:
        return None


def _times(c: Fraction, variable: Variable) -> Variable:
    if abs(c) == 1:
        return variable if c > 0 else pt.neg(variable)
    return pt.mul(pt.constant(float(c), dtype=variable.type.dtype), variable)


_POSITIVE = Interval(0.1, 10.0)
_NARROW = Interval(-60.0, 60.0)
_SOURCE = "s**a = exp(a log s)"

SYMBOLIC_POWERS: tuple[Rule, ...] = (
    Rule(
        name="product_of_symbolic_powers",
        before=lambda a, b, x: symbols.sigmoid(x) ** a * (1 - symbols.sigmoid(x)) ** b,
        after=lambda a, b, x: symbols.exp(-(a * symbols.softplus(-x) + b * symbols.softplus(x))),
        domain={"a": _POSITIVE, "b": _POSITIVE, "x": _NARROW},
        # The rounding of the exponent t: 4 (1 + |t|) ulp, and |t| goes to 600 here.
        promise=600.0,
        mends="s**a * (1 - s)**b / (s**c * (1 - s)**d) is 0 / 0 where the powers underflow",
        databases=("stabilize", "specialize"),
        tracks=(mul, true_div),
        transform=product_of_powers,
        needs=(ps.Pow,),
        source=_SOURCE,
    ),
    Rule(
        name="log_of_symbolic_powers",
        before=lambda a, x: symbols.log((1 - symbols.sigmoid(x)) ** a),
        after=lambda a, x: -(a * symbols.softplus(x)),
        domain={"a": _POSITIVE, "x": Interval(-700.0, 700.0)},
        promise=4.0,
        mends="log((1 - s)**a) is -inf where the power underflows",
        databases=("stabilize", "specialize"),
        tracks=(log,),
        transform=log_of_powers,
        needs=(ps.Pow,),
        source=_SOURCE,
    ),
    Rule(
        name="one_minus_symbolic_power",
        before=lambda a, x: 1 - symbols.sigmoid(x) ** a,
        after=lambda a, x: -symbols.expm1(-(a * symbols.softplus(-x))),
        domain={"a": _POSITIVE, "x": Interval(-700.0, 700.0)},
        promise=5.0,
        mends="1 - s**k is 0 where s is close to 1, and 1 - (1 - s)**k where it is close to 0",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=one_minus_power,
        needs=(ps.Pow, (ConstantPower, psm.Sigmoid)),
        source=_SOURCE,
    ),
    Rule(
        name="log1p_of_minus_symbolic_power",
        before=lambda a, x: symbols.log1p(-(symbols.sigmoid(x) ** a)),
        after=lambda a, x: symbols.log1mexp(-(a * symbols.softplus(-x))),
        domain={"a": _POSITIVE, "x": _NARROW},
        # Where s**a is small the rounding of the exponent t: 4 (1 + |t|) ulp.
        promise=600.0,
        mends="log(1 - s**k) is -inf where s is close to 1",
        databases=("stabilize", "specialize"),
        tracks=(log1p,),
        transform=log1p_of_minus_power,
        needs=(ps.Pow, (ConstantPower, psm.Sigmoid)),
        source=_SOURCE,
    ),
)
