"""What rules found in parts of a large graph that are alike: a model's hundredth term is its first.

Two nodes are alike if what they are computed from is the same graph with other variables in it.
A rule that does not look at clients finds the same in both, so that it is asked once.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.tensor.type import TensorType

from pytensor_stabilize.rewrites.matching import is_a

# Of a smaller graph little is alike.
LARGE = 400
_MOST_VARIABLES = 60


class Template:
    """What came of looking at the first of nodes that are alike.

    Attributes
    ----------
    idle
        The rules that found nothing, as bits.
    """

    __slots__ = ("_results", "idle")

    def __init__(self) -> None:
        self.idle = 0
        # By the bits of rules: what they made, of variables in place of the node's own.
        self._results: dict[int, tuple[list[Variable], Variable]] = {}

    def remember(self, bit: int, result: Variable, variables: Sequence[Variable]) -> None:
        """Keep what a rule made of a node that is computed from these variables."""
        stand_ins = [v if is_a(v, Constant) else v.type() for v in variables]
        copied = _copied(result, dict(zip(variables, stand_ins, strict=True)))
        if copied is not None:
            self._results[bit] = stand_ins, copied

    def instance(self, bit: int, variables: Sequence[Variable]) -> Variable | None:
        """The same, made of other variables."""
        found = self._results.get(bit)
        if found is None:
            return None
        stand_ins, result = found
        return _copied(result, dict(zip(stand_ins, variables, strict=True)))


class Templates:
    """The templates of a graph.

    Ops and constants are known by their identity, and kept so that it stays theirs: to hash an op
    takes PyTensor as long as the rest.
    """

    def __init__(self) -> None:
        self._by_key: dict[Hashable, Template] = {}
        self._numbers: dict[Hashable, int] = {}
        self._seen: dict[int, tuple[Any, int]] = {}

    def __len__(self) -> int:
        """How many things are kept: what is empty holds no graph."""
        return len(self._by_key) + len(self._numbers) + len(self._seen)

    def of(self, node: Apply) -> tuple[Template, list[Variable]] | None:
        """The template of a node, and what it is computed from; None if that is too much."""
        places: dict[Variable, int] = {}
        # What is replaced by a variable of a narrower type keeps its own.
        key: list[Hashable] = [getattr(node.outputs[0].type, "shape", None)]
        todo = [node.outputs[0]]
        while todo:
            variable = todo.pop()
            if variable in places:
                key.append(places[variable])
                continue
            places[variable] = len(places)
            if len(places) > _MOST_VARIABLES:
                return None
            owner = variable.owner
            if owner is None:
                key.append(self._leaf(variable))
                continue
            # Negative: a variable that comes again is a place.
            key += (-1 - self._number(owner.op), len(owner.inputs))
            if len(owner.outputs) > 1:
                key.append((owner.outputs.index(variable), variable.type))
            todo += owner.inputs
        found = self._by_key.setdefault(tuple(key), Template())
        return found, list(places)

    def clear(self) -> None:
        for kept in (self._by_key, self._numbers, self._seen):
            kept.clear()

    def _number(self, thing: Any) -> int:
        seen = self._seen.get(id(thing))
        if seen is None:
            number = self._numbers.setdefault(thing, len(self._numbers))
            seen = self._seen[id(thing)] = (thing, number)
        return seen[1]

    def _leaf(self, variable: Variable) -> Hashable:
        kind = variable.type
        if is_a(variable, Constant):
            data = variable.data
            if isinstance(data, np.ndarray) and data.size == 1:
                return kind.dtype, kind.shape, data.tobytes()
            return "constant", self._number(variable)
        if type(kind) is TensorType:
            return kind.dtype, kind.shape
        return "input", kind


def _copied(result: Variable, known: dict[Variable, Variable]) -> Variable | None:
    """The graph of a variable with other variables in it; None if one that is not known is."""
    todo = [result]
    while todo:
        variable = todo[-1]
        if variable in known:
            todo.pop()
            continue
        node = variable.owner
        if node is None:
            if not is_a(variable, Constant):
                return None
            known[variable] = variable
            continue
        missing = [v for v in node.inputs if v not in known]
        if missing:
            todo += missing
            continue
        twin = node.clone_with_new_inputs([known[v] for v in node.inputs])
        known.update(zip(node.outputs, twin.outputs, strict=True))
    return known[result]
