"""What is known of a graph while it is rewritten: what its nodes are made of, and fruitless looks.

Most rules have nothing to do in most graphs, and every node is looked at at least four times: twice
in each of two databases.
"""

from collections.abc import Callable, Hashable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.features import Feature, register_feature_callback
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar.basic import Pow

from pytensor_stabilize.rewrites.matching import exact_constant, is_a, scalar_op_of
from pytensor_stabilize.rewrites.rules import ConstantPower, Left, Needs, Rule

# A change with more nodes downstream makes everything be looked at anew: following each change to
# the end of a long chain would be quadratic.
_MOST_DOWNSTREAM = 200

# Of the graph that a rule looks at now.
at_hand: ContextVar["Memory | None"] = ContextVar("at_hand", default=None)

# A bit for each class of op that was ever seen, so that a set of classes is an integer.
_bits: dict[type, int] = {}
# A bit for each rule, and what it needs.
_rule_bits: dict[tuple[str, Needs], int] = {}
_wanted: list[tuple[int, "Wanted"]] = []


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


class Memory(Feature):
    """Knows what the nodes of a FunctionGraph are made of, and what came of looking at them.

    Attributes
    ----------
    idle
        The rules that have nothing to do in a node, as bits: most of them, most of the time.
        Forgotten as soon as anything changes that the node is computed from, as is why others
        left it.
    factorings of the algebra were factored to: the terms say all, whatever graph they are
        read from.
    readings
        What the algebra read of a variable; forgotten with the findings.
    """

    def __init__(self) -> None:
        self.idle: dict[Apply, int] = {}
        self._left: dict[Apply, dict[str, Left]] = {}
        self.factorings: dict[Any, Any] = {}
        self.readings: dict[Variable, dict[Hashable, Any]] = {}
        # May name classes that the node is no longer computed from, and never too few.
        self._kinds: dict[Apply, int] = {}

    @register_feature_callback
    def on_attach(self, fgraph: FunctionGraph) -> None:
        fgraph.stabilize_memory = self  # type: ignore[attr-defined]

    @register_feature_callback
    def on_prune(self, fgraph: FunctionGraph, node: Apply, reason: str) -> None:
        self._forget_node(node)
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
        if self.idle or self._left or self.readings:
            self._forget_below(fgraph, node)
        if node not in self._kinds:
            return
        if new.owner is not None:
            self._add_kinds(fgraph, node, self.kinds(new.owner))
        elif is_a(new, Constant):
            # It may be what a power's exponent is made of.
            self._add_kinds(fgraph, node, _bit(ConstantPower))

    def first_look(self, node: Apply) -> int:
        """The rules that have nothing to do in a node that none has looked at, as bits."""
        found = self.idle[node] = _unwanted(self.kinds(node), len(_rule_bits))
        return found

    def set_idle(self, node: Apply, rule: int) -> None:
        """Note that a rule found nothing in a node."""
        self.idle[node] = rule | (self.idle[node] if node in self.idle else self.first_look(node))

    def reason(self, node: Apply, rule: str) -> Left | None:
        """Why a rule left a node."""
        return self._left.get(node, {}).get(rule)

    def leave(self, node: Apply, rule: str, reason: Left) -> None:
        """Note why a rule left a node."""
        self._left.setdefault(node, {})[rule] = reason

    def about(self, variable: Variable) -> dict[Hashable, Any]:
        """What the algebra read of a variable, to be added to."""
        return self.readings.setdefault(variable, {})

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
        for known in (self.idle, self._left, self.factorings, self.readings, self._kinds):
            known.clear()

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
            self.idle.pop(current, None)
            for output in current.outputs:
                todo += [client for client, _ in fgraph.clients.get(output, ())]

    def _forget_node(self, node: Apply) -> None:
        self.idle.pop(node, None)
        self._left.pop(node, None)
        for output in node.outputs:
            self.readings.pop(output, None)

    def _forget_below(self, fgraph: FunctionGraph, node: Apply) -> None:
        todo, seen = [node], {node}
        for changed in todo:
            self._forget_node(changed)
            for output in changed.outputs:
                for client, _ in fgraph.clients.get(output, ()):
                    if client not in seen:
                        seen.add(client)
                        todo.append(client)
            if len(todo) > _MOST_DOWNSTREAM:
                self.idle.clear()
                self._left.clear()
                self.readings.clear()
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
    key = rule.name, rule.needs
    if key not in _rule_bits:
        _rule_bits[key] = 1 << len(_rule_bits)
        _wanted.append((_rule_bits[key], Wanted.of(rule.needs)))
    return _rule_bits[key]


@lru_cache(maxsize=4096)
def _unwanted(kinds: int, rules: int) -> int:
    """Of so many rules those that need other classes of ops, as bits."""
    found = 0
    for bit, wanted in _wanted[:rules]:
        if not wanted.among(kinds):
            found |= bit
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
