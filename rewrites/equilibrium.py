"""Equilibrium rewriters that ask our rules with one call for each node.

PyTensor's calls every rewriter that tracks an op at each of its nodes, in every pass; of a hundred
rules one in ten has something to look at there.  `RuleRewriter`\\ s stay what they are: each is
registered, selected and reported under its own name, and works in any other rewriter of PyTensor's
as well.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from pytensor.graph.basic import Apply
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import (
    EquilibriumGraphRewriter,
    GraphRewriter,
    MergeOptimizer,
    NodeRewriter,
    Rewriter,
)
from pytensor.graph.rewriting.db import EquilibriumDB
from pytensor.graph.traversal import toposort

from pytensor_stabilize.rewrites.engine import RuleRewriter
from pytensor_stabilize.rewrites.matching import is_a
from pytensor_stabilize.rewrites.memory import memory_of


class RuleSet(NodeRewriter):
    """Stands for all our rules among the rewriters of PyTensor, after those of any op.

    Attributes
    ----------
    name
        Of the rule that fired last: PyTensor gives it if the rewriting does not end.
    """

    name = ""

    def __init__(self, rules: Sequence[RuleRewriter]) -> None:
        self.rules = rules
        self.by_bit = {rule.bit: rule for rule in rules}
        self.bits = sum(self.by_bit)

    __hash__ = object.__hash__

    def tracks(self) -> None:
        # Asked at every node; which rules look at its op is known to the graph's memory.
        return None

    def transform(self, *args: object, **kwargs: object) -> Literal[False]:
        raise NotImplementedError("The rules are asked one by one.")


def merge_equal_nodes(fgraph: FunctionGraph) -> None:
    """Make one node of equal ones, as PyTensor does before and after its databases only.

    Rules know variables by identity.  What PyTensor's rewrites made twice, the dimensions added to
    a maximum for example, would be two symbols until the graph is rewritten a second time.
    """
    if hasattr(fgraph, "merge_feature"):
        MergeOptimizer().apply(fgraph)


class AskingRules(EquilibriumGraphRewriter):
    """PyTensor's equilibrium rewriter, with our rules as one of its rewriters.

    The profile that it returns names the rules, with the times and the numbers of their own.
    """

    _fired: Counter[NodeRewriter]
    _seconds: defaultdict[NodeRewriter, float]

    def __init__(self, rewriters: Sequence[Rewriter], *args: Any, **kwargs: Any) -> None:
        rules = [r for r in rewriters if is_a(r, RuleRewriter)]
        others = [r for r in rewriters if not is_a(r, RuleRewriter)]
        self.rule_set = RuleSet(rules)
        super().__init__(others, *args, **kwargs)
        if rules:
            self._place_rules()

    def _place_rules(self) -> None:
        self.node_tracker.add_tracker(self.rule_set)

    def get_node_rewriters(self) -> Iterator[NodeRewriter]:
        for rewriter in super().get_node_rewriters():
            if rewriter is not self.rule_set:
                yield rewriter
        yield from self.rule_set.rules

    def apply(self, fgraph: FunctionGraph, start_from: Any = None) -> Any:
        merge_equal_nodes(fgraph)
        self._fired, self._seconds = Counter(), defaultdict(float)
        profile = super().apply(fgraph, start_from)
        self._name_rules_in(profile)
        return profile

    def process_node(
        self,
        fgraph: FunctionGraph,
        node: Apply,
        node_rewriter: NodeRewriter | None = None,
        enforce_tracks: bool = True,
    ) -> bool:
        if node_rewriter is not self.rule_set:
            return super().process_node(fgraph, node, node_rewriter, enforce_tracks)
        return self._ask(fgraph, node)

    def _ask(self, fgraph: FunctionGraph, node: Apply) -> bool:
        """Ask the rules at a node, in the order of their table, until it is replaced."""
        memory, changed, passed = memory_of(fgraph), False, 0
        while asked := self.rule_set.bits & ~memory.known(fgraph, node).idle & ~passed:
            bit = asked & -asked
            passed |= bit
            rule = self.rule_set.by_bit[bit]
            began = time.perf_counter()
            fired = super().process_node(fgraph, node, rule, enforce_tracks=False)
            self._seconds[rule] += time.perf_counter() - began
            if fired:
                changed = True
                self._fired[rule] += 1
                self.rule_set.name = rule.rule.name
                if node not in fgraph.apply_nodes:
                    break
        return changed

    def _name_rules_in(self, profile: Any) -> None:
        _, _, counts, _, _, _, seconds, *_ = profile
        seconds.pop(self.rule_set, None)
        seconds.update(self._seconds)
        for count in counts:
            count.pop(self.rule_set, None)
        # In which pass each fired is not kept.
        counts[-1].update(self._fired)


class AskingWhenSettled(AskingRules):
    """PyTensor's equilibrium rewriter, which asks our rules whenever all others are done.

    In "specialize" they hardly ever find anything, and after each change of PyTensor's they would
    look again at all that is computed from it.
    """

    _is_settled = True

    def _place_rules(self) -> None:
        self.final_rewriters.append(RulesWhenSettled(self))

    def process_node(self, *args: Any, **kwargs: Any) -> bool:
        # Never called for a rule: those are asked by `_ask`, which calls PyTensor's own.
        changed = super().process_node(*args, **kwargs)
        self._is_settled &= not changed
        return changed

    def sweep(self, fgraph: FunctionGraph) -> None:
        """Ask the rules at all nodes, what is computed last first, if nothing else has changed."""
        if self._is_settled:
            merge_equal_nodes(fgraph)
            for node in reversed(list(toposort(fgraph.outputs))):
                if node in fgraph.apply_nodes:
                    self._ask(fgraph, node)
        self._is_settled = True


class RulesWhenSettled(GraphRewriter):
    """What PyTensor runs at the end of each pass."""

    def __init__(self, asking: AskingWhenSettled) -> None:
        self.asking = asking

    @property
    def name(self) -> str:
        return self.asking.rule_set.name

    def apply(self, fgraph: FunctionGraph, *args: object, **kwargs: object) -> None:
        self.asking.sweep(fgraph)


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
