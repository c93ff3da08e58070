"""Equilibrium rewriters that ask our rules with one call for each node.

PyTensor's calls every rewriter that tracks an op at each of its nodes, in every pass; of a hundred
rules one in ten has something to look at there.  `RuleRewriter`\\ s stay what they are: each is
registered, selected and reported under its own name, and works in any other rewriter of PyTensor's
as well.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, Literal

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.graph.rewriting.basic import (
    EquilibriumGraphRewriter,
    GraphRewriter,
    NodeRewriter,
    Rewriter,
)
from pytensor.graph.rewriting.db import EquilibriumDB
from pytensor.graph.traversal import toposort

from pytensor_stabilize.rewrites.engine import RuleRewriter
from pytensor_stabilize.rewrites.memory import memory_of, untracked
from pytensor_stabilize.rewrites.trace import current_recorder
from pytensor_stabilize.rewrites.tracebacks import show_the_callers_line, untraced

__all__ = ["AskingRules", "AskingWhenSettled", "ask_rules_in"]


class RuleSet(NodeRewriter):
    """All our rules as one rewriter, which PyTensor calls after its own for any op.

    Attributes
    ----------
    name
        Of the rule that fired last: what PyTensor prints with a replacement, and when a rewriting
        does not end.
    fired, seconds
        How often each rule fired, and how long its looks took.
    """

    name = ""

    def __init__(self, rules: Sequence[RuleRewriter]) -> None:
        self.rules = rules
        self.by_bit = {rule.bit: rule for rule in rules}
        self.bits = sum(self.by_bit)
        self.local_bits = sum({rule.bit for rule in rules if rule.rule.is_local})
        self.fired: Counter[NodeRewriter] = Counter()
        self.seconds: defaultdict[NodeRewriter, float] = defaultdict(float)

    __hash__ = object.__hash__

    def __str__(self) -> str:
        return self.name

    def tracks(self) -> None:
        # Not by ops: PyTensor would ask before its own rewriters that track a base class.
        return None

    def look_at(self, op: Op) -> bool:
        """Whether any of the rules looks at an op."""
        return bool(self.bits & ~untracked(op))

    def transform(
        self, fgraph: FunctionGraph, node: Apply, *args: object, **kwargs: object
    ) -> list[Variable] | dict[Any, Any] | Literal[False]:
        """Ask the rules at a node, in the order of their table, until one fires."""
        memory = memory_of(fgraph)
        known = memory.known(fgraph, node)
        asked = self.bits & ~known.idle
        template = None
        if asked & self.local_bits and current_recorder() is None:
            template = memory.compare(fgraph, node, known)
        if template is not None:
            known.idle |= template.idle
            asked &= ~known.idle
        while asked:
            bit = asked & -asked
            rule = self.by_bit[bit]
            began = time.perf_counter()
            result = rule.ask(fgraph, node, memory, known)
            self.seconds[rule] += time.perf_counter() - began
            if result:
                self.fired[rule] += 1
                self.name = rule.rule.name
                return result
            asked &= ~bit
        if template is not None:
            template.idle |= known.idle & self.local_bits
        return False


class AskingRules(EquilibriumGraphRewriter):
    """PyTensor's equilibrium rewriter, with our rules as one of its rewriters.

    The profile that it returns names the rules, with the times and the numbers of their own.
    """

    def __init__(self, rewriters: Sequence[Rewriter], *args: Any, **kwargs: Any) -> None:
        rules: list[RuleRewriter] = []
        others: list[Rewriter] = []
        for rewriter in rewriters:
            if type(rewriter) is RuleRewriter:
                rules.append(rewriter)
            else:
                others.append(rewriter)
        self.rule_set = RuleSet(rules)
        # All that ask our rules, of which a rule may be in several.
        self.rule_sets = [self.rule_set]
        super().__init__(others, *args, **kwargs)
        if rules:
            self._place_rules()

    def _place_rules(self) -> None:
        self._ask_last(self.rule_set)

    def _ask_last(self, rules: RuleSet) -> None:
        """Ask rules after PyTensor's rewriters, where one of them looks at the op."""
        self.node_tracker.add_tracker(rules)
        others = self.node_tracker.get_trackers

        def trackers(op: Op) -> list[NodeRewriter]:
            found = others(op)
            return found if rules.look_at(op) else [r for r in found if r is not rules]

        self.node_tracker.get_trackers = cache(trackers)

    def get_node_rewriters(self) -> Iterator[NodeRewriter]:
        for rewriter in super().get_node_rewriters():
            if type(rewriter) is not RuleSet:
                yield rewriter
        yield from self.rule_set.rules

    def apply(self, fgraph: FunctionGraph, start_from: Any = None) -> Any:
        for rules in self.rule_sets:
            rules.fired.clear()
            rules.seconds.clear()
        with untraced() as limit:
            profile = super().apply(fgraph, start_from)
        if limit:
            show_the_callers_line(fgraph, limit)
        self._name_rules_in(profile)
        return profile

    def _name_rules_in(self, profile: Any) -> None:
        _, _, counts, _, _, _, seconds, *_ = profile
        for rules in self.rule_sets:
            seconds.pop(rules, None)
            for rule, time_taken in rules.seconds.items():
                seconds[rule] = seconds.get(rule, 0.0) + time_taken
            for count in counts:
                count.pop(rules, None)
            # In which pass each fired is not kept.
            counts[-1].update(rules.fired)


class AskingWhenSettled(AskingRules):
    """PyTensor's equilibrium rewriter, which asks most of our rules when all others are done.

    In "specialize" they hardly ever find anything, and after each change of PyTensor's they would
    look again at all that is computed from it.  Rules of this database alone are there to come
    before some rewriter of PyTensor's, as the one that makes an exponential of a sum of a product
    of exponentials, and are asked in between.
    """

    settled: "RulesWhenSettled | None" = None

    def _place_rules(self) -> None:
        rules = self.rule_set.rules
        early = RuleSet([r for r in rules if r.rule.databases == ("specialize",)])
        self.rule_sets.append(early)
        self._ask_last(early)
        self.settled = RulesWhenSettled(self)
        self.final_rewriters.append(self.settled)

    def apply(self, fgraph: FunctionGraph, start_from: Any = None) -> Any:
        if self.settled is not None:
            self.settled.seen = memory_of(fgraph).changes
        return super().apply(fgraph, start_from)


class RulesWhenSettled(GraphRewriter):
    """What PyTensor runs at the end of each pass: our rules, if nothing changed in the pass."""

    def __init__(self, asking: AskingWhenSettled) -> None:
        self.asking = asking
        self.seen = 0

    def apply(self, fgraph: FunctionGraph, *args: object, **kwargs: object) -> None:
        memory = memory_of(fgraph)
        if self.seen == memory.changes:
            # What is computed last comes first, as in PyTensor's passes.
            rules = self.asking.rule_set
            for node in reversed(list(toposort(fgraph.outputs))):
                if rules.look_at(node.op) and node in fgraph.apply_nodes:
                    self.asking.process_node(fgraph, node, rules)
            self.name = rules.name
        self.seen = memory.changes


def ask_rules_in(
    database: EquilibriumDB, kind: type[AskingRules] = AskingRules
) -> Callable[[], None]:
    """Let a database make equilibrium rewriters that ask our rules; returns what undoes it."""
    before = database.eq_rewriter_class
    plain = before is EquilibriumGraphRewriter
    asking = kind if plain else type(kind.__name__, (kind, before), {})
    database.eq_rewriter_class = asking

    def undo() -> None:
        if database.eq_rewriter_class is asking:
            database.eq_rewriter_class = before

    return undo
