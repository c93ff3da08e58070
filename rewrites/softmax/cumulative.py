"""``1 - cumsum(p)`` of a softmax: the probability of a higher category.

What is left after each component is the sum of those that follow, added up from the end.
"""

from __future__ import annotations

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.tensor.extra_ops import CumOp
from pytensor.tensor.math import add, log1p, sub
from pytensor.tensor.special import Softmax
from pytensor.tensor.subtensor import Subtensor

from pytensor_stabilize.rewrites.additive import with_complement
from pytensor_stabilize.rewrites.arithmetic import constant_like
from pytensor_stabilize.rewrites.matching import FLOATS, MOVES, is_a, strip_sign
from pytensor_stabilize.rewrites.rules import REAL, Left, Rule
from pytensor_stabilize.rewrites.softmax.matching import softmax_axes
from pytensor_stabilize.rewrites.softmax.parts import entry_along, last_of_three, share_of_three


def one_minus_cumulative(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``c - c cumsum(p)`` by the components that follow, and ``log1p(-cumsum(p))``."""
    (output,) = node.outputs
    if output.type.dtype not in FLOATS:
        return None
    if node.op != log1p:
        return with_complement(output, _complement)
    sign, core = strip_sign(node.inputs[0])
    found = _complement(core) if sign < 0 else None
    if found is None:
        return None
    # Where little has been added up the complement is rounded next to 1.
    near = pt.lt(core, constant_like(0.5, core))
    small = pt.log1p(pt.neg(pt.switch(near, core, constant_like(0, core))))
    return pt.switch(near, small, pt.log(pt.switch(near, constant_like(1, core), found[1])))


def _complement(variable: Variable) -> tuple[int, Variable] | None:
    """One minus cumulative sums, or elements of them."""
    moves: list[Apply] = []
    while variable.owner is not None and is_a(variable.owner.op, *MOVES):
        moves.append(variable.owner)
        variable = variable.owner.inputs[0]
    axis = _cumulative_axis(variable)
    if axis is None:
        return None
    (p,) = variable.owner.inputs  # type: ignore[union-attr]
    before = (slice(None),) * axis
    backwards = (*before, slice(None, None, -1))
    following = pt.cumsum(p[(*before, slice(1, None))][backwards], axis=axis)[backwards]
    # Not joined to zeros: their number would be no constant for JAX.
    result = pt.set_subtensor(pt.zeros_like(p)[(*before, slice(None, -1))], following)
    for move in reversed(moves):
        result = move.op(result, *move.inputs[1:])
    return 1, result


def _cumulative_axis(variable: Variable) -> int | None:
    """The axis along which a softmax is added up, if that is the only one that it sums to 1 on."""
    node = variable.owner
    if node is None or not is_a(node.op, CumOp) or node.op.mode != "add":
        return None
    axes = softmax_axes(node.inputs[0])
    axis: int = node.op.axis
    return axis if axes == (axis,) else None


def element_of_cumulative(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``cumsum(p)[k] -> p[:k + 1].sum()``, whose complement and logarithm have rules."""
    axis = _cumulative_axis(node.inputs[0])
    if axis is None:
        return None
    entry = entry_along(node, axis)
    if not isinstance(entry, Constant):
        return None
    k = int(entry.data)
    (p,) = node.inputs[0].owner.inputs  # type: ignore[union-attr]
    last = p if k == -1 else p[(*(slice(None),) * axis, slice(None, k + 1))]
    return pt.sum(last, axis=axis)


CUMULATIVE: tuple[Rule, ...] = (
    Rule(
        name="element_of_cumulative",
        before=lambda a, b: share_of_three(a, b) + share_of_three(b, a),
        after=lambda a, b: share_of_three(b, a) + share_of_three(a, b),
        domain={"a": REAL, "b": REAL},
        promise=4.0,
        mends="log(1 - cumsum(p)[k]) is -inf where the components up to k are nearly all",
        databases=("stabilize", "specialize"),
        tracks=(Subtensor,),
        transform=element_of_cumulative,
        needs=((Softmax, CumOp),),
        tested_in="tests/test_softmax_cumulative.py",
        source="Definition of a cumulative sum",
    ),
    Rule(
        name="one_minus_cumulative",
        before=lambda a, b: 1 - share_of_three(a, b) - share_of_three(b, a),
        after=last_of_three,
        domain={"a": REAL, "b": REAL},
        promise=4.0,
        mends="1 - cumsum(p), the probability of a higher category, is 0 for the last categories",
        databases=("stabilize", "specialize"),
        tracks=(add, sub, log1p),
        transform=one_minus_cumulative,
        needs=((Softmax, CumOp),),
        tested_in="tests/test_softmax_cumulative.py",
        source="The components add up to 1",
    ),
)
