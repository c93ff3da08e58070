"""What is known of a graph while it is rewritten: what its nodes are made of, and fruitless looks.

Most rules have nothing to do in most graphs, and every node is looked at at least four times: twice
in each of two databases.
"""

from collections.abc import Callable, Hashable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.features import Feature, register_feature_callback
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.scalar.basic import Pow

from pytensor_stabilize.rewrites.matching import exact_constant, is_a, scalar_op_of
from pytensor_stabilize.rewrites.rules import ConstantPower, Left, Needs, Rule
from pytensor_stabilize.rewrites.templates import LARGE, Template, Templates

# A change with more nodes downstream makes everything be looked at anew: following each change to
# the end of a long chain would be quadratic.
_MOST_DOWNSTREAM = 200

# Of the graph that a rule looks at now.
at_hand: ContextVar["Memory | None"] = ContextVar("at_hand", default=None)

# A bit for each class of op that was ever seen, so that a set of classes is an integer.
_bits: dict[type, int] = {}
# A bit for each rule, what it needs, and the rules that look at an op or a class of ops.
_rule_bits: dict[tuple[str, Needs, tuple], int] = {}
_wanted: dict["Wanted", int] = {}
_tracked: dict[Op | type, int] = {}


@dataclass(frozen=True, slots=True)
class Wanted:
    """The `Needs` of a rule, as bits: one of some classes, or all of one of some groups.

    Without any, all that there is will do.
    """

    one_of: int
    groups: tuple[int, ...]

    @classmethod
    def of(cls, needs: Needs) -> "Wanted":
        """The same as bits; no needs are no bits."""
        single = [need for need in needs if not isinstance(need, tuple)]
        groups = [need for need in needs if isinstance(need, tuple)]
        return cls(_union(single), tuple(map(_union, groups)))

    def among(self, kinds: int) -> bool:
        """Whether what is wanted is among some classes."""
        if kinds & self.one_of or not (self.one_of or self.groups):
            return True
        return any(kinds & group == group for group in self.groups)


class Known:
    """What came of looking at a node."""

    __slots__ = ("idle", "is_compared", "left", "like", "readings")

    def __init__(self) -> None:
        self.idle = -1  # not asked for yet: much is read of nodes that no rule looks at
        self.left: dict[str, Left] = {}
        self.readings: dict[Variable, dict[Hashable, Any]] = {}
        # What came of nodes that are alike, and what this one is computed from.
        self.like: tuple[Template, list[Variable]] | None = None
        self.is_compared = False


