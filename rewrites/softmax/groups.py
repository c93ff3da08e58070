"""Several components of one softmax at once: ``1 - p[i] - p[j]`` is the sum of the others.

With r for that sum, a polynomial in the components is made homogeneous by ``p[i] + p[j] + r = 1``,
and hides r if each of its terms then has r for a factor: ``p[i] - p[i]**2 - p[i] p[j]`` is
``p[i] r``.
"""

from __future__ import annotations

from collections.abc import Hashable
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.tensor.subtensor import set_subtensor

from pytensor_stabilize.rewrites.algebra.factoring import Factored
from pytensor_stabilize.rewrites.algebra.families import Family, Member
from pytensor_stabilize.rewrites.algebra.forms import (
    ONE,
    Form,
    Term,
    merged,
    monomial,
    multiplied,
    power_of,
    raised,
    times,
    to_power,
)
from pytensor_stabilize.rewrites.softmax.generators import (
    Others,
    are_different,
    component_of,
    is_share,
)

if TYPE_CHECKING:
    from pytensor_stabilize.rewrites.softmax.forms import Forms

_MOST_COMPONENTS = 3
_LARGEST_DEGREE = 5
_MOST_LEFT = 6


def others_of_several(terms: list[Term]) -> Factored | None:
    """The sum as a multiple of what two or more components leave of 1; None if it is none."""
    components: dict[Variable, list[Family]] = {}
    for _, factors in terms:
        for g, _ in factors:
            if isinstance(g, Member) and not is_share(g.family):
                found = components.setdefault(component_of(g.family)[0], [])
                if g.family not in found:
                    found.append(g.family)
    for p, families in components.items():
        if 1 < len(families) <= _MOST_COMPONENTS:
            factored = _homogeneous(terms, p, families)
            if factored is not None:
                return factored
    return None


def _homogeneous(terms: list[Term], p: Variable, families: list[Family]) -> Factored | None:
    own = [Member(family, "p") for family in families]
    places = frozenset(component_of(family)[1] for family in families)
    if not are_different(places):
        return None
    rest = Others(p, places)
    opened: list[Term] = []
    for coefficient, factors in terms:
        product: list[Term] = [(coefficient, ONE)]
        for generator, power in factors:
            inner = [(Fraction(1), monomial([(generator, 1)]))]
            if isinstance(generator, Member) and generator.companion != "p":
                inner = _of_p(generator)
                if power < 0 or power != int(power) or generator.family not in families:
                    return None
            one = [(Fraction(1), monomial([(generator, power)]))]
            whole = power == int(power) and power > 0
            product = multiplied(product, raised(inner, int(power)) if whole else one)
        opened += product
    read = merged(opened)
    if not read:
        return None
    # What is divided by r already counts as well: p[i]**2 / r is of degree 1.
    every = (*own, rest)
    common = monomial((g, min(power_of(m, g) for m in read)) for g in every)
    degrees = {m: sum(power_of(m, g) - power_of(common, g) for g in every) for m in read}
    if any(d != int(d) for d in degrees.values()):
        return None
    degree = int(max(degrees.values()))
    if not 1 <= degree <= _LARGEST_DEGREE:
        return None
    unit = [(Fraction(1), monomial([(g, 1)])) for g in every]
    inverse = to_power(common, -1)
    result: list[Term] = []
    for factors, coefficient in read.items():
        fill = degree - int(degrees[factors])
        filled = raised(unit, fill) if fill else [(Fraction(1), ONE)]
        result += multiplied([(coefficient, times(factors, inverse))], filled)
    form = merged(result)
    least = min(power_of(m, rest) for m in form) if form else 0
    if not least or len(form) > _MOST_LEFT:
        return None
    left: Form = {times(m, monomial([(rest, -least)])): c for m, c in form.items()}
    root = times(common, monomial([(rest, least)]))
    if len(left) == 1:
        ((factors, coefficient),) = left.items()
        return Factored(coefficient, times(root, factors), hidden=("the others",))
    return Factored(Fraction(1), root, left, hidden=("the others",))


def _of_p(generator: Member) -> list[Term]:
    """``q = 1 - p`` and ``t = 2 p - 1``."""
    p = monomial([(Member(generator.family, "p"), 1)])
    if generator.companion == "q":
        return [(Fraction(1), ONE), (Fraction(-1), p)]
    return [(Fraction(2), p), (Fraction(-1), ONE)]


def sum_of_others(forms: Forms, p: Variable, places: frozenset[Hashable]) -> Variable:
    """The sum of the components but those at some indices."""
    zero = pt.zeros((), dtype=forms.dtype)
    left = p
    for place in sorted(places, key=list(forms.picks).index):
        left = set_subtensor(forms.pick(left, place), zero)
    # None is below 0: without the switch it would be read as 1 - p[i] - p[j] again.
    return pt.sum(pt.switch(pt.lt(left, np.asarray(0, forms.dtype)), zero, left), axis=forms.axis)
