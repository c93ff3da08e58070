"""Sums of products with softmax factors.

A product is a multiset of factors.  A sum over the softmax axes that is broadcast back over them
is a factor of its own, a `RowSum`: what is constant along the axes is taken out of it, so that
``p * sum(c * g * p)`` and ``c * p * sum(g * p)`` are the same product.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from pytensor.graph.basic import Variable
from pytensor.tensor.subtensor import (
    IncSubtensor,
)

from pytensor_stabilize.rewrites.matching import exact_constant, is_a
from pytensor_stabilize.rewrites.softmax.matching import (
    kept_dims,
    softmax_axes,
)


@dataclass(frozen=True)
class RowSum:
    """The sum of a product over `axes`, broadcast back over them."""

    axes: tuple[int, ...]
    powers: Powers


Key = Variable | RowSum
Powers = frozenset[tuple[Key, int]]


@dataclass(frozen=True)
class Term:
    """``coefficient * product of key**power``.

    Attributes
    ----------
    converted
        Whether an ``exp(x) / sum(exp(x))`` was read as a softmax.
    dropped
        Whether a ``sum(softmax(x))`` was read as 1.
    """

    coefficient: Fraction
    powers: Powers = frozenset()
    converted: bool = field(default=False, compare=False)
    dropped: bool = field(default=False, compare=False)

    def times(self, other: Term, power: int = 1) -> Term:
        powers = dict(self.powers)
        for key, exponent in other.powers:
            powers[key] = powers.get(key, 0) + power * exponent
        return Term(
            self.coefficient * other.coefficient**power,
            frozenset((key, exponent) for key, exponent in powers.items() if exponent),
            self.converted or other.converted,
            self.dropped or other.dropped,
        )

    def without(self, key: Key) -> Term:
        """The product without one factor `key`."""
        return self.times(of_key(key), -1)

    def power(self, key: Key) -> int:
        return dict(self.powers).get(key, 0)


def of_key(key: Key) -> Term:
    return Term(Fraction(1), frozenset({(key, 1)}))


def is_softmax_key(key: Key) -> bool:
    return isinstance(key, Variable) and softmax_axes(key) is not None


ONE = Term(Fraction(1))


def merged(terms: Sequence[Term]) -> list[Term]:
    """The terms with those of equal factors added up; what cancels is gone."""
    totals: dict[Powers, Term] = {}
    for term in terms:
        old = totals.get(term.powers)
        if old is not None:
            coefficient = old.coefficient + term.coefficient
            flags = (old.converted or term.converted, old.dropped or term.dropped)
            term = Term(coefficient, term.powers, *flags)
        totals[term.powers] = term
    return [term for term in totals.values() if term.coefficient]


def softmax_keys(term: Term) -> Iterator[tuple[Variable, tuple[int, ...]]]:
    """Factors of a positive power that are softmaxes along axes."""
    for key, power in sorted(term.powers, key=order):
        if power > 0 and isinstance(key, Variable) and (axes := softmax_axes(key)) is not None:
            yield key, axes


def is_one_hot(key: Key, axes: tuple[int, ...]) -> bool:
    """Whether it has one 1 in each row along `axes`, put there by an index."""
    if not isinstance(key, Variable) or (node := key.owner) is None:
        return False
    if not is_a(node.op, IncSubtensor) or node.op.set_instead_of_inc:
        return False
    if exact_constant(node.inputs[0]) != 0 or exact_constant(node.inputs[1]) != 1:
        return False
    return kept_dims(node) == [dim for dim in range(key.type.ndim) if dim not in axes]


def is_constant_along(key: Key, axes: tuple[int, ...]) -> bool:
    if isinstance(key, RowSum):
        return set(axes) <= set(key.axes)
    return all(key.type.broadcastable[axis] for axis in axes)


def order(item: tuple[Key, int]) -> tuple[bool, int, str]:
    # Variables count up as they are made, so that the order is the same in every run.
    key = item[0]
    if isinstance(key, RowSum):
        return (True, 0, str(sorted(map(order, key.powers))))
    return (False, len(key.auto_name), key.auto_name)


def replaced(
    terms: list[Term], small: Term, large: Term, factor: Term, new: Variable
) -> list[Term]:
    """The terms with ``factor * new`` in place of `large` and as much of `small`, in its sign."""
    others = [term for term in terms if term is not small and term is not large]
    if rest := small.coefficient + large.coefficient:
        others.append(Term(rest, small.powers))
    return [*others, Term(large.coefficient, factor.powers).times(of_key(new))]
