"""Elements that arrays of integers name, one array for each axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.tensor.basic import Join
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.subtensor import Subtensor, indices_from_subtensor
from pytensor.tensor.type import TensorType

from pytensor_stabilize.rewrites.matching import is_a, same_pattern


class Indices:
    """The arrays of an index, without the axes of length 1 that all of them have.

    Attributes
    ----------
    arrays
        One for each axis of what is indexed.
    """

    def __init__(self, node: Apply, arrays: list[Variable], kept: list[int]) -> None:
        self.output = node.outputs[0]
        self.arrays = arrays
        self.kept = kept

    def elements(self, variable: Variable) -> Variable:
        """The elements of a variable; its axes of length 1 need no index."""
        axes = [d for d, one in enumerate(variable.type.broadcastable) if not one]
        result = kept(variable, axes)
        if not axes or (len(axes) == 1 and self._names_all(axes[0], variable)):
            return result
        return cast(Variable, result[tuple(self.arrays[d] for d in axes)])  # type: ignore[index]

    def _names_all(self, axis: int, variable: Variable) -> bool:
        """Whether an index is known to name each element once, in their order."""
        index, length = self.arrays[axis], variable.type.shape[axis]
        return isinstance(index, Constant) and np.array_equal(index.data, np.arange(length or 0))

    def in_shape(self, found: Variable) -> Variable | None:
        """What is made of elements, with the axes of length 1 again."""
        ndim = self.output.type.ndim
        order = [self.kept.index(d) if d in self.kept else "x" for d in range(ndim)]
        if found.type.ndim != len(self.kept):
            return None
        result = _shuffled(found, order)
        return result if same_pattern(result, self.output) else None


def indices_of(node: Apply) -> Indices | None:
    """Read an index that has an array of integers for each axis."""
    indices = indices_from_subtensor(node.inputs[1:], node.op.idx_list)
    (output,) = node.outputs
    found: list[Variable] = []
    kept = [d for d, one in enumerate(output.type.broadcastable) if not one]
    if len(indices) != node.inputs[0].type.ndim:
        return None
    for index in indices:
        if not isinstance(index, Variable) or not isinstance(index.type, TensorType):
            return None
        kind = index.type
        if np.dtype(kind.dtype).kind not in "iu":
            return None
        skipped = output.type.ndim - kind.ndim
        own = [d - skipped for d in kept if d >= skipped]
        if not all(kind.broadcastable[d] for d in range(kind.ndim) if d not in own):
            return None
        if isinstance(index, Constant):
            found.append(pt.constant(np.reshape(index.data, [kind.shape[d] for d in own])))
        else:
            found.append(_shuffled(index, own))
    return Indices(node, found, kept)


def kept(variable: Variable, axes: list[int]) -> Variable:
    """A variable with some axes only; the others have length 1.

    What it is joined, cut and calculated of loses them first: a model asks for several joins of
    one vector, which are then the same.
    """
    node = variable.owner
    if len(axes) == variable.type.ndim:
        return variable
    if isinstance(variable, Constant):
        return pt.constant(variable.data.reshape([variable.data.shape[d] for d in axes]))
    if node is None:
        return _shuffled(variable, axes)
    if is_a(node.op, DimShuffle):
        order = [node.op.new_order[d] for d in axes]
        return _shuffled(node.inputs[0], order)
    if is_a(node.op, Elemwise):
        return cast(Variable, node.op(*(kept(v, axes) for v in node.inputs)))
    if is_a(node.op, Join) and node.op.axis in axes:
        parts = [kept(v, axes) for v in node.inputs]
        return cast(Variable, pt.join(axes.index(node.op.axis), *parts))
    if is_a(node.op, Subtensor):
        given = indices_from_subtensor(node.inputs[1:], node.op.idx_list)
        cut = {d: index for d, index in enumerate(given) if index != slice(None)}
        if cut.keys() <= set(axes) and all(isinstance(i, slice) for i in cut.values()):
            index = tuple(cut.get(d, slice(None)) for d in axes)
            return cast(Variable, kept(node.inputs[0], axes)[index])  # type: ignore[index]
    return _shuffled(variable, axes)


def _shuffled(variable: Variable, order: Sequence[int | str]) -> Variable:
    if list(order) == list(range(variable.type.ndim)):
        return variable
    return cast(Variable, variable.dimshuffle(order))  # type: ignore[attr-defined]
