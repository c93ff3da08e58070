"""Sums and products that are divided by a difference of two functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from fractions import Fraction
from typing import NamedTuple

from pytensor.graph.basic import Apply, Variable
from pytensor.scalar import basic as ps
from pytensor.tensor.math import add, sub

from pytensor_stabilize.rewrites.arithmetic import factors
from pytensor_stabilize.rewrites.differences.pairs import Pair, find_pair, flat_terms, key_of
from pytensor_stabilize.rewrites.matching import scalar_op_of
from pytensor_stabilize.rewrites.memory import once

_MOST_TERMS = 12
# Nodes that are looked at for a division by a sum.
_NEAREST = 16
# Through which a division is looked for.
_CARRIERS = (ps.Mul, ps.Neg, ps.Add, ps.Sub, ps.Sqr)


class Divided(NamedTuple):
    """A sum, or a product alone, with the differences that something in it is divided by."""

    summed: list[tuple[int, Variable]]
    read: list[tuple[int, Fraction, Counter[Variable]]]
    pairs: list[Pair]


def divided_by_pairs(node: Apply) -> Divided | None:
    """Read a node; three rules ask for it, one for each function."""
    return once(node.outputs[0], "divided", lambda: _read_divided(node))


def _read_divided(node: Apply) -> Divided | None:
    (output,) = node.outputs
    if not any(map(_divides, node.inputs if node.op in (add, sub) else [output])):
        return None
    summed = flat_terms(node) if node.op in (add, sub) else [(1, output)]
    if len(summed) > _MOST_TERMS:
        return None
    read = [(sign, *factors(term)) for sign, term in summed]
    pairs: dict[Hashable, Pair] = {}
    for _, _, counted in read:
        for v, exponent in counted.items():
            pair = _bare_pair(v) if exponent < 0 else None
            if pair is not None:
                key = frozenset((key_of(pair.plus), key_of(pair.minus)))
                pairs.setdefault((pair.family.name, key), pair)
    return Divided(summed, read, list(pairs.values())) if pairs else None


def _divides(term: Variable) -> bool:
    """Cheap test: whether there is a division by a sum or its powers near the top."""
    todo: list[tuple[Variable, bool]] = [(term, False)]
    for level, (variable, below) in enumerate(todo):
        node = variable.owner
        if node is None or level > _NEAREST:
            continue
        kind = type(scalar_op_of(node))
        if below and (kind is ps.Add or kind is ps.Sub):
            return True
        if kind is ps.TrueDiv:
            todo += [(node.inputs[0], below), (node.inputs[1], True)]
        elif kind in _CARRIERS or below:
            todo += [(v, below) for v in node.inputs]
    return False


def _bare_pair(v: Variable) -> Pair | None:
    if v.owner is None or v.owner.op not in (add, sub):
        return None
    pair = find_pair(v.owner)
    return pair if pair is not None and pair.is_bare else None
