"""Polynomials in p and q of one family, made homogeneous by powers of p + q = 1."""

from collections import defaultdict
from fractions import Fraction
from math import comb

from pytensor_stabilize.rewrites.algebra.companions import powers
from pytensor_stabilize.rewrites.algebra.families import Family, families, members, without
from pytensor_stabilize.rewrites.algebra.forms import (
    MOST_TERMS,
    ONE,
    Exponent,
    Form,
    Monomial,
    Term,
    TooBigError,
    binomial,
    merged,
    power_of,
)

# A homogeneous polynomial of higher degree would have more terms than it saves digits.
_LARGEST_DEGREE = 12
# A sum whose terms are together so many times as large as it is at an end loses three bits.
LOSS = 8


def reduced(
    group: Form, family: Family
) -> tuple[tuple[Exponent, Exponent, Exponent], list[Fraction]] | None:
    """Write a group as ``p**a q**b t**c`` times a polynomial that none of them divides.

    Returns
    -------
    The three exponents, and the coefficients of ``p**k q**(d - k)``, none if the group is 0; or
    None if the exponents do not differ by integers, or the degree is too high.
    """
    exponents = [(powers(factors, family), c) for factors, c in group.items()]
    if len(exponents) == 1:
        ((found, c),) = exponents
        return found, [c]
    low_t = min(t for (_, _, t), _ in exponents)
    flat: dict[tuple[Exponent, Exponent], Fraction] = defaultdict(Fraction)
    for (p, q, t), c in exponents:
        extra = t - low_t
        if extra != int(extra) or extra > _LARGEST_DEGREE:
            return None
        if not extra:
            flat[p, q] += c
            continue
        n = int(extra)
        for k in range(n + 1):
            flat[p + k, q + n - k] += c * comb(n, k) * (-1) ** (n - k)
    flat = {key: c for key, c in flat.items() if c}
    if not flat:
        return (0, 0, 0), []
    low_p, low_q = min(p for p, _ in flat), min(q for _, q in flat)
    shifted = {(p - low_p, q - low_q): c for (p, q), c in flat.items()}
    degree = max(p + q for p, q in shifted)
    if degree > _LARGEST_DEGREE or any(p != int(p) or q != int(q) for p, q in shifted):
        return None
    vector = [Fraction(0)] * (int(degree) + 1)
    for (p, q), c in shifted.items():
        missing = int(degree - p - q)
        if not missing:
            vector[int(p)] += c
            continue
        for k in range(missing + 1):
            vector[int(p) + k] += c * comb(missing, k)
    if not any(vector):
        return (0, 0, 0), []
    while not vector[0]:
        vector, low_p = vector[1:], low_p + 1
    while not vector[-1]:
        vector, low_q = vector[:-1], low_q + 1
    while len(vector) > 1 and (quotient := _quotient(vector, 1)) is not None:
        vector = quotient
    while len(vector) > 1 and (quotient := _quotient(vector, -1)) is not None:
        vector, low_t = quotient, low_t + 1
    return (low_p, low_q, low_t), vector


def cancels(numbers: list[Fraction]) -> bool:
    """Whether numbers add up to little beside their sizes."""
    if len(numbers) < 2:
        return False
    return abs(sum(numbers, Fraction(0))) * LOSS < sum(map(abs, numbers))


def _quotient(vector: list[Fraction], sign: int) -> list[Fraction] | None:
    """Divide by ``p + sign * q``; None if there is a remainder."""
    quotient = [Fraction(0)] * (len(vector) - 1)
    carry = Fraction(0)
    # coefficient k of the product is quotient[k - 1] + sign * quotient[k]
    for k in range(len(vector) - 1, 0, -1):
        carry = vector[k] - (sign * carry if k < len(vector) - 1 else 0)
        quotient[k - 1] = carry
    return quotient if vector[0] == sign * quotient[0] else None


def homogeneous(form: Form, family: Family) -> list[Form] | None:
    """Coefficients of ``p**k q**(d - k)`` as forms in everything else."""
    flat: list[tuple[int, int, Monomial, Fraction]] = []
    for factors, c in form.items():
        p, q, t = powers(factors, family)
        if any(n != int(n) or n < 0 for n in (p, q, t)):
            return None
        for m, sign in binomial("p", "q", int(t), -1).items():
            flat.append(
                (
                    int(p + power_of(m, "p")),
                    int(q + power_of(m, "q")),
                    without(factors, family),
                    c * sign,
                )
            )
    degree = max(p + q for p, q, _, _ in flat)
    if degree > _LARGEST_DEGREE:
        return None
    collected = of_one_degree(flat, degree)
    if sum(map(len, collected)) > MOST_TERMS:
        raise TooBigError
    return [merged(terms) for terms in collected]


def of_one_degree(rows: list[tuple[int, int, Monomial, Fraction]], degree: int) -> list[list[Term]]:
    """The terms of each ``p**k q**(degree - k)``, of products with powers of p and q = 1 - p."""
    collected: list[list[Term]] = [[] for _ in range(degree + 1)]
    for p, q, rest, c in rows:
        missing = degree - p - q
        for k in range(missing + 1):
            collected[p + k].append((c * comb(missing, k), rest))
    return collected


def of_one_sign(form: Form) -> Form | None:
    """``1 - 0.9 p -> q + 0.1 p``: a sum without a root that still cancels, without subtraction."""
    found = families(form)
    if len(found) != 1 or len({c > 0 for c in form.values()}) < 2:
        return None
    (family,) = found
    vector = homogeneous(form, family)
    if vector is None or any(part.keys() != {ONE} for part in vector):
        return None
    values = [part[ONE] for part in vector]
    ends = min(abs(values[0]), abs(values[-1]))
    if len({v > 0 for v in values}) > 1 or sum(map(abs, form.values())) < LOSS * ends:
        return None
    degree = len(values) - 1
    return {members(family, k, degree - k): v for k, v in enumerate(values)}
