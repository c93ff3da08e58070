"""Recognise softmaxes and their rows, behind what moves their elements about."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import cast

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.scalar import basic as ps
from pytensor.tensor.basic import ARange, ScalarFromTensor, TensorFromScalar, expand_dims
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import Max, Sum, log, sub
from pytensor.tensor.shape import Shape, Shape_i, SpecifyShape
from pytensor.tensor.special import LogSoftmax, Softmax
from pytensor.tensor.subtensor import (
    AdvancedIncSubtensor,
    AdvancedSubtensor,
    IncSubtensor,
    Subtensor,
    indices_from_subtensor,
)

from pytensor_stabilize.rewrites.matching import (
    MOVES,
    exact_constant,
    is_a,
    is_float_cast,
    scalar_op_of,
)
from pytensor_stabilize.rewrites.memory import once

SCATTERS = (IncSubtensor, AdvancedIncSubtensor)
_THROUGH = (Elemwise, Sum, Max, *SCATTERS, *MOVES)
# Nodes to look at around one before its terms are read.
_NEAREST = 60


def softmax_axes(variable: Variable) -> tuple[int, ...] | None:
    """Axes along which `variable` is a softmax, through what leaves these axes whole."""
    node = variable.owner
    if node is None:
        return None
    op = node.op
    if is_a(op, Softmax):
        return axes_of(node) or None
    if not is_a(op, DimShuffle, SpecifyShape, Subtensor) and not is_float_cast(node):
        return None
    axes = softmax_axes(node.inputs[0])
    if axes is None or is_a(op, SpecifyShape, Elemwise):
        return axes
    if is_a(op, DimShuffle):
        whole = all(axis in op.new_order for axis in axes)
        return tuple(sorted(map(op.new_order.index, axes))) if whole else None
    order = kept_dims(node)
    return tuple(order.index(axis) for axis in axes) if order and set(axes) <= set(order) else None


def adds_up(variable: Variable, axis: int) -> bool:
    """Whether it is a softmax along one axis, this one."""
    return softmax_axes(variable) == (axis,)


def kept_dims(node: Apply) -> list[int] | None:
    """Dimensions of a subtensor's input that its output has, in order; sliced ones are -1."""
    kept = []
    first = 2 if is_a(node.op, IncSubtensor) else 1
    entries = indices_from_subtensor(node.inputs[first:], node.op.idx_list)
    for dim in range(node.inputs[0].type.ndim):
        entry = entries[dim] if dim < len(entries) else slice(None)
        if isinstance(entry, slice):
            kept.append(dim if entry == slice(None) else -1)
    return kept


def normal_axes(axes: Sequence[int], variable: Variable) -> tuple[int, ...]:
    """Axes of a variable, none of them negative, in order; a scalar has none, whatever they say."""
    ndim = variable.type.ndim
    return tuple(sorted(axis % ndim for axis in axes)) if ndim else ()


def axes_of(node: Apply) -> tuple[int, ...]:
    """Dimensions of its input along which a reduction or a softmax runs."""
    (x,) = node.inputs
    over = range(x.type.ndim) if node.op.axis is None else node.op.axis
    return normal_axes(over, x)


def is_softmax(node: Apply) -> bool:
    return is_a(node.op, Softmax)


def component(variable: Variable) -> tuple[Variable, tuple[Apply, ...]] | None:
    """The softmax of which `variable` holds elements, and the nodes that move or choose them."""
    path: list[Apply] = []
    while (node := variable.owner) is not None:
        if is_a(node.op, Softmax):
            return variable, tuple(reversed(path))
        if not (is_a(node.op, *MOVES, Max) or is_float_cast(node)):
            return None
        path.append(node)
        variable = node.inputs[0]
    return None


def is_near(variable: Variable, wanted: Callable[[Apply], bool]) -> bool:
    """Whether a wanted node is among the nearest that make `variable`, through arithmetic.

    Half a dozen rules ask it of every sum.
    """
    return once(variable, wanted, lambda: near(variable, wanted) is not None)


