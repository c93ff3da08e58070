"""Rules for softmax, log-softmax and the logarithm of a sum of exponentials.

The components p of a softmax add up to 1, so where one of them rounds to 1 the others have the
digits.  At most one component is above 1/2; `rest` is p with a zero in its place.  Then

- ``1 - p`` is ``sum(rest)`` at that component, and loses nothing elsewhere;
- ``g - sum(g * p)`` does not change if a constant is added to g: with d, which is g minus g's
  element at that component, it is ``d - sum(d * rest)``;
- ``g - p * sum(g)`` is there ``g * sum(rest) - p * sum(g elsewhere)``.

Each costs a masked sum over the row.  The masks are switches, not products: PyTensor's
canonicalization would rearrange ``(g - g0) - s`` to ``g - (g0 + s)``, but not switches.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.tensor.math import Sum, add, exp, log, log1p, mul, sub, true_div
from pytensor.tensor.special import LogSoftmax, Softmax
from pytensor.tensor.subtensor import AdvancedIncSubtensor, IncSubtensor

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.matching import MOVES, is_a
from pytensor_stabilize.rewrites.rules import REAL, Interval, Left, Rule
from pytensor_stabilize.rewrites.softmax.components import (
    above_half,
    centred,
    complement,
    like_row,
    rest_of,
)
from pytensor_stabilize.rewrites.softmax.elements import (
    log_of_elements,
    sum_of_elements,
    written_out_element,
)
from pytensor_stabilize.rewrites.softmax.matching import (
    SCATTERS,
    component,
    is_exp,
    is_near,
    is_softmax,
    logits_of,
    normal_axes,
    row_maximum,
    row_sum,
)
from pytensor_stabilize.rewrites.softmax.reader import Reader
from pytensor_stabilize.rewrites.softmax.terms import (
    ONE,
    RowSum,
    Term,
    of_key,
    replaced,
    softmax_keys,
)
from pytensor_stabilize.rewrites.softmax.transforms import converting, of_sum
from pytensor_stabilize.rewrites.symbols import Value


def without_row_sum(p: Value, g: Value, axes: tuple[int, ...]) -> Variable:
    """``g - p * sum(g)`` without cancellation at the component above 1/2."""
    g = like_row(g, p)
    zero = pt.zeros((), dtype=g.type.dtype)
    elsewhere = row_sum(pt.switch(above_half(p), zero, g), axes)
    at_top = g * row_sum(rest_of(p), axes) - p * elsewhere
    return pt.switch(above_half(p), at_top, g - rest_of(p) * row_sum(g, axes))


def residual(p: Value, y: Value, scale: Fraction) -> Variable | None:
    """``y - scale * p`` as ``(y - scale) + scale * (1 - p)`` at the component above 1/2."""
    gap = complement(p)
    dtype = p.type.dtype
    factor = np.asarray(float(scale), dtype=dtype)
    if gap is None or Fraction(float(factor)) != scale:
        return None
    # Two switches on different conditions: PyTensor merges those on the same one, and would
    # then move the constant.
    kept = pt.switch(above_half(p), y - pt.constant(factor), y)
    below = pt.switch(pt.le(p, pt.constant(0.5, dtype=dtype)), rest_of(p), pt.neg(gap))
    return kept - (below if scale == 1 else pt.constant(factor) * below)


def _is_exp_of_rows(node: Apply) -> bool:
    return is_a(node.op, Sum) and is_exp(node.inputs[0])


def find_complement(reader: Reader, terms: list[Term]) -> list[Term] | None:
    """``c - c * p -> c * (1 - p)``, and ``c * y - c * p`` of a label y."""
    for small in terms:
        for p, power in small.powers:
            if power < 1 or not isinstance(p, Variable) or component(p) is None:
                continue
            factor = small.without(p)
            for large in terms:
                if large is small or not small.coefficient * large.coefficient < 0:
                    continue
                scale = -small.coefficient / large.coefficient
                new = None
                if large.powers == factor.powers:
                    new = complement(p) if scale == 1 else None
                elif (label := _label(large, factor, scale)) is not None:
                    new = residual(p, label, scale)
                if new is not None:
                    used = Term(-large.coefficient, small.powers)
                    others = [used if term is small else term for term in terms]
                    return replaced(others, used, large, factor, new)
    return None


def _label(large: Term, factor: Term, scale: Fraction) -> Variable | None:
    """The y of ``factor * y``, if that is one variable that softmaxes have no part in."""
    ratio = large.times(factor, -1).powers
    if len(ratio) != 1:
        return None
    ((y, power),) = ratio
    if power != 1 or not isinstance(y, Variable) or is_near(y, is_softmax) or is_exp(y):
        return None
    # The sum of constant labels is a constant; any other multiple says that y is no label.
    known = isinstance(y, Constant) or (y.owner is not None and is_a(y.owner.op, *SCATTERS))
    return y if scale == 1 or known else None


def pairs_with_row_sum(terms: list[Term]) -> Iterator[tuple[Term, RowSum, Term]]:
    """Terms of opposite signs, the first with a `RowSum` as a factor and not the smaller one."""
    for small in terms:
        for row, power in small.powers:
            if isinstance(row, RowSum) and power == 1:
                for large in terms:
                    if _opposite(small, large, len(terms) > 2):
                        yield small, row, large


def _opposite(small: Term, large: Term, divisible: bool) -> bool:
    # 2 p V W - p v W - p w V: the first belongs to both of the others.
    if divisible and small.coefficient * large.coefficient < 0:
        return abs(small.coefficient) >= abs(large.coefficient)
    return small.coefficient == -large.coefficient != 0


def find_pullback(reader: Reader, terms: list[Term]) -> list[Term] | None:
    """``c * g - c * sum(g * p)``, of which ``g * p - p * sum(g * p)`` is a case."""
    for small, row, large in pairs_with_row_sum(terms):
        factor, inner = small.without(row), Term(ONE.coefficient, row.powers)
        for p, axes in softmax_keys(inner):
            if axes != row.axes or large.times(of_key(p)).powers != factor.times(inner).powers:
                continue
            g = inner.without(p)
            if g.powers:
                new = centred(p, reader.build(_of_logits(g, axes)), axes)
                return replaced(terms, small, large, factor, new)
    return None


def _of_logits(g: Term, axes: Sequence[int]) -> Term:
    """``log p`` deviates from its mean as the logits do from theirs, that are not rounded."""
    ((key, power), *more) = g.powers
    if more or power != 1 or not isinstance(key, Variable):
        return g
    return Term(g.coefficient, of_key(logits_of(key, axes)).powers)


def find_log_pullback(reader: Reader, terms: list[Term]) -> list[Term] | None:
    """``c * g - c * p * sum(g)``."""
    for small, row, large in pairs_with_row_sum(terms):
        inner = Term(ONE.coefficient, row.powers)
        for p, axes in softmax_keys(small):
            factor = small.without(row).without(p)
            if axes != row.axes or large.powers != factor.times(inner).powers:
                continue
            if not inner.power(p):
                new = without_row_sum(p, reader.build(inner), axes)
                return replaced(terms, small, large, factor, new)
    return None


def find_cancelled(reader: Reader, terms: list[Term]) -> list[Term] | None:
    """Nothing: what cancels, ``c - c * sum(p)`` too, is left out for every rule about sums."""
    return None


def shifted(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``softmax(x - max(x)) -> softmax(x)``, and of log_softmax."""
    shift = node.inputs[0].owner
    if shift is None or shift.op != sub:
        return None
    x, top = shift.inputs
    axes = node.op.axis or range(x.type.ndim)
    if row_maximum(top, x, set(normal_axes(axes, x))):
        return type(node.op)(axis=node.op.axis)(x)
    return None


