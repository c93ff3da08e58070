"""The table of the normal rules."""

from collections.abc import Mapping

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.tensor.math import add, erfc, log, log1p, mul, reciprocal, sub, switch, true_div

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.normal import constants as normal_constants
from pytensor_stabilize.rewrites.normal import forms, ops, sums
from pytensor_stabilize.rewrites.normal import transforms as normal
from pytensor_stabilize.rewrites.rules import Interval, Left, Rule, Transform

OPS = (
    ops.erfc_scaled,
    ops.log_erfc,
    ops.log_half_erfc,
    ops.log_erfcx,
    ops.erfc_ratio,
    ops.erfc_excess,
    ops.erfc_slope,
    ops.erfc_curvature,
    ops.erfc_second,
    ops.erf_difference,
    ops.log_erf_difference,
    ops.log_half_erf_difference,
    ops.erf_difference_ratio,
    ops.erf_difference_excess,
)
EVERYWHERE = ("canonicalize", "stabilize", "specialize")
_MODERATE = Interval(-60.0, 60.0)
_NEAR = Interval(-20.0, 20.0)
_LOWER = Interval(1e-3, 10.0)
_UPPER = Interval(10.1, 20.0)
_RATIOS = "erfc(u) is the zeroth iterated integral; ratios of neighbours (DLMF 7.18)"
_TAIL = "log erfc(u) = log erfcx(u) - u**2; Gauss and Legendre's rule where two ends are close"


def _two_by_sqrt_pi(x: symbols.Value) -> symbols.Value:
    """``2 / sqrt(pi)``, as a constant of a graph or as an exact number."""
    # The gamma function is evaluated exactly where the exact value of a graph is computed.
    if isinstance(x, Variable):
        return 2 / pt.gamma(pt.constant(0.5, dtype="float64"))
    return 2 / type(x).pi().sqrt()


def _sqrt_three(x: symbols.Value, dtype: str) -> symbols.Value:
    if isinstance(x, Variable):
        return pt.sqrt(pt.constant(3.0, dtype=dtype))
    return type(x)(3).sqrt()


Result = Variable | list[Variable] | Left | None


def by_op(transforms: Mapping[Op, Transform]) -> Transform:
    """Make a transform that asks another one, which the node's op decides.

    A row that needs what another one makes does that too, so that it works alone.
    """

    def transform(fgraph: FunctionGraph, node: Apply) -> Result:
        return transforms[node.op](fgraph, node)

    return transform


def _second_sum(fgraph: FunctionGraph, node: Apply) -> Result:
    found = sums.second_sum(fgraph, node)
    return sums.excess_sum(fgraph, node) if found is None else found


def _slope_sum(fgraph: FunctionGraph, node: Apply) -> Result:
    for merge in (sums.excess_slope_sum, sums.slope_sum, sums.excess_sum):
        found = merge(fgraph, node)
        if found is not None:
            return found
    return None


_ABSORB: dict[Op, Transform] = dict.fromkeys(OPS, normal_constants.absorb_constant)
_RATIO = normal.ratio_transform(pair=False)
_PAIR_RATIO = normal.ratio_transform(pair=True)

