"""Late lowering for JAX: functions of ours whose derivatives JAX computes without cancellation.

JAX differentiates the compiled function.  Its sigmoid and tanh have the slopes s (1 - s) and
1 - t**2, the branches of PyTensor's softplus and log1mexp make inf * 0, and XLA's sinh and cosh
lose digits of large numbers.
"""

import numpy as np
import pytensor.scalar.basic as ps
import pytensor.scalar.math as psm
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.rewriting.basic import GraphRewriter
from pytensor.tensor.elemwise import Elemwise

from pytensor_stabilize.rewrites import kernels, registration_state, symbols
from pytensor_stabilize.rewrites.internals import JAXLinker, get_active_mode
from pytensor_stabilize.rewrites.logistic_families import families_of, products, with_density
from pytensor_stabilize.rewrites.matching import scalar_op_of
from pytensor_stabilize.rewrites.rules import REAL, Rule
from pytensor_stabilize.rewrites.switches import is_switched_on
from pytensor_stabilize.rewrites.trace import note_fired, note_not_fired

JAX_LOWERING: tuple[Rule, ...] = (
    Rule(
        name="slopes_for_jax",
        before=lambda x: symbols.sigmoid(x) * (1 - symbols.sigmoid(x)),
        after=lambda x: symbols.sigmoid(x) * symbols.sigmoid(-x),
        domain={"x": REAL},
        promise=4.0,
        mends="jax.grad of a compiled sigmoid is 0 at 40, of a softplus or log sigmoid nan at 800",
        databases=("lowering",),
        source="jax.custom_jvp; sigmoid' = D, D' = -D tanh(x / 2), tanh' = 4 D(2 x)",
    ),
)

# The class of the scalar op, exactly: a subclass is somebody else's function.
FOR_JAX = {
    psm.Sigmoid: kernels.jax_sigmoid,
    psm.Softplus: kernels.jax_softplus,
    psm.Log1mexp: kernels.jax_log1mexp,
    ps.Tanh: kernels.jax_tanh,
    ps.Sinh: kernels.jax_sinh,
    ps.Cosh: kernels.jax_cosh,
}


class JaxLoweringPass(GraphRewriter):
    """Replaces functions by those whose slopes JAX is told."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.__name__ = rule.name

    def __str__(self) -> str:
        return self.rule.name

    def apply(self, fgraph: FunctionGraph) -> None:
        if not isinstance(get_active_mode(fgraph).linker, JAXLinker):
            return
        found = [node for node in fgraph.toposort() if _is_for_jax(node)]
        if not found:
            return
        if not (registration_state.is_registered and is_switched_on(self.rule.name)):
            first = found[0].outputs[0]
            note_not_fired(fgraph, self.rule.name, "off", first, "the rule is switched off")
            return
        sigmoids = (node for node in found if type(scalar_op_of(node)) is psm.Sigmoid)
        for family in families_of(sigmoids):
            for node in products(fgraph, family):
                (density,) = kernels.jax_logistic_density.make_node(family.x).outputs
                self._replace(fgraph, node.outputs[0], with_density(node, family, density))
        for node in found:
            if fgraph.clients.get(node.outputs[0]):
                (new,) = FOR_JAX[type(node.op.scalar_op)].make_node(*node.inputs).outputs
                self._replace(fgraph, node.outputs[0], new)

    def _replace(self, fgraph: FunctionGraph, old: Variable, new: Variable) -> None:
        if new.type != old.type:
            return
        note_fired(fgraph, self.rule.name, old, new)
        fgraph.replace_all_validate([(old, new)], reason=self.rule.name)


def _is_for_jax(node: Apply) -> bool:
    if not (isinstance(node.op, Elemwise) and type(node.op.scalar_op) in FOR_JAX):
        return False
    (x,), (y,) = node.inputs, node.outputs
    return x.type.dtype == y.type.dtype and np.dtype(x.type.dtype).kind == "f"
