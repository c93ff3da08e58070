"""What would keep LLVM from vectorising a loop with kernels, moved out of the loop.

PyTensor computes what is written to places that arrays name in the loop that writes it.  Two
elements may be written to one place, so LLVM runs that loop element by element, and all functions
in it.  An input with gaps between its elements has the same effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.graph.rewriting.basic import copy_stack_trace
from pytensor.tensor.basic import Split
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.subtensor import AdvancedIncSubtensor, Subtensor

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


class WithoutGaps(Apart):
    """Its input, copied if there are gaps between its elements."""

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: list[list[Any]]) -> None:
        output_storage[0][0] = np.ascontiguousarray(inputs[0])


apart, without_gaps = Apart(), WithoutGaps()


def keep_loops_vectorised(fgraph: FunctionGraph, reason: str) -> None:
    """Take writes and inputs with gaps out of the loops with kernels."""
    nodes = fgraph.toposort()
    known: dict[tuple[Op, Variable], Variable] = {}

    def change(node: Apply, position: int, op: Op) -> None:
        old = node.inputs[position]
        if (op, old) not in known:
            (known[op, old],) = op.make_node(old).outputs
            copy_stack_trace(old, known[op, old])
        fgraph.change_node_input(node, position, known[op, old], reason=reason)

    with_kernels = _with_kernels(nodes)
    for node in nodes:
        if is_a(node.op, AdvancedIncSubtensor) and node.inputs[1] in with_kernels:
            change(node, 1, apart)
    for node in _nodes_of_loops(nodes, with_kernels):
        for position, variable in enumerate(node.inputs):
            if has_gaps(variable):
                change(node, position, without_gaps)


def _with_kernels(nodes: list[Apply]) -> set[Variable]:
    """What is computed from a kernel's result, element by element."""
    found: set[Variable] = set()
    for node in nodes:
        if is_a(node.op, Elemwise):
            if is_a(node.op.scalar_op, KernelOp) or not found.isdisjoint(node.inputs):
                found.update(node.outputs)
        elif is_a(node.op, DimShuffle) and node.inputs[0] in found:
            found.add(node.outputs[0])
    return found


def _nodes_of_loops(nodes: list[Apply], with_kernels: set[Variable]) -> Iterator[Apply]:
    """Elementwise nodes before and after kernels, which will be fused with them."""
    used: set[Variable] = set()
    for node in reversed(nodes):
        if is_a(node.op, Elemwise) and not (
            with_kernels.isdisjoint(node.outputs) and used.isdisjoint(node.outputs)
        ):
            used.update(node.inputs)
            yield node


def has_gaps(variable: Variable) -> bool:
    """Whether there are known to be gaps between elements that are neighbours along the last axis.

    Or between its rows: numba's types tell contiguous arrays from others, and no more.
    """
    node = variable.owner
    if node is None or all(variable.type.broadcastable):
        return False
    if is_a(node.op, DimShuffle):
        (inner,) = node.inputs
        order = [d for d in node.op.new_order if d != "x" and not inner.type.broadcastable[d]]
        return order != sorted(order) or has_gaps(inner)
    if is_a(node.op, Split):
        return not all(node.inputs[0].type.broadcastable[: node.op.axis])
    if not is_a(node.op, Subtensor):
        return False
    index = list(node.op.idx_list)
    while index and not isinstance(index[0], slice):
        index.pop(0)
    stepped = any(isinstance(i, slice) and i.step is not None for i in index)
    return stepped or any(i != slice(None) for i in index[1:]) or has_gaps(node.inputs[0])
