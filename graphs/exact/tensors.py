"""Tensor ops that move, join, sum and select, on balls."""

from collections.abc import Callable
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
from flint import arb
from pytensor.compile.ops import DeepCopyOp, TypeCastingOp
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.raise_op import CheckAndRaise
from pytensor.scalar.basic import Add
from pytensor.tensor.basic import (
    Alloc,
    AllocEmpty,
    ARange,
    ExtractDiag,
    Eye,
    Join,
    MakeVector,
    ScalarFromTensor,
    Split,
    TensorFromScalar,
)
from pytensor.tensor.elemwise import CAReduce, DimShuffle
from pytensor.tensor.extra_ops import CpuContiguous, CumOp, Repeat
from pytensor.tensor.math import Argmax, MulWithoutZeros
from pytensor.tensor.reshape import JoinDims, SplitDims
from pytensor.tensor.shape import Reshape, Shape, Shape_i, SpecifyShape
from pytensor.tensor.sort import ArgSortOp, SortOp
from pytensor.tensor.subtensor import (
    AdvancedIncSubtensor,
    AdvancedSubtensor,
    IncSubtensor,
    Subtensor,
    unflatten_index_variables,
)

from pytensor_stabilize.graphs.exact.balls import (
    STRUCTURAL_ZERO,
    UNDEFINED,
    as_array,
    condition,
    from_array,
    has_balls,
    object_array,
    real,
    shape_of,
)
from pytensor_stabilize.graphs.exact.elementwise import over_elements
from pytensor_stabilize.graphs.exact.rules import (
    Step,
    Undecided,
    UnsupportedOp,
    is_real,
    register,
)
from pytensor_stabilize.graphs.exact.scalars import add, multiply, scalar_function


@register(DeepCopyOp, TypeCastingOp, TensorFromScalar, ScalarFromTensor, CpuContiguous)
def unchanged(op: Op, node: Apply) -> Step:
    """Step of an op that hands its first input on."""
    return lambda value, *_: [value]


@register(SpecifyShape)
def specify_shape(op: Op, node: Apply) -> Step:
    """Step of a promise about a shape, which the value must keep."""

    def step(value: Any, *shape: Any) -> list[Any]:
        actual = shape_of(value)
        wanted = tuple(None if s is None else int(s) for s in shape)
        if any(w is not None and w != a for w, a in zip(wanted, actual, strict=True)):
            raise ValueError(f"SpecifyShape: the value has shape {actual}, not {wanted}.")
        return [value]

    return step


@register(CheckAndRaise)
def check_and_raise(op: Op, node: Apply) -> Step:
    """Step of an assertion: where it does not hold, the value is undefined."""

    def step(value: Any, *conditions: Any) -> list[Any]:
        held = [np.all(as_array(c) != 0) if has_balls(c) else np.all(c) for c in conditions]
        if all(held):
            return [value]
        return [_constant_like(value, UNDEFINED)]

    return step


def _constant_like(value: Any, ball: arb) -> Any:
    shape = shape_of(value)
    return object_array([ball] * int(np.prod(shape, dtype=int)), shape) if shape else ball


def moving(function: Callable[..., Any]) -> Callable[[Op, Apply], Step]:
    """Maker for an op that only moves elements: `function` does it to a NumPy array."""

    def maker(op: Op, node: Apply) -> Step:
        return lambda value, *rest: [from_array(function(op, as_array(value), *rest))]

    return maker


def _dimshuffle(op: Any, x: np.ndarray) -> np.ndarray:
    kept = [axis for axis in op.new_order if axis != "x"]
    dropped = tuple(axis for axis in range(x.ndim) if axis not in kept)
    moved = x.transpose([*kept, *dropped])
    moved = moved.reshape(moved.shape[: len(kept)])
    return moved[tuple(None if axis == "x" else slice(None) for axis in op.new_order)]


def _join_dims(op: Any, x: np.ndarray) -> np.ndarray:
    start, count = op.start_axis, op.n_axes
    joined = int(np.prod(x.shape[start : start + count], dtype=int))
    return x.reshape((*x.shape[:start], joined, *x.shape[start + count :]))


