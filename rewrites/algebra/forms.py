"""Sums of monomials with exact coefficients and rational exponents.

A monomial maps generators to exponents; a form maps monomials to coefficients.  Generators are
any hashable objects: the companions of a family, or symbols for whatever stands in the graph.
"""

from collections.abc import Hashable, Iterable, Iterator
from fractions import Fraction
from math import comb, gcd, lcm

Generator = Hashable
Exponent = Fraction | int
Monomial = frozenset[tuple[Generator, Exponent]]
Term = tuple[Fraction, Monomial]
Form = dict[Monomial, Fraction]

ONE: Monomial = frozenset()
# More terms than this, or higher powers, are left as they are: multiplied out they would be slower
# and less accurate than what the user wrote.
MOST_TERMS = 48
LARGEST_POWER = 8


class TooBigError(Exception):
    """A region has more terms, powers or nodes than are multiplied out."""


def monomial(powers: Iterable[tuple[Generator, Exponent]]) -> Monomial:
    """Product of powers of different generators."""
    # Integers are several times faster than fractions, and most powers are integers.
    return frozenset(
        (generator, power if power.denominator != 1 else int(power))
        for generator, power in powers
        if power
    )


def times(*monomials: Monomial) -> Monomial:
    """Product of monomials."""
    filled = [m for m in monomials if m]
    if len(filled) < 2:
        return filled[0] if filled else ONE
    powers: dict[Generator, Exponent] = {}
    for factor in filled:
        for generator, power in factor:
            powers[generator] = powers.get(generator, 0) + power
    return monomial(powers.items())


def to_power(base: Monomial, power: Exponent) -> Monomial:
    """Power of a monomial."""
    return monomial((generator, old * power) for generator, old in base)


def power_of(base: Monomial, generator: Generator) -> Exponent:
    """Exponent of a generator, 0 if it does not occur."""
    for other, power in base:
        if other == generator:
            return power
    return 0


def generators(terms: Iterable[Monomial]) -> Iterator[Generator]:
    """The generators of some monomials, each once, in the order of their first appearance."""
    seen = set()
    for factors in terms:
        for generator, _ in factors:
            if generator not in seen:
                seen.add(generator)
                yield generator


def merged(terms: Iterable[Term]) -> Form:
    """Add up the terms that have the same monomial."""
    form: Form = {}
    for coefficient, factors in terms:
        before = form.get(factors)
        total = coefficient if before is None else before + coefficient
        if total:
            form[factors] = total
        else:
            form.pop(factors, None)
    return form


def gathered(terms: list[Term]) -> list[Term]:
    """The terms with those of one monomial and one sign added up: nothing cancels in that.

    A second derivative has many a term twice, and would have too many of them.
    """
    found: dict[tuple[Monomial, bool], Fraction] = {}
    for coefficient, factors in terms:
        key = factors, coefficient > 0
        found[key] = found.get(key, Fraction(0)) + coefficient
    return [(coefficient, factors) for (factors, _), coefficient in found.items()]


def multiplied(left: list[Term], right: list[Term]) -> list[Term]:
    """Multiply two sums out, without adding anything up.

    Raises
    ------
    TooBigError
        There would be more than `MOST_TERMS` terms.
    """
    if len(left) * len(right) > MOST_TERMS:
        raise TooBigError
    # A product of fractions takes a dozen times as long as a look at them, and most are 1.
    return [
        (b if a == 1 else a if b == 1 else a * b, times(m, n)) for a, m in left for b, n in right
    ]


def raised(terms: list[Term], power: int) -> list[Term]:
    """A positive integer power of a sum, multiplied out."""
    if power > LARGEST_POWER:
        raise TooBigError
    result = terms
    for _ in range(power - 1):
        result = multiplied(result, terms)
    return result


def binomial(left: Generator, right: Generator, power: int, sign: int = 1) -> Form:
    """``(left + sign * right)**power``."""
    return {
        monomial([(left, power - k), (right, k)]): Fraction(comb(power, k) * sign**k)
        for k in range(power + 1)
    }


def common(terms: Iterable[Monomial]) -> Monomial:
    """Largest monomial that divides all of them: the smallest exponent of every generator."""
    rows = [dict(factors) for factors in terms]
    names = {generator: None for row in rows for generator in row}
    return monomial((name, min(row.get(name, 0) for row in rows)) for name in names)


def divided(form: Form, factor: Monomial) -> Form:
    """Every monomial divided by one."""
    inverse = to_power(factor, -1)
    return {times(m, inverse): c for m, c in form.items()}


def common_measure(values: Iterable[Fraction]) -> Fraction:
    """The largest number of which all are whole multiples."""
    found = list(values)
    return Fraction(gcd(*(v.numerator for v in found)), lcm(*(v.denominator for v in found)))


def content(form: Form) -> Fraction:
    """Rational factor that leaves small integers, with the sign of most terms; else 1 or -1."""
    values = list(form.values())
    sign = -1 if sum(1 if v > 0 else -1 for v in values) < 0 else 1
    if len(values) == 1:
        return values[0]
    factor = common_measure(values)
    small = all(abs(v / factor) <= 64 for v in values)
    return sign * factor if small else Fraction(sign)
