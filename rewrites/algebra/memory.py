"""Remember for a node that nothing came of looking at it, as long as its region stays the same.

An equilibrium pass visits every node at least twice, two databases four times, and three readings
of a region are not cheap.
"""

from collections.abc import Callable, Iterable
from functools import wraps
from weakref import WeakKeyDictionary

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph

from pytensor_stabilize.rewrites.rules import Left

Region = Iterable[Apply]
Finding = Variable | Left | None
# What a region looked like: its nodes, and their inputs, which PyTensor changes in place.
Print = list[tuple[Apply, list[Variable]]]

_memory: WeakKeyDictionary[FunctionGraph, dict[tuple[str, Apply], tuple[Left | None, Print]]] = (
    WeakKeyDictionary()
)


def remembering(
    look: Callable[[Apply, dict[Apply, None]], Finding],
) -> Callable[[FunctionGraph, Apply], Finding]:
    """Make a transform of a function that looks at a node and fills in the nodes that it saw."""

    @wraps(look)
    def transform(fgraph: FunctionGraph, node: Apply) -> Finding:
        known = _memory.setdefault(fgraph, {})
        key = (look.__name__, node)
        if key in known:
            finding, seen = known[key]
            if all(_same(n.inputs, inputs) for n, inputs in seen):
                return finding
            del known[key]
        visited: dict[Apply, None] = {node: None}
        result = look(node, visited)
        if result is None or isinstance(result, Left):
            known[key] = (result, [(n, list(n.inputs)) for n in visited])
        return result

    return transform


def _same(a: list[Variable], b: list[Variable]) -> bool:
    return len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True))
