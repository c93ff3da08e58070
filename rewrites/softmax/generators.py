"""Generators of the forms that rows and their elements are read as, and what is true of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from fractions import Fraction
from typing import NamedTuple, cast

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Constant, Variable, equal_computations
from pytensor.scalar import basic as ps
from pytensor.tensor.math import sub
from pytensor.tensor.shape import SpecifyShape
from pytensor.tensor.special import LogSoftmax

from pytensor_stabilize.rewrites.algebra.families import Family, Member
from pytensor_stabilize.rewrites.algebra.forms import (
    ONE,
    Form,
    Monomial,
    Term,
    monomial,
    power_of,
    times,
)
from pytensor_stabilize.rewrites.matching import exact_constant, is_a, same_pattern, scalar_op
from pytensor_stabilize.rewrites.softmax.matching import constant_key, row_maximum

# Tuples of different classes are equal if their fields are: hence the kinds.


class Row(NamedTuple):
    """Generator: a variable that varies along the axis."""

    variable: Variable
    kind: str = "row"


class Hot(NamedTuple):
    """Generator: a row with 1 at an index and 0 elsewhere."""

    place: Hashable
    kind: str = "hot"


class Scalar(NamedTuple):
    """Generator: a variable that is constant along the axis."""

    variable: Variable
    kind: str = "scalar"


class Mean(NamedTuple):
    """Generator: the sum over the axis of a product of rows."""

    rows: Monomial
    kind: str = "mean"


class Total(NamedTuple):
    """Generator: the sum of exponentials of a row."""

    exponents: Variable
    kind: str = "total"


# In place of the index of a component.
_TOTAL = "total"


class Pair(NamedTuple):
    """In place of the index of a component: of two, the first is meant."""

    first: int
    second: int
    kind: str = "pair"


class PairTotal(NamedTuple):
    """Generator: the sum of two components."""

    p: Variable
    logits: Variable
    places: Pair
    kind: str = "pair total"


class UnreadError(Exception):
    """Something that the forms have no words for."""


class Deviation(NamedTuple):
    """Generator: ``g[place] - sum(g p)``, with g the product of some rows."""

    p: Variable
    rows: Monomial
    place: Hashable
    kind: str = "deviation"


class Gap(NamedTuple):
    """Generator: ``1 - p[place]`` that is not to be mixed with p[place]."""

    p: Variable
    place: Hashable
    kind: str = "gap"


class Others(NamedTuple):
    """Generator: the sum of the components that are not at some indices."""

    p: Variable
    places: frozenset[Hashable]
    kind: str = "others"


class LeftOverError(Exception):
    """A sum of exponentials did not cancel, or a constant would be rounded."""


def other_companion(terms: list[Term]) -> list[Term]:
    """The complement of a single component; nothing for anything else."""
    if len(terms) != 1 or terms[0][0] != 1 or len(terms[0][1]) != 1:
        return []
    ((generator, power),) = terms[0][1]
    if not isinstance(generator, Member) or generator.companion != "p" or power != 1:
        return []
    return [(Fraction(1), monomial([(Member(generator.family, "q"), 1)]))]


def minus(terms: list[Term]) -> list[Term]:
    return [(-c, m) for c, m in terms]


def hot(index: Hashable) -> Monomial:
    return monomial([(Hot(index), 1)])


def squared_ones(terms: list[Term]) -> list[Term]:
    """Powers of a one at an index are itself; of two different indices one factor is 0."""
    result: list[Term] = []
    for coefficient, factors in terms:
        ones = [g for g, _ in factors if isinstance(g, Hot)]
        if len(ones) > 1:
            if not all(isinstance(g.place, int) and g.place >= 0 for g in ones):
                raise UnreadError
            continue
        kept = [(g, 1 if isinstance(g, Hot) else n) for g, n in factors]
        result.append((coefficient, monomial(kept)))
    return result


def unshifted(exponents: Variable, axis: int) -> Variable:
    """The x of ``x - max(x)``."""
    exponents = of_any_shape(exponents)
    node = exponents.owner
    if node is not None and node.op == sub and row_maximum(node.inputs[1], node.inputs[0], {axis}):
        return node.inputs[0]
    return exponents


def of_any_shape(variable: Variable) -> Variable:
    """The variable without what states its shape."""
    node = variable.owner
    if node is not None and is_a(node.op, SpecifyShape) and same_pattern(variable, node.inputs[0]):
        return of_any_shape(node.inputs[0])
    return variable


def number_at(generator: Hashable, index: Hashable, axis: int) -> Fraction | None:
    """The element of a row of constants, which PyTensor folds."""
    if not isinstance(generator, Row) or not isinstance(generator.variable, Constant):
        return None
    data = np.asarray(generator.variable.data)
    if not isinstance(index, int) or data.size != data.shape[axis]:
        return None
    number = float(data.ravel()[index]) if -data.size <= index < data.size else np.nan
    return Fraction(number) if np.isfinite(number) else None


def complemented(variable: Variable) -> Variable | None:
    """The p of ``switch(p > 1/2, sum(rest), 1 - rest)``, which is how ``1 - p`` is built."""
    if not is_a(scalar_op(variable), ps.Switch):
        return None
    condition, _, below = variable.owner.inputs
    if not is_a(scalar_op(condition), ps.GT) or not is_a(scalar_op(below), ps.Sub):
        return None
    p, half = condition.owner.inputs
    one, rest = below.owner.inputs
    if exact_constant(half) != Fraction(1, 2) or exact_constant(one) != 1:
        return None
    if not is_a(scalar_op(rest), ps.Switch):
        return None
    inner, zero, kept = rest.owner.inputs
    compared = inner.owner.inputs[0] if inner.owner else inner
    is_it = exact_constant(zero) == 0 and same(kept, p) and same(compared, p)
    return p if is_it else None


def constant_row(variable: Constant, made: dict[Hashable, Variable]) -> list[Term]:
    """A row of numbers; one that is its negation is not another row."""
    data = np.asarray(variable.data)
    sign = -1 if data[data != 0].flat[0] < 0 else 1
    positive = variable if sign > 0 else pt.constant(-data)
    row = made.setdefault(constant_key(sign * data), positive)
    return [(Fraction(sign), monomial([(Row(row), 1)]))]


def exp_of_log_softmax(
    softmax: Callable[[Variable], Variable], logs: Variable, axis: int
) -> Variable | None:
    """The softmax whose logarithm a row is, by PyTensor's op for that."""
    node = logs.owner
    if node is None or not is_a(node.op, LogSoftmax) or node.op.axis not in (axis, (axis,)):
        return None
    return softmax(node.inputs[0])


