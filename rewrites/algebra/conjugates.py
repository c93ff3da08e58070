"""Differences of square roots: ``1 - sqrt(p) = q / (1 + sqrt(p))``."""

from fractions import Fraction

from pytensor_stabilize.rewrites.algebra.factoring import Factored, canonical, residue
from pytensor_stabilize.rewrites.algebra.families import Member, families
from pytensor_stabilize.rewrites.algebra.forms import (
    Term,
    common,
    divided,
    merged,
    monomial,
    times,
)
from pytensor_stabilize.rewrites.algebra.reading import Reader


def of_roots(terms: list[Term], reader: Reader) -> tuple[Reader, Factored] | None:
    """Multiply a difference of two terms by their sum, if their squares hide a root."""
    form = merged(terms)
    if len(form) != 2 or not families(form):
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