NORMAL: tuple[Rule, ...] = (
    Rule(
        name="log_erfc",
        before=lambda x: symbols.log(symbols.erfc(x)),
        after=forms.log_erfc,
        domain={"x": _MODERATE},
        promise=4.0,
        mends="log(erfc(x)) keeps no digit near 0 and six beyond 26, its derivatives are nan",
        databases=EVERYWHERE,
        tracks=(log, *OPS),
        transform=by_op({log: normal.log_transform(0, halves=(False,)), **_ABSORB}),
        source=_TAIL,
    ),
    Rule(
        name="log_half_erfc",
        before=lambda x: symbols.log(symbols.erfc(x) / 2),
        after=forms.log_half_erfc,
        domain={"x": _MODERATE},
        promise=4.0,
        mends="log(Phi(x)) is -inf below -38.5, and has no digit where it is near 0",
        databases=EVERYWHERE,
        tracks=(log,),
        transform=normal.log_transform(0, halves=(True,)),
        source=_TAIL,
    ),
    Rule(
        name="log1p_erf",
        before=lambda x: symbols.log1p(-symbols.erf(x)),
        after=forms.log_erfc,
        domain={"x": _NEAR},
        promise=4.0,
        mends="log1p(-erf(x)) and log1p(-Phi(x)) are -inf for large x",
        databases=EVERYWHERE,
        tracks=(log1p,),
        transform=normal.log_transform(1, halves=(True, False)),
        source=_TAIL,
    ),
    Rule(
        name="log_erfcx",
        before=lambda x: symbols.log(symbols.erfcx(x)),
        after=forms.log_erfcx,
        domain={"x": _MODERATE},
        promise=4.0,
        mends="log(erfcx(x)) is inf below -26.6 and has no digit near 0",
        databases=EVERYWHERE,
        tracks=(log,),
        transform=normal.log_of_erfcx,
        source=_TAIL,
    ),
    Rule(
        name="exp_over_erfc",
        before=lambda x: symbols.exp(-x * x) / symbols.erfc(x),
        after=forms.erfc_ratio,
        domain={"x": _MODERATE},
        promise=4.0,
        mends="the derivative of log(erfc(x)) is nan beyond 26.6",
        databases=EVERYWHERE,
        tracks=(true_div,),
        transform=_RATIO,
        source=_RATIOS,
    ),
    Rule(
        name="one_over_erfcx",
        before=lambda x: 1 / symbols.erfcx(x),
        after=forms.erfc_ratio,
        domain={"x": Interval(-20.0, 60.0)},
        promise=4.0,
        mends="C / erfcx(x) - 2 x, the derivative of log(erfcx(x)), cancels from 1 on",
        databases=EVERYWHERE,
        tracks=(true_div, reciprocal),
        transform=normal.one_over_erfcx,
        source="Definition of erfcx",
    ),
    Rule(
        name="erfc_ratio_times_erfcx",
        before=lambda x: (
            symbols.exp(-x * x) / symbols.erfc(x) * symbols.erfcx(x) * symbols.exp(4 * x)
        ),
        after=lambda x: symbols.exp(4 * x),
        domain={"x": Interval(-20.0, 60.0)},
        promise=4.0,
        mends="the derivative of log(erfcx(x)) is a product of two large and small numbers",
        databases=EVERYWHERE,
        tracks=(mul, true_div),
        transform=by_op({true_div: _RATIO, mul: normal.erfcx_times_ratio}),
        source="Definition of erfcx",
    ),
    Rule(
        name="erfc_ratio_minus_argument",
        before=lambda x: _two_by_sqrt_pi(x) * symbols.exp(-x * x) / symbols.erfc(x) - 2 * x,
        after=forms.erfc_excess,
        domain={"x": _MODERATE},
        promise=6.0,
        mends="the second derivative of log(erfc(x)) is nan beyond 26.6",
        databases=EVERYWHERE,
        tracks=(add, sub, true_div),
        transform=by_op({true_div: _RATIO, add: sums.excess_sum, sub: sums.excess_sum}),
        source=_RATIOS,
    ),
    Rule(
        name="erfcx_derivative",
        before=lambda x: 2 * x * symbols.erfcx(x) - _two_by_sqrt_pi(x),
        after=lambda x: -forms.erfc_excess(x) * symbols.erfcx(x),
        domain={"x": Interval(-1.0, 1e10)},
        promise=6.0,
        mends="the derivative of erfcx loses digits from 1 on and is 0 from 5e7",
        databases=EVERYWHERE,
        tracks=(add, sub),
        transform=sums.erfcx_sum,
        source=_RATIOS,
    ),
    Rule(
        name="erfc_excess_times_argument",
        before=lambda x: 1 - x * (_two_by_sqrt_pi(x) / symbols.erfcx(x) - 2 * x),
        after=forms.erfc_second,
        domain={"x": Interval(-20.0, 1e10)},
        promise=6.0,
        mends="the second derivative of erfcx has no digit beyond 1e4",
        databases=EVERYWHERE,
        tracks=(add, sub, true_div),
        transform=by_op({true_div: normal.one_over_erfcx, add: _second_sum, sub: _second_sum}),
        source=_RATIOS,
    ),
    Rule(
        name="two_minus_erfc_ratio_times_excess",
        before=lambda x: (
            2
            - _two_by_sqrt_pi(x)
            * symbols.exp(-x * x)
            / symbols.erfc(x)
            * (_two_by_sqrt_pi(x) * symbols.exp(-x * x) / symbols.erfc(x) - 2 * x)
        ),
        after=forms.erfc_slope,
        domain={"x": Interval(-60.0, 1e10)},
        promise=10.0,
        mends="the second derivative of log(erfcx(x)) has no digit beyond 1e8",
        databases=EVERYWHERE,
        tracks=(add, sub, true_div),
        transform=by_op({true_div: _RATIO, add: _slope_sum, sub: _slope_sum}),
        source=_RATIOS,
    ),
    Rule(
        name="erfc_ratio_times_excess",
        before=lambda x: (
            _two_by_sqrt_pi(x)
            * symbols.exp(-x * x)
            / symbols.erfc(x)
            * (_two_by_sqrt_pi(x) * symbols.exp(-x * x) / symbols.erfc(x) - 2 * x)
        ),
        after=forms.erfc_curvature,
        domain={"x": Interval(-26.0, 1e10)},
        promise=4.0,
        mends="five roundings leave the second derivative of log(erfc(x)) 6 ulp off",
        databases=EVERYWHERE,
        tracks=(mul, add, sub, true_div),
        transform=by_op(
            {
                true_div: _RATIO,
                add: sums.excess_sum,
                sub: sums.excess_sum,
                mul: normal.ratio_times_excess,
            }
        ),
        source="(log erfc(u))'' = -2 / sqrt(pi) r(u) d(u)",
    ),
    Rule(
        name="log_erf_difference",
        before=lambda a, b: symbols.log(symbols.erf(abs(b)) + symbols.erf(a)),
        after=lambda a, b: forms.log_erf_difference(abs(b), -a),
        domain={"a": Interval(1e-30, 10.0), "b": _UPPER},
        promise=4.0,
        mends="the log of an interval's probability is -inf or nan in the tails",
        databases=EVERYWHERE,
        tracks=(log,),
        transform=normal.log_transform(0, pair=True),
        source=_TAIL,
    ),
    Rule(
        name="erf_difference",
        before=lambda a, b: symbols.erf(a) - symbols.erf(b),
        after=forms.erf_difference,
        domain={"a": _LOWER, "b": _UPPER},
        promise=6.0,
        mends="differences of erf and Phi are 0 in the tails and have no digit for close ends",
        databases=EVERYWHERE,
        tracks=(add, sub),
        transform=normal.erf_difference_in_sum,
        source=_TAIL,
    ),
    Rule(
        name="exp_over_erf_difference",
        before=lambda a, b: symbols.exp(-a * a) / (symbols.erf(a) - symbols.erf(b)),
        after=forms.erf_difference_ratio,
        domain={"a": _LOWER, "b": _UPPER},
        promise=6.0,
        mends="the gradient of the log of an interval's probability is nan in the tails",
        databases=EVERYWHERE,
        tracks=(true_div,),
        transform=_PAIR_RATIO,
        source=_RATIOS,
    ),
    Rule(
        name="erf_difference_ratio_plus_argument",
        before=lambda a, b: (
            _two_by_sqrt_pi(a) * symbols.exp(-a * a) / (symbols.erf(a) - symbols.erf(b)) + 2 * a
        ),
        after=forms.erf_difference_excess,
        domain={"a": _LOWER, "b": _UPPER},
        promise=8.0,
        mends="the second derivative of the log of an interval's probability cancels in the tails",
        databases=EVERYWHERE,
        tracks=(add, sub, true_div),
        transform=by_op(
            {
                true_div: _PAIR_RATIO,
                add: sums.pair_excess_sum,
                sub: sums.pair_excess_sum,
            }
        ),
        source=_RATIOS,
    ),
    Rule(
        name="log_cdf_switch",
        before=lambda x: symbols.switch(
            x > 1,
            symbols.log(symbols.erfcx(x) / 2) - x * x,
            symbols.log(symbols.erfc(x) / 2),
        ),
        after=forms.log_half_erfc,
        domain={"x": Interval(-20.0, 60.0)},
        promise=4.0,
        mends="PyMC's log cdf has a nan gradient in the branch that is not selected",
        databases=EVERYWHERE,
        tracks=(switch, log),
        transform=by_op(
            {switch: normal.log_cdf_switch, log: normal.log_transform(0, halves=(True,))}
        ),
        source="Definition of erfcx",
    ),
    Rule(
        name="widen_constants",
        before=lambda x: symbols.erf(x / _sqrt_three(x, "float32")),
        after=lambda x: symbols.erf(x / _sqrt_three(x, "float64")),
        domain={"x": Interval(1e-3, 1e6)},
        promise=4.0,
        mends="pt.sqrt(2.0), pt.log(2.0) are float32: Phi(-5) as PyMC writes it is off by 4e-7",
        databases=("canonicalize",),
        tracks=(add, sub, mul, true_div),
        transform=normal_constants.widen_constants,
        needs=normal_constants.OF_CONSTANTS,
        source="A function of constants has no reason to be narrower than the result",
    ),
    Rule(
        name="erfc_of_rounded_product",
        before=lambda x: symbols.erfc(0.1 * x),
        after=lambda x: forms.erfc_scaled(x, 0.1),
        domain={"x": Interval(-200.0, 200.0)},
        promise=4.0,
        mends="the rounding of x / sqrt(2) alone costs x**2 / 2 ulps of Phi(x)",
        databases=("specialize",),
        tracks=(erfc,),
        transform=normal_constants.rounded_argument,
        source="erfc(h + l) = erfc(h) - 2 / sqrt(pi) exp(-h**2) l, h l exact (Dekker 1971)",
    ),
)
