"""Differences ``f(a) - f(b)`` of close arguments, by the addition theorem of f.

What is close is asked element by element: the theorem is used where the terms would cancel, and
there ``a - b`` is nearly exact; elsewhere the difference is what it was.  The argument of neither
function is rounded, as ``(a + b) / 2`` would be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.scalar.math import Sigmoid, Softplus
from pytensor.tensor.math import add, sub

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.arithmetic import build_product, constant_like, factors, signed_sum
from pytensor_stabilize.rewrites.differences.pairs import flat_terms
from pytensor_stabilize.rewrites.matching import (
    FLOATS,
    exact_constant,
    is_a,
    scalar_op,
    signed_key,
)
from pytensor_stabilize.rewrites.rules import ConstantPower, Interval, Left, Rule, Transform
from pytensor_stabilize.rewrites.shared_terms import subtract
from pytensor_stabilize.rewrites.symbols import Value

_MOST_TERMS = 6
# A constant times a product.
Line = tuple[Fraction, Counter[Variable]]


# Asked with a comparison, "<" or "<=", and with ``a - b``.
Near = Callable[[Callable[..., Value], Value], Value]


@dataclass(frozen=True)
class Close:
    """Two arguments and their difference where they are close, and two where they are not.

    All are 1 where they do not count: JAX differentiates what is not selected as well.  `also` is
    true wherever `near` is, and another variable: PyTensor merges the switches of one condition.
    """

    near: Value
    also: Value
    a: Value
    b: Value
    d: Value
    far: tuple[Value, Value]

    @classmethod
    def where(cls, a: Value, b: Value, d: Value, near: Near) -> Close:
        """The arguments, where they are near one another."""
        chosen, also = near(pt.lt, d), near(pt.le, d)
        one = constant_like(1, d)
        far = (pt.switch(chosen, one, a), pt.switch(chosen, one, b))
        first, second = pt.switch(chosen, a, one), pt.switch(also, b, one)
        return cls(chosen, also, first, second, pt.switch(chosen, d, one), far)

    def hidden(self, value: Value, by: Value | None = None) -> Value:
        """`value`, not to be taken for a polynomial in exponentials and multiplied out."""
        return pt.switch(self.near if by is None else by, value, constant_like(1, value))

    def select(
        self,
        value: Value,
        function: Callable[[Value], Value],
        sign: Value | None = None,
    ) -> Value:
        """`value` where the arguments are close, else the difference of the function."""
        a, b = self.far
        plain = function(a) - function(b)
        result = pt.switch(self.near, value, plain)
        return result if sign is None else sign * result


def _within(limit: float) -> Near:
    return lambda below, d: below(pt.abs(d), constant_like(limit, d))


def _ordered(a: Value, b: Value, near: Near) -> tuple[Close, Value]:
    """The larger and the smaller argument, and the sign of their difference."""
    above, d = pt.ge(a, b), subtract(a, b)
    size = pt.switch(above, d, pt.neg(d))
    hi, lo = pt.switch(above, a, b), pt.switch(above, b, a)
    sign = pt.switch(above, constant_like(1, d), constant_like(-1, d))
    return Close.where(hi, lo, size, near), sign


def cosh_difference(a: Value, b: Value) -> Value:
    """``cosh(a) - cosh(b) = sinh(d) (sinh(b) + cosh(b) tanh(d / 2))`` for ``d = a - b``.

    For 0 <= b <= a nothing cancels, and cosh is even.  ``2 sinh(d / 2)**2`` for ``cosh(d) - 1``
    would have a factor 2, with which fast-math multiplies cosh(b) first, beyond the floats.
    """
    if not isinstance(a, Variable):
        return 2 * symbols.sinh((a + b) / 2) * symbols.sinh((a - b) / 2)
    close, sign = _ordered(pt.abs(a), pt.abs(b), _within(2.0))
    half = constant_like(0.5, close.d) * close.d
    s, c = close.hidden(pt.sinh(close.b)), close.hidden(pt.cosh(close.b))
    h, t = close.hidden(pt.sinh(close.d), close.also), close.hidden(pt.tanh(half), close.also)
    return close.select(pt.mul(h, s + c * t), pt.cosh, sign)


def _trigonometric(a: Value, b: Value, d: Value) -> tuple[Close, Value, Value]:
    close = Close.where(a, b, d, _within(1.0))
    half = constant_like(0.5, close.d) * close.d
    h, k = (close.hidden(f(half), close.also) for f in (pt.sin, pt.cos))
    return close, h, k


def cos_difference(a: Value, b: Value) -> Value:
    """``cos(a) - cos(b) = -2 h (sin(b) cos(d / 2) + cos(b) h)``, ``h = sin(d / 2)``."""
    if not isinstance(a, Variable):
        return -2 * ((a + b) / 2).sin() * ((a - b) / 2).sin()
    # cos is even, and -0.3 and 0.3 are close; |a| - |b| would not see what a and b share.
    same = pt.ge(a * b, constant_like(0, a))
    d = pt.switch(same, subtract(a, b), a + b)
    close, h, k = _trigonometric(a, pt.switch(same, b, pt.neg(b)), d)
    value = (
        constant_like(-2, h)
        * h
        * (close.hidden(pt.sin(close.b)) * k + close.hidden(pt.cos(close.b)) * h)
    )
    return close.select(value, pt.cos)


def sin_difference(a: Value, b: Value) -> Value:
    """``sin(a) - sin(b) = 2 h (cos(b) cos(d / 2) - sin(b) h)``, ``h = sin(d / 2)``."""
    if not isinstance(a, Variable):
        return 2 * ((a + b) / 2).cos() * ((a - b) / 2).sin()
    close, h, k = _trigonometric(a, b, subtract(a, b))
    value = (
        constant_like(2, h)
        * h
        * (close.hidden(pt.cos(close.b)) * k - close.hidden(pt.sin(close.b)) * h)
    )
    return close.select(value, pt.sin)


def softplus_difference(a: Value, b: Value) -> Value:
    """``softplus(a) - softplus(b) = log1p(sigmoid(b) expm1(d))`` for ``d = a - b >= 0``.

    For b >= 0 it is ``d + log1p(sigmoid(-b) expm1(-d))``, also where the arguments are not close.
    """
    if not isinstance(a, Variable):
        return symbols.log1p(symbols.sigmoid(b) * symbols.expm1(a - b))
    b_above = pt.minimum(a, b) >= constant_like(0, b)
    close, sign = _ordered(
        a, b, lambda below, d: pt.or_(b_above, below(pt.abs(d), constant_like(1, d)))
    )
    zero = constant_like(0, close.d)
    low, gap = (pt.switch(close.b >= zero, pt.neg(v), v) for v in (close.b, close.d))
    value = pt.log1p(close.hidden(pt.sigmoid(low) * pt.expm1(gap)))
    return close.select(value + pt.switch(close.b >= zero, close.d, zero), pt.softplus, sign)


def arctan_difference(a: Value, b: Value) -> Value:
    """``arctan(a) - arctan(b) = arctan((a - b) / (1 + a b))`` where it is below pi / 2 in size."""
    if not isinstance(a, Variable):
        return ((a - b) / (1 + a * b)).atan()
    product = a * b
    least = constant_like(-0.5, product)
    most = constant_like(np.finfo(product.type.dtype).max, product)
    close = Close.where(
        a, b, subtract(a, b), lambda below, d: pt.and_(below(least, product), below(product, most))
    )
    value = pt.arctan(close.d / (constant_like(1, a) + close.a * close.b))
    return close.select(value, pt.arctan)


def log_difference(a: Value, b: Value) -> Value:
    """``log(a) - log(b) = log1p((a - b) / b)``."""
    if not isinstance(a, Variable):
        return symbols.log1p((a - b) / b)
    limit = constant_like(0.5, b) * b
    close = Close.where(a, b, subtract(a, b), lambda below, d: below(pt.abs(d), limit))
    return close.select(pt.log1p(close.d / close.b), pt.log)


def log1p_difference(a: Value, b: Value) -> Value:
    """``log1p(a) - log1p(b) = log1p((a - b) / (1 + b))``."""
    if not isinstance(a, Variable):
        return symbols.log1p((a - b) / (1 + b))
    one = constant_like(1, a)
    limit = constant_like(0.5, b) * (one + b)
    close = Close.where(a, b, subtract(a, b), lambda below, d: below(pt.abs(d), limit))
    value = pt.log1p(close.d / (one + close.b))
    return close.select(value, pt.log1p)


def power_difference(a: Value, b: Value, exponent: Fraction = Fraction(1, 3)) -> Value:
    """``a**p - b**p = b**p expm1(p log1p((a - b) / b))``."""
    if not isinstance(a, Variable):
        p = a * 0 + exponent.numerator
        p = p / exponent.denominator
        return (p * symbols.log(b)).exp() * symbols.expm1(p * symbols.log1p((a - b) / b))
    p = constant_like(float(exponent), a)
    limit = constant_like(0.5 / max(1.0, float(abs(exponent))), b) * b
    close = Close.where(a, b, subtract(a, b), lambda below, d: below(pt.abs(d), limit))
    share = close.hidden(pt.expm1(p * pt.log1p(close.d / close.b)))
    scale = pt.pow(close.b, p)
    return close.select(scale * share, lambda v: pt.pow(v, p))


def difference(op: type, form: Callable[..., Value]) -> Transform:
    """Make the transform of ``c f(a) - c f(b)``, whatever stands beside it in the sum."""

    def transform(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
        (output,) = node.outputs
        dtype = output.type.dtype
        if dtype not in FLOATS:
            return None
        summed = flat_terms(node)
        if not 2 <= len(summed) <= _MOST_TERMS:
            return None
        read = [(sign, *factors(term)) for sign, term in summed]
        seen: dict[object, tuple[int, Fraction, Variable]] = {}
        for index, (sign, constant, counted) in enumerate(read):
            for f, power in counted.items():
                if power != 1 or not is_a(scalar_op(f), op) or f.type.dtype != dtype:
                    continue
                others = frozenset((v, n) for v, n in counted.items() if v is not f)
                own = sign * constant
                key = (abs(own), others)
                if key in seen and seen[key][1] == -own and seen[key][0] != index:
                    at, c, other = seen[key]
                    found = _difference(other, f, form)
                    if found is None:
                        continue
                    rest = [k for k in range(len(summed)) if k not in (at, index)]
                    left = counted.copy()
                    del left[f]
                    if op is Softplus:
                        for k in rest:
                            line = (read[k][0] * read[k][1], read[k][2])
                            divergence = _divergence(other, f, c, left, line)
                            if divergence is not None:
                                rest.remove(k)
                                found = divergence
                                break
                    left[found] += 1
                    beside = [summed[k] for k in rest]
                    return signed_sum([(1, build_product(c, left, dtype)), *beside])
                seen[key] = index, own, f
        return None

    return transform


def _divergence(
    f: Variable, g: Variable, c: Fraction, others: Counter[Variable], line: Line
) -> Variable | None:
    """``softplus(a) - softplus(b) - sigmoid(x) (a - b)``, where x is a or b, on the side x < 0.

    It is the same of -a and -b, and up to sign the divergence of two Bernoulli distributions.
    """
    constant, counted = line
    a, b = f.owner.inputs[0], g.owner.inputs[0]  # type: ignore[union-attr]
    for slope in [v for v in counted if is_a(scalar_op(v), Sigmoid)]:
        x = slope.owner.inputs[0]  # type: ignore[union-attr]
        left = counted - others - Counter([slope])
        if x not in (a, b) or others + left + Counter([slope]) != counted or len(left) != 1:
            continue
        (gap,) = left
        if gap.owner is None or gap.owner.op != sub or left[gap] != 1:
            continue
        sign = {(a, b): 1, (b, a): -1}.get(tuple(gap.owner.inputs), 0)
        if constant * sign != -c:
            continue
        above = pt.gt(x, constant_like(0, x))
        a, b, x = (pt.switch(above, pt.neg(v), v) for v in (a, b, x))
        return softplus_difference(a, b) - pt.sigmoid(x) * (a - b)
    return None


def _difference(f: Variable, g: Variable, form: Callable[..., Value]) -> Variable | None:
    assert f.owner is not None
    assert g.owner is not None
    a, b = f.owner.inputs[0], g.owner.inputs[0]
    if any(v.type.dtype != f.type.dtype for v in (a, b)):
        return None
    # Of x and -x: softplus(x) - softplus(-x) is x.
    if signed_key(a)[1] == signed_key(b)[1]:
        return None
    if len(f.owner.inputs) == 2:
        p, q = (exact_constant(v.owner.inputs[1]) for v in (f, g) if v.owner is not None)
        if p is None or p != q or p.denominator == 1:
            return None  # an integer power is a polynomial
        form = partial(form, exponent=p)
    # What the rule leaves for arguments that are not close is such a difference itself.
    if is_a(scalar_op(a), ps.Switch) and is_a(scalar_op(b), ps.Switch):
        return None
    return form(a, b)


def plain(name: str, exact: str) -> Callable[[Value, Value], Value]:
    """``f(a) - f(b)`` for PyTensor's f of that name, and for the method of a ball."""

    def before(a: Value, b: Value) -> Value:
        if isinstance(a, Variable):
            return getattr(pt, name)(a) - getattr(pt, name)(b)
        return getattr(a, exact)() - getattr(b, exact)()

    return before


