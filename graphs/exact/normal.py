"""Exact values of our own ops of the normal family, which PyMC's gradients contain.

Their arguments are multiplied by a constant ``k = hi + lo``; `rewrites.normal.ops` says what each
of them computes.
"""

from flint import arb

from pytensor_stabilize.graphs.exact.scalars import SCALARS
from pytensor_stabilize.graphs.exact.special import several
from pytensor_stabilize.rewrites.normal import ops as normal_ops


def _c() -> arb:
    """``2 / sqrt(pi)``."""
    return 2 / arb.pi().sqrt()


def _ratio(u: arb) -> arb:
    return (-u * u).exp() / u.erfc()


def _excess(u: arb) -> arb:
    return _c() * _ratio(u) - 2 * u


def _slope(u: arb) -> arb:
    return 2 - _c() * _ratio(u) * _excess(u)


def _difference(a: arb, b: arb) -> arb:
    # erfc, so that the tails do not cancel before they are subtracted
    return b.erfc() - a.erfc()


def _pair_ratio(a: arb, b: arb) -> arb:
    return (-a * a).exp() / _difference(a, b)


ONE_ARGUMENT = {
    normal_ops.ErfcScaled: arb.erfc,
    normal_ops.LogErfc: lambda u: u.erfc().log(),
    normal_ops.LogHalfErfc: lambda u: (u.erfc() / 2).log(),
    normal_ops.LogErfcx: lambda u: u.erfc().log() + u * u,
    normal_ops.ErfcRatio: _ratio,
    normal_ops.ErfcExcess: _excess,
    normal_ops.ErfcSlope: _slope,
    normal_ops.ErfcCurvature: lambda u: _c() * _ratio(u) * _excess(u),
    normal_ops.ErfcSecond: lambda u: 1 - u * _excess(u),
}
TWO_ARGUMENTS = {
    normal_ops.ErfDifference: _difference,
    normal_ops.LogErfDifference: lambda a, b: _difference(a, b).log(),
    normal_ops.LogHalfErfDifference: lambda a, b: (_difference(a, b) / 2).log(),
    normal_ops.ErfDifferenceRatio: _pair_ratio,
    normal_ops.ErfDifferenceExcess: lambda a, b: _c() * _pair_ratio(a, b) + 2 * a,
}

for op_type, one in ONE_ARGUMENT.items():
    SCALARS[op_type] = several(lambda x, hi, lo, f=one: f((hi + lo) * x))
for op_type, two in TWO_ARGUMENTS.items():
    SCALARS[op_type] = several(lambda x, y, hi, lo, f=two: f((hi + lo) * x, (hi + lo) * y))
