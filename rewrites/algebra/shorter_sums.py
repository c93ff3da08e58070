"""Sums that are written shorter before they are factored: opposite terms, a sum in all of them."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.scalar import basic as ps
from pytensor.tensor.math import add, mul, neg, sqr, sub, true_div

from pytensor_stabilize.rewrites.additive import signed_terms
from pytensor_stabilize.rewrites.algebra.factoring import canonical
from pytensor_stabilize.rewrites.algebra.forms import Form, Term, merged
from pytensor_stabilize.rewrites.algebra.reading import Reader
from pytensor_stabilize.rewrites.arithmetic import (
    build_product,
    difference_of,
    factors,
    product_of,
)
from pytensor_stabilize.rewrites.matching import constant_exponent, is_a, scalar_op


def without_opposites(output: Variable, reader: Reader, terms: list[Term]) -> Variable | None:
    """``a + b - a`` without what cancels: PyTensor looks for that in canonicalize alone."""
    if len(terms) < 2 or len({c > 0 for c, _ in terms}) < 2:
        return None
    form = merged(terms)
    if len(terms) < len(form) + 2 or all(m in form for _, m in terms):
        return None
    read = [(sign, v, reader.terms(v)) for sign, v in signed_terms(output)]
    totals: Form = {}
    for sign, _, own in read:
        if len(own) == 1:
            ((c, m),) = own
            totals[m] = totals.get(m, Fraction(0)) + sign * c
    kept = [(sign, v) for sign, v, own in read if len(own) != 1 or totals[own[0][1]]]
    if len(kept) == len(read):
        return None
    return difference_of(kept) if kept else pt.zeros_like(output)


def over_common_sum(output: Variable, reader: Reader) -> Variable | None:
    """``u a - u b`` as ``u (a - b)`` for a sum u, which multiplied out would be many terms."""
    signed = signed_terms(output)
    if not all(_has_sum(v) for _, v in signed):
        return None
    read = [_read(v) for _, v in signed]
    shared = read[0][1].copy()
    for _, counted in read:
        shared &= counted
    sums = Counter({v: n for v, n in shared.items() if _is_sum(v) and not _is_one(v, reader)})
    if not sums:
        return None
    dtype = str(output.type.dtype)
    rest = [
        (sign, build_product(c, Counter({v: n - sums[v] for v, n in counted.items()}), dtype))
        for (sign, _), (c, counted) in zip(signed, read, strict=True)
    ]
    return product_of([*sums.elements(), difference_of(rest)])


def _read(product: Variable) -> tuple[Fraction, Counter[Variable]]:
    """Its `factors`, with the bases of whole powers in place of the powers."""
    constant, counted = factors(product)
    found: Counter[Variable] = Counter()
    for v, n in counted.items():
        exponent = constant_exponent(v.owner) if v.owner is not None else None
        if exponent is not None and exponent.denominator == 1 and is_a(scalar_op(v), ps.Pow):
            found[v.owner.inputs[0]] += n * int(exponent)
        else:
            found[v] += n
    return constant, Counter({v: n for v, n in found.items() if n})


def _is_one(total: Variable, reader: Reader) -> bool:
    """Whether a sum is a product of companions, as 1 - s is: factored, it is one term."""
    return canonical(reader.terms(total), reader.is_leaf).is_product


def _is_sum(variable: Variable) -> bool:
    return variable.owner is not None and variable.owner.op in (add, sub)


def _has_sum(product: Variable, depth: int = 3) -> bool:
    node = product.owner
    if node is None or not depth:
        return False
    return node.op in (add, sub) or (
        node.op in (mul, true_div, sqr, neg) and any(_has_sum(v, depth - 1) for v in node.inputs)
    )
