"""Load the JAX dispatch of the normal family where a graph is compiled for JAX, and only there."""

from importlib import import_module

from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import GraphRewriter


class LoadJaxDispatch(GraphRewriter):
    """Carries the tag "jax", which JAX modes alone ask for; JAX is slow to import."""

    def apply(self, fgraph: FunctionGraph) -> None:
        import_module("pytensor_stabilize.rewrites.normal.jax_dispatch")
