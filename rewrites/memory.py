"""What is known of a graph while it is rewritten: its operations, and where a rule found nothing.

Most rules have nothing to do in most graphs, and every node is looked at at least four times: twice
in each of two databases.
"""

from collections import Counter
from weakref import WeakKeyDictionary

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.features import Feature, register_feature_callback
from pytensor.graph.fg import FunctionGraph
from pytensor.tensor.elemwise import Elemwise

from pytensor_stabilize.rewrites.rules import Left, Needs

# A change with more nodes downstream makes everything be looked at anew: following each change to
# the end of a long chain would be quadratic.
_MOST_DOWNSTREAM = 200


class Memory(Feature):
    """Counts the operations of a FunctionGraph and keeps what came of looking at its nodes.

    Attributes
    ----------
    counts
        How often each class of op occurs; elementwise ones count by their scalar op.
    findings
        For a node the rules that found nothing in it, or left it; forgotten as soon as anything
        changes that the node is computed from.
    """

    def __init__(self) -> None:
        self.counts: Counter[type] = Counter()
        self.findings: dict[Apply, dict[str, Left | None]] = {}
        self._occurring: dict[Needs, bool] = {}

    @register_feature_callback
    def on_attach(self, fgraph: FunctionGraph) -> None:
        self.counts = Counter(map(_kind, fgraph.apply_nodes))

    @register_feature_callback
    def on_import(self, fgraph: FunctionGraph, node: Apply, reason: str) -> None:
        self._count(_kind(node), 1)

    @register_feature_callback
    def on_prune(self, fgraph: FunctionGraph, node: Apply, reason: str) -> None:
        self._count(_kind(node), -1)
        self.findings.pop(node, None)

    @register_feature_callback
    def on_change_input(
        self,
        fgraph: FunctionGraph,
        node: Apply,
        i: int,
        old: Variable,
        new: Variable,
        reason: str | None = None,
    ) -> None:
        if not self.findings:
            return
        todo, seen = [node], {node}
        for changed in todo:
            self.findings.pop(changed, None)
            for output in changed.outputs:
                for client, _ in fgraph.clients.get(output, ()):
                    if client not in seen:
                        seen.add(client)
                        todo.append(client)
            if len(todo) > _MOST_DOWNSTREAM:
                self.findings.clear()
                return

    def occurs(self, needs: Needs) -> bool:
        """Whether what a rule needs is in the graph."""
        known = self._occurring.get(needs)
        if known is None:
            known = any(
                all(
                    self.counts[kind] > 0 for kind in (need if isinstance(need, tuple) else (need,))
                )
                for need in needs
            )
            self._occurring[needs] = known
        return known

    def clone(self) -> "Memory":
        return Memory()

    def _count(self, kind: type, step: int) -> None:
        before = self.counts[kind]
        self.counts[kind] = before + step
        if not before or not before + step:
            self._occurring.clear()


_memories: WeakKeyDictionary[FunctionGraph, Memory] = WeakKeyDictionary()


def memory_of(fgraph: FunctionGraph) -> Memory:
    """The memory of a graph, attached to it when it is first asked for."""
    memory = _memories.get(fgraph)
    if memory is None:
        memory = _memories[fgraph] = Memory()
        fgraph.attach_feature(memory)
    return memory


def _kind(node: Apply) -> type:
    return type(node.op.scalar_op) if isinstance(node.op, Elemwise) else type(node.op)