def near(variable: Variable, wanted: Callable[[Apply], bool]) -> Apply | None:
    """The first wanted node among the nearest that make `variable`, through arithmetic."""
    todo, seen = [variable], {variable}
    for current in todo:
        node = current.owner
        if node is None:
            continue
        if wanted(node):
            return node
        if len(todo) < _NEAREST and is_a(node.op, *_THROUGH):
            # second(a, b) is b in the shape of a.
            inputs = node.inputs[1:] if is_a(scalar_op_of(node), ps.Second) else node.inputs
            fresh = [i for i in inputs if i.owner is not None and i not in seen]
            seen.update(fresh)
            todo += fresh
    return None


def nearest(variable: Variable) -> tuple[Variable, tuple[int, ...]] | None:
    """Logits and axes of the softmax nearest to a variable, also of one that is written out."""

    def wanted(node: Apply) -> bool:
        return is_a(node.op, Softmax) or (is_a(node.op, Sum) and is_exp(node.inputs[0]))

    node = near(variable, wanted)
    if node is None:
        return None
    x = node.inputs[0]
    if is_a(node.op, Sum):
        assert x.owner is not None
        x = x.owner.inputs[0]
    return x, axes_of(node)


def logits_of(variable: Variable, axes: Sequence[int]) -> Variable:
    """The x of ``log_softmax(x)``, less a constant along axes; any other variable itself."""
    node = variable.owner
    if node is not None and node.op == log:
        node = node.inputs[0].owner
        if node is not None and not is_a(node.op, Softmax):
            return variable
    elif node is not None and not is_a(node.op, LogSoftmax):
        return variable
    return node.inputs[0] if node is not None and set(axes) <= set(axes_of(node)) else variable


def is_exp(variable: Variable) -> bool:
    node = variable.owner
    return node is not None and is_a(node.op, Elemwise) and is_a(node.op.scalar_op, ps.Exp)


def picks(variable: Variable) -> Apply | None:
    """The node by which a sum takes one element of each row of a softmax, if it does."""
    node = variable.owner
    if node is None or not is_a(node.op, Elemwise):
        return None
    for i in node.inputs:
        if i.owner is None:
            continue
        if is_a(i.owner.op, Subtensor):
            p = i.owner.inputs[0]
            axes = softmax_axes(p)
            if axes is not None:
                others = [dim for dim in range(p.type.ndim) if dim not in axes]
                return i.owner if kept_dims(i.owner) == others else None
        elif is_a(i.owner.op, Elemwise) and (found := picks(i)) is not None:
            return found
    return None


def lifted(variable: Variable, pick: Apply) -> Variable:
    """The array of whose rows `variable` holds one element each, the one that `pick` takes."""
    p = pick.inputs[0]
    axes = softmax_axes(p) or ()
    node = variable.owner
    if node is not None and node.op == pick.op and node.inputs[1:] == pick.inputs[1:]:
        whole = node.inputs[0]
        # Of the shape of the softmax, if it is elementwise made of it.
        if whole is p or (
            whole.owner and is_a(whole.owner.op, Elemwise) and p in whole.owner.inputs
        ):
            return whole
    op = getattr(node, "op", None)
    arithmetic = (ps.Add, ps.Sub, ps.Mul, ps.Neg, ps.TrueDiv)
    if is_a(op, Elemwise) and is_a(op.scalar_op, *arithmetic):
        return cast(Variable, op(*(lifted(i, pick) for i in variable.owner.inputs)))
    return expand_dims(variable, axes)


def row_maximum(top: Variable, x: Variable, axes: set[int]) -> bool:
    """Whether `top` is the maximum of `x` over at least these axes, broadcast back."""
    node = top.owner
    if node is None or not is_a(node.op, DimShuffle) or not node.op.is_expand_dims:
        return False
    largest = node.inputs[0].owner
    if largest is None or not is_a(largest.op, Max) or largest.inputs[0] is not x:
        return False
    dims = set(axes_of(largest))
    return axes <= dims and dims == set(node.op.augment)


def row_sum(variable: Variable, axes: tuple[int, ...]) -> Variable:
    return expand_dims(pt.sum(variable, axis=axes), axes)


