"""How fast the parts of a graph grow: what may overflow in it, or underflow, before its value."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import dataclass, field
from fractions import Fraction

import pytensor.scalar.math as psm
from pytensor.graph.basic import Variable
from pytensor.scalar import basic as ps

from pytensor_stabilize.rewrites.algebra.arguments import FUNCTIONS, SUMS, as_multiple
from pytensor_stabilize.rewrites.algebra.survey import MOST_NODES
from pytensor_stabilize.rewrites.matching import (
    MOVES,
    constant_exponent,
    exact_constant,
    is_a,
    is_float_cast,
    scalar_op_of,
)

# The n of exp(n x) that a part is like for large x or -x, for every argument and sign.
End = tuple[Hashable, int]
Rates = dict[End, Fraction]


@dataclass(frozen=True)
class Growth:
    """What a variable is like far out; `known` unless a factor of it may be anything, also 0.

    A function of another argument may be anything.
    """

    rates: Rates
    known: bool
    arguments: frozenset[Hashable] = frozenset()


def leaves_the_floats(new: Variable, old: Variable) -> bool:
    """Whether a part of a new graph may be inf, or a factor 0, where no part of the old one was.

    ``y exp(x) / exp(-x)`` is 0 for y = 0 as long as both exponentials are floats, ``y exp(2 x)``
    only half as far.  A factor that vanishes no faster than its product does not count, nor does
    a term of a sum, nor ``cosh(x)`` in ``1 / cosh(x)``: that is 0 where it is inf.
    """
    risks = _Reader().risks(new)
    if not risks:
        return False
    limits: Rates = defaultdict(Fraction)
    for part, end, size in _Reader().risks(old):
        if part.known:
            limits[end] = max(limits[end], size)
    return any(size > limits[end] for _, end, size in risks)


@dataclass
class _Reader:
    """Reads variables and all that they are made of."""

    parts: dict[Variable, Growth] = field(default_factory=dict)
    _risks: list[tuple[Growth, End, Fraction]] = field(default_factory=list)

    def risks(self, variable: Variable) -> list[tuple[Growth, End, Fraction]]:
        """How fast parts grow, and factors vanish that do so faster than their product."""
        self._may_overflow(self.growth(variable))
        return self._risks

    def growth(self, variable: Variable) -> Growth:
        if variable not in self.parts:
            self.parts[variable] = self._read(variable)
        return self.parts[variable]

    def _read(self, variable: Variable) -> Growth:
        if exact_constant(variable) is not None:
            return Growth({}, known=True)
        node = variable.owner
        op = scalar_op_of(node)
        if node is None or len(self.parts) > MOST_NODES:
            return Growth({}, known=False)
        if is_a(op, *FUNCTIONS):
            argument = as_multiple(node.inputs[0])
            rates = {
                (argument.core, sign): _rate(op, argument.coefficient * sign) for sign in (1, -1)
            }
            rates = {end: rate for end, rate in rates.items() if rate}
            return Growth(rates, True, frozenset([argument.core]))
        if is_a(node.op, *MOVES) or is_float_cast(node) or is_a(op, ps.Neg):
            return self.growth(node.inputs[0])
        if is_a(op, *SUMS):
            parts = self._terms(node.inputs)
            for part in parts:
                self._may_overflow(part)
            ends = {end for part in parts for end in part.rates}
            largest = {e: max(part.rates.get(e, Fraction(0)) for part in parts) for e in ends}
            arguments = frozenset[Hashable]().union(*(part.arguments for part in parts))
            return Growth(largest, all(part.known for part in parts), arguments)
        if is_a(op, ps.Mul):
            return self._product([(self.growth(v), Fraction(1)) for v in node.inputs])
        if is_a(op, ps.TrueDiv):
            above, below = map(self.growth, node.inputs)
            return self._product([(above, Fraction(1)), (below, Fraction(-1))])
        if is_a(op, ps.Reciprocal):
            return self._product([(self.growth(node.inputs[0]), Fraction(-1))])
        power = constant_exponent(node)
        if power is not None:
            return self._product([(self.growth(node.inputs[0]), power)])
        return Growth({}, known=False)

    def _terms(self, terms: list[Variable]) -> list[Growth]:
        """Terms of a sum; that one is 0 too early does not matter beside a number.

        What was read for such a term is read again where it stands outside of the sum.
        """
        if not any(map(exact_constant, terms)):
            return [self.growth(term) for term in terms]
        read = []
        for term in terms:
            known, before = len(self.parts), len(self._risks)
            part = self.growth(term)
            read.append((part, list(self.parts)[known:], self._risks[before:]))
            del self._risks[before:]
        for part, inner, risks in read:
            kept = [
                (factor, end, size)
                for factor, end, size in risks
                if factor.rates[end] > 0 or part.rates.get(end, 0) >= 0
            ]
            self._risks += kept
            if len(kept) < len(risks):
                for variable in inner:
                    del self.parts[variable]
        return [part for part, _, _ in read]

    def _product(self, powers: list[tuple[Growth, Fraction]]) -> Growth:
        rates: Rates = defaultdict(Fraction)
        for part, power in powers:
            for end, rate in part.rates.items():
                rates[end] += power * rate
        for part, power in powers:
            for end, rate in part.rates.items():
                effect = rate if power > 0 else -rate
                # A factor that is inf, a denominator that is 0; or the other way about.
                if effect > 0 or effect < rates[end]:
                    self._risks.append((part, end, abs(rate)))
        arguments = frozenset[Hashable]().union(*(part.arguments for part, _ in powers))
        known = len(arguments) < 2 and all(part.known for part, _ in powers)
        return Growth(dict(rates), known, arguments)

    def _may_overflow(self, part: Growth) -> None:
        self._risks += [(part, end, rate) for end, rate in part.rates.items() if rate > 0]


def _rate(op: ps.ScalarOp | None, steep: Fraction) -> Fraction:
    if is_a(op, ps.Exp):
        return steep
    if is_a(op, ps.Sinh, ps.Cosh):
        return abs(steep)
    if is_a(op, ps.Expm1):
        return max(steep, Fraction(0))
    return min(steep, Fraction(0)) if is_a(op, psm.Sigmoid, psm.Softplus) else Fraction(0)
