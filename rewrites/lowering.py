"""Late lowering: functions of the same ``|x|`` share one exponential and one logarithm.

With ``e = exp(-|x|)``, which never overflows and lies in (0, 1]::

    sigmoid(x)               = (x >= 0 ? 1 : e) / (1 + e)
    sigmoid(x) * sigmoid(-x) = e / (1 + e)**2
    softplus(x)              = max(x, 0) + log1p(e)
    tanh(x / 2)              = sign(x) (1 - e) / (1 + e)

It runs after all rules that look for these functions and before fusion, which makes one loop of
it: numba then compiles a loop without calls and branches, see `branch_free`.
JAX, PyTorch and MLX differentiate after us and take the wrong side of ``|x|`` at 0, so nothing
is lowered for them here; `jax_lowering` does what JAX needs.
"""

from collections.abc import Container
from functools import cached_property
from importlib import import_module
from math import prod
from typing import Literal, get_args

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.configdefaults import config
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import GraphRewriter, MergeOptimizer
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.shape import reshape

from pytensor_stabilize.rewrites import registration_state, symbols
from pytensor_stabilize.rewrites.branch_free import ops
from pytensor_stabilize.rewrites.branch_free.loops import keep_loops_vectorised
from pytensor_stabilize.rewrites.internals import (
    CLinker,
    JAXLinker,
    MLXLinker,
    NumbaLinker,
    OpWiseCLinker,
    PytorchLinker,
    VMLinker,
    get_active_mode,
)
from pytensor_stabilize.rewrites.interpolations import is_interpolation, strict_sum
from pytensor_stabilize.rewrites.logistic_families import (
    KINDS,
    Family,
    Member,
    families_of,
    full_argument,
    products,
    with_density,
)
from pytensor_stabilize.rewrites.matching import FLOATS, is_a, scalar_op_of
from pytensor_stabilize.rewrites.memory import memory_of
from pytensor_stabilize.rewrites.rules import REAL, Rule
from pytensor_stabilize.rewrites.switches import is_switched_on
from pytensor_stabilize.rewrites.trace import give_trace, note_fired, note_not_fired
from pytensor_stabilize.rewrites.tracebacks import untraced

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

# For C, where nothing is shared.
WHOLE: dict[type, Elemwise] = {
    psm.Sigmoid: ops.whole_sigmoid,
    psm.Softplus: ops.whole_softplus,
    ps.Tanh: ops.whole_tanh,
}
Target = Literal["numba", "C", "NumPy"]


def target_of(linker: object) -> Target | str:
    """What compiles a linker's graphs, or why nothing is lowered for it."""
    if isinstance(linker, JAXLinker | PytorchLinker | MLXLinker):
        return "this linker differentiates after us, and |x| has the wrong derivative at 0"
    if isinstance(linker, NumbaLinker):
        return "numba"
    if (
        isinstance(linker, CLinker | OpWiseCLinker)
        or (isinstance(linker, VMLinker) and getattr(linker, "c_thunks", True))
    ) and config.cxx:
        return "C"
    return "NumPy"


# For numba, what is left where the families have been found.
GENERAL: dict[type, Elemwise] = {
    ps.Exp: ops.exp,
    ps.Expm1: ops.expm1,
    ps.Log: ops.log,
    ps.Log1p: ops.log1p,
    psm.Log1mexp: ops.log1mexp,
}
# Below that many elements no loop is worth the time to compile it.
FEW = 16
# Rows shorter than a vector of AVX-512 are not vectorised, which pays for a loop of its own.
SHORT_ROW, MANY = 8, 4096


def made(op: Elemwise, *inputs: Variable) -> Variable:
    """What a kernel makes of variables of one type: one of that type."""
    kind = inputs[0].type
    if all(v.type == kind for v in inputs[1:]):
        # `make_node` would find the type by way of a scalar node.
        return Apply(op, list(inputs), [kind()]).outputs[0]
    (output,) = op.make_node(*inputs).outputs
    return output