def exp_of_log_softmax(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``exp(log_softmax(x)) -> softmax(x)`` with any number of clients, moved elements too."""
    path: list[Apply] = []
    variable = node.inputs[0]
    if is_a(node.op, Softmax):  # of log_softmax(x), which is shifted, it is that of x
        inner = variable.owner
        same = inner is not None and is_a(inner.op, LogSoftmax) and inner.op.axis == node.op.axis
        return node.op(inner.inputs[0]) if same else None
    while (step := variable.owner) is not None and is_a(step.op, *MOVES):
        path.append(step)
        variable = step.inputs[0]
    if step is None or not is_a(step.op, LogSoftmax):
        return None
    result = Softmax(axis=step.op.axis)(step.inputs[0])
    for step in reversed(path):
        result = step.op.make_node(result, *step.inputs[1:]).outputs[0]
    return result


def _is_scatter(node: Apply) -> bool:
    return is_a(node.op, *SCATTERS)


_SUMS = (add, sub, IncSubtensor, AdvancedIncSubtensor)
_BOTH = ("stabilize", "specialize")
_TESTS = "tests/test_softmax.py"
_TESTS_OF_ELEMENTS = "tests/test_softmax_second.py"
_RECOGNITION = ("symbolic_op_recognition",)
SMALL = Interval(-300.0, 300.0)


def _p(a: Value, b: Value) -> Value:
    """The first component of a softmax with two."""
    return symbols.exp(a) / (symbols.exp(a) + symbols.exp(b))


SOFTMAX: tuple[Rule, ...] = (
    Rule(
        name="softmax_elements",
        before=lambda a, b: _p(a, b) - 3 * _p(a, b) ** 2 + 2 * _p(a, b) ** 3,
        after=lambda a, b: _p(a, b) * _p(b, a) * (_p(b, a) - _p(a, b)),
        domain={"a": REAL, "b": REAL},
        promise=4.0,
        mends="derivatives of softmax(x)[i] and of what is made of it are 0 at a gap of 37",
        databases=_BOTH,
        tracks=_SUMS,
        transform=sum_of_elements,
        tested_in=_TESTS_OF_ELEMENTS,
        source="A component is the sigmoid of its log-odds",
    ),
    Rule(
        name="log_softmax_complement",
        before=lambda a, b: symbols.log(1 - _p(a, b)),
        after=lambda a, b: -symbols.softplus(a - b),
        domain={"a": REAL, "b": REAL},
        promise=4.0,
        mends="log(1 - softmax(x)[i]) is -inf at a gap of 37",
        databases=("specialize",),
        tracks=(log, log1p),
        transform=log_of_elements,
        tested_in=_TESTS_OF_ELEMENTS,
        source="log(1 - sigmoid(u)) = -softplus(u)",
    ),
    Rule(
        name="softmax_written_out",
        before=lambda a, b: symbols.exp(a) / (symbols.exp(a) + symbols.exp(b)),
        after=lambda a, b: symbols.exp(a - b) / (symbols.exp(a - b) + 1),
        domain={"a": REAL, "b": REAL},
        promise=4.0,
        mends="exp(x) / sum(exp(x)) in a product is nan at 710, 0/0 at -746",
        databases=_BOTH,
        tracks=(mul, true_div),
        transform=converting(_is_exp_of_rows),
        sees_clients=True,
        tags=_RECOGNITION,
        tested_in=_TESTS,
        source="Definition of softmax",
    ),
    Rule(
        name="softmax_of_shifted",
        before=lambda a, b: symbols.exp(a - b) / (symbols.exp(a - b) + symbols.exp(b - b)),
        after=_p,
        domain={"a": REAL, "b": REAL},
        promise=4.0,
        mends="x - max(x) hides that the softmax is that of x",
        databases=_BOTH,
        tracks=(Softmax, LogSoftmax),
        transform=shifted,
        tested_in=_TESTS,
        source="softmax(x + c) = softmax(x)",
    ),
    Rule(
        name="softmax_scattered_quotient",
        before=lambda v, a, b: v / _p(a, b) * _p(a, b),
        after=lambda v, a, b: v,
        domain={"v": SMALL, "a": REAL, "b": REAL},
        promise=4.0,
        mends="the gradient of log(softmax(x)[i]) divides by a component that is 0 at a gap of 746",
        databases=_BOTH,
        tracks=(mul,),
        transform=converting(_is_scatter),
        sees_clients=True,
        tested_in=_TESTS,
        source="v / p * p = v, element by element",
    ),
    Rule(
        name="softmax_element_written_out",
        before=lambda a, b: symbols.exp(a) / (symbols.exp(a) + symbols.exp(b)),
        after=_p,
        domain={"a": SMALL, "b": SMALL},
        promise=4.0,
        mends="exp(x)[i] / sum(exp(x)) is nan at 710, and p[i] / (p[i] + p[j]) where both are 0",
        databases=_BOTH,
        tracks=(mul, true_div),
        transform=written_out_element,
        tags=_RECOGNITION,
        tested_in=_TESTS_OF_ELEMENTS,
        source="Definition of softmax",
    ),
    Rule(
        name="softmax_row_sum",
        before=lambda v, a, b: v * _p(a, b) + v - v * (_p(a, b) + _p(b, a)),
        after=lambda v, a, b: v * _p(a, b),
        domain={"v": SMALL, "a": REAL, "b": REAL},
        promise=4.0,
        mends="the gradient through x - max(x) leaves rounding errors at the maximum",
        databases=_BOTH,
        tracks=_SUMS,
        transform=of_sum(find_cancelled, is_softmax),
        needs=(Softmax,),
        sees_clients=True,
        tested_in=_TESTS,
        source="sum(softmax(x)) = 1",
    ),
    Rule(
        name="softmax_pullback",
        before=lambda v, a, b: v * _p(a, b) - _p(a, b) * (v * _p(a, b) + 2 * v * _p(b, a)),
        after=lambda v, a, b: -v * _p(a, b) * _p(b, a),
        domain={"v": SMALL, "a": REAL, "b": REAL},
        promise=4.0,
        mends="the gradient of a softmax is 0 at a gap of 37",
        databases=_BOTH,
        tracks=_SUMS,
        transform=of_sum(find_pullback, is_softmax),
        needs=(Softmax,),
        sees_clients=True,
        tested_in=_TESTS,
        source="g - sum(g p) does not change if a constant is added to g",
    ),
    Rule(
        name="log_softmax_pullback",
        before=lambda v, a, b: v - _p(a, b) * (v + 2 * v),
        after=lambda v, a, b: v * _p(b, a) - _p(a, b) * 2 * v,
        domain={"v": SMALL, "a": REAL, "b": REAL},
        promise=4.0,
        mends="the gradient of a log-softmax is 0 at a gap of 37 from the label",
        databases=_BOTH,
        tracks=_SUMS,
        transform=of_sum(find_log_pullback, is_softmax),
        needs=(Softmax,),
        sees_clients=True,
        tested_in=_TESTS,
        source="1 - p = sum of the other components",
    ),
    Rule(
        name="one_minus_softmax",
        before=lambda a, b: 1 - _p(a, b),
        after=lambda a, b: _p(b, a),
        domain={"a": REAL, "b": REAL},
        promise=4.0,
        mends="1 - p is 0 at a gap of 37 (17 in float32), and so are p * (1 - p) and y - p",
        databases=_BOTH,
        tracks=_SUMS,
        transform=of_sum(find_complement, is_softmax),
        needs=(Softmax,),
        sees_clients=True,
        tested_in=_TESTS,
        source="1 - p = sum of the other components",
    ),
    Rule(
        name="softmax_of_log_softmax",
        before=lambda a, b: symbols.exp(-symbols.log1p(symbols.exp(b - a))),
        after=_p,
        domain={"a": REAL, "b": REAL},
        promise=4.0,
        mends="with another client exp(log_softmax(x)) stays, and no rule knows it for a softmax",
        databases=_BOTH,
        tracks=(exp, Softmax),
        transform=exp_of_log_softmax,
        tags=_RECOGNITION,
        tested_in=_TESTS_OF_ELEMENTS,
        source="Definition of log_softmax",
    ),
)
