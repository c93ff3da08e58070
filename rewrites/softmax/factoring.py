"""Factor forms in softmax components over the roots that they hide."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from fractions import Fraction

from pytensor.graph.basic import Variable

from pytensor_stabilize.rewrites.algebra.factoring import Factored, canonical
from pytensor_stabilize.rewrites.algebra.families import Family, Member
from pytensor_stabilize.rewrites.algebra.forms import (
    ONE,
    Exponent,
    Monomial,
    Term,
    merged,
    monomial,
    multiplied,
    power_of,
    raised,
)
from pytensor_stabilize.rewrites.softmax.forms import Forms
from pytensor_stabilize.rewrites.softmax.generators import (
    Deviation,
    Gap,
    Mean,
    PairTotal,
    Row,
    are_different,
    component_of,
    is_share,
    with_components,
    with_shares_of_pairs,
)
from pytensor_stabilize.rewrites.softmax.groups import others_of_several
from pytensor_stabilize.rewrites.softmax.matching import logits_of

_ONE: Term = (Fraction(1), ONE)


def factored(forms: Forms, terms: list[Term]) -> Factored | None:
    """The sum as a product in which no root is hidden; None if none was."""
    found, shared = _factored(forms, terms), with_shares_of_pairs(terms)
    other = _with_components(_factored(forms, shared)) if shared != terms else None
    if found is None or other is None:
        return found or other
    shorter = _length(other) < _length(found)
    return other if found.coefficient and (shorter or not other.coefficient) else found


def _factored(forms: Forms, terms: list[Term]) -> Factored | None:
    families = list(
        dict.fromkeys(g.family for _, m in terms for g, _ in m if isinstance(g, Member))
    )
    if len(terms) < 2 or not families:
        return None
    components = [family for family in families if not is_share(family)]
    several = others_of_several(terms) if len(components) > 1 else None
    if several is not None:
        return several
    centred_terms = [centred_at(forms, terms, family) for family in components]
    conditional = [conditioned(forms, terms, family) for family in components]
    best: Factored | None = None
    shortest: tuple[int, ...] = ()
    for candidate in [terms, *centred_terms, *filter(None, conditional)]:
        found = canonical(candidate, no_leaf, reduce_all=False)
        if not found.coefficient:
            return found
        if not found.hidden or _starts_to_cancel(terms, found):
            continue
        left = sum(cancels_at(forms, found, family) for family in components)
        key = (left, *_length(found))
        if best is None or key < shortest:
            best, shortest = found, key
    return best


def _starts_to_cancel(terms: list[Term], found: Factored) -> bool:
    """Whether ``p[0] + q[0] q[1]``, in which nothing cancels, became ``1 - q[0] p[1]``."""
    members = (g for _, m in terms for g, _ in m)
    positive = all(isinstance(g, Member) and g.companion != "t" for g in members)
    signs = {c > 0 for c, _ in terms}
    return positive and len(signs) == 1 and len({c > 0 for c in found.residual.values()}) > 1


def _with_components(found: Factored | None) -> Factored | None:
    if found is None:
        return None
    residual = merged((c, with_components(m)) for m, c in found.residual.items())
    if not residual:
        return replace(found, coefficient=Fraction(0))  # the shares of one component cancel
    return replace(found, factors=with_components(found.factors), residual=residual)


def cancels_at(forms: Forms, found: Factored, family: Family) -> bool:
    """Whether the terms of the sum that is left add up to 0 where the component is 1."""
    p, index = component_of(family)
    values: list[Term] = []
    for factors, coefficient in found.residual.items():
        product: list[Term] = [(coefficient, ONE)]
        for generator, power in factors:
            value = _at_one(forms, generator, p, index)
            if not value and power < 0:
                return False
            if value != [_ONE]:
                whole = power == int(power) and power > 0
                one = _single(generator, power)
                product = multiplied(product, raised(value, int(power)) if whole else [one])
        values += product
    return bool(values) and not merged(values)


def _at_one(forms: Forms, generator: Hashable, p: Variable, index: Hashable) -> list[Term]:
    """What a generator is where the component at an index is 1 and the others are 0."""
    if isinstance(generator, Member):
        variable, place = component_of(generator.family)
        if variable is not p:
            return [_single(generator)]
        own = place == index
        if not own and not are_different([place, index]):
            return [_single(generator)]
        return [_ONE] if own == (generator.companion == "p") or generator.companion == "t" else []
    if isinstance(generator, PairTotal) and generator.p is p:
        return [_ONE] if index in generator.places[:2] else []
    if isinstance(generator, Gap | Deviation) and generator.p is p:
        return [] if generator.place == index else [_single(generator)]
    if isinstance(generator, Mean) and power_of(generator.rows, Row(p)) > 0:
        rows = monomial((g, 0 if g == Row(p) else n) for g, n in generator.rows)
        return forms.at(index, [(Fraction(1), rows)])
    return [_single(generator)]


def _length(found: Factored) -> tuple[int, int]:
    below = sum(1 for g, n in found.factors if isinstance(g, Member | Gap) and n < 0)
    return below, len(found.residual)


def conditioned(forms: Forms, terms: list[Term], family: Family) -> list[Term] | None:
    """``p[j] / q[i]`` as a component of the softmax without x[i], where 1 - p[i] is divided by."""
    own_p, own_q = Member(family, "p"), Member(family, "q")
    if all(power_of(m, own_q) >= 0 for _, m in terms):
        return None
    p, index = component_of(family)
    others, gap = forms.without_element(p, index), Gap(p, index)
    common = min(power_of(m, own_p) for _, m in terms)
    result: list[Term] = []
    for coefficient, factors in terms:
        extra = power_of(factors, own_p) - common
        product = raised([_ONE, _single(gap, 1, -1)], int(extra)) if extra else [_ONE]
        product = multiplied(product, [_single(own_p, common, coefficient)])
        for generator, power in factors:
            if generator == own_p:
                continue
            if generator == own_q:
                inner = _single(gap, power)
            elif (place := _other_place(generator, p, index)) is not None:
                component = Member(family._replace(core=(others, place)), "p")
                inner = Fraction(1), monomial([(component, power), (gap, power)])
            else:
                inner = _single(generator, power)
            product = multiplied(product, [inner])
        result += product
    return result


def _other_place(generator: Hashable, p: Variable, index: Hashable) -> Hashable | None:
    """The index of a component of p, if it is known to be another."""
    if not isinstance(generator, Member) or generator.companion != "p":
        return None
    variable, place = component_of(generator.family)
    return place if variable is p and are_different([place, index]) else None


def _single(generator: Hashable, power: Exponent = 1, coefficient: Fraction | int = 1) -> Term:
    return Fraction(coefficient), monomial([(generator, power)])


def centred_at(forms: Forms, terms: list[Term], family: Family) -> list[Term]:
    """The terms with ``sum(g p)`` written as ``g[i]`` minus the deviation of g[i] from it."""
    p, index = component_of(family)
    result: list[Term] = []
    for coefficient, factors in terms:
        product = [(coefficient, ONE)]
        for generator, power in factors:
            inner = [(Fraction(1), monomial([(generator, 1)]))]
            own = power_of(generator.rows, Row(p)) if isinstance(generator, Mean) else 0
            if own > 0:
                assert isinstance(generator, Mean)
                rows = monomial((g, n - 1 if g == Row(p) else n) for g, n in generator.rows)
                ((number, element),) = forms.at(index, [(Fraction(1), rows)])
                deviation = Deviation(p, of_logits(rows, forms.axis), index)
                inner = [
                    (number, element),
                    (Fraction(-1), monomial([(deviation, 1)])),
                ]
            if power != int(power) or power < 0:
                product = multiplied(product, [(Fraction(1), monomial([(generator, power)]))])
            else:
                product = multiplied(product, raised(inner, int(power)))
        result += product
    return result


def of_logits(rows: Monomial, axis: int) -> Monomial:
    """``log p`` deviates from its mean as the logits do from theirs, that are not rounded."""
    if len(rows) != 1:
        return rows
    ((generator, power),) = rows
    if power != 1 or not isinstance(generator, Row):
        return rows
    return monomial([(Row(logits_of(generator.variable, (axis,))), 1)])


def no_leaf(symbol: object, family: object) -> bool:
    return False
