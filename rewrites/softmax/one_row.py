"""A softmax of one row, ``softmax(v[None, :], axis=1)``, and its gradient, without that dimension.

PyTensor takes the dimension of length 1 out of some terms of the gradient and leaves it in others,
and the rules would have to compare rows of different shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.tensor.basic import Alloc
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import Sum, add, sub
from pytensor.tensor.special import LogSoftmax, LogSumExp, Softmax
from pytensor.tensor.subtensor import (
    AdvancedIncSubtensor,
    IncSubtensor,
    Subtensor,
    indices_from_subtensor,
)

from pytensor_stabilize.rewrites.arithmetic import as_dtype
from pytensor_stabilize.rewrites.matching import exact_constant, is_a, same_pattern
from pytensor_stabilize.rewrites.rules import REAL, Left, Rule
from pytensor_stabilize.rewrites.softmax.matching import axes_of
from pytensor_stabilize.rewrites.softmax.of_two import OF_TWO
from pytensor_stabilize.rewrites.symbols import sigmoid

Dims = tuple[int, ...]
_WRITES = (IncSubtensor, AdvancedIncSubtensor)
# Levels of arithmetic between a sum and what is looked for in its terms.
_NEAR = 3
# Larger pieces of a graph are left as they are.
_MOST_NODES = 120


def softmax_of_one_row(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``softmax(x[None, :], axis=1) -> softmax(x)[None, :]``, and of log_softmax and logsumexp."""
    (x,) = node.inputs
    over = axes_of(node)
    dims = _unit_dims(x)
    axes = [axis for axis in over if axis not in dims]
    flat = _Squeezer()
    if not dims or not axes:
        return None
    row = flat.without(x, dims)
    if not flat.expanded:
        return None
    result = type(node.op)(axis=_shifted(axes, dims))(row)
    if not is_a(node.op, LogSumExp):
        return pt.expand_dims(result, dims)
    return _with_others(result, dims, over)


