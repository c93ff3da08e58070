"""Polynomials in f(a) and f(b) over a power of their difference D, and their stable forms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from fractions import Fraction

import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.math import neg

from pytensor_stabilize.rewrites.arithmetic import constant_like, product_of, sum_of
from pytensor_stabilize.rewrites.differences import forms
from pytensor_stabilize.rewrites.symbols import Value

# Exact polynomials in the two values: {(power of f(a), power of f(b)): coefficient}.
Poly = dict[tuple[int, int], Fraction]


def times(p: Poly, q: Poly) -> Poly:
    """Product of two polynomials."""
    result: defaultdict[tuple[int, int], Fraction] = defaultdict(Fraction)
    for (i, j), c in p.items():
        for (k, m), d in q.items():
            result[i + k, j + m] += c * d
    return {powers: c for powers, c in result.items() if c}


def plus(p: Poly, q: Poly, scale: Fraction = Fraction(1)) -> Poly:
    """``p + scale * q``."""
    total = {powers: p.get(powers, 0) + scale * q.get(powers, 0) for powers in {**p, **q}}
    return {powers: Fraction(c) for powers, c in total.items() if c}


def power(p: Poly, exponent: int) -> Poly:
    """A polynomial to a power."""
    result: Poly = {(0, 0): Fraction(1)}
    for _ in range(exponent):
        result = times(result, p)
    return result


def ratio_of(p: Poly, q: Poly) -> Fraction | None:
    """The number c with ``p == c * q``, if there is one."""
    if not q or p.keys() != q.keys():
        return None
    c = {p[powers] / q[powers] for powers in q}
    return c.pop() if len(c) == 1 else None


def poly(**coefficients: int) -> Poly:
    """``poly(a=1, aa=-1)`` is ``f(a) - f(a)**2``."""
    return {(k.count("a"), k.count("b")): Fraction(c) for k, c in coefficients.items()}


ONE: Poly = {(0, 0): Fraction(1)}
A, B, D = poly(a=1), poly(b=1), poly(a=1, b=-1)
SLOPE_A, SLOPE_B = poly(a=1, aa=-1), poly(b=1, bb=-1)
_CURVE_A, _CURVE_B = times(SLOPE_A, poly(_=1, a=-2)), times(SLOPE_B, poly(_=1, b=-2))


# The numerators over D**2 of the second derivatives of log(D)
_LOG_AA = plus(times(_CURVE_A, D), power(SLOPE_A, 2), Fraction(-1))
_LOG_AB = times(SLOPE_A, SLOPE_B)
_LOG_BB = plus(times(_CURVE_B, D), power(SLOPE_B, 2), Fraction(1))


class Values:
    """The stable pieces that a sum over a power of D is rebuilt from, made when asked for."""

    def __init__(self, a: Value, b: Value) -> None:
        self.a, self.b = a, b

    @property
    def ratio_a(self) -> Value:
        return forms.sigmoid_ratio(self.a, self.b)

    @property
    def ratio_b(self) -> Value:
        return forms.sigmoid_ratio_second(self.a, self.b)

    @property
    def slope_a(self) -> Value:
        return pt.sigmoid(self.a) * pt.sigmoid(forms.negated(self.a))

    @property
    def slope_b(self) -> Value:
        return pt.sigmoid(self.b) * pt.sigmoid(forms.negated(self.b))

    @property
    def both(self) -> Value:
        """``f'(a) f'(b) / D**2``."""
        return self.ratio_a * self.ratio_b

    @property
    def shift(self) -> Value:
        """``1 - f(a) - f(b)``."""
        return forms.sigmoid_difference(forms.negated(self.a), self.b)


Build = Callable[[Values], Value]
# Numerator over D**k, and what it is.
SIGMOID_TABLE: list[tuple[Poly, int, Build]] = [
    (SLOPE_A, 1, lambda v: v.ratio_a),
    (SLOPE_B, 1, lambda v: v.ratio_b),
    (plus(SLOPE_A, SLOPE_B, Fraction(-1)), 1, lambda v: v.shift),
    (_CURVE_A, 1, lambda v: neg(v.ratio_a * pt.tanh(v.a / 2))),
    (_CURVE_B, 1, lambda v: neg(v.ratio_b * pt.tanh(v.b / 2))),
    (times(SLOPE_A, SLOPE_B), 2, lambda v: v.both),
    (power(SLOPE_A, 2), 2, lambda v: pt.sqr(v.ratio_a)),
    (power(SLOPE_B, 2), 2, lambda v: pt.sqr(v.ratio_b)),
    # d2/da2 and d2/db2 of log(D), and sums of these with d2/dadb
    (_LOG_AA, 2, lambda v: neg(v.slope_a + v.both)),
    (_LOG_BB, 2, lambda v: v.slope_b + v.both),
    (times(SLOPE_A, power(D, 2)), 2, lambda v: v.slope_a),
    (times(SLOPE_B, power(D, 2)), 2, lambda v: v.slope_b),
    (times(plus(SLOPE_A, SLOPE_B), power(D, 2)), 2, lambda v: v.slope_a + v.slope_b),
]


def rebuild_sigmoid(top: Poly, below: int, a: Value, b: Value) -> tuple[Fraction, Variable] | None:
    """``top / D**below`` as a number times a stable form, for sigmoids; None if it has none."""
    for numerator, k, build in SIGMOID_TABLE:
        c = ratio_of(top, times(numerator, power(D, below - k))) if below >= k else None
        if c is not None:
            return c, build(Values(a, b))
    of_log = _of_log(top, below, Values(a, b))
    return None if of_log is None else (Fraction(1), of_log)


def _of_log(top: Poly, below: int, values: Values) -> Variable | None:
    """A sum of multiples of the second derivatives of log(D): one with two slopes."""
    if below < 2:
        return None
    shares = combination(top, [times(p, power(D, below - 2)) for p in (_LOG_AA, _LOG_AB, _LOG_BB)])
    if shares is None:
        return None
    aa, ab, bb = shares
    parts = ((-aa, "slope_a"), (bb, "slope_b"), (ab - aa + bb, "both"))
    summed = [
        product_of([constant_like(float(c), value), value])
        for c, name in parts
        if c
        for value in [getattr(values, name)]
    ]
    return sum_of(summed)


def combination(target: Poly, basis: list[Poly]) -> list[Fraction] | None:
    """The numbers by which the polynomials are to be multiplied to add up to another."""
    rows = [(dict(p), [Fraction(i == k) for k in range(len(basis))]) for i, p in enumerate(basis)]
    left, shares = dict(target), [Fraction(0)] * len(basis)
    for i, (pivot, names) in enumerate(rows):
        if not pivot:
            return None
        powers = max(pivot)
        for other, own in rows[i + 1 :]:
            c = other.get(powers, Fraction(0)) / pivot[powers]
            reduced = plus(other, pivot, -c)
            other.clear()
            other.update(reduced)
            own[:] = [x - c * y for x, y in zip(own, names, strict=True)]
        c = left.get(powers, Fraction(0)) / pivot[powers]
        left = plus(left, pivot, -c)
        shares = [x + c * y for x, y in zip(shares, names, strict=True)]
    return None if left else shares


def rebuild_exp(top: Poly, below: int, a: Value, b: Value) -> tuple[Fraction, Variable] | None:
    """As `rebuild_sigmoid`, for exponentials."""
    c = ratio_of(top, power(D, below))
    if c is not None:
        return c, pt.ones_like(a + b)
    while below > 1 and (quotient := _divided(top)) is not None:
        top, below = quotient, below - 1
    if len(top) != 1:
        return None
    (((i, j), c),) = top.items()
    if i + j != below:
        return None
    ratios = [forms.exp_ratio(a, b)] * i + [forms.exp_ratio_second(a, b)] * j
    return c, product_of(ratios)


def _divided(top: Poly) -> Poly | None:
    """``top / D``, if the division leaves nothing."""
    left, quotient = dict(top), Poly()
    while left:
        i, j = max(left)
        if i == 0:
            return None
        c = left[i, j]
        quotient[i - 1, j] = c
        left = plus(left, times({(i - 1, j): c}, D), Fraction(-1))
    return quotient
