"""What is computed of softmax components without cancellation."""

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.tensor.math import Max, exp
from pytensor.tensor.special import Softmax
from pytensor.tensor.subtensor import set_subtensor

from pytensor_stabilize.rewrites.arithmetic import as_dtype
from pytensor_stabilize.rewrites.matching import FLOATS, is_a, is_float_cast
from pytensor_stabilize.rewrites.softmax.matching import component, row_sum, softmax_axes
from pytensor_stabilize.rewrites.symbols import Value


def above_half(p: Value) -> Variable:
    """Whether a component is above 1/2: at most one in a row, and no nan."""
    return pt.gt(p, pt.constant(0.5, dtype=p.type.dtype))


def rest_of(p: Value) -> Value:
    """The components with a zero in place of the one above 1/2."""
    return pt.switch(above_half(p), pt.zeros((), dtype=p.type.dtype), p)


def complement(p: Value) -> Variable | None:
    """``1 - p`` of softmax components without cancellation; None if `p` is no softmax."""
    axes = softmax_axes(p)
    if axes is not None:
        # 1 - rest and not 1 - p: the rules would find that again.
        one = pt.constant(1, dtype=p.type.dtype)
        return pt.switch(above_half(p), row_sum(rest_of(p), axes), one - rest_of(p))
    found = component(p)
    if found is None:
        return None
    whole, path = found
    moved = complement(whole)
    for node in path:
        if is_a(node.op, Max):
            moved = pt.min(moved, axis=node.op.axis)
        else:
            moved = node.op.make_node(moved, *node.inputs[1:]).outputs[0]
    return moved


def centred(p: Value, g: Value, axes: tuple[int, ...]) -> Variable:
    """``g - sum(g * p)`` without cancellation at the largest component."""
    g = like_row(g, p)
    if isinstance(g, Variable) and g.type.dtype not in FLOATS:
        g = pt.cast(g, p.type.dtype)  # a condition: truth values cannot be subtracted
    zero = pt.zeros((), dtype=g.type.dtype)
    # Of the largest component, also where none is above 1/2: 20 - 1e-9 - mean would cancel.
    largest = pt.eq(p, pt.max(p, axis=axes, keepdims=True))
    lowest = pt.constant(np.asarray(-np.inf, dtype=g.type.dtype))
    d = g - pt.max(pt.switch(largest, g, lowest), axis=axes, keepdims=True)
    mean = row_sum(pt.switch(above_half(p), zero, p * d), axes)
    return pt.switch(above_half(p), zero, d) - mean


def like_row(g: Value, p: Variable) -> Value:
    """`g` with the row of `p`: what was constant along the row was taken out of it."""
    if g.type.broadcastable == p.type.broadcastable:
        return g
    return g + pt.zeros_like(p)


def without_element(p: Variable, pick: Apply, axis: int) -> Variable:
    """The softmax of the other logits: ``p / (1 - p[i])``, and 0 at the index that `pick` has."""
    return as_dtype(Softmax(axis=(axis,))(_others(p, pick)), p.type.dtype)


def logits_of_rows(p: Variable) -> Variable:
    """The x of ``softmax(x)``, moved about as a softmax is, and in no narrower dtype."""
    node = p.owner
    assert node is not None
    if is_a(node.op, Softmax):
        return node.inputs[0]
    x = logits_of_rows(node.inputs[0])
    if is_float_cast(node):
        return as_dtype(x, str(np.promote_types(x.type.dtype, p.type.dtype)))
    return node.op.make_node(x, *node.inputs[1:]).outputs[0]


def log_odds(p: Variable, pick: Apply, axis: int) -> Variable:
    """The logit of the component at an index: ``x[i] - logsumexp(the others)``."""
    x = logits_of_rows(p)
    others = _others(p, pick)
    top = pt.max(others, axis=axis)
    # Without others, or with infinite ones, inf - inf would be nan.
    shift = pt.switch(pt.isinf(top), pt.zeros((), dtype=top.type.dtype), top)
    exponent = others - pt.expand_dims(shift, axis)
    rest = log1p_argument(exp(exponent), exponent, (axis,))
    return as_dtype((_taken(x, pick) - shift) - pt.log1p(rest), p.type.dtype)


def twice_minus_one(p: Variable, pick: Apply, axis: int) -> Variable:
    """``2 p[i] - 1`` as ``p[i] - max(p[j])``, an expm1, minus what the others add up to."""
    x = logits_of_rows(p)
    others = _others(p, pick)
    top = pt.max(others, axis=axis)
    own = _taken(x, pick)
    zero = pt.zeros((), dtype=p.type.dtype)
    largest = pt.eq(others, pt.expand_dims(top, axis))
    left = set_subtensor(_taken(p, pick), zero)
    rest = pt.sum(pt.switch(largest, zero, left), axis=axis)
    highest = pt.max(left, axis=axis)
    more = pt.constant(-1, dtype="int64") + pt.sum(largest, axis=axis)
    gap = own - top
    # A minimum and not -abs: |gap| has no derivative at 0.
    ratio = pt.expm1(pt.switch(pt.gt(gap, zero), pt.neg(gap), gap))
    first = pt.switch(pt.gt(gap, zero), pt.neg(_taken(p, pick)), highest) * ratio
    return as_dtype(first - (rest + pt.cast(more, p.type.dtype) * highest), p.type.dtype)


def log1p_argument(e: Variable, exponent: Variable, axis: tuple[int, ...] | None) -> Variable:
    """``sum(e) - 1``, where e is 1 at least once: the ones are counted, less one."""
    largest = pt.eq(exponent, pt.zeros((), dtype=exponent.type.dtype))
    others = pt.switch(largest, pt.zeros((), dtype=e.type.dtype), e)
    # Counted in integers: PyTensor's canonicalization would take the 1 from the small sum.
    more = pt.constant(-1, dtype="int64") + pt.sum(largest, axis=axis)
    return pt.sum(others, axis=axis) + pt.cast(more, e.type.dtype)


def _others(p: Variable, pick: Apply) -> Variable:
    """The logits with -inf at the index."""
    x = logits_of_rows(p)
    return set_subtensor(_taken(x, pick), np.asarray(-np.inf, dtype=x.type.dtype))


def _taken(x: Variable, pick: Apply) -> Variable:
    return pick.op.make_node(x, *pick.inputs[1:]).outputs[0]
