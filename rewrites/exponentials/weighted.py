"""``logaddexp(log(w), log(1 - w) + c)``, a mixture of certainty and of a probability exp(c).

The probability of no events in a zero-inflated model: for a small rate c is close to 0, and the
logarithm, ``(w - 1) rate``, is the difference of two of ordinary size.
"""

from __future__ import annotations

import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.math import add, sub
from pytensor.tensor.special import LogAddExp

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.arithmetic import constant_like, signed_sum
from pytensor_stabilize.rewrites.differences.pairs import flat_terms
from pytensor_stabilize.rewrites.exponentials.logs import logaddexp_of
from pytensor_stabilize.rewrites.matching import (
    FLOATS,
    is_a,
    scalar_op,
    signed_key,
    strip_sign,
)
from pytensor_stabilize.rewrites.rules import Interval, Left, Rule


def logaddexp_of_weights(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``logaddexp(log(w), log1p(-w) + c) -> log1p((1 - w) expm1(c))`` for small c."""
    (output,) = node.outputs
    dtypes = {v.type.dtype for v in (output, *node.inputs)}
    if len(dtypes) > 1 or output.type.dtype not in FLOATS:
        return None
    for first, second in (node.inputs, node.inputs[::-1]):
        outer, total = strip_sign(second)
        if total.owner is None or total.owner.op not in (add, sub):
            continue
        signed = [(outer * sign, term) for sign, term in flat_terms(total.owner)]
        for at, (sign, term) in enumerate(signed):
            weight = _weight(first, sign, term)
            if weight is None:
                continue
            c = signed_sum(signed[:at] + signed[at + 1 :])
            near = pt.lt(pt.abs(strip_sign(c)[1]), constant_like(1.0, output))
            small = pt.switch(near, c, constant_like(0.0, output))
            return pt.switch(
                near, pt.log1p(pt.mul(weight, pt.expm1(small))), logaddexp_of(first, second)
            )
    return None


def _weight(first: Variable, sign: int, term: Variable) -> Variable | None:
    """``1 - w`` of ``log(w)`` beside the logarithm of that."""
    own, core = strip_sign(first)
    op = scalar_op(core)
    if own > 0 and sign > 0 and is_a(op, ps.Log) and is_a(scalar_op(term), ps.Log1p):
        (w,), (minus_w,) = core.owner.inputs, term.owner.inputs  # type: ignore[union-attr]
        return pt.sub(constant_like(1.0, w), w) if strip_sign(minus_w) == (-1, w) else None
    if own > 0 and sign > 0 and is_a(op, ps.Log1p) and is_a(scalar_op(term), ps.Log):
        (minus_w,), (w,) = core.owner.inputs, term.owner.inputs  # type: ignore[union-attr]
        return w if strip_sign(minus_w) == (-1, w) else None
    if own < 0 and sign < 0 and is_a(op, psm.Softplus) and is_a(scalar_op(term), psm.Softplus):
        (u,), (v,) = core.owner.inputs, term.owner.inputs  # type: ignore[union-attr]
        (a, key), (b, other) = signed_key(u), signed_key(v)
        return pt.sigmoid(pt.neg(v)) if key == other and a == -b else None
    return None


def _before(w: symbols.Value, c: symbols.Value) -> symbols.Value:
    if isinstance(w, Variable):
        return pt.logaddexp(pt.log(w), pt.log1p(pt.neg(w)) + c)
    return (w + (1 - w) * c.exp()).log()


WEIGHTED: tuple[Rule, ...] = (
    Rule(
        name="logaddexp_of_weights",
        before=_before,
        after=lambda w, c: symbols.log1p((1 - w) * symbols.expm1(c)),
        domain={"w": Interval(1e-3, 0.999), "c": Interval(-0.9, 0.9)},
        promise=4.0,
        mends="logaddexp(log(w), log(1 - w) - m) has no correct digit for m below 1e-16",
        databases=("stabilize", "specialize"),
        tracks=(LogAddExp,),
        transform=logaddexp_of_weights,
        needs=((LogAddExp, ps.Log1p), (LogAddExp, psm.Softplus)),
        source="w + (1 - w) e = 1 + (1 - w) (e - 1)",
        tested_in="tests/test_weights.py",
    ),
)