def same(a: Variable, b: Variable) -> bool:
    """Whether two variables are one, or will be when equal nodes are merged."""
    return a is b or (a.owner is not None and equal_computations([a], [b]))


def component_of(family: Family) -> tuple[Variable, Hashable]:
    """The softmax and the index whose component a family is of."""
    return cast(tuple[Variable, Hashable], family.core)


def are_different(places: Collection[Hashable]) -> bool:
    """Whether no two indices can name the same component: p[-1] may be p[2], and p[k] any."""
    numbers = {place for place in places if isinstance(place, int)}
    return len(numbers) == len(places) and len({place < 0 for place in numbers}) == 1


def total_family(exponents: Variable) -> Family:
    """The family of ``S / (1 + S)``, with S the sum of exponentials of a row."""
    return Family("logistic", (exponents, _TOTAL), (), Fraction(1))


def component_family(p: Variable, index: Hashable) -> Family:
    """The family of a component, which is the sigmoid of its log-odds."""
    return Family("logistic", (p, index), (), Fraction(1))


def is_share(family: Family) -> bool:
    """Whether a family is of a share of a total or of a pair, and not of a component."""
    _, place = component_of(family)
    return place is _TOTAL or isinstance(place, Pair)


def is_in_shares_of_pairs(terms: list[Term]) -> bool:
    """Whether a product has the share of one of two components for a factor, or a sum no other.

    Multiplied out, a product of other sums would not be shorter for the share.
    """
    shares = [
        isinstance(g, Member) and isinstance(component_of(g.family)[1], Pair)
        for _, m in terms
        for g, _ in m
    ]
    return any(shares) and (len(terms) == 1 or all(shares))


