"""Which rules fire on a graph, on what, and why the others do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from pytensor.compile.mode import Mode, get_mode
from pytensor.configdefaults import config
from pytensor.graph.basic import Variable
from pytensor.graph.fg import FunctionGraph

from pytensor_stabilize.graphs.graphlike import EXPECTED, Graph, view
from pytensor_stabilize.rewrites.trace import Event, find_marks, recording


@dataclass(frozen=True)
class Explanation:
    """What our rules did to a graph and why; prints as a list, a table in a notebook.

    Attributes
    ----------
    events
        One `Event` a look: "fired", "left" (a candidate that had to stay), "off" (would fire,
        but is switched off).
    title
        What was looked at.
    """

    events: tuple[Event, ...]
    title: str = "pytensor_stabilize"

    @property
    def fired(self) -> Counter[str]:
        """Number of firings by rule."""
        return Counter(event.rule for event in self.events if event.outcome == "fired")

    @property
    def left(self) -> tuple[Event, ...]:
        """Candidates that were looked at and left."""
        return tuple(event for event in self.events if event.outcome != "fired")

    def __str__(self) -> str:
        if not self.events:
            return f"{self.title}: no rule found anything to do."
        lines = [f"{self.title}: {sum(self.fired.values())} fired, {len(self.left)} left"]
        for event in self.events:
            if event.outcome == "fired":
                lines.append(f"  fired {event.rule}: {event.before}  ->  {event.after}")
            else:
                lines.append(f"  {event.outcome:<5} {event.rule}: {event.before}")
                lines.append(f"        because {event.reason}")
            if event.where:
                lines.append(f"        made at {event.where}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = "".join(
            f"<th>{name}</th>" for name in ("", "rule", "before", "after, or why not", "line")
        )
        rows = []
        for event in self.events:
            cells = (
                event.outcome,
                event.rule,
                event.before,
                event.after or event.reason,
                event.where,
            )
            rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
        return (
            f"<p>{escape(str(self).splitlines()[0])}</p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        )


def explain(
    variables: Variable | Sequence[Variable], mode: Mode | str | None = None
) -> Explanation:
    """Rewrite a graph and tell which of our rules fired and why the other candidates were left.

    Nothing is compiled to machine code and the graph given is not changed.

    Parameters
    ----------
    variables
        A variable or a list of variables, gradients included: what one function would compute.
    mode
        As for `pytensor.function`.

    Returns
    -------
    Explanation

    Raises
    ------
    TypeError
        `variables` is not made of PyTensor variables.  A compiled function has forgotten the
        candidates that were left; `report` tells what fired in it.
    ValueError
        `mode` is not known to PyTensor.
    """
    if not isinstance(variables, Variable | list | tuple):
        raise TypeError(
            f"explain() takes a PyTensor variable or a list of variables, got {variables!r}. "
            "For a compiled function use report()."
        )
    outputs = list(view(variables, "explain()").outputs)
    with recording() as recorder:
        rewrite(outputs, mode)
        return Explanation(tuple(recorder.events))


def rewrite(outputs: list[Variable], mode: Mode | str | None) -> FunctionGraph:
    """Rewrite a copy of the graph as `mode` would before it compiles."""
    try:
        resolved = get_mode(mode)
    except Exception as error:
        raise ValueError(f"PyTensor knows no mode {mode!r}: {error}") from error
    if not isinstance(resolved, Mode):
        raise TypeError(f"mode must be a PyTensor mode or its name, got {mode!r}.")
    fgraph = FunctionGraph(outputs=outputs, clone=True)
    # Inplace rewrites need to know which inputs may be overwritten, and fusion would hide the
    # candidates that were left; none of our rules runs after either.
    rewriter = resolved.excluding("inplace", "fusion").optimizer
    # As FunctionMaker does: else the variables that rewrites make get this line for a trace.
    with config.change_flags(traceback__limit=config.traceback__compile_limit):
        rewriter.rewrite(fgraph)
    return fgraph


def report(model_or_graph: Any) -> Explanation:
    """Tell which rules fire in a PyMC model's logp and dlogp, or fired in a graph.

    Parameters
    ----------
    model_or_graph
        A PyMC model: its logp and dlogp are rewritten as PyMC does it, and looked at together.
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
    if _is_pymc_model(model_or_graph):
        return _report_model(model_or_graph)
    if isinstance(model_or_graph, Variable | list | tuple):
        return explain(model_or_graph)
    try:
        graph = view(model_or_graph, "report()")
    except TypeError:
        raise TypeError(
            f"report() takes a PyMC model, {EXPECTED}, got {model_or_graph!r}."
        ) from None
    marks = find_marks(graph.fgraph) if graph.fgraph is not None else None
    return Explanation(tuple(marks.events) if marks is not None else ())


def _is_pymc_model(thing: object) -> bool:
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
        return Explanation(tuple(recorder.events), f"pytensor_stabilize on {model.name or 'model'}")


__all__ = ["Event", "Explanation", "Graph", "explain", "report", "rewrite"]
