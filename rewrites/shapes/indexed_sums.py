"""Elements of ``join(-inf, c - eta, inf)`` that arrays name, as many as there are rows.

The likelihood of an ordered logistic model asks for one of the cutpoints in each row.  What is
taken of the cutpoints alone needs no matrix of all differences, and in the gradient no matrix of
zeros that is written to, cut and summed.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.tensor.basic import Join
from pytensor.tensor.subtensor import AdvancedSubtensor, Subtensor, indices_from_subtensor

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.algebra.arguments import is_float
from pytensor_stabilize.rewrites.algebra.limits import within_limits
from pytensor_stabilize.rewrites.arithmetic import difference_of
from pytensor_stabilize.rewrites.matching import is_a, strip_sign
from pytensor_stabilize.rewrites.rules import REAL, Left, Rule
from pytensor_stabilize.rewrites.shapes.indices import indices_of, kept
from pytensor_stabilize.rewrites.shapes.pieces import Length, length_of
from pytensor_stabilize.rewrites.shared_terms import constant_of, signed_terms


@within_limits
def index_of_joined_sum(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``join(-inf, c - eta, inf)[i, j] -> join(-inf, c, inf)[j] - eta[i]``."""
    matrix = node.inputs[0]
    joined = matrix.owner
    if joined is None or not is_a(joined.op, Join) or not is_float(matrix) or matrix.type.ndim < 2:
        return None
    axis = joined.op.axis % matrix.type.ndim
    ends = [constant_of(part) for part in joined.inputs]
    sums = [part for part, end in zip(joined.inputs, ends, strict=True) if end is None]
    if len(sums) != 1 or not all(end is None or np.isinf(end) for end in ends):
        return None
    found, indices = _across_and_along(sums[0], axis), indices_of(node)
    if found is None or indices is None:
        return None
    across, along = found
    parts = [
        along if end is None else _filled(length_of(fgraph, part, axis), end, matrix.type.dtype)
        for part, end in zip(joined.inputs, ends, strict=True)
    ]
    chosen = cast(Variable, pt.join(0, *parts)[indices.arrays[axis]])
    sign, moved = strip_sign(difference_of([(s, indices.elements(v)) for s, v in across]))
    # An infinity of the join stays one where eta is infinite too.
    finite = pt.switch(pt.isinf(chosen), np.asarray(0, moved.type.dtype), moved)
    return indices.in_shape(chosen + finite if sign > 0 else chosen - finite)


def _filled(length: Length, value: float, dtype: str) -> Variable:
    """A vector of one value; a constant if the length is known, as the graph has it elsewhere."""
    if isinstance(length, int):
        return pt.constant(np.full(length, value, dtype=dtype))
    return cast(Variable, pt.full((length,), value, dtype=dtype))


def _across_and_along(
    variable: Variable, axis: int
) -> tuple[list[tuple[int, Variable]], Variable] | None:
    """The terms of a sum that are constant along the axis, and a vector: the sum of the others.

    The others must be constant along all other axes.
    """
    slices: list[slice] = []
    while variable.owner is not None and is_a(variable.owner.op, Subtensor):
        index = [*indices_from_subtensor(variable.owner.inputs[1:], variable.owner.op.idx_list)]
        last = index.pop()
        if len(index) != axis or any(i != slice(None) for i in index):
            return None
        if not isinstance(last, slice):
            return None
        slices.insert(0, last)
        variable = variable.owner.inputs[0]
    terms = signed_terms(variable)
    across = [(sign, v) for sign, v in terms if v.type.broadcastable[axis]]
    others = [(sign, v) for sign, v in terms if not v.type.broadcastable[axis]]
    pattern = tuple(d != axis for d in range(variable.type.ndim))
    if not across or not others or any(v.type.broadcastable != pattern for _, v in others):
        return None
    along = kept(difference_of(others), [axis])
    for taken in slices:
        along = cast(Variable, along[taken])  # type: ignore[index]
    return across, along


INDEXED_SUMS: tuple[Rule, ...] = (
    Rule(
        name="index_of_joined_sum",
        before=lambda c, eta: symbols.softplus(c - eta),
        after=lambda c, eta: symbols.softplus(c - eta),
        domain={"c": REAL, "eta": REAL},
        promise=4.0,
        mends="one number a row is taken of a matrix of differences, which costs most of the time",
        databases=("stabilize", "specialize"),
        tracks=(AdvancedSubtensor,),
        transform=index_of_joined_sum,
        needs=(Join,),
        source="Element by element",
        tested_in="tests/test_indexed_sums.py",
    ),
)
