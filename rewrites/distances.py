"""``1 - |y - p|``: the probability of a label, written with the distance to the prediction."""

from __future__ import annotations

import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.math import add, log1p, sub

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.additive import signed_terms
from pytensor_stabilize.rewrites.algebra.limits import within_limits
from pytensor_stabilize.rewrites.arithmetic import constant_like
from pytensor_stabilize.rewrites.critical import factored_sum, opened, opened_sum
from pytensor_stabilize.rewrites.matching import (
    FLOATS,
    exact_constant,
    is_a,
    same_pattern,
    scalar_op,
)
from pytensor_stabilize.rewrites.rules import Interval, Left, Rule

_NO_LABEL = Left("what stands between the bars is no label less a probability")
_REASON = Left("neither 1 - u nor 1 + u, of the u in 1 - |u|, hides a root")


def one_minus_distance(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``c - |u|`` as ``c - u`` where u is positive and ``c + u`` elsewhere, if that mends it."""
    (output,) = node.outputs
    if output.type.dtype not in FLOATS:
        return None
    signed = signed_terms(node.inputs[0] if node.op == log1p else output)
    if node.op == log1p:
        signed = [(1, constant_like(1, output)), *signed]
    if len(signed) != 2:
        return None
    for (sign, size), (outer, number) in (signed, signed[::-1]):
        c = exact_constant(number)
        if c is None or outer * c * sign >= 0 or not is_a(scalar_op(size), ps.Abs):
            continue
        u: Variable = size.owner.inputs[0]  # type: ignore[union-attr]
        is_sum = u.owner is not None and u.owner.op in (add, sub)
        if not is_sum or u.type.dtype != output.type.dtype or not same_pattern(u, output):
            return None
        if not _is_of_label(fgraph, u.owner):
            return _NO_LABEL
        # c - |u| or |u| - c: the sign of the difference is that of c.
        one = constant_like(float(abs(c)), u)
        branches = [pt.sub(one, u), pt.add(one, u)]
        mended = [_mended(fgraph, branch.owner) for branch in branches]
        if not any(isinstance(branch, Variable) for branch in mended):
            return _REASON
        # As mended: the rule for u, which they share, may come before that for a branch.
        chosen = [
            new if isinstance(new, Variable) else old
            for old, new in zip(branches, mended, strict=True)
        ]
        result = pt.switch(pt.ge(u, constant_like(0, u)), *chosen)
        if node.op == log1p:
            # Next to |u| = 0 the sum is rounded next to 1.
            near = pt.lt(size, constant_like(0.5, u))
            small = pt.log1p(pt.switch(near, pt.neg(size), constant_like(0, u)))
            return pt.switch(near, small, pt.log(pt.switch(near, constant_like(1, u), result)))
        return result if sign < 0 else pt.neg(result)
    return None


@within_limits
def _label_less_probability(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """The sum, if it is a label less a function between 0 and 1, or the other way about."""
    (output,) = node.outputs
    _, found = opened(output)
    is_label = found.only_labels and not found.factors and len(found.residual) == 2
    return output if is_label and found.hidden else None


def _is_of_label(fgraph: FunctionGraph, node: Apply) -> bool:
    return isinstance(_label_less_probability(fgraph, node), Variable)


@within_limits
def _mended(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """A sum without its root; ``1 + y q + (y - 1) p``, of what u became, multiplied out."""
    (branch,) = node.outputs
    found = factored_sum(branch)
    return found if isinstance(found, Variable) else opened_sum(branch)


DISTANCES: tuple[Rule, ...] = (
    Rule(
        name="one_minus_distance",
        before=lambda x, y: 1 - abs(y - symbols.sigmoid(x)),
        after=lambda x, y: 1 - y + symbols.sigmoid(x),
        # Here the label is above the probability.
        domain={"x": Interval(-700.0, -1.0), "y": Interval(0.5, 1.0)},
        promise=4.0,
        mends="1 - |y - sigmoid(x)| is 0 for y = 1 and x < -37, and log of it -inf",
        databases=("stabilize", "specialize"),
        tracks=(add, sub, log1p),
        transform=one_minus_distance,
        needs=tuple((ps.Abs, kind) for kind in (psm.Sigmoid, ps.Tanh, psm.Erf, psm.Erfc, ps.Exp)),
        tested_in="tests/test_distances.py",
        source="c - |u| is the smaller one of c - u and c + u",
    ),
)
