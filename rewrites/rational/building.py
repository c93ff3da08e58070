"""Build a quotient: a polynomial over powers and roots, and its limits where both are infinite."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import isqrt

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable

from pytensor_stabilize.rewrites.algebra.forms import (
    Exponent,
    Generator,
    Monomial,
    TooBigError,
    monomial,
    power_of,
    times,
)
from pytensor_stabilize.rewrites.arithmetic import as_dtype, difference_of, product_of
from pytensor_stabilize.rewrites.rational import polynomials
from pytensor_stabilize.rewrites.rational.polynomials import Poly
from pytensor_stabilize.rewrites.rational.reading import (
    Reader,
    Sum,
    poly_of,
    variable_of,
)

# Beyond all floats: what a quotient is there is its limit.
_FAR = Fraction(2) ** 3000
_LARGE = Fraction(2) ** 1000

Ends = list[float | None]


@dataclass
class Group:
    """``poly * root``, where the root is a product of square roots."""

    root: Monomial
    poly: Poly


@dataclass
class Builder:
    """Builds what is left of a sum."""

    reader: Reader
    x: Variable

    @cached_property
    def argument(self) -> Variable:
        """x as a float of the result's width: the square of an integer may wrap."""
        return as_dtype(self.x, self.reader.dtype)

    def constant(self, value: Fraction) -> Variable:
        # What cancels was found with exact numbers; those of the result are rounded once.
        info = np.finfo(self.reader.dtype)
        if value and not Fraction(float(info.tiny)) <= abs(value) <= Fraction(float(info.max)):
            raise TooBigError
        return pt.constant(np.dtype(self.reader.dtype).type(float(value)))

    def polynomial(self, poly: Poly, x: Variable | None = None) -> Variable:
        """A polynomial, term by term."""
        x = self.argument if x is None else x
        found: list[tuple[int, Variable]] = []
        for power, c in enumerate(poly):
            if not c:
                continue
            if not power:
                found.append((1, self.constant(c)))
                continue
            factors = [self.constant(abs(c))] if abs(c) != 1 else []
            found.append((1 if c > 0 else -1, product_of([*factors, _power(x, power)])))
        return difference_of(found)

    def _laurent(self, poly: Poly, order: int) -> Variable:
        """``x**order * poly(x)`` for a negative order, in steps that give no inf - inf at 0."""
        result: Variable | None = None
        last = order
        for power in range(order, 0):
            c = poly[power - order] if power - order < len(poly) else Fraction(0)
            if not c:
                continue
            if result is None:
                result = self.constant(c)
            else:
                step = pt.true_div(result, _power(self.argument, power - last))
                result = pt.add(self.constant(c), step)
            last = power
        assert result is not None
        result = pt.true_div(result, _power(self.argument, -last))
        rest = poly[-order:]
        return pt.add(self.polynomial(rest), result) if any(rest) else result

    def factors(self, factors: Monomial) -> tuple[list[Variable], list[Variable]]:
        """Numerator and denominator of a monomial."""
        above: list[Variable] = []
        below: list[Variable] = []
        for generator, n in sorted(factors, key=lambda pair: str(_name(pair[0]))):
            base = self.known(generator)
            (above if n > 0 else below).append(_power(base, n if n > 0 else -n))
        return above, below

    def known(self, generator: Generator) -> Variable:
        if isinstance(generator, Sum):
            return as_dtype(self.reader.known[generator], self.reader.dtype)
        return as_dtype(generator, self.reader.dtype)  # type: ignore[arg-type]

    def quotient(
        self, poly: Poly, factors: Monomial, groups: list[Group], positive: bool = False
    ) -> Variable:
        """``poly * factors`` over the sum of the sizes of some groups.

        Powers of x are taken together.

        Raises
        ------
        TooBigError
            It would overflow where the sum does not.
        """
        more = [pt.add(*(magnitude(g, self, positive) for g in groups))] if groups else []
        poly, factors = _reduced(poly, factors)
        low = polynomials.lowest(poly)
        own = power_of(factors, self.x) + low
        poly = poly[low:]
        several = sum(map(bool, poly)) > 1
        whole = times(factors, monomial([(self.x, low)]))
        # A common power of x would overflow sooner.
        laurent = several and own.denominator == 1 and own < 0
        taken = frozenset((g, n) for g, n in factors if g is not self.x) if laurent else whole
        above, below = self.factors(taken)
        negated = False
        if laurent:
            above.append(self._laurent(poly, int(own)))
        elif several:
            above.append(self.polynomial(poly))
        elif abs(poly[0]) != 1:
            above.insert(0, self.constant(poly[0]))
        else:
            negated = poly[0] < 0
            above = above or [self.constant(Fraction(1))]
        below += more
        result = product_of(above)
        denominator = product_of(below) if below else None
        if several and groups and len(below) > 1:
            # One after the other: their product is infinite long before the quotient is 0.
            # By reciprocals: XLA multiplies the denominators of a / b / c.
            denominator = result
            for factor in below:
                result = pt.mul(result, pt.reciprocal(factor))
        elif denominator is not None:
            result = pt.true_div(result, denominator)
        # Inside the switch: PyTensor moves a sign into a switch to 0.
        result = pt.neg(result) if negated else result
        if denominator is not None and (several or any(n > 0 for _, n in whole)):
            result = self._limited(result, denominator, limits(poly, whole, groups))
        return result

    def _limited(self, quotient: Variable, denominator: Variable, ends: Ends) -> Variable:
        """The limit, where numerator and denominator are infinite."""
        values = [end + 0.0 for end in ends if end is not None]
        limit = pt.constant(np.asarray(values[0], self.reader.dtype))
        if values[0] != values[-1]:
            other = pt.constant(np.asarray(values[-1], self.reader.dtype))
            limit = pt.switch(pt.lt(self.x, np.asarray(0, self.reader.dtype)), limit, other)
        return pt.switch(pt.isinf(denominator), limit, quotient)


