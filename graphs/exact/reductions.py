"""Reductions, cumulations and sorts on balls."""

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
from flint import arb
from pytensor.graph.basic import Apply
from pytensor.scalar.basic import Add
from pytensor.tensor.elemwise import CAReduce
from pytensor.tensor.extra_ops import CumOp
from pytensor.tensor.math import Argmax, MulWithoutZeros
from pytensor.tensor.sort import ArgSortOp, SortOp

from pytensor_stabilize.graphs.exact.arithmetic import add, compare, multiply, surely, unequal
from pytensor_stabilize.graphs.exact.balls import (
    STRUCTURAL_ZERO,
    UNDEFINED,
    UNKNOWN,
    ZERO,
    as_array,
    condition,
    from_array,
    object_array,
)
from pytensor_stabilize.graphs.exact.elementwise import over_elements
from pytensor_stabilize.graphs.exact.rules import Step, Undecided, UnsupportedOp, register
from pytensor_stabilize.graphs.exact.scalars import SCALARS, scalar_function
from pytensor_stabilize.graphs.graphlike import is_real

greater, at_most = compare(less=False, or_equal=False), compare(less=True, or_equal=True)


def _rows(array: np.ndarray, axis: Sequence[int] | None) -> tuple[np.ndarray, tuple[int, ...]]:
    """What is reduced together, one row an element of the result, and the result's shape."""
    axes = range(array.ndim) if axis is None else [a % array.ndim for a in axis]
    kept = [a for a in range(array.ndim) if a not in axes]
    moved = array.transpose([*kept, *axes])
    shape = moved.shape[: len(kept)]
    count, length = (int(np.prod(n, dtype=int)) for n in (shape, moved.shape[len(kept) :]))
    return moved.reshape((count, length)), shape


@register(CAReduce)
def careduce(op: Any, node: Apply) -> Step:
    """Step of a reduction by a scalar op: sum, product, maximum, all and their like."""
    function = scalar_function(op.scalar_op)
    if function is None:
        raise UnsupportedOp
    output = node.outputs[0]

    def step(x: Any) -> list[Any]:
        rows, shape = _rows(as_array(x), op.axis)
        reduced = [_reduce(op.scalar_op, function, row.tolist()) for row in rows]
        value = from_array(object_array(reduced, shape))
        return [value if is_real(output) else condition(value, output.type.dtype)]

    return step


def _reduce(op: Any, function: Callable[..., arb], row: list[arb]) -> arb:
    if type(op) is Add:
        live = [ball for ball in row if ball is not STRUCTURAL_ZERO]
        if not live:
            return STRUCTURAL_ZERO
        total = sum(live[1:], live[0])
        return total if total.is_finite() else reduce(add, live)
    if not row:
        identity = getattr(op, "identity", None)
        if identity is None:
            raise ValueError(f"{op} of an empty array has no value.")
        return arb(identity)
    return reduce(function, row)


def _product_without_zeros(a: arb, b: arb) -> arb:
    if a.is_zero() or b.is_zero():
        return b if a.is_zero() else a
    both = multiply(a, b)
    for factor, other in ((a, b), (b, a)):
        # Where a factor may be zero the product may be the other factor.
        if not surely(unequal(factor, ZERO)):
            both = both.union(other) if both.is_finite() and other.is_finite() else UNKNOWN
    return both


# A product that passes over zeros, made by the gradient of Prod.
SCALARS[MulWithoutZeros] = lambda *x: reduce(_product_without_zeros, x)


@register(Argmax)
def argmax(op: Any, node: Apply) -> Step:
    """Step of an argmax, the first of equal ones."""

    def step(x: Any) -> list[Any]:
        rows, shape = _rows(as_array(x), op.axis)
        found = [_place_of_largest(row.tolist()) for row in rows]
        return [condition(object_array(found, shape), "int64")]

    return step


def _place_of_largest(row: list[arb]) -> arb:
    best = 0
    for i, ball in enumerate(row):
        if not surely(greater(ball, row[best])) and not surely(at_most(ball, row[best])):
            return UNDEFINED if any(b.is_nan() for b in row) else UNKNOWN
        if ball > row[best]:
            best = i
    return arb(best)


@register(CumOp)
def cumulate(op: Any, node: Apply) -> Step:
    """Step of a cumulative sum or product."""
    function = add if op.mode == "add" else multiply

    def step(x: Any) -> list[Any]:
        array = as_array(x)
        if op.axis is None:
            array, axis = array.ravel(), 0
        else:
            axis = op.axis
        moved = np.moveaxis(array.copy(), axis, 0)
        for i in range(1, moved.shape[0]):
            moved[i] = over_elements(function, (moved[i - 1], moved[i]))
        return [np.moveaxis(moved, 0, axis)]

    return step


@register(SortOp, ArgSortOp)
def sort(op: Any, node: Apply) -> Step:
    """Step of a sort or argsort, stable where exact values are equal."""
    gives_indices = isinstance(op, ArgSortOp)

    def step(x: Any) -> list[Any]:
        moved = np.moveaxis(as_array(x), op.axis, -1)
        rows = moved.reshape((-1, moved.shape[-1]))
        placed = [ball for row in rows for ball in _sorted(row.tolist(), gives_indices)]
        result = np.moveaxis(object_array(placed, moved.shape), -1, op.axis)
        return [condition(result, "int64") if gives_indices else result]

    return step


def _sorted(row: list[arb], gives_indices: bool) -> list[arb]:
    if any(ball.is_nan() for ball in row):
        # PyTensor puts nan last; here nothing is larger than what is undefined.
        return [UNDEFINED] * len(row)
    return [arb(i) if gives_indices else row[i] for i in _order(row)]


def _order(row: list[arb]) -> list[int]:
    order = sorted(range(len(row)), key=lambda i: float(row[i].mid()))
    # The floats of two midpoints may be equal or in the wrong order: insertion mends it.
    for position in range(1, len(order)):
        at = position
        while at and row[order[at]] < row[order[at - 1]]:
            order[at - 1], order[at] = order[at], order[at - 1]
            at -= 1
    for low, high in pairwise(order):
        if not surely(at_most(row[low], row[high])):
            raise Undecided("two elements to sort overlap")
    return order
