"""Read a region of a graph as a sum of monomials in one variable and in sums of it.

A square root is a power 1/2 of what stands below it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from pytensor.graph.basic import Variable
from pytensor.scalar import basic as ps

from pytensor_stabilize.rewrites.algebra.forms import (
    ONE,
    Exponent,
    Generator,
    Monomial,
    Term,
    TooBigError,
    generators,
    merged,
    monomial,
    multiplied,
    raised,
    times,
    to_power,
)
from pytensor_stabilize.rewrites.matching import (
    constant_exponent,
    exact_constant,
    is_a,
    scalar_op,
    terms,
)
from pytensor_stabilize.rewrites.rational import polynomials
from pytensor_stabilize.rewrites.rational.polynomials import Poly

_DEPTH = 12
_MOST_TERMS = 40


class Sum(NamedTuple):
    """Generator of a form: a polynomial in the variable that stands in the graph as a sum."""

    x: Variable
    poly: Poly


def variable_of(generator: Generator) -> Variable:
    return generator.x if isinstance(generator, Sum) else generator  # type: ignore[return-value]


def poly_of(generator: Generator) -> Poly:
    return generator.poly if isinstance(generator, Sum) else polynomials.X


def whole_part(n: Exponent) -> int:
    return n.numerator // n.denominator


def expanded(coefficient: Fraction, factors: Monomial) -> Poly:
    """A product of powers that are not negative, multiplied out."""
    poly: Poly = (coefficient,)
    for generator, n in factors:
        poly = polynomials.times(poly, polynomials.power(poly_of(generator), int(n)))
    return poly


@dataclass
class Reader:
    """Reads variables of one dtype as sums of monomials in variables and in sums of them."""

    dtype: str
    known: dict[Sum, Variable] = field(default_factory=dict)

    def summed(self, variable: Variable, depth: int = 0) -> list[Term]:
        """The terms of a sum; of anything else, one."""
        node = variable.owner
        if not self._is_mine(variable, depth) or not isinstance(
            scalar_op(variable), ps.Add | ps.Sub | ps.Neg
        ):
            return self.product(variable, depth)
        assert node is not None
        if is_a(scalar_op(variable), ps.Neg):
            return [(-c, m) for c, m in self.summed(node.inputs[0], depth + 1)]
        found: list[Term] = []
        for sign, term in terms(node):
            found += [(sign * c, m) for c, m in self.summed(term, depth + 1)]
        if len(found) > _MOST_TERMS:
            raise TooBigError
        return found

    def product(self, variable: Variable, depth: int) -> list[Term]:
        """A product, with the sums of quotients in it multiplied out."""
        constant = exact_constant(variable)
        if constant is not None:
            return [(constant, ONE)] if constant else []
        node, op = variable.owner, scalar_op(variable)
        if not self._is_mine(variable, depth):
            return [(Fraction(1), monomial([(variable, 1)]))]
        assert node is not None
        if is_a(op, ps.Mul):
            result: list[Term] = [(Fraction(1), ONE)]
            for factor in node.inputs:
                result = multiplied(result, self.product(factor, depth + 1))
            return result
        if is_a(op, ps.TrueDiv, ps.Reciprocal):
            above = self.product(node.inputs[0], depth + 1) if is_a(op, ps.TrueDiv) else None
            below = self._power(node.inputs[-1], Fraction(-1), depth + 1)
            if below is not None:
                return below if above is None else multiplied(above, below)
        elif is_a(op, ps.Neg):
            return [(-c, m) for c, m in self.product(node.inputs[0], depth + 1)]
        elif is_a(op, ps.Add, ps.Sub):
            inner = self.summed(variable, depth)
            named = self._sum(inner, variable)
            if named is not None:
                return [(Fraction(1), monomial([(named, 1)]))]
            return inner
        elif is_a(op, ps.Sqr, ps.Sqrt, ps.Pow):
            exponent = constant_exponent(node)
            found = None if exponent is None else self._power(node.inputs[0], exponent, depth + 1)
            if found is not None:
                return found
            if exponent is not None and exponent.denominator == 1 and 0 < exponent <= 4:
                return raised(self.product(node.inputs[0], depth + 1), int(exponent))
        return [(Fraction(1), monomial([(variable, 1)]))]

    def _power(self, base: Variable, exponent: Fraction, depth: int) -> list[Term] | None:
        """A power of what is a single monomial, or one over a sum with a root."""
        if exponent.denominator > 2 or abs(exponent) > 8:
            return None
        whole = exponent.denominator == 1
        if is_a(scalar_op(base), ps.Mul) and self._is_mine(base, depth) and whole:
            assert base.owner is not None
            result: list[Term] = [(Fraction(1), ONE)]
            for factor in base.owner.inputs:
                part = self._power(factor, exponent, depth + 1)
                if part is None:
                    return None
                result = multiplied(result, part)
            return result
        read = self.product(base, depth)
        if len(read) == 2 and whole and -4 <= exponent < 0:
            inverse = _rationalized(read)
            if inverse is None:
                return None
            return [(c, m) for m, c in merged(raised(inverse, -int(exponent))).items()]
        if len(read) != 1:
            return None
        ((coefficient, factors),) = read
        if whole:
            return [(coefficient ** int(exponent), to_power(factors, exponent))]
        # The root of a square is the absolute value, that of a product may be one of two negatives.
        if coefficient != 1 or any(n != 1 for _, n in factors) or len(factors) != 1:
            return None
        return [(Fraction(1), to_power(factors, exponent))]

    def _sum(self, inner: list[Term], variable: Variable) -> Sum | None:
        """The generator of a polynomial."""
        names = {variable_of(g) for g in generators(m for _, m in inner)}
        if len(names) != 1 or any(n.denominator != 1 or n < 0 for _, m in inner for _, n in m):
            return None
        poly: Poly = ()
        for c, m in inner:
            poly = polynomials.plus(poly, expanded(c, m))
        if sum(map(bool, poly)) < 2:
            return None
        found = Sum(names.pop(), poly)
        self.known.setdefault(found, variable)
        return found

    def _is_mine(self, variable: Variable, depth: int) -> bool:
        return variable.owner is not None and depth < _DEPTH and variable.type.dtype == self.dtype


def _rationalized(read: list[Term]) -> list[Term] | None:
    """``1 / (a + b)`` as ``(a - b) / (a**2 - b**2)``, where that is one monomial below the bar."""
    (a, m), (b, n) = read
    names = {variable_of(g) for g in generators((m, n))}
    powers = [n for factors in (m, n) for _, n in factors]
    if len(names) != 1 or all(n.denominator == 1 for n in powers) or min(powers) < 0:
        return None
    square = polynomials.plus(
        expanded(a * a, to_power(m, Fraction(2))), expanded(-b * b, to_power(n, Fraction(2)))
    )
    if sum(map(bool, square)) != 1:
        return None
    below = monomial([(names.pop(), 1 - len(square))])
    return [(a / square[-1], times(m, below)), (-b / square[-1], times(n, below))]