def _split_dims(op: Any, x: np.ndarray, shape: Any) -> np.ndarray:
    return x.reshape((*x.shape[: op.axis], *np.asarray(shape).tolist(), *x.shape[op.axis + 1 :]))


register(DimShuffle)(moving(_dimshuffle))
register(Reshape)(moving(lambda op, x, shape: x.reshape(tuple(np.asarray(shape).tolist()))))
register(JoinDims)(moving(_join_dims))
register(SplitDims)(moving(_split_dims))
register(Repeat)(moving(lambda op, x, n: np.repeat(x, n, axis=op.axis)))
register(ExtractDiag)(moving(lambda op, x: x.diagonal(op.offset, op.axis1, op.axis2).copy()))
register(Alloc)(
    moving(lambda op, x, *shape: np.broadcast_to(x, tuple(int(s) for s in shape)).copy())
)
register(Shape)(lambda op, node: lambda x: [np.array(shape_of(x), dtype="int64")])
register(Shape_i)(lambda op, node: lambda x: [np.array(shape_of(x)[op.i], dtype="int64")])


@register(MakeVector)
def make_vector(op: Op, node: Apply) -> Step:
    """Step of a vector of scalars."""

    def step(*values: Any) -> list[Any]:
        return [object_array([real(v) for v in values], (len(values),))]

    return step


@register(Join)
def join(op: Op, node: Apply) -> Step:
    """Step of a concatenation, of integers and reals mixed too."""
    axis = op.axis  # type: ignore[attr-defined]
    return lambda *values: [np.concatenate([as_array(v) for v in values], axis=axis)]


@register(Split)
def split(op: Op, node: Apply) -> Step:
    """Step of a split."""
    axis = op.axis  # type: ignore[attr-defined]
    return lambda x, sizes: np.split(as_array(x), np.cumsum(sizes)[:-1], axis=axis)


@register(Eye, AllocEmpty, ARange)
def without_inputs(op: Op, node: Apply) -> Step:
    """Step of an op that makes numbers from integers: PyTensor's result is exact."""
    if any(is_real(variable) for variable in node.inputs):
        raise UnsupportedOp(
            f"truth() does not compute {op} of real numbers, whose length would depend "
            "on rounding. Make the integers first and scale them."
        )

    def step(*values: Any) -> list[Any]:
        if isinstance(op, AllocEmpty):
            shape = tuple(int(v) for v in values)
            return [_constant_like(np.empty(shape), STRUCTURAL_ZERO)]
        storage: list[Any] = [[None]]
        op.perform(node, list(values), storage)
        return [real(storage[0][0])]

    return step


@register(Subtensor, AdvancedSubtensor)
def subtensor(op: Op, node: Apply) -> Step:
    """Step of indexing."""

    def step(x: Any, *indices: Any) -> list[Any]:
        _insist_decided(indices)
        index = tuple(unflatten_index_variables(indices, op.idx_list))  # type: ignore[attr-defined]
        picked = as_array(x)[index]
        return [picked if isinstance(picked, arb) else from_array(np.array(picked, dtype=object))]

    return step


@register(IncSubtensor, AdvancedIncSubtensor)
def inc_subtensor(op: Any, node: Apply) -> Step:
    """Step of setting or adding to what an index picks."""

    def step(x: Any, y: Any, *indices: Any) -> list[Any]:
        _insist_decided(indices)
        index = tuple(unflatten_index_variables(indices, op.idx_list))
        result, piece = as_array(x).copy(), as_array(y)
        # Positions instead of balls: NumPy's own addition would lose the structural zeros.
        places = np.arange(result.size).reshape(result.shape)[index]
        flat = result.ravel().tolist()
        values = np.broadcast_to(piece, np.shape(places)).ravel().tolist()
        once = getattr(op, "ignore_duplicates", False)
        before = list(flat)
        for place, value in zip(np.ravel(places).tolist(), values, strict=True):
            if op.set_instead_of_inc:
                flat[place] = value
            else:
                flat[place] = add((before if once else flat)[place], value)
        return [from_array(object_array(flat, result.shape))]

    return step


