"""``1 - max(p, 1 - p)``: what the likeliest class leaves, where each of several hides a root."""

from __future__ import annotations

import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.basic import MakeVector
from pytensor.tensor.math import Max, Min, add, sub

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.additive import with_complement
from pytensor_stabilize.rewrites.algebra.limits import within_limits
from pytensor_stabilize.rewrites.arithmetic import constant_like
from pytensor_stabilize.rewrites.critical import factored_sum
from pytensor_stabilize.rewrites.matching import FLOATS, is_a, scalar_op
from pytensor_stabilize.rewrites.monotone import alike
from pytensor_stabilize.rewrites.rules import Interval, Left, Rule
from pytensor_stabilize.rewrites.shapes.pieces import MOST_PIECES

_OTHER = {ps.Maximum: pt.minimum, ps.Minimum: pt.maximum}
_MOST_NESTED = 3


@within_limits
def one_minus_largest(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``c - c max(a, b)`` as c times the smaller one of ``1 - a`` and ``1 - b``."""
    (output,) = node.outputs
    if output.type.dtype not in FLOATS or not any(map(_is_extreme, node.inputs)):
        return None
    return with_complement(
        output, lambda f: None if (made := _complement(f)) is None else (1, made)
    )


def _is_extreme(variable: Variable, level: int = 0) -> bool:
    op = scalar_op(variable)
    if variable.owner is None or level > 2:
        return False
    if is_a(op, ps.Maximum, ps.Minimum) or is_a(variable.owner.op, Max, Min):
        return True
    below = is_a(op, ps.Neg, ps.Mul, ps.Add, ps.Sub)
    return below and any(_is_extreme(v, level + 1) for v in variable.owner.inputs)


def _complement(variable: Variable, level: int = 0) -> Variable | None:
    """One minus the largest, or the smallest, of several, if that mends one of them."""
    node = variable.owner
    if node is None or variable.type.dtype not in FLOATS or level > _MOST_NESTED:
        return None
    kind = type(scalar_op(variable))
    if kind in _OTHER:
        if alike(node) is not None:
            return None  # the larger of two sigmoids is about to become one sigmoid
        parts = _complements(node.inputs, variable.type.dtype, level)
        return None if parts is None else _OTHER[kind](*parts)
    joined = node.inputs[0].owner if is_a(node.op, Max, Min) else None
    if joined is None or not is_a(joined.op, MakeVector) or len(joined.inputs) > MOST_PIECES:
        return None
    parts = _complements(joined.inputs, variable.type.dtype, level)
    if parts is None:
        return None
    vector = pt.stack(parts)
    return pt.min(vector) if is_a(node.op, Max) else pt.max(vector)


def _complements(parts: list[Variable], dtype: str, level: int) -> list[Variable] | None:
    if any(v.type.dtype != dtype for v in parts):
        return None
    nested = [_complement(v, level + 1) for v in parts]
    plain = [pt.sub(constant_like(1, v), v) for v in parts]
    found = [p if n is None else n for n, p in zip(nested, plain, strict=True)]
    if not all(n is None for n in nested):
        return found
    return found if any(isinstance(factored_sum(v), Variable) for v in plain) else None


EXTREMES: tuple[Rule, ...] = (
    Rule(
        name="one_minus_largest",
        before=lambda x: 1 - symbols.maximum(symbols.sigmoid(x), 1 - symbols.sigmoid(x)),
        after=lambda x: symbols.minimum(symbols.sigmoid(-x), symbols.sigmoid(x)),
        domain={"x": Interval(-700.0, 700.0)},
        promise=4.0,
        mends="1 - max(p, 1 - p), the probability of an error, is 0 from 37 on",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=one_minus_largest,
        needs=tuple(
            (extreme, kind)
            for extreme in (*_OTHER, Max, Min)
            for kind in (psm.Sigmoid, ps.Tanh, psm.Erf, psm.Erfc, ps.Exp)
        ),
        tested_in="tests/test_extremes.py",
        source="c - max(a, b) = min(c - a, c - b)",
    ),
)
