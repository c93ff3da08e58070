"""The elements of the rows of a softmax: at which index each is, and the nodes that take them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import cast

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.tensor.special import Softmax
from pytensor.tensor.subtensor import (
    AdvancedIncSubtensor,
    AdvancedSubtensor,
    IncSubtensor,
    Subtensor,
)
from pytensor.tensor.variable import TensorVariable

from pytensor_stabilize.rewrites.matching import is_a
from pytensor_stabilize.rewrites.softmax.components import logits_of_rows, without_element
from pytensor_stabilize.rewrites.softmax.matching import (
    adds_up,
    constant_key,
    kept_dims,
    row_indices,
)


@dataclass
class Picks:
    """Rows of one softmax, and their elements.

    Attributes
    ----------
    exponents, axis
        Logits of that softmax, and the dimension along which its rows run.
    picks
        By index a node that takes this element of each row.
    """

    fgraph: FunctionGraph
    exponents: Variable
    axis: int
    dtype: str
    picks: dict[Hashable, Apply] = field(default_factory=dict)
    made: dict[Hashable, Variable] = field(default_factory=dict)

    @property
    def ndim(self) -> int:
        return self.exponents.type.ndim

    def is_row(self, variable: Variable) -> bool:
        return variable.type.ndim == self.ndim and not variable.type.broadcastable[self.axis]

    def shaped(self, variable: Variable, like: Variable) -> Variable:
        """One number a row, in the dimensions that another has for it."""
        kept = like.type.ndim == self.ndim
        return pt.expand_dims(variable, self.axis) if kept else variable

    def index_of(self, node: Apply) -> Hashable | None:
        """Key of the index at which a node takes, or adds to, one element of each row."""
        adds = is_a(node.op, IncSubtensor, AdvancedIncSubtensor)
        if is_a(node.op, AdvancedSubtensor, AdvancedIncSubtensor):
            rows = row_indices(node, (self.axis,))
            if rows is None:
                return None
            place = rows[1]
            ours = constant_key(place.data) if isinstance(place, Constant) else place
            if ours not in self.picks:
                op = AdvancedSubtensor(node.op.idx_list)  # type: ignore[attr-defined]
                self.picks[ours] = op.make_node(node.inputs[0], *rows)
            return ours
        if kept_dims(node) != [dim for dim in range(self.ndim) if dim != self.axis]:
            return None
        inputs = node.inputs[2 if adds else 1 :]
        if len(inputs) != 1:
            return None
        (place,) = inputs
        key = self._number(int(place.data)) if isinstance(place, Constant) else place
        if key not in self.picks:
            self.picks[key] = Subtensor(node.op.idx_list).make_node(node.inputs[0], *inputs)
        return key

    def _number(self, place: int) -> int:
        """An index from the first element, where the length of a row is known."""
        length = self.exponents.type.shape[self.axis]  # type: ignore[attr-defined]
        return place + length if length is not None and -length <= place < 0 else place

    def pick(self, variable: Variable, index: Hashable) -> Variable:
        """The element of each row at an index."""
        key = (variable, index)
        if key not in self.made:
            node = self.picks[index]
            rows = (self.exponents.type.broadcastable[0], variable.type.broadcastable[0])
            if is_a(node.op, AdvancedSubtensor) and rows == (False, True):
                self.made[key] = cast(TensorVariable, variable)[0][node.inputs[2]]
            else:
                self.made[key] = node.op.make_node(variable, *node.inputs[1:]).outputs[0]
        return self.made[key]

    def softmax(self, x: Variable) -> Variable:
        """The softmax of `x`, the one that the graph has if there is one."""
        if x not in self.made:
            for client, _ in self.fgraph.clients.get(x, ()):
                if is_a(client.op, Softmax) and adds_up(client.outputs[0], self.axis):
                    self.made[x] = client.outputs[0]
                    break
            else:
                self.made[x] = Softmax(axis=(self.axis,))(x)
        return self.made[x]

    def logits(self, p: Variable) -> Variable:
        """The logits of a softmax of the graph, or of what moves one about."""
        key = ("logits", p)
        if key not in self.made:
            self.made[key] = logits_of_rows(p)
        return self.made[key]

    def without_element(self, p: Variable, index: Hashable) -> Variable:
        """The softmax of the other logits."""
        key = ("without", p, index)
        if key not in self.made:
            self.made[key] = without_element(p, self.picks[index], self.axis)
        return self.made[key]
