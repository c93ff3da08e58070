"""Reads functions of ``w = exp(u)`` as power series in w, and builds them again at another w."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction

import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.scalar import basic as ps

from pytensor_stabilize.rewrites.additive import signed_terms
from pytensor_stabilize.rewrites.algebra.arguments import ARITHMETIC, SUMS, as_multiple
from pytensor_stabilize.rewrites.arithmetic import constant_like, sum_of
from pytensor_stabilize.rewrites.matching import constant_exponent, exact_constant, is_a, scalar_op
from pytensor_stabilize.rewrites.power_series import (
    FUNCTIONS,
    NoSeriesError,
    Series,
    coefficients,
    combined,
)

OUTER = (ps.Exp, ps.Expm1, psm.Sigmoid, ps.Tanh)
_MOST_NODES = 60


def exponential_in(variable: Variable) -> Variable | None:
    """An exponential that another function of a region is taken of."""
    seen = {variable}
    todo = [variable]
    for current in todo:
        op = scalar_op(current)
        if (mended := mended_before(current)) is not None:
            return mended[0]
        if is_a(op, *OUTER):
            assert current.owner is not None
            for _, term in signed_terms(current.owner.inputs[0]):
                core = as_multiple(term).core
                if isinstance(core, Variable) and is_a(scalar_op(core), ps.Exp):
                    return core
        elif is_a(op, *SUMS, *ARITHMETIC, ps.Switch):
            assert current.owner is not None
            fresh = [v for v in dict.fromkeys(current.owner.inputs) if v not in seen]
            seen.update(fresh)
            todo += fresh
            if len(seen) > _MOST_NODES:
                return None
    return None


def _inner_branch(variable: Variable) -> Variable | None:
    """``1 / expm1(w)`` of ``switch(isinf(1 / expm1(w)), ..., 1 / expm1(w))``, a pullback's."""
    node = variable.owner
    if node is None or not is_a(scalar_op(variable), ps.Switch):
        return None
    condition, _, branch = node.inputs
    return branch if is_a(scalar_op(condition), ps.IsInf) else None


def mended_before(variable: Variable) -> tuple[Variable, Variable] | None:
    """``(w, branch)`` of ``switch(w < c, series, branch)``, a part that was mended on its own."""
    if not is_a(scalar_op(variable), ps.Switch):
        return None
    condition, _, branch = variable.owner.inputs  # type: ignore[union-attr]
    if not is_a(scalar_op(condition), ps.LT):
        return None
    w = condition.owner.inputs[0]
    return (w, branch) if is_a(scalar_op(w), ps.Exp) else None


def _unkept(variable: Variable) -> Variable:
    """What a bound keeps finite."""
    kept = is_a(scalar_op(variable), ps.Clip, ps.Maximum)
    return variable.owner.inputs[0] if kept else variable  # type: ignore[union-attr]