def gradient_of_one_row(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """A sum of what is computed of ``softmax(x)[None, :]``, as computed of ``softmax(x)``."""
    (output,) = node.outputs
    if not _holds_row(node, _NEAR):
        return None
    flat = _Squeezer()
    found = flat.of(output)
    return found if flat.expanded and found is not output else None


class _Squeezer:
    """Computes variables without some of their dimensions of length 1, or what is made of such.

    Attributes
    ----------
    expanded
        Whether a dimension was left out that had been added or written to.
    """

    def __init__(self) -> None:
        self.expanded = False
        self._known: dict[tuple[Variable, Dims], Variable] = {}

    def of(self, variable: Variable) -> Variable:
        """The same variable, made of rows instead of arrays with one row."""
        if (variable, ()) not in self._known:
            found = self._of(variable) if len(self._known) < _MOST_NODES else None
            self._known[variable, ()] = variable if found is None else found
        return self._known[variable, ()]

    def without(self, variable: Variable, dims: Dims) -> Variable:
        """The variable without dimensions."""
        if (variable, dims) not in self._known:
            found = self._without(variable, dims) if len(self._known) < _MOST_NODES else None
            self._known[variable, dims] = pt.squeeze(variable, dims) if found is None else found
        return self._known[variable, dims]

    def _of(self, variable: Variable) -> Variable | None:
        node = variable.owner
        if node is None:
            return None
        if is_a(node.op, Elemwise):
            inputs = [self.of(i) for i in node.inputs]
            return variable if inputs == node.inputs else cast(Variable, node.op(*inputs))
        if not _leaves_a_row(node):
            return None
        x = node.inputs[0]
        if is_a(node.op, DimShuffle):
            dims = tuple(node.op.drop)
            order = [d if d == "x" else _shifted([d], dims)[0] for d in node.op.new_order]
            return self.without(x, dims).dimshuffle(order)  # type: ignore[attr-defined]
        if is_a(node.op, Subtensor):
            return self._indexed(node, _first_dims(node))
        axes, dims = axes_of(node), _unit_dims(x)
        kept_axes = [axis for axis in axes if axis not in dims]
        row = self.without(x, dims)
        dtypes = {"dtype": node.op.dtype, "acc_dtype": node.op.acc_dtype}
        total = pt.sum(row, axis=_shifted(kept_axes, dims), **dtypes)
        return _with_others(total, dims, axes)

    def _without(self, variable: Variable, dims: Dims) -> Variable | None:
        node = variable.owner
        if isinstance(variable, Constant):
            return pt.constant(np.squeeze(np.asarray(variable.data), dims))
        if node is None:
            return None
        if is_a(node.op, DimShuffle):
            order = [d for i, d in enumerate(node.op.new_order) if i not in dims]
            if not {node.op.new_order[d] for d in dims} <= {"x"}:
                return None
            (inner,) = node.inputs
            self.expanded = True
            whole = order == list(range(inner.type.ndim))
            return inner if whole else inner.dimshuffle(order)
        if is_a(node.op, Elemwise):
            return cast(Variable, node.op(*(self.without(i, dims) for i in node.inputs)))
        if is_a(node.op, Alloc):
            return self._alloc(node, dims)
        if is_a(node.op, *_WRITES):
            return self._write(node, dims)
        if is_a(node.op, Subtensor):
            return self._taken(node, dims)
        return None

    def _taken(self, node: Apply, dims: Dims) -> Variable | None:
        x, *indices = node.inputs
        entries = indices_from_subtensor(indices, node.op.idx_list)
        # By dimension of the result that of x.
        sliced = [
            d for d in range(x.type.ndim) if d >= len(entries) or isinstance(entries[d], slice)
        ]
        own = tuple(sliced[d] for d in dims)
        if not all(x.type.broadcastable[d] for d in own):
            return None
        return self._indexed(node, own)

    def _indexed(self, node: Apply, dims: Dims) -> Variable:
        """What is taken of an array, taken of the array without dimensions of its own."""
        x, *indices = node.inputs
        entries = indices_from_subtensor(indices, node.op.idx_list)
        kept = tuple(entry for d, entry in enumerate(entries) if d not in dims)
        row = self.without(x, dims)
        return row[kept] if kept else row  # type: ignore[index]

    def _alloc(self, node: Apply, dims: Dims) -> Variable | None:
        value, *lengths = node.inputs
        missing = len(lengths) - value.type.ndim
        own = tuple(d - missing for d in dims if d >= missing)
        kept = [length for d, length in enumerate(lengths) if d not in dims]
        return cast(Variable, pt.alloc(self.without(value, own) if own else value, *kept))

    def _write(self, node: Apply, dims: Dims) -> Variable | None:
        """A write at the first index of each of the dimensions."""
        base, value, *indices = node.inputs
        value = as_dtype(value, base.type.dtype)
        entries: list[Any] = list(indices_from_subtensor(indices, node.op.idx_list))
        if is_a(node.op, AdvancedIncSubtensor):
            # Arrays with one index each.
            data = [entry.data if isinstance(entry, Constant) else None for entry in entries]
            single = all(d is not None and d.size == 1 and d.dtype.kind in "iu" for d in data)
            if not single or not all(value.type.broadcastable):
                return None
            entries = [int(d.item()) for d in data if d is not None]
            value = pt.squeeze(value)
        if not all(d < len(entries) and _is_first(entries[d]) for d in dims):
            return None
        self.expanded = True
        kept = tuple(entry for d, entry in enumerate(entries) if d not in dims)
        row = self.without(base, dims)
        sets = node.op.set_instead_of_inc
        if kept:
            write = pt.set_subtensor if sets else pt.inc_subtensor
            return write(row[kept], value)  # type: ignore[index]
        if not same_pattern(row, value):
            value = value + pt.zeros_like(row)
        return value if sets or exact_constant(base) == 0 else pt.add(row, value)


def _holds_row(node: Apply, levels: int) -> bool:
    """Whether a node, or one of the nearest that make its terms, takes a row from an array."""
    if not is_a(node.op, Elemwise):
        return _leaves_a_row(node)
    return levels > 0 and any(
        i.owner is not None and _holds_row(i.owner, levels - 1) for i in node.inputs
    )


def _leaves_a_row(node: Apply) -> bool:
    """Whether a node takes the dimensions of length 1 from something that is computed."""
    if not is_a(node.op, DimShuffle, Subtensor, Sum):
        return False
    (x, *_) = node.inputs
    dims = _unit_dims(x)
    if not dims or not _has_row(x):
        return False
    if is_a(node.op, DimShuffle):
        return bool(node.op.drop)
    if is_a(node.op, Subtensor):
        return bool(_first_dims(node))
    return not set(axes_of(node)) <= set(dims)


def _first_dims(node: Apply) -> Dims:
    """The dimensions of length 1 that an index takes away."""
    x, *indices = node.inputs
    entries = indices_from_subtensor(indices, node.op.idx_list)
    return tuple(d for d in _unit_dims(x) if d < len(entries) and _is_first(entries[d]))


def _with_others(reduced: Variable, dims: Dims, axes: Dims) -> Variable:
    """What was reduced without dimensions of length 1, with those of them that stay."""
    left = [d for d in dims if d not in axes]
    return pt.expand_dims(reduced, _shifted(left, axes)) if left else reduced


def _has_row(variable: Variable, levels: int = _NEAR) -> bool:
    """Whether something in it has a dimension that was added, or was written to one row."""
    node = variable.owner
    if node is None:
        return False
    if is_a(node.op, DimShuffle):
        return "x" in node.op.new_order and any(variable.type.broadcastable)
    if is_a(node.op, Elemwise):
        return levels > 0 and any(_has_row(i, levels - 1) for i in node.inputs)
    return is_a(node.op, *_WRITES) or (is_a(node.op, Subtensor) and _has_row(node.inputs[0]))


def _is_first(entry: object) -> bool:
    """Whether it is the only index of a dimension of length 1."""
    data = getattr(entry, "data", entry)
    return not isinstance(data, Variable | slice) and int(data) in (0, -1)  # type: ignore[call-overload]


def _unit_dims(variable: Variable) -> Dims:
    return tuple(d for d, unit in enumerate(variable.type.broadcastable) if unit)


def _shifted(dims: Sequence[int], removed: Sequence[int]) -> Dims:
    """Where dimensions are once others are removed."""
    return tuple(d - sum(r < d for r in removed) for d in dims)


ONE_ROW: tuple[Rule, ...] = (
    *OF_TWO,
    Rule(
        name="softmax_of_one_row",
        before=lambda x: sigmoid(x) * (1 - sigmoid(x)),
        after=lambda x: sigmoid(x) * sigmoid(-x),
        domain={"x": REAL},
        promise=4.0,
        mends="the gradient of softmax(v[None, :], axis=1) is 0 at a gap of 37",
        databases=("canonicalize", "stabilize"),
        tracks=(Softmax, LogSoftmax, LogSumExp),
        transform=softmax_of_one_row,
        needs=(DimShuffle,),
        tested_in="tests/test_softmax_one_row.py",
        source="The same numbers in another shape",
    ),
    Rule(
        name="gradient_of_one_row",
        before=lambda x: sigmoid(x) * (1 - sigmoid(x)),
        after=lambda x: sigmoid(x) * sigmoid(-x),
        domain={"x": REAL},
        promise=4.0,
        mends="terms of the gradient of softmax(v[None, :], axis=1) that cancel differ in shape",
        databases=("canonicalize", "stabilize"),
        tracks=(add, sub, *_WRITES, DimShuffle, Sum, Subtensor),
        transform=gradient_of_one_row,
        needs=(Softmax,),
        tested_in="tests/test_softmax_one_row.py",
        source="The same numbers in another shape",
    ),
)
