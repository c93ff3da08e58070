"""Monomials in exponentials of linear combinations, and in the binomials 1 + exp(d), 1 - exp(d)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import comb

from pytensor.graph.basic import Variable

Atom = Variable | tuple[str, Variable]
Linear = frozenset[tuple[Atom, Fraction]]
# Of more terms nothing is read.
_MOST_TERMS = 32


def linear(parts: Mapping[Atom, Fraction]) -> Linear:
    """The linear combination without the parts that are zero."""
    return frozenset((atom, factor) for atom, factor in parts.items() if factor)


def combine(a: Linear, b: Linear, factor: Fraction | int = 1) -> Linear:
    """``a + factor * b``."""
    if not b:
        return a
    parts = dict(a)
    for atom, coefficient in b:
        more = coefficient if factor == 1 else factor * coefficient
        parts[atom] = parts[atom] + more if atom in parts else more
    return linear(parts)


def scaled(a: Linear, factor: Fraction | int) -> Linear:
    """``factor * a``."""
    return a if factor == 1 else frozenset((atom, factor * c) for atom, c in a)


def by_age(item: tuple[Atom, Fraction]) -> tuple[int, str]:
    # Variables count up as they are made, so that the order is the same in every run.
    variable = item[0][1] if isinstance(item[0], tuple) else item[0]
    return (len(variable.auto_name), variable.auto_name)


def first(a: Linear) -> tuple[Atom, Fraction]:
    """The part with the oldest atom."""
    return min(a, key=by_age)


def is_opaque(a: Linear) -> bool:
    """Whether it has a part that is the logarithm of a variable, and not an exponent."""
    return any(isinstance(atom, tuple) for atom, _ in a)


def binomial(sign: int, count: int) -> list[Fraction]:
    """Coefficients of ``(1 + sign * E)**count``, the lowest power of E first."""
    return [Fraction(comb(count, k) * sign**k) for k in range(count + 1)]


@dataclass(frozen=True)
class Monomial:
    """``factor * exp(exponent)`` times ``(1 + exp(d))**plus * (1 - exp(d))**minus`` for each d.

    Attributes
    ----------
    binomials
        By d the pair ``(plus, minus)``.
    """

    factor: Fraction
    exponent: Linear = frozenset()
    binomials: Mapping[Linear, tuple[int, int]] = field(default_factory=dict)

    def times(self, other: Monomial) -> Monomial:
        binomials = dict(self.binomials)
        for d, (plus, minus) in other.binomials.items():
            old = binomials.get(d, (0, 0))
            binomials[d] = (old[0] + plus, old[1] + minus)
        kept = {d: powers for d, powers in binomials.items() if powers != (0, 0)}
        factor = self.factor if other.factor == 1 else self.factor * other.factor
        return Monomial(factor, combine(self.exponent, other.exponent), kept)

    def power(self, count: int) -> Monomial:
        if count == 1:
            return self
        binomials = {d: (count * p, count * m) for d, (p, m) in self.binomials.items()}
        return Monomial(self.factor**count, scaled(self.exponent, count), binomials)

    def multiplied_out(self) -> list[Monomial]:
        """Its terms, with the binomials that are not below a bar as sums; itself if too many."""
        terms = [Monomial(self.factor, self.exponent)]
        below: dict[Linear, tuple[int, int]] = {}
        for d, (plus, minus) in self.binomials.items():
            for sign, count in ((1, plus), (-1, minus)):
                if count < 1:
                    continue
                if len(terms) * (count + 1) > _MOST_TERMS:
                    return [self]
                powers = [Monomial(c, scaled(d, k)) for k, c in enumerate(binomial(sign, count))]
                terms = [t.times(power) for t in terms for power in powers]
            if min(plus, minus) < 0:
                below[d] = min(plus, 0), min(minus, 0)
        return [Monomial(t.factor, t.exponent, below) for t in terms]


ONE = Monomial(Fraction(1))


@dataclass(frozen=True)
class Term:
    """A term of a sum: ``sign * variable``, where the variable is the monomial."""

    sign: int
    variable: Variable
    monomial: Monomial
