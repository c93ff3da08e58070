"""Rules for derivatives that PyTensor's pullbacks leave unstable."""

import pytensor.tensor as pt
from pytensor.tensor.math import add, mul, sub, true_div

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.exponentials.sums import cancelling_sum, quotient
from pytensor_stabilize.rewrites.rules import Interval, Rule

EXPONENTIALS = "with E = exp(d), sums and products are rational functions of E"
# exp(2 x) is inf, and the difference of two such arguments is exact.
_LARGE = Interval(500.0, 502.0)

PULLBACKS: tuple[Rule, ...] = (
    Rule(
        name="quotient_of_exponential_sums",
        before=lambda x, y: symbols.exp(2 * x) / (symbols.exp(2 * x) + symbols.exp(2 * y)),
        after=lambda x, y: symbols.sigmoid(2 * x - 2 * y),
        domain={"x": _LARGE, "y": _LARGE},
        promise=4.0,
        mends="inf / inf and 0 / 0 for exponents beyond 709; exp(a) - exp(b) cancels",
        databases=("stabilize", "specialize"),
        tracks=(mul, true_div, pt.reciprocal),
        transform=quotient,
        source=EXPONENTIALS,
    ),
    Rule(
        name="sum_over_exponential_sums",
        before=lambda x, y: 1 - symbols.exp(2 * x) / (symbols.exp(2 * x) + symbols.exp(2 * y)),
        after=lambda x, y: symbols.sigmoid(-(2 * x - 2 * y)),
        domain={"x": _LARGE, "y": _LARGE},
        promise=4.0,
        mends="the second derivatives of log(exp(a) +- exp(b)), log(cosh(x)) and kin cancel to 0",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=cancelling_sum,
        source=EXPONENTIALS,
    ),
)
