"""Sums in another form before they are factored: over one denominator, without their middle."""

from fractions import Fraction

from pytensor_stabilize.rewrites.algebra.families import (
    Family,
    Member,
    Residue,
    members,
    stable_key,
)
from pytensor_stabilize.rewrites.algebra.forms import (
    MOST_TERMS,
    Form,
    Term,
    gathered,
    generators,
    monomial,
    multiplied,
    power_of,
    times,
)


def without_middle(form: Form, family: Family) -> list[Term] | None:
    """A sum with ``p - q`` for t where some terms have it; None if none or all do."""
    middle = Member(family, "t")
    powers_of_t = [power_of(m, middle) for m in form]
    if not any(powers_of_t) or all(powers_of_t) or any(n not in (0, 1, 2) for n in powers_of_t):
        return None
    total: list[Term] = []
    for (factors, coefficient), n in zip(form.items(), powers_of_t, strict=True):
        rest = frozenset((g, k) for g, k in factors if g != middle)
        own = [(coefficient, rest)]
        for _ in range(int(n)):
            own = multiplied(
                own, [(Fraction(1), members(family, 1, 0)), (Fraction(-1), members(family, 0, 1))]
            )
        total += own
    return total if len(total) <= MOST_TERMS else None


def over_residues(terms: list[Term]) -> list[Term]:
    """Bring terms over the same denominators: ``1 - a / R`` is ``(R - a) / R``."""
    for generator in sorted(generators(m for _, m in terms), key=stable_key):
        if not isinstance(generator, Residue):
            continue
        low = min(power_of(m, generator) for _, m in terms)
        if low >= 0 or len(terms) < 2:
            continue
        total: list[Term] = []
        for coefficient, factors in terms:
            lifted = power_of(factors, generator) - low
            if lifted != int(lifted) or lifted > 2:
                return terms
            rest = frozenset((g, n) for g, n in factors if g != generator)
            own = [(coefficient, times(rest, monomial([(generator, low)])))]
            for _ in range(int(lifted)):
                own = multiplied(own, [(c, m) for m, c in generator.form.items()])
            total += own
        others = [g for g in generators(generator.form) if not isinstance(g, Member)]
        if len(total) > MOST_TERMS and len(others) > 1:
            # A mixture, w p + (1 - w) q.  Not of numbers: q - 0.95 p multiplied out is more
            # terms that cancel in the middle.
            total = gathered(total)
        if len(total) > MOST_TERMS:
            return terms
        terms = total
    return terms
