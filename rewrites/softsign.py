"""``1 - x / (1 + |x|)``: softsign next to its ends."""

from __future__ import annotations

from fractions import Fraction

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.math import add, sub

from pytensor_stabilize.rewrites.additive import signed_terms
from pytensor_stabilize.rewrites.arithmetic import constant_like, factors, signed_sum
from pytensor_stabilize.rewrites.matching import (
    FLOATS,
    exact_constant,
    is_a,
    same_pattern,
    scalar_op,
)
from pytensor_stabilize.rewrites.rules import Interval, Left, Rule


def one_minus_softsign(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``c - c a / (k + |a|)``, with whatever else is added."""
    (output,) = node.outputs
    if output.type.dtype not in FLOATS:
        return None
    summed = signed_terms(output)
    for i, (sign, term) in enumerate(summed):
        read = _softsign(term)
        if read is None or not same_pattern(term, output):
            continue
        scale, a, k = read
        for j, (other, one) in enumerate(summed):
            c = exact_constant(one)
            if c and abs(c) == abs(scale) and a.type.dtype == output.type.dtype:
                # Beyond 0 in this direction the terms have opposite signs.
                towards = a if other * c * sign * scale < 0 else pt.neg(a)
                rest = [t for n, t in enumerate(summed) if n not in (i, j)]
                return signed_sum([(other, _complement(c, towards, k)), *rest])
    return None


def _softsign(term: Variable) -> tuple[Fraction, Variable, Fraction] | None:
    """The s, a and k of ``s a / (k + |a|)``."""
    scale, counted = factors(term)
    below = [v for v, n in counted.items() if n == -1]
    above = [v for v, n in counted.items() if n == 1]
    if len(below) != 1 or len(above) != 1 or len(counted) != 2:
        return None
    parts = signed_terms(below[0])
    constants = [(s, exact_constant(v)) for s, v in parts]
    sizes = [v for s, v in parts if s > 0 and is_a(scalar_op(v), ps.Abs)]
    k = [s * c for s, c in constants if c is not None]
    if len(parts) != 2 or len(sizes) != 1 or len(k) != 1 or k[0] <= 0:
        return None
    (a,) = sizes[0].owner.inputs  # type: ignore[union-attr]
    return (scale, a, k[0]) if a is above[0] else None


def _complement(c: Fraction, a: Variable, k: Fraction) -> Variable:
    """``c - c a / (k + |a|)``, each half without the absolute value, whose slope at 0 is 0."""
    number = constant_like(float(k), a)
    zero, one = constant_like(0, a), constant_like(float(c), a)
    beyond = pt.ge(a, zero)
    # At 0 itself the slope of a maximum is no longer that of a.
    up, down = pt.switch(beyond, a, zero), pt.minimum(a, zero)
    near = pt.sub(one, pt.true_div(pt.mul(one, down), pt.sub(number, down)))
    return pt.switch(beyond, pt.true_div(pt.mul(one, number), pt.add(number, up)), near)


SOFTSIGN: tuple[Rule, ...] = (
    Rule(
        name="one_minus_softsign",
        before=lambda x: 1 - x / (1 + abs(x)),
        after=lambda x: 1 / (1 + x),
        domain={"x": Interval(0.5, 1e300)},
        promise=4.0,
        mends="1 - x / (1 + |x|) is 0 beyond 1e16, and loses digits long before",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=one_minus_softsign,
        needs=((ps.Abs, ps.TrueDiv),),
        tested_in="tests/test_softsign.py",
        source="1 - x / (1 + x) = 1 / (1 + x)",
    ),
)
