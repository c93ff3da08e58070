"""Stabilise the inner graphs of Scan while they have what they are made of.

`jacobian` and `hessian` differentiate inside a Scan.  The function that they differentiate is an
input of it, and what else does not change from step to step PyTensor pushes out of it first; what
is left it rewrites last of all.  There ``1 - p`` is a difference with an input of which nothing is
known.  So before anything is pushed out, inputs that are functions of other inputs are computed
inside, the inner graph is rewritten, and then PyTensor pushes them out again.
"""

from collections.abc import Mapping, Sequence
from typing import cast

from pytensor.compile.mode import optdb
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import GraphRewriter
from pytensor.graph.rewriting.db import RewriteDatabaseQuery
from pytensor.scalar import basic as ps
from pytensor.scalar.math import Erf, Erfc, Sigmoid, Softplus
from pytensor.scan.op import Scan
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.math import Max, Sum
from pytensor.tensor.special import LogAddExp, LogSoftmax, LogSumExp, Softmax

from pytensor_stabilize.rewrites.internals import query_of, under_mode_of
from pytensor_stabilize.rewrites.switches import is_any_switched_on

# Inputs that take more nodes to compute stay inputs.
_MOST_NODES = 30
PASSES = ("canonicalize", "stabilize")
_FUNCTIONS = (
    ps.Exp,
    ps.Expm1,
    ps.Log,
    ps.Log1p,
    ps.Tanh,
    ps.Cos,
    ps.Cosh,
    Sigmoid,
    Softplus,
    Erf,
    Erfc,
)
_OPS = (Softmax, LogSoftmax, LogSumExp, LogAddExp)


class StabilizeInnerGraphs(GraphRewriter):
    """Run canonicalize and stabilize on the inner graphs of Scan that have a function of ours."""

    def apply(self, fgraph: FunctionGraph, *args: object, **kwargs: object) -> None:
        query = query_of(fgraph)
        if query is None or not is_any_switched_on():
            return
        for node in list(fgraph.apply_nodes):
            if isinstance(node.op, Scan):
                self._rewrite(fgraph, node, query)

    def _rewrite(self, fgraph: FunctionGraph, node: Apply, query: RewriteDatabaseQuery) -> None:
        inner = node.op.fgraph.unfreeze()
        known = computed_inside(node, inner.inputs)
        if not known and not any(map(_has_function, inner.apply_nodes)):
            return
        with under_mode_of(inner, fgraph):
            for old, new in known:
                inner.replace(old, new, reason="stabilize_inner_graphs")
            self.apply(inner)
            for name in PASSES:
                optdb[name].query(query.subquery.get(name, query)).rewrite(inner)
        op = node.op.clone_with_inner_graph(inner)
        if op != node.op:
            new = op.make_node(*node.inputs).outputs
            pairs = list(zip(node.outputs, new, strict=True))
            fgraph.replace_all(pairs, reason="stabilize_inner_graphs")


def computed_inside(node: Apply, inputs: Sequence[Variable]) -> list[tuple[Variable, Variable]]:
    """Inner inputs of a Scan that are functions of other ones, with what they are made of."""
    outer = node.op.outer_non_seqs(node.inputs)
    by_outer = dict(zip(outer, node.op.inner_non_seqs(inputs), strict=True))
    pairs = []
    for variable, inner in by_outer.items():
        made = _made_of(variable, by_outer, [_MOST_NODES])
        if made is not None:
            pairs.append((inner, inner.type.filter_variable(made)))
    return pairs


def _made_of(
    variable: Variable, by_outer: Mapping[Variable, Variable], budget: list[int]
) -> Variable | None:
    node = variable.owner
    budget[0] -= 1
    if node is None or len(node.outputs) > 1 or budget[0] < 0:
        return None
    if not isinstance(node.op, (Elemwise, DimShuffle, Sum, Max, *_OPS)):
        return None
    inputs = []
    for i in node.inputs:
        known = i if isinstance(i, Constant) else by_outer.get(i)
        inputs.append(_made_of(i, by_outer, budget) if known is None else known)
    if any(i is None for i in inputs):
        return None
    return cast(Variable, node.op.make_node(*inputs).outputs[0])


def _has_function(node: Apply) -> bool:
    if isinstance(node.op, Elemwise):
        return isinstance(node.op.scalar_op, _FUNCTIONS)
    return isinstance(node.op, (*_OPS, Scan))
