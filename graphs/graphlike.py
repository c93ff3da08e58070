"""What "graph" means in every tool here, and how to look inside ops that hold one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import AbstractFunctionGraph
from pytensor.graph.op import HasInnerGraph, Op
from pytensor.graph.traversal import explicit_graph_inputs, graph_inputs, toposort

from pytensor_stabilize.rewrites import Sigmoid
from pytensor_stabilize.rewrites.checks import shown
from pytensor_stabilize.rewrites.internals import Function
from pytensor_stabilize.rewrites.trace import RuleMarks, find_marks

Graph = Function | AbstractFunctionGraph | Variable | Sequence[Variable]

EXPECTED = "a compiled function, a FunctionGraph, a PyTensor variable or a list of variables"
VARIABLES = "a PyTensor variable or a list of variables"


def compiled_function(graph: object) -> Function | None:
    """The PyTensor function that `graph` is, or that PyMC's compile functions wrapped in it."""
    for candidate in (graph, getattr(graph, "f", None), getattr(graph, "_pytensor_function", None)):
        if isinstance(candidate, Function):
            return candidate
    return None


@dataclass(frozen=True, slots=True)
class GraphView:
    """Inputs, outputs and nodes in topological order of anything that counts as a graph."""

    inputs: tuple[Variable, ...]
    outputs: tuple[Variable, ...]
    nodes: tuple[Apply, ...]
    fgraph: AbstractFunctionGraph | None

    @property
    def marks(self) -> RuleMarks | None:
        """What our rules left on the graph; None for variables, and where none fired."""
        return None if self.fgraph is None else find_marks(self.fgraph)


def view(graph: Graph, where: str) -> GraphView:
    """Look at `graph` as inputs, outputs and nodes.

    Raises
    ------
    TypeError
        `graph` is none of the things that count as one; the message lists them.
    """
    function = compiled_function(graph)
    if function is not None:
        graph = function.maker.fgraph
    if isinstance(graph, AbstractFunctionGraph):
        nodes = tuple(graph.toposort())
        return GraphView(tuple(graph.inputs), tuple(graph.outputs), nodes, graph)
    variables = [graph] if isinstance(graph, Variable) else graph
    if (
        not isinstance(variables, list | tuple)
        or not variables
        or not all(isinstance(variable, Variable) for variable in variables)
    ):
        got = f"got {shown(graph)} of type {type(graph).__name__}"
        raise TypeError(f"{where} takes {EXPECTED}, {got}.")
    inputs = tuple(explicit_graph_inputs(variables))
    return GraphView(inputs, tuple(variables), tuple(toposort(variables)), None)


def outputs_of(variables: object, where: str) -> list[Variable]:
    """The variables given, of which an exact value can be known: they have not been rewritten.

    Raises
    ------
    TypeError
        `variables` is a compiled function, or not made of variables.
    """
    if compiled_function(variables) is not None:
        raise TypeError(
            f"{where} takes variables: a compiled function has forgotten the graph that it was "
            "made from. Pass the variables that you compiled."
        )
    if isinstance(variables, AbstractFunctionGraph):
        return list(variables.outputs)
    try:
        return list(view(variables, where).outputs)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(
            f"{where} takes {VARIABLES}, got {shown(variables)} of type {type(variables).__name__}."
        ) from None


def shared_inputs(variables: Sequence[Variable]) -> list[SharedVariable]:
    """The shared variables that a graph reads."""
    return [v for v in graph_inputs(variables) if isinstance(v, SharedVariable)]


def shared_value(variable: SharedVariable) -> np.ndarray:
    """The present value of a shared variable."""
    return np.asarray(variable.get_value(borrow=True))


def is_real(variable: Variable) -> bool:
    """Whether a variable holds real numbers, and not integers, conditions or other things."""
    return getattr(variable.type, "dtype", "").startswith("float")


def inner_graphs(op: Op) -> Iterator[AbstractFunctionGraph]:
    """Yield the graphs that `op` holds: OpFromGraph, Scan, fused loops, Composite, Blockwise.

    Our Sigmoid counts as one operation, as PyTensor's does.
    """
    if isinstance(op, Sigmoid):
        return
    if isinstance(op, HasInnerGraph):
        yield op.fgraph
        return
    for holder in ("scalar_op", "core_op"):
        inner = getattr(op, holder, None)
        if isinstance(inner, Op):
            yield from inner_graphs(inner)
