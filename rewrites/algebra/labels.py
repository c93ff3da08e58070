"""Sums of symbols that stand in the graph, opened where that leaves one term."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from pytensor.graph.basic import Variable

from pytensor_stabilize.rewrites.algebra.factoring import Factored
from pytensor_stabilize.rewrites.algebra.families import Member, Symbol, companions_in
from pytensor_stabilize.rewrites.algebra.forms import (
    ONE,
    Form,
    Monomial,
    Term,
    common,
    divided,
    merged,
    multiplied,
    times,
)


def gathered(form: Form, sums: Mapping[frozenset, Variable]) -> Form:
    """``y**2 q + y (1 - y) q -> y q``, of terms with the same companions.

    A square is not multiplied out: ``(1 - y)**2`` would cancel at its root.
    """
    if not sums or len(form) < 2:
        return form
    opened = {Symbol(variable, ()): list(items) for items, variable in sums.items()}
    groups: dict[Monomial, Form] = defaultdict(dict)
    for factors, coefficient in form.items():
        groups[companions_in(factors)][factors] = coefficient
    if len(groups) == len(form):
        return form
    result: list[Term] = []
    for group in groups.values():
        shared = common(group)
        found = _single(divided(group, shared), opened) if len(group) > 1 else None
        if found is None:
            result += [(c, m) for m, c in group.items()]
        else:
            result += [(c, times(m, shared)) for m, c in found.items()]
    return merged(result)


def with_labels_gathered(found: Factored, sums: Mapping[frozenset, Variable]) -> Factored:
    """A factored sum whose residual may be one term: ``p q (y + (1 - y))`` is ``p q``."""
    residual = gathered(found.residual, sums)
    if residual is found.residual or len(residual) != 1:
        return replace(found, residual=residual)
    ((factors, coefficient),) = residual.items()
    return replace(
        found,
        coefficient=found.coefficient * coefficient,
        factors=times(found.factors, factors),
        residual={ONE: Fraction(1)},
    )


def one_term(form: Form, sums: Mapping[frozenset, Variable]) -> Term | None:
    """``1 - (1 - y)`` as y, for a sum that stands in the graph: the difference would round it."""
    named = {g for m in form for g, _ in m if isinstance(g, Symbol)}
    opened = {
        symbol: list(items)
        for items, variable in sums.items()
        for symbol in [Symbol(variable, ())]
        if symbol in named
    }
    found = _single(form, opened) if opened and len(form) > 1 else None
    return None if not found else next((c, m) for m, c in found.items())


def _single(form: Form, opened: Mapping[Symbol, list[Term]]) -> Form | None:
    """A sum, opened, if that is one term or nothing."""
    total: list[Term] = []
    for factors, coefficient in form.items():
        own = [(coefficient, ONE)]
        for generator, power in factors:
            items = opened.get(generator) if power == 1 else None  # type: ignore[call-overload]
            own = multiplied(own, items or [(Fraction(1), frozenset([(generator, power)]))])
        total += own
    found = merged(total)
    return found if len(found) < 2 else None


def is_complement(form: Form) -> bool:
    """Whether it is a multiple of one minus a symbol."""
    others = [m for m in form if m]
    if len(form) != 2 or len(others) != 1 or sum(form.values()) != 0:
        return False
    ((generator, power),) = others[0] if len(others[0]) == 1 else ((None, 0),)
    return power == 1 and isinstance(generator, Symbol)


def loses_less(whole: Factored, form: Form) -> bool:
    """Whether a sum of companions alone has smaller coefficients when it is factored."""
    if not all(isinstance(g, Member) for m in form for g, _ in m):
        return False
    size = abs(whole.coefficient) * sum(map(abs, whole.residual.values()))
    return size < sum(map(abs, form.values()))
