"""Polynomials in one variable with exact coefficients, lowest power first."""

from collections.abc import Sequence
from fractions import Fraction

Poly = tuple[Fraction, ...]

ONE: Poly = (Fraction(1),)
X: Poly = (Fraction(0), Fraction(1))
# Products of higher degree would cost more than the digits are worth.
LARGEST_DEGREE = 16


class TooLargeError(Exception):
    """A product has a higher degree than is multiplied out."""


def trimmed(coefficients: Sequence[Fraction]) -> Poly:
    """Without leading zeros."""
    degree = len(coefficients)
    while degree and not coefficients[degree - 1]:
        degree -= 1
    return tuple(coefficients[:degree])


def plus(a: Poly, b: Poly) -> Poly:
    size = max(len(a), len(b))
    zero = (Fraction(0),)
    filled = (p + zero * (size - len(p)) for p in (a, b))
    return trimmed([x + y for x, y in zip(*filled, strict=True)])


def times(a: Poly, b: Poly) -> Poly:
    """The product.

    Raises
    ------
    TooLargeError
        Its degree exceeds `LARGEST_DEGREE`.
    """
    if not a or not b:
        return ()
    if len(a) + len(b) - 2 > LARGEST_DEGREE:
        raise TooLargeError
    product = [Fraction(0)] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            product[i + j] += x * y
    return trimmed(product)


def scaled(a: Poly, factor: Fraction) -> Poly:
    return trimmed([factor * c for c in a])


def power(a: Poly, count: int) -> Poly:
    """A power that is not negative."""
    result = ONE
    for _ in range(count):
        result = times(result, a)
    return result


def shifted(a: Poly, count: int) -> Poly:
    """Times x to that power."""
    return times(a, (Fraction(0),) * count + ONE) if count else a


def lowest(a: Poly) -> int:
    """The lowest power that has a coefficient."""
    return next(k for k, c in enumerate(a) if c)


def divided(a: Poly, b: Poly) -> Poly | None:
    """The quotient, if nothing remains."""
    rest, quotient = list(a), [Fraction(0)] * max(len(a) - len(b) + 1, 0)
    for k in reversed(range(len(quotient))):
        quotient[k] = rest[k + len(b) - 1] / b[-1]
        for j, c in enumerate(b):
            rest[k + j] -= quotient[k] * c
    return None if any(rest) else tuple(quotient)


def parity(a: Poly) -> int | None:
    """0 if all powers are even, 1 if all are odd."""
    found = {k % 2 for k, c in enumerate(a) if c}
    return found.pop() if len(found) == 1 else None


def sign(a: Poly) -> int | None:
    """The sign that all its coefficients have."""
    found = {c > 0 for c in a if c}
    return (1 if found.pop() else -1) if len(found) == 1 else None


def value(a: Poly, x: Fraction) -> Fraction:
    """The value at a point."""
    result = Fraction(0)
    for c in reversed(a):
        result = result * x + c
    return result