class Memory(Feature):
    """Knows what the nodes of a FunctionGraph are made of, and what came of looking at them.

    What is known of a node is forgotten as soon as anything changes that it is computed from: the
    rules that have nothing to do there, most of them, most of the time; why others left it; and
    what the algebra read of its outputs.

    Attributes
    ----------
    factorings
        What forms of the algebra were factored to: the terms say all, whatever graph they are
        read from.
    twins
        Of nodes that do the same to the same variables, the output of the first: PyTensor makes one
        of them beside the other, and merges them afterwards only.
    changes
        How many inputs of nodes were changed so far.
    """

    def __init__(self) -> None:
        self.factorings: dict[Any, Any] = {}
        self.twins: dict[Hashable, Variable] = {}
        self.changes = 0
        self._known: dict[Apply, Known] = {}
        # Nodes with new inputs, below which everything is to be forgotten: PyTensor changes many
        # between two looks, and their clients are mostly the same.
        self._changed: list[Apply] = []
        # Of variables that nothing computes.
        self._readings: dict[Variable, dict[Hashable, Any]] = {}
        # May name classes that the node is no longer computed from, and never too few.
        self._kinds: dict[Apply, int] = {}
        # By the ids of ops, which are kept so that they stay theirs.
        self._untracked: dict[int, tuple[Op, int]] = {}
        self._templates = Templates()

    @register_feature_callback
    def on_attach(self, fgraph: FunctionGraph) -> None:
        fgraph.stabilize_memory = self  # type: ignore[attr-defined]

    @register_feature_callback
    def on_prune(self, fgraph: FunctionGraph, node: Apply, reason: str) -> None:
        self._known.pop(node, None)
        self._kinds.pop(node, None)

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
        self.changes += 1
        if self._known:
            self._changed.append(node)
        if node not in self._kinds:
            return
        if new.owner is not None:
            self._add_kinds(fgraph, node, self.kinds(new.owner))
        elif is_a(new, Constant):
            # It may be what a power's exponent is made of.
            self._add_kinds(fgraph, node, _bit(ConstantPower))

    def known(self, fgraph: FunctionGraph, node: Apply) -> Known:
        """What came of looking at a node, so far."""
        if self._changed:
            self._forget_below(fgraph, self._changed)
            self._changed = []
        found = self._known_or_new(node)
        if found.idle < 0:
            found.idle = self.untracked(node.op) | _unwanted(self.kinds(node), len(_rule_bits))
        return found

    def untracked(self, op: Op) -> int:
        """The rules that do not look at an op, as bits; to hash one takes PyTensor long."""
        seen = self._untracked.get(id(op))
        if seen is None:
            seen = self._untracked[id(op)] = op, untracked(op)
        return seen[1]

    def compare(self, fgraph: FunctionGraph, node: Apply, known: Known) -> Template | None:
        """What came of looking at nodes that are like a node; None of a small graph."""
        if not known.is_compared and len(fgraph.apply_nodes) >= LARGE:
            known.like, known.is_compared = self._templates.of(node), True
        return known.like[0] if known.like is not None else None

    def _known_or_new(self, node: Apply) -> Known:
        found = self._known.get(node)
        if found is None:
            found = self._known[node] = Known()
        return found

    def about(self, variable: Variable) -> dict[Hashable, Any]:
        """What the algebra read of a variable, to be added to, while a rule looks."""
        node = variable.owner
        if node is None:
            return self._readings.setdefault(variable, {})
        return self._known_or_new(node).readings.setdefault(variable, {})

    def kinds(self, node: Apply) -> int:
        """The classes of the ops that a node is computed by, itself included, as bits."""
        known = self._kinds
        todo = [node] if node not in known else []
        while todo:
            current = todo[-1]
            owners = [v.owner for v in current.inputs if v.owner is not None]
            missing = [owner for owner in owners if owner not in known]
            if missing:
                todo += missing
                continue
            found = _bit(_kind(current))
            for owner in owners:
                found |= known[owner]
            known[current] = found
            todo.pop()
        return known[node]

    def occur(self, wanted: Wanted, fgraph: FunctionGraph) -> bool:
        """Whether what is wanted is anywhere in the graph."""
        owners = (output.owner for output in fgraph.outputs)
        return any(wanted.among(self.kinds(node)) for node in owners if node is not None)

    def forget(self) -> None:
        """Drop all that is known: functions keep their graphs, and would keep this."""
        for known in (
            self._known,
            self._changed,
            self.factorings,
            self.twins,
            self._readings,
            self._kinds,
        ):
            known.clear()
        self._untracked.clear()
        self._templates.clear()

    def clone(self) -> "Memory":
        return Memory()

    def _add_kinds(self, fgraph: FunctionGraph, node: Apply, kinds: int) -> None:
        """Note classes of ops for a node and all that is computed from it."""
        todo = [node]
        while todo:
            current = todo.pop()
            known = self._kinds.get(current)
            if known is None or known | kinds == known:
                continue
            self._kinds[current] = known | kinds
            self._known.pop(current, None)
            for output in current.outputs:
                todo += [client for client, _ in fgraph.clients.get(output, ())]

    def _forget_below(self, fgraph: FunctionGraph, changed: list[Apply]) -> None:
        known, clients = self._known, fgraph.clients
        todo = list(dict.fromkeys(changed))
        most = _MOST_DOWNSTREAM * len(todo)
        seen = set(todo)
        for node in todo:
            known.pop(node, None)
            for output in node.outputs:
                for client, _ in clients.get(output, ()):
                    if client not in seen:
                        seen.add(client)
                        todo.append(client)
            if len(todo) > most:
                known.clear()
                return


def once[T](variable: Variable, name: Hashable, read: Callable[[], T]) -> T:
    """What is read of a variable, read once in the graph at hand for all rules that ask."""
    memory = at_hand.get()
    if memory is None:
        return read()
    known = memory.about(variable)
    if name not in known:
        known[name] = read()
    return known[name]


def memory_of(fgraph: FunctionGraph) -> Memory:
    """The memory of a graph, attached to it when it is first asked for."""
    memory = getattr(fgraph, "stabilize_memory", None)
    if memory is None:
        memory = Memory()
        fgraph.attach_feature(memory)
    return memory


def bit_of_rule(rule: Rule) -> int:
    """The bit that stands for a rule."""
    key = rule.name, rule.needs, rule.tracks
    if key not in _rule_bits:
        _rule_bits[key] = bit = 1 << len(_rule_bits)
        wanted = Wanted.of(rule.needs)
        _wanted[wanted] = _wanted.get(wanted, 0) | bit
        for op in rule.tracks:
            _tracked[op] = _tracked.get(op, 0) | bit
    return _rule_bits[key]


def untracked(op: Op) -> int:
    """The rules that do not look at an op, as bits."""
    found = _tracked.get(op, 0) | _tracked_class(type(op), len(_rule_bits))
    return (1 << len(_rule_bits)) - 1 & ~found


@cache
def _tracked_class(kind: type, rules: int) -> int:
    """Of so many rules those that look at a class of ops, as bits."""
    found = 0
    for base in kind.__mro__:
        found |= _tracked.get(base, 0)
    return found


@lru_cache(maxsize=4096)
def _unwanted(kinds: int, rules: int) -> int:
    """Of so many rules those that need other classes of ops, as bits."""
    found = 0
    for wanted, bits in _wanted.items():
        if not wanted.among(kinds):
            found |= bits
    return found


def _kind(node: Apply) -> type:
    op = scalar_op_of(node)
    if is_a(op, Pow) and exact_constant(node.inputs[1]) is not None:
        return ConstantPower
    return type(node.op if op is None else op)


def _bit(kind: type) -> int:
    bit = _bits.get(kind)
    if bit is None:
        bit = _bits[kind] = 1 << len(_bits)
    return bit


def _union(kinds: tuple[type, ...] | list[type]) -> int:
    result = 0
    for kind in kinds:
        result |= _bit(kind)
    return result
