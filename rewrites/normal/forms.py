"""The functions of the normal family on PyTensor variables and on exact numbers.

The ops take their constant factor ``k`` in two floats; here it is an exact fraction.
"""

from fractions import Fraction

import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.elemwise import Elemwise

from pytensor_stabilize.rewrites.normal import ops
from pytensor_stabilize.rewrites.symbols import Value, erf, erfc, exp, log

ONE = Fraction(1)


def call(op: Elemwise, k: Fraction, *arguments: Variable) -> Variable:
    """Apply an op of `ops` to ``k * argument``."""
    hi = float(k)
    lo = float(k - Fraction(hi))
    halves = (pt.constant(half, dtype="float64") for half in (hi, lo))
    return op.make_node(*arguments, *halves).outputs[0]


def _factor(x: Value) -> Value:
    """``2 / sqrt(pi)`` as a number of the same type as `x`."""
    return 2 / type(x).pi().sqrt()


def erfc_scaled(x: Value, k: float) -> Value:
    """``erfc(k * x)``."""
    if isinstance(x, Variable):
        return call(ops.erfc_scaled, Fraction(k), x)
    return erfc(type(x)(k) * x)


def log_erfc(x: Value) -> Value:
    """``log(erfc(x))``."""
    return call(ops.log_erfc, ONE, x) if isinstance(x, Variable) else log(erfc(x))


def log_half_erfc(x: Value) -> Value:
    """``log(erfc(x) / 2)``."""
    return call(ops.log_half_erfc, ONE, x) if isinstance(x, Variable) else log(erfc(x) / 2)


def log_erfcx(x: Value) -> Value:
    """``log(erfcx(x))``."""
    return call(ops.log_erfcx, ONE, x) if isinstance(x, Variable) else log(erfc(x)) + x * x


def erfc_ratio(x: Value) -> Value:
    """``exp(-x**2) / erfc(x)``."""
    return call(ops.erfc_ratio, ONE, x) if isinstance(x, Variable) else exp(-x * x) / erfc(x)


def erfc_excess(x: Value) -> Value:
    """``2 / sqrt(pi) exp(-x**2) / erfc(x) - 2 x``."""
    if isinstance(x, Variable):
        return call(ops.erfc_excess, ONE, x)
    return _factor(x) * erfc_ratio(x) - 2 * x


def erfc_second(x: Value) -> Value:
    """``1 - x d(x)``, d the excess."""
    return call(ops.erfc_second, ONE, x) if isinstance(x, Variable) else 1 - x * erfc_excess(x)


def erfc_slope(x: Value) -> Value:
    """``2 - 2 / sqrt(pi) r(x) d(x)``, r the ratio and d the excess."""
    if isinstance(x, Variable):
        return call(ops.erfc_slope, ONE, x)
    return 2 - _factor(x) * erfc_ratio(x) * erfc_excess(x)


def erfc_curvature(x: Value) -> Value:
    """``2 / sqrt(pi) r(x) d(x)``, r the ratio and d the excess."""
    if isinstance(x, Variable):
        return call(ops.erfc_curvature, ONE, x)
    return _factor(x) * erfc_ratio(x) * erfc_excess(x)


def erf_difference(a: Value, b: Value) -> Value:
    """``erf(a) - erf(b)``."""
    return call(ops.erf_difference, ONE, a, b) if isinstance(a, Variable) else erf(a) - erf(b)


def log_erf_difference(a: Value, b: Value) -> Value:
    """``log(erf(a) - erf(b))``."""
    if isinstance(a, Variable):
        return call(ops.log_erf_difference, ONE, a, b)
    return log(erf_difference(a, b))


def log_half_erf_difference(a: Value, b: Value) -> Value:
    """``log((erf(a) - erf(b)) / 2)``."""
    if isinstance(a, Variable):
        return call(ops.log_half_erf_difference, ONE, a, b)
    return log(erf_difference(a, b) / 2)


def erf_difference_ratio(a: Value, b: Value) -> Value:
    """``exp(-a**2) / (erf(a) - erf(b))``."""
    if isinstance(a, Variable):
        return call(ops.erf_difference_ratio, ONE, a, b)
    return exp(-a * a) / erf_difference(a, b)


def erf_difference_excess(a: Value, b: Value) -> Value:
    """``2 / sqrt(pi) exp(-a**2) / (erf(a) - erf(b)) + 2 a``."""
    if isinstance(a, Variable):
        return call(ops.erf_difference_excess, ONE, a, b)
    return _factor(a) * erf_difference_ratio(a, b) + 2 * a