# Of x and what is shared, and of x where the function is one of -x.
FROM_SHARED: dict[type, Elemwise] = {
    psm.Sigmoid: ops.sigmoid_from_exp,
    psm.Softplus: ops.softplus_from_log,
    ps.Tanh: ops.tanh_from_exp,
}
MINUS: dict[type, Elemwise] = {
    psm.Sigmoid: ops.sigmoid_of_minus_from_exp,
    psm.Softplus: ops.softplus_of_minus_from_log,
}


class Shared:
    """What the members of a family are made of; each part is one node."""

    def __init__(self, family: Family, plain: bool, target: str) -> None:
        self.family = family
        self.plain = plain
        self.shape = short_rows(family.x) if target == "numba" else None

    def apply(self, op: Elemwise, *inputs: Variable) -> Variable:
        return made(ops.PLAIN.get(op, op) if self.plain else op, *inputs)

    @cached_property
    def x(self) -> Variable:
        return flat(self.family.x, self.shape)

    @cached_property
    def e(self) -> Variable:
        return self.apply(ops.exp_minus_abs, self.x)

    @cached_property
    def log(self) -> Variable:
        return self.apply(ops.log1p_of_unit, self.e)

    @cached_property
    def density(self) -> Variable:
        return in_rows(self.apply(ops.density_from_exp, self.e), self.shape)

    def member(self, member: Member) -> Variable:
        sign = member.sign * self.family.own_sign
        minus = MINUS.get(member.kind) if sign < 0 else None
        of_shared = sign > 0 or minus is not None
        x = self.x if of_shared else flat(full_argument(member), self.shape)
        part = self.log if member.kind is psm.Softplus else self.e
        return in_rows(self.apply(minus or FROM_SHARED[member.kind], x, part), self.shape)


def of_ordinary_ops(x: Variable) -> Variable:
    """The sigmoid for NumPy, where PyTensor's is 0 if the truth is a subnormal float."""
    # Of full rank: constant folding is over, so a DimShuffle of a scalar would run at every call.
    zero, one = (pt.constant(np.full((1,) * x.type.ndim, v, dtype=x.type.dtype)) for v in (0, 1))
    e = pt.exp(-pt.abs(x))
    return pt.switch(pt.ge(x, zero), one, e) / (one + e)