def _insist_decided(indices: tuple[Any, ...]) -> None:
    if any(has_balls(index) for index in indices):
        raise Undecided("an index depends on a condition that is not decided")


@register(CAReduce)
def careduce(op: Any, node: Apply) -> Step:
    """Step of a reduction by a scalar op: sum, product, maximum, all and their like."""
    function = scalar_function(op.scalar_op)
    if function is None:
        raise UnsupportedOp
    output = node.outputs[0]

    def step(x: Any) -> list[Any]:
        array = as_array(x)
        axes = range(array.ndim) if op.axis is None else [axis % array.ndim for axis in op.axis]
        kept = [axis for axis in range(array.ndim) if axis not in axes]
        rows = array.transpose([*kept, *axes])
        shape = rows.shape[: len(kept)]
        length = int(np.prod(rows.shape[len(kept) :], dtype=int))
        count = int(np.prod(shape, dtype=int))
        reduced = [
            _reduce(op.scalar_op, function, row.tolist()) for row in rows.reshape((count, length))
        ]
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
        return arb(int(identity))
    return reduce(function, row)


@register(MulWithoutZeros)
def mul_without_zeros(op: Op, node: Apply) -> Step:
    """Step of a product that passes over zeros, made by the gradient of Prod."""

    def product(a: arb, b: arb) -> arb:
        return b if a.is_zero() else a if b.is_zero() else multiply(a, b)

    return lambda *values: [over_elements(lambda *x: reduce(product, x), values)]


@register(Argmax)
def argmax(op: Any, node: Apply) -> Step:
    """Step of an argmax, the first of equal ones."""

    def step(x: Any) -> list[Any]:
        array = as_array(x)
        axes = range(array.ndim) if op.axis is None else [axis % array.ndim for axis in op.axis]
        kept = [axis for axis in range(array.ndim) if axis not in axes]
        rows = array.transpose([*kept, *axes])
        shape = rows.shape[: len(kept)]
        flat = rows.reshape((int(np.prod(shape, dtype=int)), -1))
        found = [order(row.tolist())[-1][0] for row in flat]
        return [np.array(found, dtype="int64").reshape(shape)]

    def order(row: list[arb]) -> list[tuple[int, arb]]:
        best = (0, row[0])
        for i, ball in enumerate(row[1:], start=1):
            if ball > best[1]:
                best = (i, ball)
            elif not ball <= best[1]:
                raise Undecided("two candidates for the largest element overlap")
        return [best]

    return step


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
            moved[i] = as_array(over_elements(function, (moved[i - 1], moved[i])))
        return [np.moveaxis(moved, 0, axis)]

    return step


@register(SortOp, ArgSortOp)
def sort(op: Any, node: Apply) -> Step:
    """Step of a sort or argsort, stable where exact values are equal."""
    gives_indices = isinstance(op, ArgSortOp)

    def step(x: Any, axis: Any) -> list[Any]:
        moved = np.moveaxis(as_array(x), int(axis), -1)
        rows = moved.reshape((-1, moved.shape[-1]))
        orders = [_order(row.tolist()) for row in rows]
        if gives_indices:
            result = np.array(orders, dtype="int64").reshape(moved.shape)
        else:
            picked = [row[i] for row, order in zip(rows, orders, strict=True) for i in order]
            result = object_array(picked, moved.shape)
        return [np.moveaxis(result, -1, int(axis))]

    return step


def _order(row: list[arb]) -> list[int]:
    order = sorted(range(len(row)), key=lambda i: float(row[i].mid()))
    # The floats of two midpoints may be equal or in the wrong order: insertion mends it.
    for position in range(1, len(order)):
        at = position
        while at and row[order[at]] < row[order[at - 1]]:
            order[at - 1], order[at] = order[at], order[at - 1]
            at -= 1
    for low, high in pairwise(order):
        if not row[low] <= row[high]:
            raise Undecided("two elements to sort overlap")
    return order
