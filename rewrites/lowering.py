"""Late lowering: sigmoids of the same ``|x|`` share one ``exp(-|x|)``.

With ``e = exp(-|x|)``, which never overflows and lies in (0, 1]::

    sigmoid(x)               = (x >= 0 ? 1 : e) / (1 + e)
    sigmoid(-x)              = (x >= 0 ? e : 1) / (1 + e)
    sigmoid(x) * sigmoid(-x) = e / (1 + e)**2

It runs after all rules that look for sigmoids and before fusion, which makes one loop of it.
JAX, PyTorch and MLX differentiate after us and take the wrong side of ``|x|`` at 0, so nothing
is lowered for them here; `jax_lowering` does what JAX needs.
"""

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pytensor.tensor as pt
from pytensor.configdefaults import config
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import GraphRewriter, get_active_mode
from pytensor.link.basic import PerformLinker
from pytensor.link.c.basic import CLinker, OpWiseCLinker
from pytensor.link.jax.linker import JAXLinker
from pytensor.link.mlx.linker import MLXLinker
from pytensor.link.numba.linker import NumbaLinker
from pytensor.link.pytorch.linker import PytorchLinker
from pytensor.link.vm import VMLinker
from pytensor.tensor.math import mul

from pytensor_stabilize.rewrites import registration_state, symbols
from pytensor_stabilize.rewrites.arithmetic import product_of
from pytensor_stabilize.rewrites.kernels import JaxSigmoid, branched_sigmoid
from pytensor_stabilize.rewrites.matching import is_sigmoid_node, negate, signed_key
from pytensor_stabilize.rewrites.rules import REAL, Rule
from pytensor_stabilize.rewrites.switches import is_switched_on
from pytensor_stabilize.rewrites.trace import note_fired, note_not_fired

LOWERING: tuple[Rule, ...] = (
    Rule(
        name="sigmoids_share_exp",
        before=lambda x: symbols.sigmoid(x) * symbols.sigmoid(-x),
        after=lambda x: symbols.exp(-abs(x)) / (1 + symbols.exp(-abs(x))) ** 2,
        domain={"x": REAL},
        promise=4.0,
        mends="sigmoid(x) and sigmoid(-x) cost two exponentials, and exp(-x) overflows below -709",
        databases=("lowering",),
        source="Both sides of 1 / (1 + exp(-x)), each multiplied by exp(x) where x < 0",
    ),
)

Style = Literal["select", "arithmetic"]


def style_for(linker: object) -> Style | None:
    """How to write ``x >= 0 ? 1 : e`` for a linker; None to leave its graphs alone.

    A select is a branch in the C that g++ makes of PyTensor's loops, and it mispredicts half of
    all random signs (7 ns an element in place of 3); numba compiles it to a blend.
    """
    if isinstance(linker, JAXLinker | PytorchLinker | MLXLinker):
        return None
    if isinstance(linker, NumbaLinker | PerformLinker) or not config.cxx:
        return "select"
    if isinstance(linker, VMLinker) and not getattr(linker, "c_thunks", True):
        return "select"
    return "arithmetic" if isinstance(linker, VMLinker | CLinker | OpWiseCLinker) else "select"


