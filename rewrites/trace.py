"""What the rules did: recorded while a block runs, and kept on the graphs that they changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.features import AlreadyThere, Feature, register_feature_callback
from pytensor.graph.fg import AbstractFunctionGraph, FunctionGraph
from pytensor.scalar.basic import Composite
from pytensor.tensor.elemwise import Elemwise

from pytensor_stabilize.rewrites.describe import describe, nearest_trace, source_line
from pytensor_stabilize.rewrites.internals import features_of


@dataclass(frozen=True, slots=True)
class Event:
    """One look of a rule at a node.

    Attributes
    ----------
    rule
        Name of the rule.
    outcome
        "fired", "left" (a candidate that had to stay) or "off" (it would have fired).
    before, after
        The node and its replacement as formulas; `after` is empty unless it fired.
    reason
        Why the candidate was left; empty if it fired.
    where
        ``file:line: code`` of the user's line that made the node, or empty.
    """

    rule: str
    outcome: Literal["fired", "left", "off"]
    before: str
    after: str
    reason: str
    where: str


class Recorder:
    """Events in the order in which they happened, each node's last word only.

    An equilibrium rewriter visits a node again in every sweep; a node that was left in one sweep
    and rewritten in a later one counts as rewritten, and one that something else has replaced
    since is not reported at all: whatever took its place has its own events.
    """

    def __init__(self) -> None:
        self._events: dict[tuple[str, Apply], Event] = {}
        self._graphs: dict[FunctionGraph, None] = {}

    def record(self, event: Event, fgraph: FunctionGraph, node: Apply) -> None:
        self._events[event.rule, node] = event
        self._graphs[fgraph] = None

    @property
    def events(self) -> list[Event]:
        return [
            event
            for (_, node), event in self._events.items()
            if event.outcome == "fired" or any(node in graph.apply_nodes for graph in self._graphs)
        ]


_recorder: ContextVar[Recorder | None] = ContextVar("recorder", default=None)


def current_recorder() -> Recorder | None:
    """Recorder of the block around the caller, if there is one."""
    return _recorder.get()


@contextmanager
def recording() -> Iterator[Recorder]:
    """Record what the rules do in everything that this thread compiles inside the block."""
    recorder = Recorder()
    token = _recorder.set(recorder)
    try:
        yield recorder
    finally:
        _recorder.reset(token)


class RuleMarks(Feature):
    """Remembers on a FunctionGraph which rules fired and which variables they made.

    It is attached when the first rule fires, so that graphs without our rules pay nothing.  It
    follows the marked variables through later replacements, fusion into a Composite included,
    where the scalar inner graph would lose them.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.marks: dict[Variable, frozenset[str]] = {}

    @register_feature_callback
    def on_attach(self, fgraph: FunctionGraph) -> None:
        if find_marks(fgraph) is not None:
            raise AlreadyThere

    @register_feature_callback
    def on_change_input(self, fgraph, node, i, var, new_var, reason=None) -> None:  # type: ignore[no-untyped-def]
        if not self.marks:
            return
        names = self.marks.get(var, frozenset())
        owner = new_var.owner
        if owner is not None and _is_fused(owner):
            names |= self._marks_between(var, owner)
        if names:
            self.marks[new_var] = self.marks.get(new_var, frozenset()) | names

    def _marks_between(self, var: Variable, fused: Apply) -> frozenset[str]:
        """Marks of the variables that `fused` absorbed on the way from its inputs to `var`."""
        ends = set(fused.inputs)
        names: frozenset[str] = frozenset()
        todo, seen = [var], {var}
        while todo:
            current = todo.pop()
            names |= self.marks.get(current, frozenset())
            for inner in current.owner.inputs if current.owner is not None else ():
                if inner not in ends and inner not in seen:
                    seen.add(inner)
                    todo.append(inner)
        return names

    def clone(self) -> "RuleMarks":
        # The variables of a cloned graph are other objects, so marks would name the wrong ones.
        twin = RuleMarks()
        twin.events = list(self.events)
        return twin


def _is_fused(node: Apply) -> bool:
    return isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, Composite)


def find_marks(fgraph: AbstractFunctionGraph) -> RuleMarks | None:
    """Return the marks that our rules left on `fgraph`, or None if none fired."""
    for feature in features_of(fgraph):
        if isinstance(feature, RuleMarks):
            return feature
    return None


def note_fired(fgraph: FunctionGraph, rule: str, old: Variable, new: Variable) -> None:
    """Record that `rule` is about to replace `old` by `new` in `fgraph`.

    Every variable that the rule makes gets the trace of `old`, the user's line.
    """
    event = Event(rule, "fired", describe(old), describe(new), "", source_line(old))
    marks = find_marks(fgraph)
    if marks is None:
        marks = RuleMarks()
        fgraph.attach_feature(marks)
    marks.events.append(event)
    replaced = [old, *(old.owner.inputs if old.owner is not None else ())]
    names = frozenset({rule}).union(*(marks.marks.get(v, ()) for v in replaced))
    for variable in new_variables(fgraph, new):
        marks.marks[variable] = marks.marks.get(variable, frozenset()) | names
    give_trace(fgraph, old, new)
    recorder = current_recorder()
    if recorder is not None and old.owner is not None:
        recorder.record(event, fgraph, old.owner)


def give_trace(fgraph: FunctionGraph, old: Variable, new: Variable) -> None:
    """Give every variable that is made for `new` the trace of `old`, the user's line.

    While rules run PyTensor notes none: what it made in between has that of its operands.
    """
    trace = nearest_trace(old)
    for variable in new_variables(fgraph, new):
        variable.tag.trace = list(trace)


def note_not_fired(
    fgraph: FunctionGraph, rule: str, outcome: Literal["left", "off"], old: Variable, reason: str
) -> None:
    """Record that `rule` could not or must not replace `old`; costs nothing unless recording."""
    recorder = current_recorder()
    if recorder is not None and old.owner is not None:
        event = Event(rule, outcome, describe(old), "", reason, source_line(old))
        recorder.record(event, fgraph, old.owner)


def new_variables(fgraph: FunctionGraph, variable: Variable) -> list[Variable]:
    """Computed variables that `variable` needs and `fgraph` does not have yet, itself included."""
    found: dict[Variable, None] = {}
    todo = [variable]
    while todo:
        current = todo.pop()
        node = current.owner
        if node is None or current in fgraph.variables or current in found:
            continue
        found[current] = None
        todo.extend(node.inputs)
    return list(found)
