"""Largest values of a saturating function: that of the largest argument.

``1 - max(sigmoid(x))`` is ``sigmoid(-max(x))``, and the gradient goes to the largest argument,
where the values of several round to 1.  A minimum is a maximum of negated values until late.
"""

from __future__ import annotations

import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.math import Max, eq

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.matching import FLOATS, is_a, scalar_op, signed_key, strip_sign
from pytensor_stabilize.rewrites.rules import REAL, Left, Rule

_INCREASING = (psm.Sigmoid, ps.Tanh, psm.Erf)


def _read(variable: Variable) -> tuple[int, Variable] | None:
    """``(sign, f(u))`` of ``sign * f(u)`` with an increasing function f."""
    sign, core = strip_sign(variable)
    if variable.type.dtype not in FLOATS or not is_a(scalar_op(core), *_INCREASING):
        return None
    assert core.owner is not None
    return (sign, core) if core.owner.inputs[0].type.dtype == core.type.dtype else None


def max_of_increasing(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``max(f(u)) -> f(max(u))`` and ``max(-f(u)) -> -f(-max(-u))``."""
    found = _read(node.inputs[0])
    if found is None:
        return None
    sign, value = found
    assert value.owner is not None
    function, (argument,) = value.owner.op, value.owner.inputs
    if sign > 0:
        return function(node.op(argument))
    return pt.neg(function(pt.neg(node.op(pt.neg(argument)))))


def tie_of_increasing(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``f(max(u)) == f(u) -> max(u) == u``: the pullback of a maximum."""
    for largest, own in (node.inputs, node.inputs[::-1]):
        found = _read(own)
        if found is None:
            continue
        sign, value = found
        assert value.owner is not None
        argument = value.owner.inputs[0]
        moves, inner = _through_moves(largest)
        of_largest = _read(inner)
        if of_largest is None or of_largest[0] != sign:
            continue
        first = of_largest[1].owner
        assert first is not None
        if first.op != value.owner.op or not _is_largest(first.inputs[0], argument):
            continue
        at = first.inputs[0]
        for move in reversed(moves):
            at = move.op(at)
        return eq(at, argument)
    return None


def _through_moves(variable: Variable) -> tuple[list[Apply], Variable]:
    moves = []
    while variable.owner is not None and is_a(variable.owner.op, DimShuffle):
        moves.append(variable.owner)
        variable = variable.owner.inputs[0]
    return moves, variable


def _is_largest(variable: Variable, argument: Variable) -> bool:
    """Whether a variable is the largest, or the smallest, of an argument."""
    _, inner = _through_moves(strip_sign(_through_moves(variable)[1])[1])
    node = inner.owner
    if node is None or not is_a(node.op, Max):
        return False
    return signed_key(node.inputs[0])[1] == signed_key(argument)[1]


MONOTONE: tuple[Rule, ...] = (
    Rule(
        name="max_of_increasing",
        before=lambda x: 1 - symbols.sigmoid(x),
        after=lambda x: symbols.sigmoid(-x),
        domain={"x": REAL},
        tested_in="tests/test_monotone.py",
        promise=4.0,
        mends="1 - max(sigmoid(x)) is 0 where a value rounds to 1",
        databases=("stabilize", "specialize"),
        tracks=(Max,),
        transform=max_of_increasing,
        needs=tuple((kind, Max) for kind in _INCREASING),
        source="An increasing function is largest where its argument is",
    ),
    Rule(
        name="tie_of_increasing",
        before=lambda x: 1 - symbols.sigmoid(x),
        after=lambda x: symbols.sigmoid(-x),
        domain={"x": REAL},
        tested_in="tests/test_monotone.py",
        promise=4.0,
        mends="the gradient of max(sigmoid(x)) goes to all elements whose values round to 1",
        databases=("stabilize", "specialize"),
        tracks=(eq,),
        transform=tie_of_increasing,
        needs=tuple((kind, Max) for kind in _INCREASING),
        source="As above",
    ),
)
