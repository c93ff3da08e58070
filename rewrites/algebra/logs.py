"""Logarithms of products of companions, and of sums that come close to 1.

``log p = -softplus(-u)`` never under- or overflows, so the logarithm of a product is a sum.
Where a sum ``f`` comes close to 1 its logarithm needs ``g = 1 - f`` as exactly as ``f``: then
``log f = -log1p(g / f)``, which is right where ``f`` is small and where ``g`` is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import reduce

import numpy as np
import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.scalar import basic as ps
from pytensor.tensor.math import add

from pytensor_stabilize.rewrites.algebra.building import Builder
from pytensor_stabilize.rewrites.algebra.companions import powers
from pytensor_stabilize.rewrites.algebra.factoring import Factored, canonical
from pytensor_stabilize.rewrites.algebra.families import (
    Family,
    Member,
    Residue,
    Symbol,
    companions_in,
    families,
    stable_key,
)
from pytensor_stabilize.rewrites.algebra.forms import (
    ONE,
    Exponent,
    Monomial,
    Term,
    TooBigError,
    monomial,
    multiplied,
    times,
    to_power,
)
from pytensor_stabilize.rewrites.algebra.log_shares import log_of_share
from pytensor_stabilize.rewrites.algebra.reading import Reader
from pytensor_stabilize.rewrites.algebra.signs import is_bounded, is_positive
from pytensor_stabilize.rewrites.matching import (
    exact_constant,
    is_a,
    scalar_op_of,
)
from pytensor_stabilize.rewrites.normal.forms import log_erfc


@dataclass
class LogBuilder:
    """Builds the logarithm of ``coefficient * factors``."""

    reader: Reader
    builder: Builder

    def build(self, coefficient: Fraction, factors: Monomial, hidden: bool) -> Variable | None:
        """The logarithm as a graph; None if the plain one is as good.

        Parameters
        ----------
        coefficient, factors
            The argument of the logarithm.
        hidden
            Whether the argument, as it is spelled, loses digits itself.
        """
        if hidden and self._is_clamped(factors):
            return None
        both_tails = self._both_tails(coefficient, factors)
        if both_tails is not None:
            return both_tails
        logistic = [f for f in families([factors]) if f.kind == "logistic"]
        taken = frozenset(
            (g, n) for g, n in factors if isinstance(g, Member) and g.family in logistic
        )
        rest = factors - taken
        sums = [g for g, _ in rest if isinstance(g, Residue)]
        if not sums:
            middle = self._near_one_at_0(coefficient, taken, rest, logistic)
            if middle is not None:
                return middle
            return self._closed(coefficient, taken, rest, logistic)
        share = log_of_share(self.builder, coefficient, factors)
        if share is not None:
            return share
        near_one = self._near_one(coefficient, factors)
        if near_one is not None:
            return near_one
        shrinks = any(power > 0 for _, power in taken)
        if taken and (shrinks or hidden):
            return self._closed(coefficient, taken, rest, logistic)
        return None

    def _both_tails(self, coefficient: Fraction, factors: Monomial) -> Variable | None:
        """``log(c erfc(-u) erfc(u))``, of ``Phi (1 - Phi)``, or of their quotient.

        Either is 0 far out, and the logarithm has no digit where what it is taken of is next to 1.
        """
        found = families([factors])
        if len(found) != 1 or found[0].kind != "normal":
            return None
        (family,) = found
        p, q, t = powers(factors, family)
        if abs(p) != abs(q) or t or p.denominator != 1 or len(factors) != 2:
            return None
        u = self.builder.argument(family, Fraction(1))
        both = log_erfc(pt.neg(u)), log_erfc(u)
        logs = self._scaled(pt.add(*both) if p == q else pt.sub(*both), Fraction(p))
        rest = coefficient / 4 ** int(p) if p == q else coefficient
        if rest != 1:
            return pt.add(pt.log(self.builder.constant(rest)), self.builder.moved(logs, family))
        # Next to 0 the two cancel; log1p(-erf**2) would be the sum that this rule looks for.
        half = self.builder.constant(Fraction(1, 2))
        inner = pt.clip(u, pt.neg(half), half)
        if p == q:
            ratio = pt.true_div(pt.sqr(pt.erf(inner)), pt.erfc(pt.neg(inner)) * pt.erfc(inner))
            near = self._scaled(pt.log1p(ratio), Fraction(-p))
        else:
            near = self._scaled(pt.arctanh(pt.erf(inner)), 2 * Fraction(p))
        return self.builder.moved(pt.switch(pt.lt(pt.abs(u), half), near, logs), family)

    def _closed(
        self, coefficient: Fraction, taken: Monomial, rest: Monomial, logistic: list[Family]
    ) -> Variable | None:
        """Sum of the logarithms of companions, and of what is no companion."""
        if not taken:
            return None
        signs = [t for _, _, t in (powers(taken, family) for family in logistic) if t % 2]
        if len(signs) > 1 or (signs and not all(map(is_positive, rest))):
            return None  # tanh(u) and what multiplies it may both be negative
        parts: list[Variable] = []
        for family in logistic:
            p, q, t = powers(taken, family)
            alone = len(logistic) == 1 and not rest and not t and p == q
            if alone and coefficient == Fraction(4) ** p:
                # 4 p q = 1 / cosh(u / 2)**2 is 1 at u = 0, where log 4 would cancel
                return self._log_cosh(family, p)
            if t:
                if abs(t) != 1 and t % 2:
                    return None
                coefficient, p, q, more = self._log_t(family, coefficient, p, q, t)
                parts += more
            parts += self._logs(family, p, q)
        if coefficient != 1 or rest:
            parts.append(pt.log(self.builder.product(Factored(coefficient, rest))))
        return add(*parts) if len(parts) > 1 else parts[0]

    def _log_cosh(self, family: Family, power: Exponent) -> Variable | None:
        if power == -Fraction(1, 2):
            return None  # it is log(cosh(u / 2)) already
        half = self.builder.unary(pt.cosh, family, Fraction(1, 2))
        return self._scaled(pt.log(half), Fraction(-2 * power))

    def _log_t(
        self, family: Family, coefficient: Fraction, p: Exponent, q: Exponent, t: Exponent
    ) -> tuple[Fraction, Exponent, Exponent, list[Variable]]:
        """``t = p (1 - exp(-u))`` for u > 0, and ``-t = q (1 - exp(u))`` for u < 0."""
        if t % 2:
            side = 1 if coefficient > 0 else -1
            log = self.builder.unary(pt.log1mexp, family, Fraction(-side))
            p, q = (p + t, q) if side > 0 else (p, q + t)
            return abs(coefficient), p, q, [self._scaled(log, Fraction(t))]
        # t**2 = tanh(|u| / 2)**2, and log s(|u|) is -softplus(-|u|)
        size = pt.abs(self.builder.argument(family, Fraction(1)))
        both = pt.log1mexp(-size) - pt.softplus(-size)
        return coefficient, p, q, [self._scaled(self.builder.moved(both, family), Fraction(t))]

    def _logs(self, family: Family, p: Exponent, q: Exponent) -> list[Variable]:
        """``p log(sigmoid(u)) + q log(sigmoid(-u))`` without a cancellation of the two."""
        parts: list[Variable] = []
        if p * q < 0:
            # log p = u + log q
            less = abs(Fraction(p)) <= abs(Fraction(q))
            linear = p if less else -q
            u = self.builder.moved(self.builder.argument(family, Fraction(1)), family)
            parts.append(self._scaled(u, Fraction(linear)))
            p, q = (0, p + q) if less else (p + q, 0)
        for power, ratio in ((p, -1), (q, 1)):
            if power:
                log = self.builder.unary(pt.softplus, family, Fraction(ratio))
                parts.append(self._scaled(log, Fraction(-power)))
        return parts

    def _scaled(self, variable: Variable, factor: Fraction) -> Variable:
        if abs(factor) != 1:
            variable = pt.mul(self.builder.constant(abs(factor)), variable)
        return variable if factor > 0 else pt.neg(variable)

    def _near_one(self, coefficient: Fraction, factors: Monomial) -> Variable | None:
        """The logarithm of a sum that is 1 at an end of the range of a function in it."""
        spelled = expanded(coefficient, factors)
        below = [(Fraction(1), ONE)] + [(-c, m) for c, m in spelled]
        difference = canonical(below, self.reader.is_leaf)
        if not difference.hidden or not difference.coefficient:
            return None
        small = [f for f in families([difference.factors]) if f.kind != "cosine"]
        left = difference.residual
        # Deeper sums would cost more operations than the digits are worth.
        symbols = any(isinstance(g, Symbol) for _, m in spelled for g, _ in m)
        # y (1 - q**3) + (1 - y) q**3: what a label chooses between is one term.
        groups = {m - companions_in(m) for m in left} if symbols and len(left) <= 6 else left
        shallow = len(groups) <= 2 and not any(
            symbols and isinstance(g, Residue) and families(m for m, _ in g.items)
            for m in left
            for g, _ in m
        )
        if not shallow or not (small or len({c > 0 for c in left.values()}) == 1):
            return None
        if any(powers(difference.factors, f)[2] > 0 for f in small):
            if is_bounded([(c, m) for c, m in spelled if c > 0]):
                return pt.log1p(self.builder.product(_opposite(difference)))
            return self._near_one_in_the_middle(coefficient, factors, difference, small)
        if any(c < 0 for g, _ in factors if isinstance(g, Residue) for _, c in g.items):
            return None  # the sum itself loses digits
        if not any(isinstance(g, Member) for g, _ in factors):
            f = self.builder.product(Factored(coefficient, factors))
            g = self.builder.product(difference)
            return _log_of_sum(g, pt.true_div(g, f), is_bounded(spelled))
        return self._two_sided(coefficient, factors, difference, small)

    def _near_one_at_0(
        self, coefficient: Fraction, taken: Monomial, rest: Monomial, logistic: list[Family]
    ) -> Variable | None:
        """``log(2 p)`` is 0 at u = 0, where ``log 2 + log p`` cancels."""
        if rest or len(logistic) != 1 or coefficient == 1:
            return None
        (family,) = logistic
        p, q, t = powers(taken, family)
        if t or p == q or any(n.denominator != 1 for n in (p, q, t)):
            return None
        if coefficient != Fraction(2) ** int(p + q):
            return None
        difference = canonical([(Fraction(1), ONE), (-coefficient, taken)], self.reader.is_leaf)
        logs = self._closed(coefficient, taken, rest, logistic)
        if logs is None or not difference.hidden:
            return None
        u = self.builder.argument(family, Fraction(1))
        one = self.builder.constant(Fraction(1))
        inner = Builder(
            self.reader.with_argument(family, pt.clip(u, pt.neg(one), one)), self.builder.dtype
        )
        ratio = pt.true_div(inner.product(difference), inner.product(Factored(coefficient, taken)))
        near = self.builder.moved(pt.lt(pt.abs(u), one), family)
        return pt.switch(near, -pt.log1p(ratio), logs)

    def _near_one_in_the_middle(
        self, coefficient: Fraction, factors: Monomial, difference: Factored, small: list[Family]
    ) -> Variable | None:
        """``log(1 - w + w exp(u))`` is ``log1p(w expm1(u))`` as long as that is small.

        So it is if w is another function, the weight of a zero-inflated model.
        """
        if not small or len(small) > 2 or any(f.kind != "logistic" for f in small):
            return None
        left = difference.residual
        # 1 - w is what it is: no function is lost in it.
        if len({c > 0 for c in left.values()}) > 1 and families(left):
            return None
        if len(small) == 1:
            own_p, own_q, _ = powers(factors, small[0])
            if own_p == own_q and powers(difference.factors, small[0])[2] % 2 == 0:
                return None  # log(cosh(u)), which has rules of its own with fewer functions
        taken = frozenset((g, n) for g, n in factors if isinstance(g, Member))
        logs = self._closed(coefficient, taken, factors - taken, families([factors]))
        if logs is None:
            return None
        # Beyond it the difference may overflow; JAX differentiates what is not selected.
        limit = self.builder.constant(-_floor_of_log_tiny(self.builder.dtype))
        reader, inside = self.reader, list[Variable]()
        for family in small:
            u = self.builder.argument(family, Fraction(1))
            reader = reader.with_argument(family, pt.clip(u, pt.neg(limit), limit))
            inside.append(self.builder.moved(pt.lt(pt.abs(u), limit), family))
        above_one = Builder(reader, self.builder.dtype).product(_opposite(difference))
        half = self.builder.constant(Fraction(-1, 2))
        near = reduce(pt.and_, [*inside, pt.gt(above_one, half)])
        return pt.switch(near, pt.log1p(above_one), logs)

    def _is_clamped(self, factors: Monomial) -> bool:
        """Whether it is what stands in the branch next to 1."""
        limit = -_floor_of_log_tiny(self.builder.dtype)
        for family in families([factors]):
            core = family.core
            node = core.owner if isinstance(core, Variable) else None
            if is_a(scalar_op_of(node), ps.Clip):
                assert node is not None
                if [exact_constant(v) for v in node.inputs[1:]] == [-limit, limit]:
                    return True
        return False

    def _two_sided(
        self, coefficient: Fraction, factors: Monomial, difference: Factored, small: list[Family]
    ) -> Variable | None:
        """``f`` is small on one side of 0 and close to 1 on the other: a switch.

        The branch that is not selected sees a clamped argument, so that its gradient is finite.
        """
        if len(small) != 1 or small[0].kind != "logistic":
            return None
        (family,) = small
        p, q, t = powers(difference.factors, family)
        if t or (p > 0) == (q > 0):
            return None
        logs = self._closed(
            coefficient,
            frozenset((g, n) for g, n in factors if isinstance(g, Member)),
            frozenset((g, n) for g, n in factors if not isinstance(g, Member)),
            [f for f in families([factors]) if f.kind == "logistic"],
        )
        if logs is None:
            return None
        u = self.builder.argument(family, Fraction(1))
        # Farther out JAX, which differentiates after us, would lose the digits of g / f.
        zero = self.builder.constant(Fraction(0))
        clamped = pt.minimum(u, zero) if p > 0 else pt.maximum(u, zero)
        inner = Builder(self.reader.with_argument(family, clamped), self.builder.dtype)
        side = pt.lt(u, zero) if p > 0 else pt.gt(u, zero)
        # log1p(-g) would be the sum that this rule looks for.
        bounded = is_bounded(expanded(coefficient, factors))
        g = inner.product(difference)
        if any(isinstance(b, Residue) and n < 0 for b, n in factors):
            # What stands below both bars need not be divided by.
            quotient = times(difference.factors, to_power(factors, -1))
            share = difference.coefficient / coefficient
            ratio = inner.product(replace(difference, coefficient=share, factors=quotient))
        else:
            ratio = pt.true_div(g, inner.product(Factored(coefficient, factors)))
        near = _log_of_sum(g, ratio, bounded)
        return pt.switch(self.builder.moved(side, family), near, logs)


def _opposite(product: Factored) -> Factored:
    return replace(product, coefficient=-product.coefficient)


def _log_of_sum(g: Variable, ratio: Variable, bounded: bool) -> Variable:
    """``log(f)`` from ``g = 1 - f`` and ``g / f``; where f is large, that is -1.

    The quotient stands whole in its branch: its derivative then cancels to ``f' / f``, where with
    a switch in the denominator it is a quotient by ``f**2``, which underflows.
    """
    below = pt.neg(pt.log1p(ratio))
    if bounded:
        return below
    # abs(g) is -g there, and no sum that this rule looks for.
    return pt.switch(pt.lt(g, pt.constant(0, dtype="int8")), pt.log1p(_size(g)), below)


def _size(g: Variable) -> Variable:
    """``abs(g)``, of each factor as PyTensor would have it."""
    node = g.owner
    if node is not None and is_a(scalar_op_of(node), ps.Mul):
        return pt.mul(*map(_size, node.inputs))
    return g if is_a(scalar_op_of(node), psm.Sigmoid, ps.Exp, psm.Erfc) else pt.abs(g)


def _floor_of_log_tiny(dtype: str) -> Fraction:
    return Fraction(int(np.log(np.finfo(dtype).tiny)))


def expanded(coefficient: Fraction, factors: Monomial) -> list[Term]:
    """A product with all the sums in it multiplied out, but those below a fraction bar.

    Raises
    ------
    TooBigError
        There are too many terms.
    """
    terms: list[Term] = [(coefficient, ONE)]
    for generator, power in sorted(factors, key=stable_key):
        if not isinstance(generator, Residue) or power < 0:
            terms = [(c, times(m, monomial([(generator, power)]))) for c, m in terms]
            continue
        if power != int(power) or power > 4:
            raise TooBigError
        inner = [term for m, c in generator.form.items() for term in expanded(c, m)]
        for _ in range(int(power)):
            terms = multiplied(terms, inner)
    return terms
