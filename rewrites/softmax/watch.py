"""Whether a graph has anything for the rules of the softmax family, asked of every sum in it."""

from pytensor.graph.basic import Apply
from pytensor.graph.features import AlreadyThere, Feature, register_feature_callback
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.math import Sum
from pytensor.tensor.special import LogSoftmax, LogSumExp, Softmax


class SoftmaxWatch(Feature):
    """Counts the ops that a written-out softmax or a softmax is made of.

    Attributes
    ----------
    whole, exps, sums
        Numbers of softmaxes and logsumexps, of exponentials, and of sums.
    """

    def __init__(self) -> None:
        self.whole = self.exps = self.sums = 0

    @register_feature_callback
    def on_attach(self, fgraph: FunctionGraph) -> None:
        if find_watch(fgraph) is not None:
            raise AlreadyThere
        for node in fgraph.apply_nodes:
            self._count(node, 1)

    @register_feature_callback
    def on_import(self, fgraph: FunctionGraph, node: Apply, reason: object) -> None:
        self._count(node, 1)

    @register_feature_callback
    def on_prune(self, fgraph: FunctionGraph, node: Apply, reason: object) -> None:
        self._count(node, -1)

    def clone(self) -> "SoftmaxWatch":
        return SoftmaxWatch()

    def _count(self, node: Apply, step: int) -> None:
        op = node.op
        if isinstance(op, Softmax | LogSoftmax | LogSumExp):
            self.whole += step
        elif isinstance(op, Sum):
            self.sums += step
        elif isinstance(op, Elemwise) and isinstance(op.scalar_op, ps.Exp):
            self.exps += step


def find_watch(fgraph: FunctionGraph) -> SoftmaxWatch | None:
    for feature in fgraph._features:
        if isinstance(feature, SoftmaxWatch):
            return feature
    return None


def may_have_softmax(fgraph: FunctionGraph) -> bool:
    """Whether there is a softmax in the graph, or what one can be written with."""
    watch = find_watch(fgraph)
    if watch is None:
        watch = SoftmaxWatch()
        fgraph.attach_feature(watch)
    return bool(watch.whole or (watch.exps and watch.sums))