def _cube_roots(a: Value, b: Value) -> Value:
    third = Fraction(1, 3)
    if isinstance(a, Variable):
        p = constant_like(float(third), a)
        return pt.pow(a, p) - pt.pow(b, p)
    p = (a * 0 + 1) / 3
    return (p * symbols.log(a)).exp() - (p * symbols.log(b)).exp()


_NEAR = "it has no digit where the arguments are close"


def _softplus(a: Value, b: Value) -> Value:
    return symbols.softplus(a) - symbols.softplus(b)


_BEFORE = {"softplus": _softplus, "power": _cube_roots}

ADDITION: tuple[Rule, ...] = tuple(
    Rule(
        name=f"{name}_minus_{name}",
        before=_BEFORE.get(name) or plain(name, exact),
        after=form,
        domain={"a": Interval(0.25, 0.5), "b": Interval(0.75, 1.0)},
        promise=6.0,
        mends=_NEAR,
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=difference(op, form),
        needs=(op, ConstantPower) if op is ps.Pow else (op,),
        opt_in=opt_in,
        tested_in="tests/test_rational.py",
        source="addition theorems",
    )
    for name, exact, op, form, opt_in in (
        ("cosh", "cosh", ps.Cosh, cosh_difference, False),
        ("cos", "cos", ps.Cos, cos_difference, False),
        ("sin", "sin", ps.Sin, sin_difference, False),
        ("softplus", "", Softplus, softplus_difference, False),
        ("arctan", "atan", ps.ArcTan, arctan_difference, False),
        ("power", "", ps.Pow, power_difference, False),
        # Every model with two logarithms would pay for a third one.
        ("log", "log", ps.Log, log_difference, True),
        ("log1p", "log1p", ps.Log1p, log1p_difference, True),
    )
)
