"""Powers of what is next to 1: ``1 - (b / (b + m))**b``, ``log(1 - (1 - w p)**k)``.

The base is 1 + v, or its reciprocal ``n / (n + r) = 1 / (1 + r / n)``; v is what the sum had and
rounding takes away.  ``(1 + v)**k - 1`` is ``expm1(k log1p(v))``, and for a small integer k the
product of v and a sum of powers, which takes no function.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import inf

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.math import log1p

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.additive import signed_terms
from pytensor_stabilize.rewrites.algebra.arguments import ARITHMETIC, FUNCTIONS, SUMS
from pytensor_stabilize.rewrites.algebra.building import Builder, InexactError
from pytensor_stabilize.rewrites.algebra.factoring import canonical
from pytensor_stabilize.rewrites.algebra.families import Member
from pytensor_stabilize.rewrites.algebra.forms import ONE, TooBigError
from pytensor_stabilize.rewrites.algebra.reading import Reader
from pytensor_stabilize.rewrites.arithmetic import as_dtype, constant_like, difference_of
from pytensor_stabilize.rewrites.matching import (
    FLOATS,
    constant_exponent,
    exact_constant,
    is_a,
    same_pattern,
    scalar_op,
    strip_sign,
)
from pytensor_stabilize.rewrites.rules import ConstantPower, Interval, Left, Rule

# Larger powers take fewer operations by way of a logarithm.
LARGEST_MULTIPLIED_OUT = 8
_MOST_TERMS = 3
_MOST_NODES = 40


@dataclass(frozen=True)
class Base:
    """``(1 + v)**sign``, as the variable that stands in the graph.

    Attributes
    ----------
    above, below
        v as a quotient; `below` is None where it is no quotient.
    has_log
        Whether the algebra makes a logarithm of it that keeps its digits next to 1.
    """

    variable: Variable
    above: Variable
    below: Variable | None
    sign: int
    has_log: bool = False

    @classmethod
    def of(cls, variable: Variable) -> Base | None:
        """Read a sum with a 1 in it, or a quotient whose numerator is a term of the other."""
        rest = _without(variable, None)
        if rest is not None:
            return cls(variable, rest, None, 1)
        node, op = variable.owner, scalar_op(variable)
        if node is None or not is_a(op, ps.TrueDiv, ps.Reciprocal):
            return cls.of_companions(variable) if is_a(op, ps.Add, ps.Sub) else None
        above = node.inputs[0] if is_a(op, ps.TrueDiv) else None
        one = above is None or exact_constant(above) == 1
        rest = _without(node.inputs[-1], None if one else above)
        return None if rest is None else cls(variable, rest, None if one else above, -1)

    @classmethod
    def of_companions(cls, variable: Variable) -> Base | None:
        """Read ``q + (1 - w) p``, which is what ``1 - w p`` was made."""
        reader = Reader(open_sums=True)
        try:
            if not reader.survey(variable):
                return None
            below = [(-c, m) for c, m in reader.terms(variable)]
            found = canonical([(Fraction(1), ONE), *below], reader.is_leaf)
            if not found.hidden or not found.coefficient or not found.is_product:
                return None
            v = pt.neg(Builder(reader, str(variable.type.dtype)).product(found))
        except (TooBigError, InexactError):
            return None
        return cls(variable, v, None, 1, has_log=True)

    @property
    def v(self) -> Variable:
        return self.above if self.below is None else pt.true_div(self.above, self.below)

    def complement(self) -> Variable:
        """``1 - base`` of a reciprocal."""
        assert self.sign < 0
        assert self.variable.owner is not None
        return pt.true_div(self.above, self.variable.owner.inputs[-1])


def _without(total: Variable, term: Variable | None) -> Variable | None:
    """A sum less one of its terms, or less its 1."""
    signed = signed_terms(total)
    if not 2 <= len(signed) <= _MOST_TERMS:
        return None
    taken = [
        i
        for i, (sign, v) in enumerate(signed)
        if sign > 0 and (exact_constant(v) == 1 if term is None else v is term)
    ]
    rest = [t for i, t in enumerate(signed) if i not in taken[:1]]
    if len(taken) != 1:
        return None
    # A count, or a float32, is added in the width of the sum.
    result = as_dtype(difference_of(rest), total.type.dtype)
    return result if same_pattern(result, total) else None


def _read(variable: Variable, dtype: str) -> tuple[Base, Variable | Fraction] | None:
    """``(base, k)`` of ``base**k`` and of its reciprocal."""
    node, op, turned = variable.owner, scalar_op(variable), 1
    if node is not None and (
        is_a(op, ps.Reciprocal) or (is_a(op, ps.TrueDiv) and exact_constant(node.inputs[0]) == 1)
    ):
        turned = -1
        node, op = node.inputs[-1].owner, scalar_op(node.inputs[-1])
    if node is None or not is_a(op, ps.Pow, ps.Sqr):
        return None
    inside = node.inputs[0]
    if inside.type.dtype != dtype or not same_pattern(inside, variable):
        return None
    base = Base.of(inside)
    if base is None or _is_product_of_companions(inside):
        return None
    number = constant_exponent(node)
    if number is not None:
        return base, turned * number
    # Integers wrap when they are negated.
    k = as_dtype(node.inputs[1], dtype)
    return base, k if turned > 0 else pt.neg(k)


def _is_product_of_companions(variable: Variable) -> bool:
    """Whether the algebra reads the base as a product: ``1 - sigmoid(x)``."""
    reader = Reader()
    try:
        if not reader.survey(variable):
            return False
        found = reader.factored(variable)
        return found.is_product and all(isinstance(g, Member) for g, _ in found.factors)
    except TooBigError:
        return True


def power_less_one(variable: Variable, dtype: str) -> Variable | None:
    """``base**k - 1``, unless it is of one function or variable, which have rules of their own."""
    found = _read(variable, dtype)
    if found is None:
        return None
    base, k = found
    if isinstance(k, Variable):
        return _by_logarithm(base, k)
    is_short = k.denominator == 1 and abs(k) <= LARGEST_MULTIPLIED_OUT
    if is_short and (abs(k) < 2 or _has_one_variable(base.variable)):
        return None
    if not is_short and base.below is None:
        return None  # `rewrites.powers` does it
    if k < 0 or base.sign < 0:
        # Beyond v = 1 such a power is far from 1, and its logarithm would cost digits.
        end = 1.0 if abs(k) >= 1 else inf
        return _by_logarithm(base, constant_like(float(k), base.variable), end)
    # 1 - r**n = (1 - r) (1 + r + ... + r**(n - 1))
    r = base.variable
    one = constant_like(1, r)
    total = pt.add(one, r)
    for _ in range(int(k) - 2):
        total = pt.add(one, pt.mul(r, total))
    return pt.mul(base.above, total)


def _by_logarithm(base: Base, k: Variable, end: float = inf) -> Variable:
    near, logarithm = _logarithm(base, k, end)
    r = base.variable
    one = constant_like(1, r)
    far = pt.add(constant_like(-1, r), pt.pow(pt.switch(near, one, r), k))
    return pt.switch(near, pt.expm1(logarithm), far)


def _logarithm(base: Base, k: Variable, end: float = inf) -> tuple[Variable, Variable]:
    """Where the base is above 0 and v below an end, and ``k log(base)`` there."""
    v, r = base.v, base.variable
    if base.has_log:
        return pt.gt(r, constant_like(0, r)), pt.mul(k, pt.log(r))
    near = pt.and_(pt.gt(v, constant_like(-1, v)), pt.lt(v, constant_like(end, v)))
    inner = pt.log1p(pt.switch(near, v, constant_like(0, v)))
    return near, pt.mul(k, inner if base.sign > 0 else pt.neg(inner))


def log1p_of_minus_power(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``log1p(-base**k) -> log1mexp(k log(base))``."""
    (output,), (argument,) = node.outputs, node.inputs
    dtype = output.type.dtype
    sign, power = strip_sign(argument)
    if dtype not in FLOATS or sign > 0:
        return None
    found = _read(power, dtype)
    if found is None:
        return _log_of_other_share(power, dtype)
    base, k = found
    return _log_of_complement(
        base, k if isinstance(k, Variable) else constant_like(float(k), base.variable)
    )