def picks_rows(node: Apply, axes: tuple[int, ...]) -> bool:
    """Whether an index picks one element of every row, or the same of every row, in order."""
    x = node.inputs[0]
    others = [dim for dim in range(x.type.ndim) if dim not in axes]
    if is_a(node.op, Subtensor):
        return kept_dims(node) == others
    return row_indices(node, axes) is not None


def constant_key(data: np.ndarray) -> Hashable:
    """What tells constants apart: -1 and 255 have the same bytes."""
    return "constant", str(data.dtype), data.shape, data.tobytes()


def row_indices(node: Apply, axes: tuple[int, ...]) -> tuple[Variable, Variable] | None:
    """The two indices of ``x[arange(len(x)), y]``, or of what is written there."""
    if not is_a(node.op, AdvancedSubtensor, AdvancedIncSubtensor):
        return None
    x, (rows, place) = node.inputs[0], node.inputs[-2:]
    if x.type.ndim != 2 or axes != (1,) or place.type.ndim != 1:
        return None
    if getattr(node.op, "idx_list", None) != (0, 1):
        return None
    if x.type.broadcastable[0] and not place.type.broadcastable[0]:
        return None  # of one row several elements may be asked for, the same one twice
    if isinstance(rows, Constant):
        # Of an unknown number of rows the first two might be asked for.
        count = x.type.shape[0]
        whole = count is not None and np.array_equal(rows.data, range(count))
        return (rows, place) if whole else None
    if rows.owner is None or not is_a(rows.owner.op, ARange):
        return None
    start, stop, step = rows.owner.inputs
    if exact_constant(start) != 0 or exact_constant(step) != 1 or not _is_length(stop, x):
        return None
    return rows, place


def _is_length(variable: Variable, x: Variable, depth: int = 4) -> bool:
    """Whether it is how many rows x has, also in terms of what x is made of, element by element."""
    node = variable.owner
    if depth and x.owner is not None and is_a(x.owner.op, Elemwise, SpecifyShape):
        of = x.owner.inputs[:1] if is_a(x.owner.op, SpecifyShape) else x.owner.inputs
        long = [i for i in of if not (i.type.broadcastable[0] or x.type.broadcastable[0])]
        if any(_is_length(variable, i, depth - 1) for i in long):
            return True
    if node is None:
        return exact_constant(variable) == x.type.shape[0] and x.type.shape[0] is not None
    if is_a(node.op, Shape_i):
        return node.op.i == 0 and node.inputs[0] is x
    if is_a(node.op, Subtensor):
        shape = node.inputs[0].owner
        entries = indices_from_subtensor(node.inputs[1:], node.op.idx_list)
        first = len(entries) == 1 and isinstance(entries[0], Variable)
        return (
            first
            and _constant_int(entries[0]) == 0
            and shape is not None
            and is_a(shape.op, Shape)
            and shape.inputs[0] is x
        )
    through = (DimShuffle, TensorFromScalar, ScalarFromTensor)
    if is_a(node.op, Elemwise) and is_a(node.op.scalar_op, ps.Cast):
        return _is_length(node.inputs[0], x, depth)
    return is_a(node.op, *through) and _is_length(node.inputs[0], x, depth)


def _constant_int(variable: object) -> int | None:
    data = getattr(variable, "data", None)
    return None if data is None else int(data)


def indexed_logit(argument: Variable, x: Variable) -> Apply | None:
    """The index by which `argument` is ``x[i]``, or ``a[i] - c`` of an x that is ``a - c``."""
    node = argument.owner
    if node is not None and is_a(node.op, Subtensor, AdvancedSubtensor):
        return node if node.inputs[0] is x else None
    shift = x.owner
    if node is None or node.op != sub or shift is None or shift.op != sub:
        return None
    index, top = node.inputs[0].owner, shift.inputs[1].owner
    if top is None or not is_a(top.op, DimShuffle) or top.inputs[0] is not node.inputs[1]:
        return None
    return index if index is not None and index.inputs[:1] == shift.inputs[:1] else None