@dataclass
class WReader:
    """Reads variables as series in w, and builds them again at another w."""

    w: Variable
    size: int
    loses: bool = False
    _series: dict[Variable, Series | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.argument = as_multiple(self.w.owner.inputs[0])  # type: ignore[union-attr]

    def ratio(self, variable: Variable) -> Fraction | None:
        """The argument of a function in multiples of u."""
        own = as_multiple(variable)
        if isinstance(own.core, Variable) and _unkept(own.core) is self.w.owner.inputs[0]:  # type: ignore[union-attr]
            return own.coefficient
        same = own.core == self.argument.core
        return own.coefficient / self.argument.coefficient if same else None

    def series(self, variable: Variable) -> Series | None:
        """The series of a variable, None if it has none that is known here."""
        if variable not in self._series:
            try:
                self._series[variable] = self._read(variable)
            except NoSeriesError:
                self._series[variable] = None
        return self._series[variable]

    def known(self, variable: Variable) -> Series:
        found = self.series(variable)
        if found is None:
            raise NoSeriesError
        return found

    def constant(self, value: Fraction) -> Series:
        return Series.of(0, [value] + [Fraction(0)] * (self.size - 1))

    def power(self, exponent: Fraction) -> Series:
        """``w**exponent``."""
        if exponent.denominator != 1:
            raise NoSeriesError
        return Series(int(exponent), self.constant(Fraction(1)).c)

    def _read(self, variable: Variable) -> Series:
        constant = exact_constant(variable)
        if constant is not None:
            return self.constant(constant)
        node, op = variable.owner, scalar_op(variable)
        if node is None or variable.type.dtype != self.w.type.dtype:
            raise NoSeriesError
        if _unkept(variable) is self.w:
            return self.power(Fraction(1))
        mended = mended_before(variable)
        if mended is not None and mended[0] is self.w:
            loses = self.loses
            found = self.known(mended[1])
            self.loses = loses
            return found
        branch = _inner_branch(variable)
        if branch is not None:
            # It is infinite where w is 0.
            condition = node.inputs[0].owner
            if condition is None or self.known(condition.inputs[0]).order >= 0:
                raise NoSeriesError
            return self.known(branch)
        exponent = constant_exponent(node)
        if exponent is not None:
            return self.known(node.inputs[0]).power(exponent)
        if op is not None and isinstance(op, FUNCTIONS):
            return self._function(op, node.inputs[0])
        if not isinstance(op, (*SUMS, *ARITHMETIC)):
            raise NoSeriesError
        parts = [self.known(v) for v in node.inputs]
        result = combined(op, parts)
        if result is None:
            raise NoSeriesError
        if is_a(op, *SUMS):
            self.loses |= not result.c or result.order > min(part.order for part in parts)
        return result

    def _function(self, op: ps.ScalarOp, argument: Variable) -> Series:
        one = self.constant(Fraction(1))
        ratio = self.ratio(argument)
        if ratio is None and is_a(op, ps.Exp):
            result = one
            for sign, term in signed_terms(argument):
                own = self.ratio(term)
                result = result.times(
                    self._inside(op, self.known(term).scaled(Fraction(sign)))
                    if own is None
                    else self.power(sign * own)
                )
            return result
        if ratio is None:
            return self._inside(op, self.known(argument))
        if is_a(op, ps.Exp):
            return self.power(ratio)
        if is_a(op, ps.Expm1):
            return self.power(ratio).plus(one.scaled(Fraction(-1)))
        if is_a(op, psm.Sigmoid):
            return one.plus(self.power(-ratio)).inverse()
        if is_a(op, ps.Tanh):
            twice = self.power(2 * ratio)
            return twice.plus(one.scaled(Fraction(-1))).times(twice.plus(one).inverse())
        raise NoSeriesError

    def _inside(self, op: ps.ScalarOp, inner: Series) -> Series:
        if not inner.c or inner.order < 1:
            raise NoSeriesError
        return inner.inside(coefficients(type(op), inner.end))

    def rate(self, variable: Variable) -> Fraction:
        """The largest c with which a variable may grow as ``exp(c w)``.

        Raises
        ------
        NoSeriesError
            It is not known.
        """
        node, op = variable.owner, scalar_op(variable)
        if node is None or exact_constant(variable) is not None or _unkept(variable) is self.w:
            return Fraction(0)
        branch = self._branch(variable)
        exponent = constant_exponent(node)
        if branch is not None:
            return self.rate(branch)
        if exponent is not None:
            return exponent * self.rate(node.inputs[0])
        if is_a(op, *OUTER):
            c = self._coefficient(node.inputs[0])
            if is_a(op, psm.Sigmoid):
                return min(c, Fraction(0))
            if is_a(op, ps.Expm1):
                return max(c, Fraction(0))
            return c if is_a(op, ps.Exp) else Fraction(0)
        rates = [self.rate(v) for v in node.inputs]
        if is_a(op, ps.Mul, ps.Neg):
            return sum(rates, start=Fraction(0))
        if is_a(op, *SUMS):
            return max(rates)
        if is_a(op, ps.TrueDiv):
            return rates[0] - rates[1]
        if is_a(op, ps.Reciprocal):
            return -rates[0]
        raise NoSeriesError

    def _branch(self, variable: Variable) -> Variable | None:
        mended = mended_before(variable)
        return _inner_branch(variable) if mended is None else mended[1]

    def _coefficient(self, argument: Variable) -> Fraction:
        """How often a sum holds w, beside what is linear in u."""
        total = Fraction(0)
        for sign, term in signed_terms(argument):
            own = as_multiple(term)
            if isinstance(own.core, Variable) and _unkept(own.core) is self.w:
                total += sign * own.coefficient
            elif self.ratio(term) is None:
                raise NoSeriesError
        return total

    def decays(self, counted: Counter[Variable]) -> bool:
        """Whether a product goes to 0 as w grows, whatever powers of w are in it."""
        try:
            return sum((n * self.rate(v) for v, n in counted.items()), start=Fraction(0)) < 0
        except NoSeriesError:
            return False

    def at(self, variable: Variable, w: Variable, u: Variable) -> Variable:
        """A variable that has a series, at another w and u."""
        known: dict[Variable, Variable] = {self.w: w}

        def moved(v: Variable) -> Variable:
            ratio = self.ratio(v)
            if ratio is None:
                return new(v)
            return u if ratio == 1 else pt.mul(constant_like(float(ratio), u), u)

        def new(v: Variable) -> Variable:
            node = v.owner
            if v not in known:
                if node is None or exact_constant(v) is not None:
                    return v
                branch = self._branch(v)
                function = is_a(scalar_op(v), *FUNCTIONS)
                if branch is not None or _unkept(v) is self.w:
                    known[v] = w if branch is None else new(branch)
                elif function and self.ratio(node.inputs[0]) is None:
                    signed = signed_terms(node.inputs[0])
                    inner = [moved(t) if s > 0 else pt.neg(moved(t)) for s, t in signed]
                    known[v] = node.op(sum_of(inner))
                else:
                    known[v] = node.op(*(moved(i) if function else new(i) for i in node.inputs))
            return known[v]

        return new(variable)