def magnitude(group: Group, builder: Builder, positive: bool) -> Variable:
    """The absolute value of ``poly * root``."""
    sizes = tuple(abs(c) for c in group.poly)
    odd = not positive and polynomials.parity(group.poly) == 1
    x = pt.abs(builder.argument) if odd else builder.argument
    above, below = builder.factors(group.root)
    if sizes != polynomials.ONE or not above:
        above.insert(0, builder.polynomial(sizes, x=x))
    top = product_of(above)
    return pt.true_div(top, product_of(below)) if below else top


def _name(generator: Generator) -> tuple:
    v = variable_of(generator)
    return (len(v.auto_name), v.auto_name, getattr(generator, "poly", ()))


def _power(base: Variable, n: Exponent) -> Variable:
    whole = n.numerator // n.denominator
    parts = []
    if whole == 1:
        parts.append(base)
    elif whole == 2:
        parts.append(pt.sqr(base))
    elif whole:
        parts.append(pt.pow(base, pt.constant(int(whole), dtype="int8")))
    if n != whole:
        parts.append(pt.sqrt(base))
    return product_of(parts)


def limits(poly: Poly, factors: Monomial, groups: list[Group]) -> Ends:
    """Limits of what `Builder.quotient` builds, at the two infinities; None where it is no real."""
    found: list[float | None] = []
    for far in (-_FAR, _FAR):
        value: Fraction | None = _value(poly, factors, far)
        sizes = [_value(g.poly, g.root, far) for g in groups]
        if value is not None and groups:
            total = sum(abs(size) for size in sizes if size is not None)
            value = value / total if total and None not in sizes else None
        if value is None:
            found.append(None)
        elif abs(value) > _LARGE:
            raise TooBigError
        else:
            found.append(float(value) if abs(value) > 1 / _LARGE else 0.0)
    if found == [None, None]:
        raise TooBigError
    return found


def _value(poly: Poly, factors: Monomial, at: Fraction) -> Fraction | None:
    """The value at a point, to 200 bits; None if it is no real number."""
    value = polynomials.value(poly, at)
    for generator, n in factors:
        base = polynomials.value(poly_of(generator), at)
        if n.denominator == 1:
            value *= base ** int(n)
        elif base <= 0:
            return None
        else:
            value *= Fraction(isqrt(int(base * 4**200)), 2**200) ** int(2 * n)
    return value


def _reduced(poly: Poly, factors: Monomial) -> tuple[Poly, Monomial]:
    """Cancel factors of the denominator."""
    for generator, n in factors:
        while isinstance(generator, Sum) and n <= -1 and len(poly) >= len(generator.poly):
            quotient = polynomials.divided(poly, generator.poly)
            if quotient is None:
                break
            poly, n = quotient, n + 1
            factors = times(factors, monomial([(generator, 1)]))
    return poly, factors
