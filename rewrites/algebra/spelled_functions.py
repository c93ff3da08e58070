"""How each function of the table is spelled in the companions of a family."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

import pytensor.scalar.math as psm
from pytensor.scalar import basic as ps

from pytensor_stabilize.rewrites.algebra.arguments import kind_of
from pytensor_stabilize.rewrites.algebra.families import Companion, Family, Member
from pytensor_stabilize.rewrites.algebra.forms import (
    LARGEST_POWER,
    ONE,
    Monomial,
    Term,
    monomial,
)
from pytensor_stabilize.rewrites.matching import is_a


@lru_cache(maxsize=1024)
def is_read(op: ps.ScalarOp, ratio: Fraction) -> bool:
    """Whether a function of ``ratio * u`` is a polynomial in the family at ``u``."""
    return as_terms(op, ratio, Family(kind_of(op), None, (), 1)) is not None


def as_terms(op: ps.ScalarOp, ratio: Fraction, family: Family) -> list[Term] | None:
    """A function of ``ratio * u`` in terms of the family at ``u``; None if it is no polynomial."""

    def powers(p: Fraction | int = 0, q: Fraction | int = 0, t: Fraction | int = 0) -> Monomial:
        pairs: list[tuple[Companion, Fraction | int]] = [("p", p), ("q", q), ("t", t)]
        return monomial((Member(family, name), n) for name, n in pairs)

    one, half, sign = Fraction(1), Fraction(1, 2), 1 if ratio > 0 else -1
    if is_a(op, ps.Exp):
        return [(one, powers(ratio, -ratio))]
    if is_a(op, ps.Expm1):
        if ratio.denominator == 1 and abs(ratio) <= LARGEST_POWER:
            # No difference either: (p/q)**n - 1 = t / q times a sum, expm1(-u) = -t / p.
            n = abs(int(ratio))
            ends = [(k, -1 - k) if sign > 0 else (-1 - k, k) for k in range(n)]
            return [(sign * one, powers(*end, 1)) for end in ends]
        return [(one, powers(ratio, -ratio)), (-one, ONE)]
    if is_a(op, psm.Sigmoid) and abs(ratio) == 1:
        return [(one, powers(p=1) if sign > 0 else powers(q=1))]
    if is_a(op, psm.Erf) and abs(ratio) == 1:
        return [(sign * one, powers(t=1))]
    if is_a(op, psm.Erfc) and abs(ratio) == 1:
        return [(2 * one, powers(q=1) if sign > 0 else powers(p=1))]
    if is_a(op, ps.Cos) and abs(ratio) == 1:
        return [(one, powers(t=1))]
    if is_a(op, ps.Tanh) and abs(ratio) == half:
        return [(sign * one, powers(t=1))]
    if is_a(op, ps.Tanh) and abs(ratio) == 1:
        # In the fine unit: (p**2 - q**2) / (p**2 + q**2), which is not read.
        return None
    if is_a(op, ps.Sinh, ps.Cosh):
        odd = is_a(op, ps.Sinh)
        if abs(ratio) == half:
            return [(half * (sign if odd else 1), powers(-half, -half, 1 if odd else 0))]
        if odd and ratio.denominator == 1 and abs(ratio) <= LARGEST_POWER:
            # No difference: (p/q)**n - (q/p)**n = t times a sum, for p**2 - q**2 = t.
            n = abs(int(ratio))
            return [(sign * half, powers(2 * k - n, n - 2 - 2 * k, 1)) for k in range(n)]
        return [
            (half, powers(ratio, -ratio)),
            (-half if odd else half, powers(-ratio, ratio)),
        ]
    return None