def one_over_pair(form: Form, logits_of: Callable[[Variable], Variable]) -> Term | None:
    """``1 / (c p[i] + c p[j])``, of a choice between two of several."""
    if len(form) != 2 or len(set(form.values())) > 1:
        return None
    found: list[tuple[Variable, Hashable]] = []
    for factors in form:
        generators = [g for g, n in factors if isinstance(g, Member) and n == 1]
        if len(factors) != 1 or not generators or generators[0].companion != "p":
            return None
        found.append(component_of(generators[0].family))
    (p, i), (other, j) = found
    if p is not other or not (isinstance(i, int) and isinstance(j, int)) or (i < 0) != (j < 0):
        return None
    total = PairTotal(p, logits_of(p), Pair(min(i, j), max(i, j)))
    return 1 / next(iter(form.values())), monomial([(total, -1)])


def one_over_one_and_total(form: Form) -> Term | None:
    """``1 / (c + c S)``, of a model with a reference category."""
    if len(form) != 2 or ONE not in form:
        return None
    ((factors, coefficient),) = ((m, c) for m, c in form.items() if m)
    generators = [g for g, n in factors if isinstance(g, Total) and n == 1]
    if len(factors) != 1 or not generators or coefficient != form[ONE]:
        return None
    share = Member(total_family(generators[0].exponents), "q")
    return 1 / coefficient, monomial([(share, 1)])


def with_shares(terms: list[Term]) -> list[Term]:
    """``S / (1 + S)`` as one generator, so that no sum of exponentials is left."""
    result: list[Term] = []
    for coefficient, factors in terms:
        powers = dict(factors)
        for total, power in factors:
            if not isinstance(total, Total):
                continue
            family = total_family(total.exponents)
            other = powers.get(Member(family, "q"), 0)
            if power * other > 0:
                n = min(abs(Fraction(power)), abs(Fraction(other))) * (1 if power > 0 else -1)
                changes = ((total, -n), (Member(family, "q"), -n), (Member(family, "p"), n))
                factors = times(factors, monomial(changes))
        result.append((coefficient, factors))
    return result


def with_shares_of_pairs(terms: list[Term]) -> list[Term]:
    """``p[i] = P D``, with ``P = p[i] / D``, where something is divided by ``D = p[i] + p[j]``."""
    totals = dict.fromkeys(g for _, m in terms for g, _ in m if isinstance(g, PairTotal))
    for total in totals:
        terms = [(c, _in_shares(m, total)) for c, m in terms]
    return terms


def _in_shares(factors: Monomial, total: PairTotal) -> Monomial:
    for p, share in _shares_of(total):
        n = power_of(factors, p)
        factors = times(factors, monomial([(p, -n), (share, n), (total, n)]))
    return factors


def with_components(factors: Monomial) -> Monomial:
    """``p[i]`` in place of ``P D`` again."""
    for total in [g for g, n in factors if isinstance(g, PairTotal) and n > 0]:
        for p, share in _shares_of(total):
            n = min(power_of(factors, total), power_of(factors, share))
            if n > 0:
                factors = times(factors, monomial([(total, -n), (share, -n), (p, n)]))
    return factors


def _shares_of(total: PairTotal) -> list[tuple[Member, Member]]:
    """Each component of a pair, and its share of both."""
    p, (first, second, _) = total.p, total.places
    pair = Family("logistic", (total.logits, total.places), (), Fraction(1))
    return [
        (Member(component_family(p, first), "p"), Member(pair, "p")),
        (Member(component_family(p, second), "p"), Member(pair, "q")),
    ]
