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
from pytensor_stabilize.rewrites.matching import is_a, scalar_op, scalar_op_of, terms
from pytensor_stabilize.rewrites.memory import once

_MOST_TERMS = 16
# Nodes that are looked at for a division by a sum.
_NEAREST = 16
# Through which a division is looked for.
_CARRIERS = (ps.Mul, ps.Neg, ps.Add, ps.Sub, ps.Sqr)


class Product(NamedTuple):
    """A number times factors with exponents, and which term of the sum it is of."""

    constant: Fraction
    counted: Counter[Variable]
    term: int


class Divided(NamedTuple):
    """A sum, or a product alone, with the differences that something in it is divided by.

    Attributes
    ----------
    summed
        The terms, with their signs.
    readings
        The same as products: with sums in them multiplied out, to be taken only as a whole; as
        they stand; and multiplied out again, to be taken in parts.
    pairs
        The differences.
    """

    summed: list[tuple[int, Variable]]
    readings: list[list[Product]]
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
    read = [_product(sign, term, i) for i, (sign, term) in enumerate(summed)]
    opened = _multiplied_out(read)
    pairs: dict[Hashable, Pair] = {}
    for product in opened:
        for v, exponent in product.counted.items():
            pair = _bare_pair(v) if exponent < 0 else None
            if pair is not None:
                key = frozenset((key_of(pair.plus), key_of(pair.minus)))
                pairs.setdefault((pair.family.name, key), pair)
    readings = [read] if len(opened) == len(read) else [opened, read, opened]
    return Divided(summed, readings, list(pairs.values())) if pairs else None


def _product(sign: int, term: Variable, index: int) -> Product:
    constant, counted = factors(term)
    return Product(sign * constant, counted, index)


def _multiplied_out(read: list[Product]) -> list[Product]:
    """``(p / D - q / D) r / D`` as two terms: what the gradient of a gradient adds up."""
    found: list[Product] = []
    todo = list(read)
    while todo:
        product = todo.pop()
        divided = any(p < 0 and _bare_pair(v) for v, p in product.counted.items())
        inner = next((v for v, p in product.counted.items() if p == 1 and _opens(v, divided)), None)
        if inner is None:
            found.append(product)
            continue
        others = Counter({v: p for v, p in product.counted.items() if v is not inner})
        assert inner.owner is not None
        for sign, term in terms(inner.owner):
            own = _product(sign, term, product.term)
            sums = {v: others[v] + own.counted[v] for v in [*others, *own.counted]}
            counted = Counter({v: p for v, p in sums.items() if p})
            todo.append(Product(product.constant * own.constant, counted, product.term))
        if len(found) + len(todo) > _MOST_TERMS:
            return read
    return sorted(found, key=lambda product: product.term)


def _opens(v: Variable, divided: bool) -> bool:
    """Whether it is a sum with a quotient in it; of what is divided, also other products."""
    if v.owner is None or v.owner.op not in (add, sub):
        return False
    if any(map(_divides, v.owner.inputs)):
        return True
    # Not 1 - f(a), which is a polynomial as it stands.
    return divided and all(is_a(scalar_op(u), ps.Mul, ps.TrueDiv) for u in v.owner.inputs)


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
