"""Largest values of a saturating function: that of the largest argument.

``1 - max(sigmoid(x))`` is ``sigmoid(-max(x))``, and the gradient goes to the largest argument,
where the values of several round to 1.  A minimum is a maximum of negated values until late.
So is that of two, ``1 - maximum(sigmoid(a), sigmoid(b))``, and the comparison that its gradient
takes of them.
"""

from __future__ import annotations

from typing import Any, cast

import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable, equal_computations
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.basic import Join, MakeVector
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.math import Max, eq, ge, gt, le, lt, maximum, minimum

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.differences.pairs import SIGMOID, TANH, Arguments, family_of
from pytensor_stabilize.rewrites.matching import (
    FLOATS,
    is_a,
    same_pattern,
    scalar_op,
    signed_key,
    strip_sign,
)
from pytensor_stabilize.rewrites.rules import REAL, Left, Rule

_INCREASING = (psm.Sigmoid, ps.Tanh, psm.Erf)
_OF_JOINED = {SIGMOID: pt.sigmoid, TANH: pt.tanh}
_MIRRORED = {eq: eq, ge: le, gt: lt, le: ge, lt: gt}

# Sign, function and argument of sign * f(u).
_Read = tuple[int, Any, Variable]


def _read(variable: Variable) -> _Read | None:
    """``sign * f(u)`` with an increasing function f, of what is joined as well."""
    sign, core = strip_sign(variable)
    node = core.owner
    if node is None or variable.type.dtype not in FLOATS:
        return None
    if is_a(scalar_op(core), *_INCREASING):
        argument = node.inputs[0]
        same = argument.type.dtype == core.type.dtype
        return (sign, node.op, argument) if same else None
    if not is_a(node.op, Join, MakeVector):
        return None
    family = family_of(core)
    if family not in _OF_JOINED:
        return None
    argument = Arguments(family, core.type.dtype).of(core)
    same = argument.type.dtype == core.type.dtype
    return (sign, _OF_JOINED[family], argument) if same else None


def max_of_increasing(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``max(f(u)) -> f(max(u))`` and ``max(-f(u)) -> -f(-max(-u))``."""
    found = _read(node.inputs[0])
    if found is None:
        return None
    sign, function, argument = found
    if sign > 0:
        return function(node.op(argument))
    return pt.neg(function(pt.neg(node.op(pt.neg(argument)))))


def larger_of_increasing(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``maximum(f(a), f(b)) -> f(maximum(a, b))``, and so for a minimum."""
    read = alike(node)
    if read is None:
        return None
    if not any(same_pattern(v, node.outputs[0]) for v in node.inputs):
        return None  # of a row and a column f would be taken of the whole matrix
    (sign, function, _), *_ = read
    op = node.op if sign > 0 else minimum if node.op == maximum else maximum
    result = function(op(*(argument for _, _, argument in read)))
    return result if sign > 0 else pt.neg(result)


def comparison_of_increasing(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``f(a) >= f(b) -> a >= b``: the pullback of a maximum, and a choice of the larger."""
    read = alike(node)
    if read is None:
        return None
    (sign, _, a), (_, _, b) = read
    return cast(Variable, (node.op if sign > 0 else _MIRRORED[node.op])(a, b))


def alike(node: Apply) -> list[_Read] | None:
    """The inputs of a node, if they are one function with one sign."""
    read: list[_Read] = []
    for variable in node.inputs:
        found = _read(variable)
        if found is None or (read and found[:2] != read[0][:2]):
            return None
        read.append(found)
    return read if len({v.type.dtype for v in node.inputs}) == 1 else None


def tie_of_increasing(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``f(max(u)) == f(u) -> max(u) == u``: the pullback of a maximum."""
    for largest, own in (node.inputs, node.inputs[::-1]):
        found = _read(own)
        if found is None:
            continue
        sign, function, argument = found
        moves, inner = _through_moves(largest)
        of_largest = _read(inner)
        if of_largest is None or of_largest[:2] != (sign, function):
            continue
        at = of_largest[2]
        if not _is_largest(at, argument):
            continue
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
    if signed_key(node.inputs[0])[1] == signed_key(argument)[1]:
        return True
    # What is joined has been joined anew.
    return equal_computations([strip_sign(node.inputs[0])[1]], [strip_sign(argument)[1]])


def _beside(*kinds: type) -> tuple[tuple[type, type], ...]:
    return tuple((function, kind) for function in _INCREASING for kind in kinds)


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
        needs=_beside(Max),
        source="An increasing function is largest where its argument is",
    ),
    Rule(
        name="larger_of_increasing",
        before=lambda x: 1 - symbols.sigmoid(x),
        after=lambda x: symbols.sigmoid(-x),
        domain={"x": REAL},
        tested_in="tests/test_monotone.py",
        promise=4.0,
        mends="1 - maximum(sigmoid(a), sigmoid(b)) is 0 where the larger rounds to 1",
        databases=("stabilize", "specialize"),
        tracks=(maximum, minimum),
        transform=larger_of_increasing,
        needs=_beside(ps.Maximum, ps.Minimum),
        source="As above",
    ),
    Rule(
        name="comparison_of_increasing",
        before=lambda x: 1 - symbols.sigmoid(x),
        after=lambda x: symbols.sigmoid(-x),
        domain={"x": REAL},
        tested_in="tests/test_monotone.py",
        promise=4.0,
        mends="sigmoid(a) >= sigmoid(b) holds for a < b where both round to 1",
        databases=("stabilize", "specialize"),
        tracks=(eq, ge, gt, le, lt),
        transform=comparison_of_increasing,
        needs=_INCREASING,
        source="As above",
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
        needs=_beside(Max),
        source="As above",
    ),
)
