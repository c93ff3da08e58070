"""Which functions a monomial of companions is written with."""

from fractions import Fraction
from functools import lru_cache
from math import ceil, prod
from typing import NamedTuple

from pytensor_stabilize.rewrites.algebra.families import (
    Companion,
    Family,
    Kind,
    Member,
    Residue,
    companions_in,
)
from pytensor_stabilize.rewrites.algebra.forms import Exponent, Monomial

_HALF = Fraction(1, 2)
_COMPANIONS: tuple[Companion, ...] = ("p", "q", "t")
# What an operation costs.  Functions without bound cost nearly twice as much: exp(x) / expm1(x)**2
# is inf / inf beyond 709, sigmoid(x) sigmoid(-x) / tanh(x / 2)**2 is not.  2 cosh(x) costs what
# exp(x) + exp(-x) does, and 1 / (2 cosh(x / 2)) less than sqrt(sigmoid(x) sigmoid(-x)).
OPERATION = 4
ROOT = 8
# ``erfc(x) / 2``, where that is to be raised to a power.
HALF_ERFC = "half_erfc"
# Of the functions that cost more than an operation.
_WEIGHTS = {"exp": 7, "expm1": 7, "sinh": 10, "cosh": 10, HALF_ERFC: 2 * OPERATION}


class Call(NamedTuple):
    """A power of ``function(ratio * u)``."""

    function: str
    ratio: Fraction
    power: Exponent


def powers(factors: Monomial, family: Family) -> tuple[Exponent, Exponent, Exponent]:
    """Exponents of p, q and t of a family."""
    p: Exponent = 0
    q: Exponent = 0
    t: Exponent = 0
    for generator, power in factors:
        if isinstance(generator, Member) and generator.family == family:
            match generator.companion:
                case "p":
                    p = power
                case "q":
                    q = power
                case "t":
                    t = power
    return p, q, t


def calls(kind: Kind, p: Exponent, q: Exponent, t: Exponent) -> tuple[Fraction, list[Call]]:
    """Write ``p**p q**q t**t`` with few functions.

    Returns
    -------
    A rational factor, and the functions by whose product it is to be multiplied.  Each of them is
    read as a monomial that is written with itself, so that nothing is rewritten for ever.
    """
    if kind == "normal":
        factor, found = Fraction(1), [Call("erf", Fraction(1), t)]
        for ratio, power in ((Fraction(-1), p), (Fraction(1), q)):
            if power.denominator == 1:
                factor *= _HALF ** int(power)
                found.append(Call("erfc", ratio, power))
            else:
                # The root of 1 / 2 is no rational factor.
                found.append(Call(HALF_ERFC, ratio, power))
        return factor, [call for call in found if call.power]
    if kind == "cosine":
        found = [Call("cos", _HALF, 2 * p), Call("sin", _HALF, 2 * q)]
        found.append(Call("cos", Fraction(1), t))
        return Fraction(1), [call for call in found if call.power]
    return _logistic(p, q, t)


def _logistic(p: Exponent, q: Exponent, t: Exponent) -> tuple[Fraction, list[Call]]:
    """``t / q = expm1(u)``, ``p / q = exp(u)``, ``t (p q)**(-1/2) = 2 sinh(u / 2)``.

    ``q / t`` is not ``1 / expm1(u)``, which is 0 beyond 709 where the quotient is subnormal.
    """
    factor = Fraction(1)
    counts: dict[tuple[str, Fraction], Exponent] = {}

    def call(function: str, ratio: Fraction, power: Exponent) -> None:
        counts[function, ratio] = counts.get((function, ratio), 0) + power

    while abs(Fraction(t)) >= 1:
        step = 1 if t > 0 else -1
        above, below = step * p, step * q
        whole = p.denominator == 1
        if above <= -_HALF and below <= -_HALF and not (step < 0 and whole):
            call("sinh", _HALF, step)
            factor *= Fraction(2) ** step
            p, q = p + step * _HALF, q + step * _HALF
        elif step > 0 and below <= -1:
            call("expm1", Fraction(1), 1)
            q += 1
        elif step > 0 and above <= -1:
            call("expm1", Fraction(-1), 1)
            factor, p = -factor, p + 1
        else:
            break
        t -= step
    halves = max(p.denominator, q.denominator) <= 2
    if halves and ((p < 0 and q < 0) or (p > 0 and q > 0 and p.denominator == q.denominator == 2)):
        # (p q)**(1/2) = 1 / (2 cosh(u / 2)), and not sqrt(q): q is 0 where the product is not
        both = max(p, q) if p < 0 else min(p, q)
        call("cosh", _HALF, -2 * both)
        factor *= Fraction(2) ** int(-2 * both)
        p, q = p - both, q - both
    if p * q < 0:
        size = min(abs(Fraction(p)), abs(Fraction(q)))
        # exp(2u), not exp(u)**2: it overflows only where the value does.
        call("exp", Fraction(size if p > 0 else -size), 1)
        p, q = (p - size, q + size) if p > 0 else (p + size, q - size)
    for function, ratio, power in (
        ("sigmoid", Fraction(1), p),
        ("sigmoid", Fraction(-1), q),
        ("tanh", _HALF, t),
    ):
        if power:
            call(function, ratio, power)
    return factor, [Call(*key, power) for key, power in counts.items() if power]


def weight(function: str) -> int:
    """Cost of a function, in quarters of an operation."""
    return _WEIGHTS.get(function, OPERATION)


def constant(factors: Monomial) -> Fraction:
    """The rational factor beside the functions that a product is written with."""
    found = {g.family for g, _ in factors if isinstance(g, Member)}
    return prod((calls(f.kind, *powers(factors, f))[0] for f in found), start=Fraction(1))


def cost(coefficient: Fraction, factors: Monomial) -> int:
    """Cost of a product in quarters of an operation: a constant, functions, powers, roots."""
    total = 0
    found: dict[Family, dict[Companion, Exponent]] = {}
    for generator, power in factors:
        if isinstance(generator, Member):
            found.setdefault(generator.family, {})[generator.companion] = power
        elif isinstance(generator, Residue):
            total += _operations(power)
    for family, own in found.items():
        factor, spent = _cost_of_calls(family.kind, *(own.get(name, 0) for name in _COMPANIONS))
        coefficient *= factor
        total += spent
    return total + constant_cost(coefficient)


@lru_cache(maxsize=4096)
def _cost_of_calls(kind: Kind, p: Exponent, q: Exponent, t: Exponent) -> tuple[Fraction, int]:
    factor, written = calls(kind, p, q, t)
    return factor, sum(_operations(call.power, weight(call.function)) for call in written)


def constant_cost(coefficient: Fraction) -> int:
    """Cost of a constant factor."""
    return 0 if coefficient in (1, -1) else OPERATION


def functions(factors: Monomial) -> int:
    """Cost of the companions in a product."""
    return cost(Fraction(1), companions_in(factors))


def _operations(power: Exponent, each: int = OPERATION) -> int:
    return ceil(abs(Fraction(power))) * each + (ROOT if power.denominator != 1 else 0)
