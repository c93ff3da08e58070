"""Loops with kernels, kept apart from writes to places that arrays name.

PyTensor computes what is written in the loop that writes it.  Two elements may be written to one
place, so LLVM runs that loop element by element, and all functions in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.subtensor import AdvancedIncSubtensor

from pytensor_stabilize.rewrites.branch_free.ops import KernelOp
from pytensor_stabilize.rewrites.matching import is_a


class Apart(Op):
    """Its input, which PyTensor's fusion of writes does not look behind."""

    __props__ = ()
    view_map = {0: [0]}

    def make_node(self, *inputs: Variable) -> Apply:
        (x,) = inputs
        return Apply(self, [x], [x.type()])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        output_storage[0][0] = inputs[0]


apart = Apart()


def writes_apart(fgraph: FunctionGraph) -> list[tuple[Variable, Variable]]:
    """Pairs of writes whose values have kernels in their loop, and the same writes apart."""
    with_kernels: set[Variable] = set()
    pairs: list[tuple[Variable, Variable]] = []
    for node in fgraph.toposort():
        if is_a(node.op, Elemwise):
            if is_a(node.op.scalar_op, KernelOp) or not with_kernels.isdisjoint(node.inputs):
                with_kernels.update(node.outputs)
        elif is_a(node.op, DimShuffle) and node.inputs[0] in with_kernels:
            with_kernels.add(node.outputs[0])
        elif is_a(node.op, AdvancedIncSubtensor) and node.inputs[1] in with_kernels:
            target, value, *indices = node.inputs
            (write,) = node.op.make_node(target, apart(value), *indices).outputs
            pairs.append((node.outputs[0], write))
    return pairs
