"""Quick tests of a sum, before it is factored."""

from collections import defaultdict

from pytensor_stabilize.rewrites.algebra.companions import powers
from pytensor_stabilize.rewrites.algebra.families import (
    Member,
    Residue,
    families,
    without,
)
from pytensor_stabilize.rewrites.algebra.forms import (
    Monomial,
    Term,
    common,
    power_of,
    times,
    to_power,
)


def may_cancel(terms: list[Term]) -> bool:
    """A quick test: whether a sum could hide a root at all."""
    monomials = [m for _, m in terms]
    if len({c > 0 for c, _ in terms}) < 2 and not any(
        isinstance(g, Member) and g.companion == "t" for m in monomials for g, _ in m
    ):
        return False
    if may_merge(terms) or _denominators_differ(monomials):
        return True
    # A label meets a constant: y - p, and w y - w p.
    shared = common(monomials)
    return len(monomials) > 1 and any(
        all(isinstance(g, Member) for g, _ in times(m, to_power(shared, -1))) for m in monomials
    )


def _denominators_differ(monomials: list[Monomial]) -> bool:
    """Whether a sum is brought over a denominator that some terms have in another power."""
    below = {g for m in monomials for g, n in m if n < 0 and isinstance(g, Residue)}
    return any(len({power_of(m, g) for m in monomials}) > 1 for g in below)


def may_merge(terms: list[Term]) -> bool:
    """Whether terms differ in the powers of one family only."""
    for family in families(m for _, m in terms):
        shown: dict[Monomial, set[object]] = defaultdict(set)
        for _, m in terms:
            shown[without(m, family)].add(powers(m, family))
        if any(len(different) > 1 for different in shown.values()):
            return True
    return False
