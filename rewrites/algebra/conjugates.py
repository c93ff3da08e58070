"""Differences of square roots, and polynomials in one: with ``r = sqrt(p)``, ``1 - r**2 = q``."""

from fractions import Fraction
from itertools import accumulate

from pytensor_stabilize.rewrites.algebra.factoring import Factored, canonical, residue
from pytensor_stabilize.rewrites.algebra.families import Member, families
from pytensor_stabilize.rewrites.algebra.forms import (
    ONE,
    Form,
    Term,
    common,
    divided,
    merged,
    monomial,
    times,
    to_power,
)
from pytensor_stabilize.rewrites.algebra.reading import Reader

_MOST_TERMS = 8


def of_roots(terms: list[Term], reader: Reader) -> tuple[Reader, Factored] | None:
    """Multiply a difference of two terms by their sum, if their squares hide a root."""
    form = merged(terms)
    if len(form) != 2:
        return _in_root(form, reader)
    if not families(form):
        return None
    roots = [n for m in form for g, n in m if isinstance(g, Member) and n.denominator == 2]
    # p - sqrt(p) is sqrt(p) q / (1 + sqrt(p)): its root below the bar would be 0 / 0 for p = 0.
    shared = common(form)
    (first, a), (second, b) = divided(form, shared).items()
    if not roots or (a > 0) == (b > 0):
        return None
    squares: list[Term] = [(a * a, times(first, first)), (-b * b, times(second, second))]
    above = canonical(squares, reader.is_leaf)
    if not above.hidden or not above.coefficient:
        return None
    below = residue({first: abs(a), second: abs(b)})
    sign = Fraction(1 if a > 0 else -1)
    return reader, Factored(
        sign * above.coefficient,
        times(above.as_monomial(), shared, monomial([(below, -1)])),
        hidden=("square root",),
    )


def _in_root(form: Form, reader: Reader) -> tuple[Reader, Factored] | None:
    """A polynomial in ``r = sqrt(p)`` that vanishes at r = 1: ``1 - r**2`` is q."""
    if not 2 < len(form) <= _MOST_TERMS:
        return None
    shared = common(form)
    powers: dict[int, Fraction] = {}
    companion: Member | None = None
    for m, c in divided(form, shared).items():
        ((g, n),) = m if len(m) == 1 else ((companion, 0),)
        if len(m) > 1 or not isinstance(g, Member | None) or (2 * n).denominator != 1 or n < 0:
            return None
        if m and (companion or g) != g:
            return None
        companion = companion or g
        powers[int(2 * n)] = c
    size = max(powers)
    if companion is None or not any(k % 2 for k in powers) or size > _MOST_TERMS:
        return None
    coefficients = [powers.get(k, Fraction(0)) for k in range(size + 1)]
    count = 0
    while len(coefficients) > 1 and not sum(coefficients):
        # Divided by 1 - r, from the lowest power on.
        coefficients = list(accumulate(coefficients))[:-1]
        count += 1
    one = Fraction(1)
    one_minus = canonical([(one, ONE), (-one, monomial([(companion, 1)]))], reader.is_leaf)
    if not count or not one_minus.hidden:
        return None

    def in_r(values: list[Fraction]) -> Form:
        return {monomial([(companion, Fraction(k, 2))]): c for k, c in enumerate(values) if c}

    beside = monomial([(residue(in_r([one, one])), -count)])
    return reader, Factored(
        one_minus.coefficient**count,
        times(to_power(one_minus.as_monomial(), count), shared, beside),
        in_r(coefficients),
        hidden=("square root",),
    )
