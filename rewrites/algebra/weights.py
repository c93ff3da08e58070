"""Sums in a weight w and 1 - w, written by what they are where one of the two is 0."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction

from pytensor.graph.basic import Variable

from pytensor_stabilize.rewrites.algebra.factoring import Factored, canonical, residue
from pytensor_stabilize.rewrites.algebra.families import Family, Member, Residue, Symbol, families
from pytensor_stabilize.rewrites.algebra.forms import (
    MOST_TERMS,
    ONE,
    Form,
    Generator,
    Monomial,
    Term,
    generators,
    merged,
    monomial,
    multiplied,
    power_of,
    raised,
    times,
)
from pytensor_stabilize.rewrites.algebra.homogeneous import of_one_degree

_LARGEST_DEGREE = 4

# Sums that stand in the graph: their terms, and the variable.
Sums = Mapping[frozenset, Variable]


def in_weights(found: Factored, sums: Sums) -> Factored:
    """``w (1 - w) (p**2 + q**2) - (1 - w)**2 q**2 - w**2 p**2`` as a product of two differences.

    w + (1 - w) is 1 as p + q is.  Homogeneous in w and 1 - w as well, a sum shows each of its
    values at the four ends, ``t - w p**2`` as ``(1 - w) t - w q**2``, and 2 w - 1 divides it
    exactly if it vanishes at w = 1/2.  Only of a w that is a weight, since for large ones the
    terms would cancel: where it is divided by a sum with terms in w and 1 - w, as a mixture is.
    """
    if len(found.residual) < 2:
        return found
    for weight, complement, both in _weights(found, sums):
        if both:
            found = _homogeneous(found, weight, complement, sums)
    return found


def where_positive(found: Factored, sums: Sums) -> tuple[Variable, Factored] | None:
    """A weight that may be negative, and what a sum in it is written as where it is not.

    What is divided by ``q + (1 - w) p`` may have any w below 1.
    """
    if len(found.residual) < 2:
        return None
    own = Factored(Fraction(1), residual=found.residual)
    for weight, complement, both in _weights(found, sums):
        changed = own if both else _homogeneous(own, weight, complement, sums)
        if changed is not own:
            return weight.variable, changed
    return None


def _weights(found: Factored, sums: Sums) -> Iterator[tuple[Symbol, Generator, bool]]:
    """Symbols that are weights, with their complements and whether they cannot be negative."""
    seen: set[Generator] = set()
    for factor, power in found.factors:
        if power > 0 or not isinstance(factor, Residue):
            continue
        if not families(m for m, _ in factor.items):
            continue
        if len({c > 0 for _, c in factor.items}) > 1:
            continue
        named = list(generators(m for m, _ in factor.items))
        for generator in named:
            items = _items(generator, sums)
            weight = None if items is None else _single(items)
            if weight is not None and weight not in seen:
                seen.add(weight)
                yield weight, generator, weight in named


def _items(generator: Generator, sums: Sums) -> Form | None:
    """The terms of a sum, whether it stands in the graph or not."""
    if isinstance(generator, Residue):
        return generator.form
    named = (items for items, variable in sums.items() if Symbol(variable, ()) == generator)
    items = next(named, None)
    return None if items is None else {m: c for c, m in items}


def _single(form: Form) -> Symbol | None:
    """w of ``1 - w``."""
    if len(form) != 2 or form.get(ONE) != 1:
        return None
    (other,) = (m for m in form if m)
    if form[other] != -1 or len(other) != 1:
        return None
    ((generator, power),) = other
    if power != 1 or not isinstance(generator, Symbol) or generator.moves:
        return None
    return generator


def _homogeneous(found: Factored, weight: Symbol, complement: Generator, sums: Sums) -> Factored:
    vector = _coefficients(_opened(found.residual, weight, complement, sums), weight, complement)
    if vector is None:
        return found
    middle = 0
    while len(vector) > 1 and _is_zero(vector, -1):
        vector = _quotient(vector, 1)
    while len(vector) > 1 and _is_zero(vector, 1):
        vector, middle = _quotient(vector, -1), middle + 1
    degree = len(vector) - 1
    total: list[Term] = []
    hidden: list[str] = []
    for k, form in enumerate(vector):
        if not form:
            continue
        part = canonical([(c, m) for m, c in form.items()], _no_leaf)
        hidden += part.hidden
        own = monomial([(weight, k), (complement, degree - k)])
        total += [
            (part.coefficient * c, times(own, part.factors, m)) for m, c in part.residual.items()
        ]
    result = merged(total)
    if len(result) > len(found.residual) or (len(result) == len(found.residual) and not hidden):
        return found
    if not result:
        return Factored(Fraction(0), residual={})
    whole = canonical([(c, m) for m, c in result.items()], _no_leaf, reduce_all=False)
    between = residue({monomial([(weight, 1)]): Fraction(2), ONE: Fraction(-1)})
    return replace(
        found,
        coefficient=found.coefficient * whole.coefficient,
        factors=times(found.factors, whole.factors, monomial([(between, middle)])),
        residual=whole.residual,
        hidden=(*found.hidden, "ends of a weight"),
    )


def _no_leaf(symbol: Symbol, family: Family) -> bool:
    return False


def _coefficients(terms: list[Term], weight: Symbol, complement: Generator) -> list[Form] | None:
    """Those of ``w**k (1 - w)**(n - k)``, for the smallest n that will do."""
    rows: list[tuple[int, int, Monomial, Fraction]] = []
    for c, factors in terms:
        k, m = power_of(factors, weight), power_of(factors, complement)
        if any(n != int(n) or n < 0 for n in (k, m)):
            return None
        rest = frozenset((g, n) for g, n in factors if g not in (weight, complement))
        rows.append((int(k), int(m), rest, c))
    degree = max(k + m for k, m, _, _ in rows)
    if not degree or degree > _LARGEST_DEGREE:
        return None
    collected = [merged(terms) for terms in of_one_degree(rows, degree)]
    return collected if sum(map(len, collected)) <= MOST_TERMS else None


def _opened(form: Form, weight: Symbol, complement: Generator, sums: Sums) -> list[Term]:
    """The terms of a sum, with the sums multiplied out that have nothing but weights in them."""
    total: list[Term] = []
    for factors, coefficient in form.items():
        own = [(coefficient, ONE)]
        for generator, power in factors:
            inner = _in_them(generator, weight, complement, sums)
            if inner is not None and power in (1, 2, 3):
                own = multiplied(own, raised([(c, m) for m, c in inner.items()], int(power)))
            else:
                own = multiplied(own, [(Fraction(1), monomial([(generator, power)]))])
        total += own
    return total


def _in_them(
    generator: Generator, weight: Symbol, complement: Generator, sums: Sums
) -> Form | None:
    """A generator as a sum of a weight and its complement, if it is one."""
    items = _items(generator, sums)
    if generator in (weight, complement) or items is None:
        return None
    if _single(items) == weight:
        return {monomial([(complement, 1)]): Fraction(1)}
    others = set(generators(items)) - {weight, complement}
    # Of a mixture of companions all terms are positive: its square does not cancel, multiplied out.
    if all(isinstance(g, Member) for g in others) and len({c > 0 for c in items.values()}) == 1:
        return items
    return None if others else items


def _is_zero(vector: list[Form], sign: int) -> bool:
    """Whether the sum vanishes at ``w = 1 - w``, or, with -1, at ``w = -(1 - w)``."""
    terms = [(c * sign**k, m) for k, form in enumerate(vector) for m, c in form.items()]
    return not canonical(terms, _no_leaf).coefficient


def _quotient(vector: list[Form], sign: int) -> list[Form]:
    """Divided by ``w + sign (1 - w)``, which divides it."""
    quotient: list[Form] = []
    for k in range(len(vector) - 1, 0, -1):
        carried = quotient[-1] if quotient else {}
        terms = [(c, m) for m, c in vector[k].items()]
        quotient.append(merged([*terms, *((-sign * c, m) for m, c in carried.items())]))
    return quotient[::-1]
