"""Sums of monomials in exponentials, added up exactly as polynomials in one of them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from pytensor.graph.basic import Variable

from pytensor_stabilize.rewrites.exponentials.monomials import (
    Linear,
    Monomial,
    Term,
    binomial,
    combine,
    first,
    is_opaque,
)

_LARGEST_DEGREE = 12


def _place(exponent: Linear, d: Linear) -> tuple[Fraction, Linear]:
    """Return k and the rest with ``exponent = k * d + rest``."""
    atom, coefficient = first(d)
    k = dict(exponent).get(atom, Fraction(0)) / coefficient
    return k, combine(exponent, d, -k)


def groups(read: list[Term], d: Linear) -> Iterator[list[Term]]:
    """Terms that are polynomials in ``exp(d)`` times the same rest, two or more at a time."""
    groups: dict[object, list[Term]] = {}
    for term in read:
        k, rest = _place(term.monomial.exponent, d)
        others = frozenset((e, p) for e, p in term.monomial.binomials.items() if e != d)
        groups.setdefault((rest, others, k % 1), []).append(term)
    for group in groups.values():
        below = (term.monomial.binomials.get(d, (0, 0)) for term in group)
        if len(group) > 1 and any(min(powers) < 0 for powers in below):
            yield group


def added_up(group: list[Term], d: Linear) -> list[Monomial] | None:
    """The sum of a group, as few monomials; None if it hides no root.

    Of both signs only if none of them exceeds 1: they cancel at ordinary values of d alone.
    """
    parts = []
    for term in group:
        k, rest = _place(term.monomial.exponent, d)
        plus, minus = term.monomial.binomials.get(d, (0, 0))
        parts.append((term.sign * term.monomial.factor, k, plus, minus))
    k0 = min(part[1] for part in parts)
    plus0, minus0 = min(part[2] for part in parts), min(part[3] for part in parts)
    total: list[Fraction] = [Fraction(0)]
    highest = 0
    for factor, k, plus, minus in parts:
        shifts = int(k - k0), plus - plus0, minus - minus0
        if sum(shifts) > _LARGEST_DEGREE:
            return None
        highest = max(highest, sum(shifts))
        ups, downs = binomial(1, shifts[1]), binomial(-1, shifts[2])
        part = [Fraction(0)] * shifts[0] + _times(ups, downs)
        total = _plus(total, [factor * c for c in part])
    if not any(total):
        return []
    gained = highest > len(total) - 1
    while total[0] == 0:
        total, k0, gained = total[1:], k0 + 1, True
    opaque = is_opaque(d)
    while len(total) > 1 and not opaque and sum(total) == 0:
        total, minus0, gained = _divided(total, 1), minus0 + 1, True
    while len(total) > 1 and sum(c * (-1) ** i for i, c in enumerate(total)) == 0:
        total, plus0 = _divided(total, -1), plus0 + 1
    if not gained or (opaque and len(total) > 4):
        return None
    base = group[0].monomial
    _, rest = _place(base.exponent, d)
    powers = k0, k0 + len(total) - 1, plus0, minus0
    if len({c > 0 for c in total if c}) > 1 and (opaque or not _is_bounded(rest, *powers)):
        return None
    return [
        Monomial(
            c,
            combine(rest, d, k0 + i),
            {**base.binomials, d: (plus0, minus0)},
        )
        for i, c in enumerate(total)
        if c
    ]


def _is_bounded(rest: Linear, lowest: Fraction, highest: Fraction, plus: int, minus: int) -> bool:
    """Whether ``exp(k d) (1 - exp(d))**minus (1 + exp(d))**plus`` is at most 1 for each k."""
    exponential = any(isinstance(atom, Variable) for atom, _ in rest)
    return not exponential and minus >= 0 and lowest >= 0 and highest + minus <= -plus


def _times(a: list[Fraction], b: list[Fraction]) -> list[Fraction]:
    product = [Fraction(0)] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            product[i + j] += x * y
    return product


def _plus(a: list[Fraction], b: list[Fraction]) -> list[Fraction]:
    size = max(len(a), len(b))
    total = [sum(p[i] for p in (a, b) if i < len(p)) + Fraction(0) for i in range(size)]
    while len(total) > 1 and total[-1] == 0:
        total.pop()
    return total


def _divided(polynomial: list[Fraction], root: int) -> list[Fraction]:
    """Quotient by ``1 - E`` (root 1) or ``1 + E`` (root -1), which divides without a rest."""
    quotient, carried = [], Fraction(0)
    for c in polynomial[:-1]:
        carried = c + root * carried
        quotient.append(carried)
    return quotient