@dataclass
class Family:
    """The sigmoids of one argument up to sign, and the nodes that they are lowered to."""

    x: Variable
    sigmoids: dict[Variable, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Constants of full rank: constant folding is over, so a DimShuffle of a scalar would be
        # run at every call.
        self.one = pt.constant(np.ones((1,) * self.x.type.ndim, dtype=self.x.type.dtype))
        self.quarter = pt.constant(np.full((1,) * self.x.type.ndim, 0.25, dtype=self.x.type.dtype))
        self.zero = pt.constant(np.zeros((1,) * self.x.type.ndim, dtype=self.x.type.dtype))
        self.e = pt.exp(-pt.abs(self.x))
        self.total = self.one + self.e

    def derivative(self) -> Variable:
        # Rounded, the quotient exceeds 1/4 at 9 % of the points near 0, and nothing else does.
        return pt.minimum(self.e / pt.sqr(self.total), self.quarter)

    def sigmoid(self, sign: int, style: Style) -> Variable:
        dtype = self.x.type.dtype
        if style == "select":
            ends = (self.one, self.e) if sign > 0 else (self.e, self.one)
            return pt.switch(pt.ge(self.x, self.zero), *ends) / self.total
        at_least, below = (
            pt.cast(pt.ge(self.x, self.zero), dtype),
            pt.cast(pt.lt(self.x, self.zero), dtype),
        )
        if sign > 0:
            return (at_least + below * self.e) / self.total
        return (below + at_least * self.e) / self.total


class LoweringPass(GraphRewriter):
    """Lowers the sigmoids of a graph for the linker that it is compiled for."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.__name__ = rule.name

    def __str__(self) -> str:
        return self.rule.name

    def apply(self, fgraph: FunctionGraph) -> None:
        found = [node for node in fgraph.toposort() if can_be_lowered(node)]
        if not found:
            return
        first = found[0].outputs[0]
        if not (registration_state.is_registered and is_switched_on(self.rule.name)):
            note_not_fired(fgraph, self.rule.name, "off", first, "the rule is switched off")
            return
        style = style_for(get_active_mode(fgraph).linker)
        if style is None:
            reason = "this linker differentiates after us, and |x| has the wrong derivative at 0"
            note_not_fired(fgraph, self.rule.name, "left", first, reason)
            return
        for family in families_of(found):
            self._lower(fgraph, family, style)

    def _lower(self, fgraph: FunctionGraph, family: Family, style: Style) -> None:
        alone = len(set(family.sigmoids.values())) == 1
        for node in products(fgraph, family):
            new = with_density(node, family, family.derivative())
            self._replace(fgraph, node.outputs[0], new)
        for variable, sign in family.sigmoids.items():
            if not fgraph.clients.get(variable):
                continue
            if alone and style == "arithmetic":
                # Nothing to share: PyTensor's form, which is fast in C, mended far below 0.
                (new,) = branched_sigmoid.make_node(variable.owner.inputs[0]).outputs
                self._replace(fgraph, variable, new)
            else:
                self._replace(fgraph, variable, family.sigmoid(sign, style))

    def _replace(self, fgraph: FunctionGraph, old: Variable, new: Variable) -> None:
        if new.type.broadcastable != old.type.broadcastable:
            return
        note_fired(fgraph, self.rule.name, old, new)
        fgraph.replace_all_validate([(old, new)], reason=self.rule.name)


def can_be_lowered(node: Apply) -> bool:
    """Whether a node is a sigmoid of a float."""
    if not is_sigmoid_node(node) or isinstance(node.op.scalar_op, JaxSigmoid):
        return False
    (x,), (s,) = node.inputs, node.outputs
    # Discrete arguments have been cast by a rule; without it they keep PyTensor's form.
    return x.type.dtype == s.type.dtype and np.dtype(x.type.dtype).kind == "f"


def families_of(nodes: list[Apply]) -> list[Family]:
    """The sigmoid nodes, by their argument up to its sign."""
    members: dict[tuple[Hashable, str], list[tuple[int, Apply]]] = defaultdict(list)
    for node in nodes:
        (x,) = node.inputs
        sign, key = signed_key(x)
        members[key, x.type.dtype].append((sign, node))
    families = []
    for group in members.values():
        sign, node = max(group, key=lambda member: member[0])
        x = node.inputs[0]
        family = Family(x if sign > 0 else negate(x))
        for sign, node in group:
            family.sigmoids[node.outputs[0]] = sign
        families.append(family)
    return families


def products(fgraph: FunctionGraph, family: Family) -> list[Apply]:
    """Products in which both sigmoids of the family are factors."""
    found: dict[Apply, None] = {}
    for variable in family.sigmoids:
        for client, _ in fgraph.clients.get(variable, ()):
            if client.op == mul and all(_split(client, family)):
                found[client] = None
    return list(found)


def with_density(node: Apply, family: Family, density: Variable) -> Variable:
    """The product, with each ``sigmoid(x) * sigmoid(-x)`` in it as one factor."""
    plus, minus = _split(node, family)
    pairs = min(len(plus), len(minus))
    taken = {*plus[:pairs], *minus[:pairs]}
    rest = [v for i, v in enumerate(node.inputs) if i not in taken]
    return product_of([density] * pairs + rest)


def _split(node: Apply, family: Family) -> tuple[list[int], list[int]]:
    """Positions of the factors sigmoid(x) and sigmoid(-x) among the node's inputs."""
    signs = [family.sigmoids.get(v, 0) for v in node.inputs]
    return [i for i, s in enumerate(signs) if s > 0], [i for i, s in enumerate(signs) if s < 0]
