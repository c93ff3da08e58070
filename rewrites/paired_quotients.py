"""Quotients of products that underflow above and below the bar while their quotient does not.

``p q / r**2`` with r = exp(-400) is 0 / 0, ``(p / r) (q / r)`` is not.  PyTensor writes a product
of quotients as one quotient again when it canonicalizes, so that this is done after that.
"""

from __future__ import annotations

from collections.abc import Hashable
from itertools import islice, product

import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.math import true_div

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.algebra.arguments import as_multiple
from pytensor_stabilize.rewrites.arithmetic import product_of
from pytensor_stabilize.rewrites.matching import (
    FLOATS,
    MOVES,
    constant_exponent,
    is_a,
    scalar_op,
    scalar_op_of,
)
from pytensor_stabilize.rewrites.rules import Interval, Left, Rule

# Functions that vanish exponentially.
VANISHING = (psm.Sigmoid, ps.Exp, psm.Erfc)
_SUMS = (ps.Add, ps.Sub)
# An argument, and whether it is at the upper end.
End = tuple[Hashable, bool]
_MOST_LEVELS = 8
_MOST_FACTORS = 8
_MOST_CORNERS = 64


def quotient_in_pairs(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``a b / (r s) -> (a / r) (b / s)``, for factors that may underflow."""
    (output,) = node.outputs
    above, below = map(_factors, node.inputs)
    if output.type.dtype not in FLOATS or not above or not below:
        return None
    if any(v.type.dtype != output.type.dtype for v in (*above, *below)):
        return None
    if not any(is_a(scalar_op(v), *_SUMS) for v in (*above, *below)):
        return None
    pairs = _pairs(above, below)
    if len(pairs) < 2:
        return None
    rest = [_without(above, [v for v, _ in pairs]), _without(below, [v for _, v in pairs])]
    result = product_of([*rest[0], *(pt.true_div(v, r) for v, r in pairs)])
    return pt.true_div(result, product_of(rest[1])) if rest[1] else result


def _pairs(above: list[Variable], below: list[Variable]) -> list[tuple[Variable, Variable]]:
    """Factors of both sides that vanish together, each with one of the other side.

    The quotient of others may overflow where the whole is an ordinary number.  What is divided by
    twice, and vanishes at two corners, comes once beside what vanishes at each.
    """
    ends, left, pairs = {v: _ends(v) for v in above}, list(above), []
    for place, v in enumerate(below):
        corners = _corners(v)
        turn = below[:place].count(v) % max(1, len(corners))
        for corner in [*corners[turn:], *corners[:turn]]:
            top = next((u for u in left if ends[u] & corner), None)
            if top is not None:
                left.remove(top)
                pairs.append((top, v))
                break
    return pairs


def _without(factors: list[Variable], used: list[Variable]) -> list[Variable]:
    left = list(factors)
    for v in used:
        left.remove(v)
    return left


def _factors(variable: Variable) -> list[Variable]:
    """Factors of a product, as often as they stand in it; none if there are too many."""
    node = variable.owner
    if node is not None and is_a(scalar_op_of(node), ps.Mul):
        found = [f for v in node.inputs for f in _factors(v)]
        return found if len(found) <= _MOST_FACTORS else []
    power = constant_exponent(node) if node is not None else None
    if power in (2, 3):
        assert node is not None
        return _factors(node.inputs[0]) * int(power)
    return [variable]


def _ends(variable: Variable, depth: int = 0) -> set[End]:
    """Ends of the ranges of arguments at which a variable vanishes exponentially, at a corner."""
    return next(iter(_corners(variable, depth)), set())


def _corners(variable: Variable, depth: int = 0) -> list[set[End]]:
    """The same for each corner: a sum vanishes where all its terms do.

    ``sigmoid(x)**2 + sigmoid(-x)**2`` has none: its terms vanish at opposite ends.
    """
    node = variable.owner
    op = scalar_op_of(node)
    if node is None or depth > _MOST_LEVELS:
        return []
    if is_a(op, *VANISHING):
        argument = as_multiple(node.inputs[0])
        return [{(argument.core, (argument.coefficient > 0) == is_a(op, psm.Erfc))}]
    if is_a(op, ps.Neg) or is_a(node.op, *MOVES):
        return _corners(node.inputs[0], depth + 1)
    if is_a(op, ps.Mul):
        return [set[End]().union(*(_ends(v, depth + 1) for v in node.inputs))]
    if is_a(op, *_SUMS):
        terms = [_ends(v, depth + 1) for v in node.inputs]
        together = (set(ends) for ends in islice(product(*terms), _MOST_CORNERS))
        return [e for e in together if not any((c, not up) in e for c, up in e)]
    power = constant_exponent(node)
    return _corners(node.inputs[0], depth + 1) if power is not None and power > 0 else []


PAIRS: tuple[Rule, ...] = (
    Rule(
        name="quotient_in_pairs",
        before=lambda x: (
            symbols.sigmoid(-x)
            * symbols.exp(-x)
            / (symbols.sigmoid(-x) + symbols.exp(-(x + x))) ** 2
        ),
        after=lambda x: (
            (symbols.sigmoid(-x) / (symbols.sigmoid(-x) + symbols.exp(-(x + x))))
            * (symbols.exp(-x) / (symbols.sigmoid(-x) + symbols.exp(-(x + x))))
        ),
        domain={"x": Interval(-300.0, 700.0)},
        promise=8.0,
        mends="p q / r**2 is 0 / 0 where r**2 underflows and p / r is an ordinary number",
        databases=("specialize",),
        tracks=(true_div,),
        transform=quotient_in_pairs,
        needs=VANISHING,
        tested_in="tests/test_spelled_otherwise.py",
        source="a b / (r s) = (a / r) (b / s)",
    ),
)
