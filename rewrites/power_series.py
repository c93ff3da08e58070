"""Power series with exact coefficients: how an expression behaves next to x = 0.

A `Series` is ``x**order * (c[0] + c[1] x + ...)`` with a fixed number of coefficients; the first
one is not 0, unless all are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import factorial

import pytensor.scalar.math as psm
from pytensor.scalar import basic as ps

from pytensor_stabilize.rewrites.matching import is_a

Coefficients = list[Fraction]


class NoSeriesError(Exception):
    """The expression has no series with rational coefficients at 0, as far as is known here."""


@dataclass(frozen=True)
class Series:
    """A truncated Laurent series; `order` of one that is 0 so far is where it was cut."""

    order: int
    c: Coefficients

    @classmethod
    def of(cls, order: int, c: Coefficients) -> Series:
        """Without leading zeros."""
        skip = next((k for k, value in enumerate(c) if value), len(c))
        return cls(order + skip, c[skip:])

    @property
    def end(self) -> int:
        """The first power that is not known."""
        return self.order + len(self.c)

    def plus(self, other: Series) -> Series:
        order, end = min(self.order, other.order), min(self.end, other.end)
        both = (self, other)
        return Series.of(
            order, [sum((s.at(k) for s in both), Fraction(0)) for k in range(order, end)]
        )

    def at(self, power: int) -> Fraction:
        """The coefficient of a power that is known."""
        return self.c[power - self.order] if self.order <= power < self.end else Fraction(0)

    def scaled(self, factor: Fraction) -> Series:
        return Series(self.order, [factor * value for value in self.c])

    def times(self, other: Series) -> Series:
        return Series(self.order + other.order, _product(self.c, other.c))

    def inverse(self) -> Series:
        """One over it."""
        if not self.c:
            raise NoSeriesError
        lead = self.c[0]
        found = [1 / lead]
        for n in range(1, len(self.c)):
            found.append(
                -sum(self.c[k] * found[n - k] for k in range(1, n + 1) if self.c[k]) / lead
            )
        return Series(-self.order, found)

    def power(self, exponent: Fraction) -> Series:
        """A power: of anything if it is an integer, else of 1 + ..."""
        if exponent.denominator == 1:
            base = self if exponent >= 0 else self.inverse()
            if abs(exponent) > 8:
                raise NoSeriesError
            result = Series(0, [Fraction(1)] + [Fraction(0)] * (len(self.c) - 1))
            for _ in range(abs(int(exponent))):
                result = result.times(base)
            return result
        if self.order or not self.c or self.c[0] != 1 or exponent.denominator > 4:
            raise NoSeriesError
        # n y[n] = sum (k (p + 1) - n) u[k] y[n - k]
        found = [Fraction(1)]
        for n in range(1, len(self.c)):
            total = sum(
                (k * (exponent + 1) - n) * self.c[k] * found[n - k]
                for k in range(1, n + 1)
                if self.c[k]
            )
            found.append(Fraction(total) / n)
        return Series(0, found)

    def inside(self, outer: Coefficients) -> Series:
        """``outer[0] + outer[1] u + ...`` at u, which is 0 at 0."""
        if self.order < 1:
            raise NoSeriesError
        size = self.end
        u = [self.at(k) for k in range(size)]
        if sum(map(bool, u)) == 1:
            # u = c x**n: every other series is multiplied out
            result = [Fraction(0)] * size
            value = Fraction(1)
            for k in range((size - 1) // self.order + 1):
                result[k * self.order] = outer[k] * value
                value *= self.c[0]
            return Series.of(0, result)
        result = [Fraction(0)] * size
        for value in reversed(outer[:size]):
            result = _product(result, u)
            result[0] += value
        return Series.of(0, result)


def combined(op: ps.ScalarOp | None, parts: list[Series]) -> Series | None:
    """The series of a sum, a product, a quotient or a negation; None of any other op.

    Raises
    ------
    NoSeriesError
        What is divided by is 0 as far as it is known.
    """
    first, *others = parts
    if is_a(op, ps.Neg):
        return first.scaled(Fraction(-1))
    if is_a(op, ps.Reciprocal):
        return first.inverse()
    if is_a(op, ps.TrueDiv):
        return first.times(others[0].inverse())
    if is_a(op, ps.Add, ps.Sub, ps.Mul):
        for part in others:
            if is_a(op, ps.Mul):
                first = first.times(part)
            else:
                first = first.plus(part if is_a(op, ps.Add) else part.scaled(Fraction(-1)))
        return first
    return None


def _product(a: Coefficients, b: Coefficients) -> Coefficients:
    size = min(len(a), len(b))
    result = [Fraction(0)] * size
    for i in range(size):
        if a[i]:
            for j in range(size - i):
                if b[j]:
                    result[i + j] += a[i] * b[j]
    return result


def _alternating(odd: bool, hyperbolic: bool) -> Callable[[int], Fraction]:
    def coefficient(k: int) -> Fraction:
        if k % 2 != odd:
            return Fraction(0)
        return Fraction(1 if hyperbolic or k % 4 < 2 else -1, factorial(k))

    return coefficient


def _arctan(k: int) -> Fraction:
    return Fraction(-1 if k % 4 == 3 else 1, k) if k % 2 else Fraction(0)


# Coefficients of f(u) next to u = 0.
MACLAURIN: dict[type, Callable[[int], Fraction]] = {
    ps.Exp: lambda k: Fraction(1, factorial(k)),
    ps.Expm1: lambda k: Fraction(1, factorial(k)) if k else Fraction(0),
    ps.Sin: _alternating(odd=True, hyperbolic=False),
    ps.Cos: _alternating(odd=False, hyperbolic=False),
    ps.Sinh: _alternating(odd=True, hyperbolic=True),
    ps.Cosh: _alternating(odd=False, hyperbolic=True),
    ps.Log1p: lambda k: Fraction(-1 if k % 2 == 0 else 1, k) if k else Fraction(0),
    ps.ArcTan: _arctan,
    ps.ArcTanh: lambda k: Fraction(1, k) if k % 2 else Fraction(0),
}


def _of_exponential(size: int, scale: int, top: tuple[int, int]) -> Coefficients:
    """``(a + b E) / (1 + E)`` with ``E = exp(scale u)``."""
    e = Series(0, [Fraction(scale**k, factorial(k)) for k in range(size)])
    one = Series(0, [Fraction(1)] + [Fraction(0)] * (size - 1))
    above = one.scaled(Fraction(top[0])).plus(e.scaled(Fraction(top[1])))
    result = above.times(one.plus(e).inverse())
    return [result.at(k) for k in range(size)]


def _of_ratio(size: int) -> Coefficients:
    sine, cosine = (
        Series.of(0, [MACLAURIN[op](k) for k in range(size)]) for op in (ps.Sin, ps.Cos)
    )
    result = sine.times(cosine.inverse())
    return [result.at(k) for k in range(size)]


def coefficients(op: type, size: int) -> Coefficients:
    """The first coefficients of a function at 0.

    Raises
    ------
    NoSeriesError
        It has none that is known to be rational.
    """
    if op in MACLAURIN:
        return [MACLAURIN[op](k) for k in range(size)]
    if op is ps.Tanh:
        return _of_exponential(size, 2, (-1, 1))
    if op is psm.Sigmoid:
        return _of_exponential(size, 1, (0, 1))
    if op is ps.Tan:
        return _of_ratio(size)
    raise NoSeriesError


FUNCTIONS = (*MACLAURIN, ps.Tanh, psm.Sigmoid, ps.Tan)
