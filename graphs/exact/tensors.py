"""Tensor ops that make, move, join and select, on balls."""

from collections.abc import Callable
from typing import Any

import numpy as np
from flint import arb
from pytensor.compile.ops import DeepCopyOp, TypeCastingOp
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.printing import Print
from pytensor.raise_op import CheckAndRaise
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
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.extra_ops import CpuContiguous, Repeat
from pytensor.tensor.reshape import JoinDims, SplitDims
from pytensor.tensor.shape import Reshape, Shape, Shape_i, SpecifyShape
from pytensor.tensor.subtensor import (
    AdvancedIncSubtensor,
    AdvancedSubtensor,
    IncSubtensor,
    Subtensor,
    unflatten_index_variables,
)

from pytensor_stabilize.graphs.exact.arithmetic import (
    add,
    conjunction,
    divide,
    maximum,
    multiply,
    subtract,
    surely,
    unequal,
)
from pytensor_stabilize.graphs.exact.balls import (
    STRUCTURAL_ZERO,
    UNDEFINED,
    UNKNOWN,
    ZERO,
    as_array,
    from_array,
    has_balls,
    integer,
    object_array,
    real,
    shape_of,
)
from pytensor_stabilize.graphs.exact.rules import (
    Step,
    Undecided,
    register,
)


@register(DeepCopyOp, Print, TypeCastingOp, TensorFromScalar, ScalarFromTensor, CpuContiguous)
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
        flat = [unequal(b, ZERO) for c in conditions for b in as_array(c).ravel().tolist()]
        held = conjunction(*flat)
        if surely(held):
            return [value]
        return [_constant_like(value, UNDEFINED if held.is_zero() else UNKNOWN)]

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
    # The ellipsis keeps a result without dimensions an array.
    return moved[*(None if axis == "x" else slice(None) for axis in op.new_order), ...]


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


@register(Shape_i)
def shape_i(op: Any, node: Apply) -> Step:
    """Step of one entry of a shape."""
    return lambda x: [np.array(shape_of(x)[op.i], dtype="int64")]


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


@register(Eye, AllocEmpty)
def without_inputs(op: Op, node: Apply) -> Step:
    """Step of an op that makes numbers from integers: PyTensor's result is exact."""

    def step(*values: Any) -> list[Any]:
        if isinstance(op, AllocEmpty):
            shape = tuple(int(v) for v in values)
            return [_constant_like(np.empty(shape), STRUCTURAL_ZERO)]
        storage: list[Any] = [[None]]
        op.perform(node, list(values), storage)
        return [real(storage[0][0])]

    return step


@register(ARange)
def arange(op: Op, node: Apply) -> Step:
    """Step of a range, as long as it is with exact numbers."""

    def step(*values: Any) -> list[Any]:
        start, stop, by = (real(value) for value in values)
        count = maximum(divide(subtract(stop, start), by).ceil(), ZERO)
        if not (count.is_finite() and count.is_exact()):
            raise Undecided("the length of a range is not decided")
        length = integer(count)
        return [object_array([add(start, multiply(arb(i), by)) for i in range(length)], (length,))]

    return step


@register(Subtensor, AdvancedSubtensor)
def subtensor(op: Op, node: Apply) -> Step:
    """Step of indexing."""

    def step(x: Any, *indices: Any) -> list[Any]:
        _insist_decided(indices)
        index = tuple(unflatten_index_variables(indices, op.idx_list))  # type: ignore[attr-defined]
        picked: Any = as_array(x)[index]
        return [from_array(picked) if isinstance(picked, np.ndarray) else picked]

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
