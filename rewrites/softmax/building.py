"""Build forms in softmax components: numbers a row, and rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import cast

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable

from pytensor_stabilize.rewrites.algebra.factoring import Factored, canonical
from pytensor_stabilize.rewrites.algebra.families import Family, Member, stable_key
from pytensor_stabilize.rewrites.algebra.forms import (
    Exponent,
    Monomial,
    Term,
    monomial,
)
from pytensor_stabilize.rewrites.arithmetic import as_dtype, difference_of, product_of, sum_of
from pytensor_stabilize.rewrites.matching import is_condition, same_pattern
from pytensor_stabilize.rewrites.softmax.components import (
    centred,
    complement,
    twice_minus_one,
)
from pytensor_stabilize.rewrites.softmax.factoring import factored, no_leaf
from pytensor_stabilize.rewrites.softmax.forms import Forms
from pytensor_stabilize.rewrites.softmax.generators import (
    Deviation,
    Gap,
    LeftOverError,
    Mean,
    Others,
    Pair,
    PairTotal,
    Row,
    Scalar,
    are_different,
    component_of,
    is_share,
)
from pytensor_stabilize.rewrites.softmax.groups import sum_of_others


@dataclass
class Builder:
    """Builds what was read, at an index and as rows.

    Attributes
    ----------
    written
        Indices at which a row gets elements of its own afterwards.
    """

    forms: Forms
    written: frozenset[Hashable] = frozenset()
    made: dict[Hashable, Variable] = field(default_factory=dict)

    def scalar(self, found: Factored) -> Variable:
        """One number a row."""
        above, below = self._factors(found.factors)
        if not found.is_product:
            above.append(self.sum_of(found.residual.items()))
        return self._assembled(found.coefficient, above, below)

    def sum_of(self, items: Iterable[tuple[Monomial, Fraction]]) -> Variable:
        """A sum of products."""
        parts: list[tuple[int, Variable]] = []
        for factors, coefficient in sorted(items, key=lambda item: stable_key(item[0])):
            above, below = self._factors(factors)
            built = self._assembled(abs(coefficient), above, below)
            parts.append((1 if coefficient > 0 else -1, built))
        return difference_of(parts)

    def _assembled(
        self, coefficient: Fraction, above: list[Variable], below: list[Variable]
    ) -> Variable:
        size = abs(coefficient)
        number = np.dtype(self.forms.dtype).type(float(size))
        if Fraction(float(number)) != size:
            raise LeftOverError
        if size != 1 or not above:
            above = [pt.constant(number), *above]
        product = product_of(above)
        if below:
            product = pt.true_div(product, product_of(below))
        return product if coefficient > 0 else pt.neg(product)

    def _factors(self, factors: Monomial) -> tuple[list[Variable], list[Variable]]:
        above: list[Variable] = []
        below: list[Variable] = []
        powers = dict(factors)
        for variable in self._ratios(powers):
            above.append(variable)
        for generator, power in sorted(powers.items(), key=stable_key):
            if power != int(power):
                raise LeftOverError
            variable = self._built(generator)
            (above if power > 0 else below).extend([variable] * abs(int(power)))
        return above, below

    def _ratios(self, powers: dict[Hashable, Exponent]) -> Iterator[Variable]:
        """``p[j] / (1 - p[i])``, which is finite where the second is 0."""
        small = [
            g
            for g in powers
            if isinstance(g, Member) and g.companion == "q" and not is_share(g.family)
        ]
        for q in small:
            p, index = component_of(q.family)
            for generator in list(powers):
                other = generator
                if isinstance(generator, Member) and generator.companion == "p":
                    variable, place = component_of(generator.family)
                    if not are_different([place, index]):
                        continue
                elif isinstance(generator, Row) and index in self.written:
                    # At the index itself this is no component of the others.
                    variable, place = generator.variable, None
                else:
                    continue
                while variable is p and powers[q] < 0 < powers.get(other, 0):
                    left = self.forms.without_element(p, index)
                    yield left if place is None else self.forms.pick(left, place)
                    powers[q] += 1
                    powers[other] -= 1
        for generator in [g for g, n in powers.items() if not n]:
            del powers[generator]

    def _built(self, generator: Hashable) -> Variable:
        if generator not in self.made:
            self.made[generator] = self._build(generator)
        return self.made[generator]

    def _build(self, generator: Hashable) -> Variable:
        forms = self.forms
        if isinstance(generator, Row):
            return self._number(generator.variable)
        if isinstance(generator, Scalar):
            variable = self._number(generator.variable)
            if variable.type.ndim == forms.ndim:
                variable = pt.squeeze(variable, axis=forms.axis)
            return variable
        if isinstance(generator, Mean):
            return pt.sum(self._row(generator.rows), axis=forms.axis)
        if isinstance(generator, Gap):
            return forms.pick(cast(Variable, complement(generator.p)), generator.place)
        if isinstance(generator, PairTotal):
            return sum_of([forms.pick(generator.p, place) for place in generator.places[:2]])
        if isinstance(generator, Others):
            return sum_of_others(forms, generator.p, generator.places)
        if isinstance(generator, Deviation):
            g = centred(generator.p, self._row(generator.rows), (forms.axis,))
            return forms.pick(g, generator.place)
        if isinstance(generator, Member) and is_share(generator.family):
            return self._share(generator)
        if isinstance(generator, Member):
            p, index = component_of(generator.family)
            if generator.companion == "p":
                return forms.pick(p, index)
            if generator.companion == "q":
                return forms.pick(cast(Variable, complement(p)), index)
            return twice_minus_one(p, forms.picks[index], forms.axis)
        raise LeftOverError

    def _number(self, variable: Variable) -> Variable:
        # NumPy has no difference of two truth values, and their sum is a truth value.
        return as_dtype(variable, self.forms.dtype) if is_condition(variable) else variable

    def _share(self, generator: Member) -> Variable:
        u = argument_of_share(self.forms, generator.family)
        if generator.companion == "t":
            return pt.tanh(pt.mul(np.asarray(0.5, self.forms.dtype), u))
        return pt.sigmoid(u if generator.companion == "p" else pt.neg(u))

    def _row(self, rows: Monomial) -> Variable:
        above, below = self._factors(rows)
        return self._assembled(Fraction(1), above, below)

    def row(self, terms: list[Term], like: Variable) -> Variable:
        """A row, of the shape of `like`."""
        groups: dict[Monomial, list[Term]] = defaultdict(list)
        for coefficient, factors in terms:
            rows = monomial((g, n) for g, n in factors if isinstance(g, Row))
            groups[rows].append((coefficient, factors - rows))
        parts: list[tuple[int, Variable]] = []
        for rows, group in sorted(groups.items(), key=lambda item: stable_key(item[0])):
            found = factored(self.forms, group) or canonical(group, no_leaf, reduce_all=False)
            if not found.coefficient:
                continue
            powers = dict(rows | found.factors)
            ratios = list(self._ratios(powers))
            own = frozenset((g, n) for g, n in powers.items() if isinstance(g, Row))
            scalars = frozenset(powers.items()) - own
            above, below = self._factors(own)
            above += map(self._along_axis, ratios)
            size = replace(found, coefficient=abs(found.coefficient), factors=scalars)
            if scalars or size.coefficient != 1 or not size.is_product:
                above.append(self._along_axis(self.scalar(size)))
            product = self._assembled(Fraction(1), above, below)
            if not same_pattern(product, like):
                product = pt.second(like, product)
            parts.append((1 if found.coefficient > 0 else -1, product))
        return difference_of(parts) if parts else pt.zeros_like(like)

    def _along_axis(self, factor: Variable) -> Variable:
        """A row, or a number a row as one; a number for all rows stays without dimensions."""
        per_row = factor.type.ndim == self.forms.ndim - 1
        return pt.expand_dims(factor, self.forms.axis) if per_row else factor


def argument_of_share(forms: Forms, family: Family) -> Variable:
    """The u whose sigmoid the share of a total or of a pair is."""
    logits, places = component_of(family)
    if not isinstance(places, Pair):
        return pt.logsumexp(logits, axis=forms.axis)
    return pt.sub(forms.pick(logits, places.first), forms.pick(logits, places.second))