def _log_of_other_share(variable: Variable, dtype: str) -> Variable | None:
    """``log(1 - n / (n + r))`` is ``log(r / (n + r))``."""
    if variable.type.dtype != dtype or not is_a(scalar_op(variable), ps.TrueDiv, ps.Reciprocal):
        return None
    base = Base.of(variable)
    if base is None or base.sign > 0 or _is_product_of_companions(variable):
        return None
    return pt.log(base.complement())


def _log_of_complement(base: Base, k: Variable) -> Variable:
    near, logarithm = _logarithm(base, k)
    r = base.variable
    far = pt.pow(pt.switch(near, constant_like(0.5, r), r), k)
    return pt.switch(near, pt.log1mexp(logarithm), pt.log1p(pt.neg(far)))


def _has_one_variable(variable: Variable) -> bool:
    """Whether arithmetic leads down to one variable, and to no function of the table."""
    names: set[Variable] = set()
    todo, seen = [variable], {variable}
    for current in todo:
        op = scalar_op(current)
        if is_a(op, *FUNCTIONS):
            return False
        if current.owner is not None and is_a(op, *ARITHMETIC, *SUMS):
            fresh = [v for v in current.owner.inputs if v not in seen]
            seen.update(fresh)
            todo += fresh
        elif exact_constant(current) is None:
            names.add(current)
        if len(names) > 1 or len(seen) > _MOST_NODES:
            return False
    return True


def _after(v: symbols.Value, k: symbols.Value) -> symbols.Value:
    if isinstance(v, Variable):
        base = pt.add(constant_like(1, v), v)
        return _log_of_complement(Base(base, v, None, 1), pt.neg(k))
    return symbols.log(-symbols.expm1(-k * symbols.log1p(v)))


def _plain(v: symbols.Value, k: symbols.Value) -> symbols.Value:
    if isinstance(v, Variable):
        return pt.log1p(-pt.pow(pt.add(constant_like(1, v), v), pt.neg(k)))
    return symbols.log(1 - symbols.exp(-k * symbols.log(1 + v)))


POWERS_NEAR_ONE: tuple[Rule, ...] = (
    Rule(
        name="log1p_of_minus_power",
        before=_plain,
        after=_after,
        domain={"v": Interval(1e-12, 1.0), "k": Interval(0.5, 4.0)},
        tested_in="tests/test_powers_near_one.py",
        promise=6.0,
        mends="log(1 - (b / (b + m))**b) is -inf where m is small beside b",
        databases=("stabilize", "specialize"),
        tracks=(log1p,),
        transform=log1p_of_minus_power,
        needs=(ps.Pow, ps.Sqr, ConstantPower, ps.TrueDiv, ps.Reciprocal),
        source="(1 + v)**k = exp(k log1p(v))",
    ),
)
