"""Families of functions with critical values, and the companions that compute differences there.

Every family of this table is a pair ``p + q = 1`` of functions of one argument ``u``, both accurate
where they are small, and a third function ``t = p - q`` that is accurate where it is.  A polynomial
in ``p`` vanishes at the ends of the range, or in its middle, exactly if ``p``, ``q`` or ``t``
divides it; with these in place of ``1 - p`` and ``2p - 1`` nothing cancels there.

============  ===================  ===================  ==============  =========================
family        p                    q                    t               read as powers of these
============  ===================  ===================  ==============  =========================
logistic(u)   sigmoid(u)           sigmoid(-u)          tanh(u / 2)     exp(u) = p / q,
                                                                        expm1(u) = t / q,
                                                                        cosh, sinh, softplus
normal(u)     erfc(-u) / 2         erfc(u) / 2          erf(u)          erf, erfc
cosine(u)     cos(u / 2)**2        sin(u / 2)**2        cos(u)          cos, sin(u)**2 = 4 p q
============  ===================  ===================  ==============  =========================
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, NamedTuple

from pytensor.graph.basic import Variable

from pytensor_stabilize.rewrites.algebra.forms import (
    Exponent,
    Form,
    Monomial,
    generators,
    monomial,
)
from pytensor_stabilize.rewrites.matching import is_a

Kind = Literal["logistic", "normal", "cosine"]
Companion = Literal["p", "q", "t"]
# How elements are moved about: ops, outermost last, each with its inputs but the first.
MovesKey = tuple[tuple[Any, ...], ...]


class Family(NamedTuple):
    """One family at one argument ``u = unit * core``, its elements moved about by `moves`."""

    kind: Kind
    core: Hashable
    moves: MovesKey
    unit: Fraction | int


class Member(NamedTuple):
    """Generator of a form: a companion of a family."""

    family: Family
    companion: Companion


class Symbol(NamedTuple):
    """Generator of a form: a variable that is not looked into, with its elements moved about."""

    variable: Variable
    moves: MovesKey


class Residue(NamedTuple):
    """Generator of a form: a sum that has no critical root left and stands below a fraction bar."""

    items: frozenset

    @property
    def form(self) -> Form:
        """The sum, in the same order in every run: numba's cache knows a graph by its text."""
        return dict(sorted(self.items, key=stable_key))


@dataclass(frozen=True, slots=True)
class Argument:
    """``coefficient * core``: how the argument of a function is read."""

    coefficient: Fraction
    core: Hashable


def families(terms: Iterable[Monomial]) -> list[Family]:
    """Families that have a member in some term."""
    found: dict[Family, None] = {}
    for generator in generators(terms):
        if isinstance(generator, Member):
            found[generator.family] = None
    return sorted(found, key=stable_key) if len(found) > 1 else list(found)


def stable_key(thing: Any) -> tuple:
    """Sorts in the same way in every run: variables by age, not by their address."""
    kind = type(thing)
    if kind is str:
        return (4, thing)
    if kind is Fraction or kind is int:
        return (3, thing)  # as a float, 1e300 squared would be none
    if kind is frozenset:
        return (2, *sorted(map(stable_key, thing)))
    if isinstance(thing, tuple):
        return (1, *map(stable_key, thing))
    if is_a(thing, Variable):
        name = str(thing.auto_name)
        return (0, len(name), name)
    return (4, str(thing))


def members(family: Family, p: Exponent, q: Exponent, t: Exponent = 0) -> Monomial:
    """``p**p * q**q * t**t``."""
    return monomial([(Member(family, "p"), p), (Member(family, "q"), q), (Member(family, "t"), t)])


def without(factors: Monomial, family: Family) -> Monomial:
    """The factors that are no members of a family."""
    return frozenset(
        (g, n) for g, n in factors if not (isinstance(g, Member) and g.family == family)
    )


def companions_in(factors: Monomial) -> Monomial:
    """The factors that are companions."""
    return frozenset((g, n) for g, n in factors if isinstance(g, Member))
