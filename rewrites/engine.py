"""The node rewriter that runs one rule: switches, replacement of the right type, traces."""

import typing
from collections.abc import Hashable, Sequence
from typing import Any, Literal

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.graph.rewriting.basic import NodeRewriter
from pytensor.tensor.basic import cast
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.shape import specify_shape

from pytensor_stabilize.rewrites import registration_state
from pytensor_stabilize.rewrites.internals import broadcast_like_elemwise
from pytensor_stabilize.rewrites.interning import interned, same_up_to_order
from pytensor_stabilize.rewrites.matching import is_a
from pytensor_stabilize.rewrites.memory import Known, Memory, at_hand, bit_of_rule, memory_of
from pytensor_stabilize.rewrites.rules import Left, Rule
from pytensor_stabilize.rewrites.spelling import spelled, spelled_clients
from pytensor_stabilize.rewrites.switches import is_switched_on
from pytensor_stabilize.rewrites.trace import (
    current_recorder,
    give_trace,
    note_fired,
    note_not_fired,
)


class RuleRewriter(NodeRewriter):
    """Runs one `Rule`; a fresh instance is registered in each database that the rule goes to.

    PyTensor sets ``name`` on the instance that it registers, and prints ``str(rewriter)`` in
    profiles and under ``optimizer_verbose``.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.__name__ = rule.name
        self.bit = bit_of_rule(rule)

    # PyTensor asks for it at every node, and its own is written in Python.
    __hash__ = object.__hash__

    def __str__(self) -> str:
        return self.rule.name

    def tracks(self) -> Sequence[Op]:
        # PyTensor takes classes of ops as well, and does not say so in its types.
        return typing.cast(Sequence[Op], self.rule.tracks)

    def transform(
        self, fgraph: FunctionGraph, node: Apply, enforce_tracks: bool = True, *args, **kwargs
    ) -> list[Variable] | dict[Any, Any] | Literal[False]:
        memory = memory_of(fgraph)
        # That it does not track the node's op is among the reasons why it may be idle there.
        known = memory.known(fgraph, node)
        if known.idle & self.bit:
            return False
        return self.ask(fgraph, node, memory, known)

    def ask(
        self, fgraph: FunctionGraph, node: Apply, memory: Memory, known: Known
    ) -> list[Variable] | dict[Any, Any] | Literal[False]:
        """Ask the rule at a node where it may have something to do: what replaces the outputs."""
        rule = self.rule
        on = registration_state.is_registered and is_switched_on(rule.name)
        if not on and current_recorder() is None:
            return False
        result = self._look_or_copy(fgraph, node, memory, known)
        if result is None:
            return False
        first = node.outputs[0]
        if isinstance(result, Left):
            note_not_fired(fgraph, rule.name, "left", first, result.reason)
            return False
        if not on:
            note_not_fired(fgraph, rule.name, "off", first, "the rule is switched off")
            return False
        results = result if isinstance(result, list) else [result]
        replaced: list[Variable] = []
        fresh: dict[Hashable, Apply] = {}
        for old, new in zip(node.outputs, results, strict=True):
            replaced.append(interned(conform(new, old, node, fgraph), node, fgraph, fresh))
            note_fired(fgraph, rule.name, old, replaced[-1])
        pairs = list(zip(node.outputs, replaced, strict=True))
        clients = [pair for old, new in pairs for pair in spelled_clients(old, new, fgraph)]
        for old, new in clients:
            give_trace(fgraph, old, new)
        return dict([*pairs, *clients]) if clients else replaced

    def _look_or_copy(
        self, fgraph: FunctionGraph, node: Apply, memory: Memory, known: Known
    ) -> Variable | list[Variable] | Left | None:
        """What the rule finds, copied where it has looked at a node that is alike."""
        if known.like is None or not self.rule.is_local:
            return self._look(fgraph, node, memory, known)
        template, variables = known.like
        copied = template.instance(self.bit, variables)
        if copied is not None:
            return copied
        result = self._look(fgraph, node, memory, known)
        if result is not None and is_a(result, Variable):
            template.remember(self.bit, result, variables)
        return result

    def _look(
        self, fgraph: FunctionGraph, node: Apply, memory: Memory, known: Known
    ) -> Variable | list[Variable] | Left | None:
        """Ask the rule, unless it found nothing in this node and nothing has changed since."""
        rule = self.rule
        assert rule.transform is not None
        if rule.name in known.left:
            return known.left[rule.name]
        token = at_hand.set(memory)
        try:
            result = rule.transform(fgraph, node)
        finally:
            at_hand.reset(token)
        if result is not None and is_a(result, Variable):
            result = spelled(result, fgraph)
            if not rule.sees_clients and same_up_to_order(result, node.outputs[0]):
                result = None
        if rule.sees_clients:
            return result
        if result is None:
            known.idle |= self.bit
        elif type(result) is Left and result.lasts:
            # A reason is given to each recorder that asks.
            known.left[rule.name] = result
        return result


def conform(new: Variable, old: Variable, node: Apply, fgraph: FunctionGraph) -> Variable:
    """Give `new` the dtype, the broadcast shape and the static shape of `old`, of that node."""
    if new.type.dtype != old.type.dtype:
        new = cast(new, old.type.dtype)
    if new.type.broadcastable != old.type.broadcastable and is_a(node.op, Elemwise):
        # A term that the rule drops, np.ones((3, 1)) for example, also gave the result its shape.
        (new,) = broadcast_like_elemwise([new], node, fgraph=fgraph)
    if not old.type.is_super(new.type):
        new = specify_shape(new, old.type.shape)
    return new
