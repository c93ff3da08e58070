"""What our rules do to a PyMC model, or did to a compiled function."""

from typing import Any

from pytensor.compile.builders import OpFromGraph
from pytensor.graph.basic import Variable
from pytensor.graph.op import Op
from pytensor.scan.op import Scan

from pytensor_stabilize.graphs.explain import Explanation, absent_rules, explain, rewrite
from pytensor_stabilize.graphs.graphlike import EXPECTED, view
from pytensor_stabilize.rewrites.checks import shown
from pytensor_stabilize.rewrites.internals import FinalizedOpFromGraph
from pytensor_stabilize.rewrites.trace import recording


def report(model_or_graph: Any) -> Explanation:
    """Tell which rules fire in a PyMC model's logp and dlogp, or fired in a graph.

    Parameters
    ----------
    model_or_graph
        A PyMC model: its logp and dlogp are rewritten as PyMC does it, and looked at together.
        PyMC rewrites twice, before and after it differentiates, so one line may fire in both.
        A compiled function or FunctionGraph: what fired when it was compiled, its inner graphs
        (Scan, OpFromGraph) left out.  Variables: as `explain`.

    Returns
    -------
    Explanation

    Raises
    ------
    TypeError
        `model_or_graph` is none of these.
    """
    if is_pymc_model(model_or_graph):
        return _report_model(model_or_graph)
    try:
        graph = view(model_or_graph, "report()")
    except TypeError:
        raise TypeError(
            f"report() takes a PyMC model, {EXPECTED}, got {shown(model_or_graph)}."
        ) from None
    if isinstance(model_or_graph, Variable | list | tuple):
        return explain(model_or_graph)
    # An inner graph is frozen when it has been rewritten, and loses what was noted on it.
    bodies = any(_has_body(node.op) for node in graph.nodes)
    note = "Bodies of Scan and OpFromGraph are not in this list; explain() sees them."
    events = tuple(graph.marks.events) if graph.marks else ()
    return Explanation(events, note=note if bodies else "")


def _has_body(op: Op) -> bool:
    return isinstance(op, Scan) or type(op) in (OpFromGraph, FinalizedOpFromGraph)


def is_pymc_model(thing: object) -> bool:
    """Whether a thing is a PyMC model, without importing PyMC."""
    return any(
        cls.__name__ == "Model" and cls.__module__.startswith("pymc.")
        for cls in type(thing).__mro__
    )


def _report_model(model: Any) -> Explanation:
    with recording() as recorder:
        # PyMC rewrites once before it differentiates, and its mode again when it compiles.
        logp = model.logp()
        outputs = [logp, model.dlogp()] if model.continuous_value_vars else [logp]
        rewrite(outputs, None)
        title = f"pytensor_stabilize on {model.name or 'model'}"
        return Explanation(tuple(recorder.events), title, absent_rules(None))
