"""Which rules fire on a graph, on what, and why the others do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from pytensor.compile.mode import Mode, get_mode
from pytensor.configdefaults import config
from pytensor.graph.basic import Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.elemwise import DimShuffle

from pytensor_stabilize.graphs.graphlike import outputs_of
from pytensor_stabilize.rewrites import RULES, registration_state
from pytensor_stabilize.rewrites.branch_free.ops import log1p
from pytensor_stabilize.rewrites.checks import shown
from pytensor_stabilize.rewrites.describe import describe, source_line
from pytensor_stabilize.rewrites.internals import rewriters_of
from pytensor_stabilize.rewrites.matching import (
    FLOATS,
    exact_constant,
    is_a,
    scalar_op_of,
    strip_sign,
)
from pytensor_stabilize.rewrites.trace import Event, recording


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
    note
        What could not be looked at: rules that the mode does not run, bodies of Scan.
    """

    events: tuple[Event, ...]
    title: str = "pytensor_stabilize"
    note: str = ""

    @property
    def fired(self) -> Counter[str]:
        """Number of firings by rule."""
        return Counter(event.rule for event in self.events if event.outcome == "fired")

    @property
    def left(self) -> tuple[Event, ...]:
        """Candidates that were looked at and left."""
        return tuple(event for event in self.events if event.outcome != "fired")

    def __str__(self) -> str:
        note = f"\n  {self.note}" if self.note else ""
        if not self.events:
            return f"{self.title}: no rule found anything to do.{note}"
        lines = [f"{self.title}: {sum(self.fired.values())} fired, {len(self.left)} left"]
        for event in self.events:
            if event.outcome == "fired":
                lines.append(f"  fired {event.rule}: {event.before}  ->  {event.after}")
            else:
                lines.append(f"  {event.outcome:<5} {event.rule}: {event.before}")
                lines.append(f"        because {event.reason}")
            if event.where:
                lines.append(f"        made at {event.where}")
        return "\n".join(lines) + note

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
            f"<p>{escape(str(self).splitlines()[0])} {escape(self.note)}</p>"
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
            f"explain() takes a PyTensor variable or a list of variables, got {shown(variables)}. "
            "For a compiled function use report()."
        )
    outputs = outputs_of(variables, "explain()")
    with recording() as recorder:
        fgraph = rewrite(outputs, mode)
        events = (*recorder.events, *complements_of_inputs(fgraph))
        return Explanation(events, note=absent_rules(mode))


def complements_of_inputs(fgraph: FunctionGraph) -> Iterator[Event]:
    """Where ``1 - p`` is used as a probability and p is an input, of which no more is known."""
    for node in fgraph.toposort():
        variable = node.outputs[0]
        scalar = scalar_op_of(node)
        if is_a(scalar, ps.Sub) and exact_constant(node.inputs[0]) == 1:
            given = strip_shape(node.inputs[1])
            clients = [c for c, _ in fgraph.clients[variable] if c in fgraph.apply_nodes]
            used = variable in fgraph.outputs or any(
                is_a(scalar_op_of(client), ps.Log, ps.TrueDiv, ps.Reciprocal)
                or (is_a(scalar_op_of(client), ps.Mul) and node.inputs[1] in client.inputs)
                for client in clients
            )
        elif is_a(scalar, ps.Log1p, type(log1p.scalar_op)):
            sign, core = strip_sign(node.inputs[0])
            given, used = strip_shape(core), sign < 0
        else:
            continue
        if used and given.owner is None and str(given.type.dtype) in FLOATS:
            name = describe(given)
            yield Event(
                "one_minus_sigmoid",
                "left",
                describe(variable),
                "",
                f"{name} is an input: if it is a sigmoid that was computed before, the digits of "
                f"1 - {name} were lost there, and only sigmoid(x) in this graph has them",
                source_line(variable),
            )


def strip_shape(variable: Variable) -> Variable:
    """What a variable is broadcast from."""
    while variable.owner is not None and isinstance(variable.owner.op, DimShuffle):
        variable = variable.owner.inputs[0]
    return variable


def absent_rules(mode: Mode | str | None) -> str:
    """Say which rules `mode` does not run, so that silence is not taken for an all-clear."""
    if not registration_state.is_registered:
        return "The rules are not registered: unregister() has taken them out."
    present = {str(rewriter) for rewriter in rewriters_of(mode)}
    stood_back = registration_state.stood_back
    notes = [f"{name} stands back: PyTensor has {where}." for name, where in stood_back.items()]
    absent = [
        rule.name
        for rule in RULES
        if rule.name not in present and rule.name not in stood_back and not rule.opt_in
    ]
    if absent:
        notes.append(f"This mode does not run {', '.join(absent)}.")
    return " ".join(notes)


def rewrite(
    outputs: list[Variable], mode: Mode | str | None, inputs: list[Variable] | None = None
) -> FunctionGraph:
    """Rewrite a copy of the graph as `mode` would before it compiles.

    Without `inputs`, those that the graph has are taken, in the order in which they are found.
    """
    try:
        resolved = get_mode(mode)
    except Exception as error:
        raise ValueError(f"PyTensor knows no mode {mode!r}: {error}") from error
    if not isinstance(resolved, Mode):
        raise TypeError(f"mode must be a PyTensor mode or its name, got {mode!r}.")
    fgraph = FunctionGraph(inputs, outputs, clone=True)
    # Inplace rewrites need to know which inputs may be overwritten, and fusion would hide the
    # candidates that were left; none of our rules runs after either.
    rewriter = resolved.excluding("inplace", "fusion").optimizer
    # As FunctionMaker does: else the variables that rewrites make get this line for a trace.
    with config.change_flags(traceback__limit=config.traceback__compile_limit):
        rewriter.rewrite(fgraph)
    return fgraph
