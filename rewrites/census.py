"""Which operations occur in a graph: most rules have nothing to do in most graphs."""

from collections import Counter
from weakref import WeakKeyDictionary

from pytensor.graph.basic import Apply
from pytensor.graph.features import Feature, register_feature_callback
from pytensor.graph.fg import FunctionGraph
from pytensor.tensor.elemwise import Elemwise


class Census(Feature):
    """Counts the operations of a FunctionGraph by class, elementwise ones by their scalar op."""

    def __init__(self) -> None:
        self.counts: Counter[type] = Counter()

    @register_feature_callback
    def on_attach(self, fgraph: FunctionGraph) -> None:
        self.counts = Counter(map(_kind, fgraph.apply_nodes))

    @register_feature_callback
    def on_import(self, fgraph: FunctionGraph, node: Apply, reason: str) -> None:
        self.counts[_kind(node)] += 1

    @register_feature_callback
    def on_prune(self, fgraph: FunctionGraph, node: Apply, reason: str) -> None:
        self.counts[_kind(node)] -= 1

    def clone(self) -> "Census":
        return Census()


_taken: WeakKeyDictionary[FunctionGraph, Census] = WeakKeyDictionary()


def occurs(fgraph: FunctionGraph, kinds: tuple[type, ...]) -> bool:
    """Whether an operation of one of the classes, or a scalar op of one, is in the graph."""
    census = _taken.get(fgraph)
    if census is None:
        census = _taken[fgraph] = Census()
        fgraph.attach_feature(census)
    return any(census.counts[kind] > 0 for kind in kinds)


def _kind(node: Apply) -> type:
    return type(node.op.scalar_op) if isinstance(node.op, Elemwise) else type(node.op)