class LoweringPass(GraphRewriter):
    """Lowers the functions of a graph for the linker that it is compiled for."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.__name__ = rule.name

    def __str__(self) -> str:
        return self.rule.name

    def apply(self, fgraph: FunctionGraph) -> None:
        memory_of(fgraph).forget()  # the other rules have run
        with untraced():
            self._apply(fgraph)

    def _apply(self, fgraph: FunctionGraph) -> None:
        nodes = fgraph.toposort()
        found = [node for node in nodes if can_be_lowered(node, KINDS)]
        if len(found) > 1:
            # Rules leave equal arguments that are not the same variable, and PyTensor merges them
            # after us: sigmoid(a b) and sigmoid(-a b) would take an exponential each.
            MergeOptimizer().apply(fgraph)
            nodes = fgraph.toposort()
            found = [node for node in nodes if can_be_lowered(node, KINDS)]
        general = [node for node in nodes if can_be_lowered(node, GENERAL) and pays(node)]
        sums = [node for node in nodes if is_interpolation(node)]
        if not (found or general or sums):
            return
        first = (found or general or sums)[0].outputs[0]
        if not (registration_state.is_registered and is_switched_on(self.rule.name)):
            if found or sums:
                note_not_fired(fgraph, self.rule.name, "off", first, "the rule is switched off")
            return
        target = target_of(get_active_mode(fgraph).linker)
        if target not in get_args(Target):
            if found:
                note_not_fired(fgraph, self.rule.name, "left", first, target)
            return
        if target == "numba":
            # The ops are looked up while the graph is translated; numba is slow to import.
            import_module("pytensor_stabilize.rewrites.branch_free.numba_dispatch")
        self._lower(fgraph, target, found, general, sums)
        # Once, because each validation asks all inputs of the graph.
        fgraph.validate()
        if target == "numba":
            keep_loops_vectorised(fgraph, self.rule.name)

    def _lower(
        self,
        fgraph: FunctionGraph,
        target: str,
        found: list[Apply],
        general: list[Apply],
        sums: list[Apply],
    ) -> None:
        if target == "NumPy":
            for node in found:
                if type(scalar_op_of(node)) is psm.Sigmoid:
                    self._replace(fgraph, node.outputs[0], of_ordinary_ops(node.inputs[0]))
            return
        plain = patterns_with_calls(fgraph) if target == "C" else set()
        # What is computed last comes first: it is made of variables that stand in the graph, and
        # the next replacement changes it as well.  Families stand in the order of their nodes.
        for family in reversed(families_of(found)):
            shared = Shared(family, family.x.type.broadcastable in plain, target)
            if target == "C" and family.is_alone():
                for variable, member in family.members.items():
                    whole = shared.apply(WHOLE[member.kind], member.argument)
                    self._replace(fgraph, variable, whole)
                continue
            for node in products(fgraph, family):
                dense = with_density(node, family, shared.density)
                self._replace(fgraph, node.outputs[0], dense)
            for variable, member in family.members.items():
                if fgraph.clients.get(variable):
                    self._replace(fgraph, variable, shared.member(member))
        if target == "numba":
            for node in general:
                # Not noted: the same function of the same number, only faster.
                (x,), shape = node.inputs, short_rows(node.inputs[0])
                value = in_rows(made(GENERAL[type(scalar_op_of(node))], flat(x, shape)), shape)
                give_trace(fgraph, node.outputs[0], value)
                fgraph.replace(node.outputs[0], value, reason=self.rule.name)
            for node in sums:
                self._replace(fgraph, node.outputs[0], strict_sum(node))

    def _replace(self, fgraph: FunctionGraph, old: Variable, new: Variable) -> None:
        if new.type.broadcastable != old.type.broadcastable:
            return
        note_fired(fgraph, self.rule.name, old, new)
        fgraph.replace(old, new, reason=self.rule.name)


def patterns_with_calls(fgraph: FunctionGraph) -> set[tuple[bool, ...]]:
    """Broadcast patterns of loops that may call a library's functions, fused as they will be.

    numba's dispatch sees the fused loop, and needs no guess.
    """
    patterns = set()
    for node in fgraph.apply_nodes:
        scalar_op = scalar_op_of(node)
        if scalar_op is not None and type(scalar_op) not in (*ops.WITHOUT_CALLS, *KINDS):
            patterns.add(node.outputs[0].type.broadcastable)
    return patterns


def can_be_lowered(node: Apply, kinds: Container[type]) -> bool:
    """Whether a node is one of the functions, of floats that the kernels are for."""
    # Discrete arguments have been cast by a rule; without it they keep PyTensor's form.
    return type(scalar_op_of(node)) in kinds and all(
        v.type.dtype in FLOATS and v.type.dtype == node.inputs[0].type.dtype
        for v in (*node.inputs, *node.outputs)
    )


def pays(node: Apply) -> bool:
    """Whether a kernel is known to be no slower: it is not worth compiling for a few elements.

    Element by element the C library's exp is faster, and its other functions are slower.
    """
    shape = node.outputs[0].type.shape
    if None not in shape and prod(shape) < FEW:
        return False
    short = shape[-1] is not None and shape[-1] < SHORT_ROW and short_rows(node.inputs[0]) is None
    return not (short and is_a(scalar_op_of(node), ps.Exp))


def short_rows(x: Variable) -> tuple[int, ...] | None:
    """The shape of a variable, if it is known to have many short rows."""
    shape = x.type.shape
    if len(shape) < 2 or None in shape or shape[-1] >= SHORT_ROW or prod(shape) < MANY:
        return None
    return shape


def flat(x: Variable, shape: tuple[int, ...] | None) -> Variable:
    """A flat view of a variable of that shape, for one long loop."""
    return x if shape is None else reshape(x, (prod(shape),))


def in_rows(x: Variable, shape: tuple[int, ...] | None) -> Variable:
    """What a long loop made, in the shape again."""
    return x if shape is None else reshape(x, shape)
