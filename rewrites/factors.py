"""Products and quotients, read as powers of sigmoids and exponentials times a rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, replace

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.scalar import basic as ps
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.math import sigmoid as pt_sigmoid

from pytensor_stabilize.rewrites.arithmetic import product_of
from pytensor_stabilize.rewrites.matching import (
    exact_constant,
    is_sigmoid_node,
    negate,
    signed_key,
    strip_sign,
)
from pytensor_stabilize.rewrites.reach import complement_use

# Higher powers stay whole: multiplied out they would be slower and less accurate.
_LARGEST_POWER = 8


@dataclass(frozen=True)
class Powers:
    """``sigmoid(x)**plus * sigmoid(-x)**minus * exp(x)**exp``."""

    plus: int = 0
    minus: int = 0
    exp: int = 0

    def simplified(self) -> Powers:
        """Use up quotients of the two sigmoids and products of a sigmoid with an exponential.

        ``sigmoid(x) = exp(x) sigmoid(-x)`` is used until no two of the three powers can be
        traded for one: ``sigmoid(x) / sigmoid(-x) -> exp(x)``, ``exp(x) sigmoid(-x) ->
        sigmoid(x)``, ``exp(x) / sigmoid(x) -> 1 / sigmoid(-x)`` and their mirror images.
        """
        plus, minus, exp = self.plus, self.minus, self.exp
        if plus * minus < 0:
            moved = min(abs(plus), abs(minus)) * (1 if plus > 0 else -1)
            plus, minus, exp = plus - moved, minus + moved, exp + moved
        if exp * minus > 0:
            moved = min(abs(exp), abs(minus)) * (1 if exp > 0 else -1)
            plus, minus, exp = plus + moved, minus - moved, exp - moved
        elif exp * plus < 0:
            moved = min(abs(exp), abs(plus)) * (1 if plus > 0 else -1)
            plus, minus, exp = plus - moved, minus + moved, exp + moved
        return Powers(plus, minus, exp)


@dataclass
class Product:
    """A product of factors, in the dtype of the variable that it was read from.

    Attributes
    ----------
    dtype
        Factors of another dtype are not taken apart: that would change what is rounded.
    sign
        1 or -1.
    powers, arguments
        The logistic factors by the key of their argument up to its sign, and for each key the
        sign and the argument that it was first met with.
    numerator, denominator
        All other factors.
    from_differences
        Sigmoids whose ``1 - sigmoid(x)`` was read as the factor ``sigmoid(-x)``.
    """

    dtype: str
    sign: int = 1
    powers: dict[Hashable, Powers] = field(default_factory=dict)
    arguments: dict[Hashable, tuple[int, Variable]] = field(default_factory=dict)
    numerator: list[Variable] = field(default_factory=list)
    denominator: list[Variable] = field(default_factory=list)
    from_differences: list[Variable] = field(default_factory=list)
    _sides: dict[Hashable, set[bool]] = field(default_factory=dict)

    @classmethod
    def of(cls, *factors: Variable, need_sigmoid: bool = True) -> Product | None:
        """Read the product of `factors`; None if it lacks a sigmoid (or any logistic factor)."""
        product = cls(str(factors[0].type.dtype))
        for factor in factors:
            product._multiply(factor, 1)
        return product if product._sides or (product.powers and not need_sigmoid) else None

    @property
    def divides(self) -> bool:
        """Whether a sigmoid stands below the fraction bar, or an exponential is a factor."""
        return any(p.plus < 0 or p.minus < 0 or p.exp for p in self.powers.values())

    @property
    def cancels(self) -> bool:
        """Whether sigmoids of one ``x`` meet on both sides of the fraction bar, or meet an exp."""
        return any(len(sides) == 2 for sides in self._sides.values()) or any(
            powers.simplified() != powers for powers in self.powers.values()
        )

    def times(self, sign: int) -> Product:
        """This product, negated if `sign` is -1."""
        return replace(self, sign=self.sign * sign)

    @property
    def signature(self) -> Hashable:
        """Equal for products that are equal up to the order of their factors."""
        rests = (Counter(self.numerator).items(), Counter(self.denominator).items())
        return (self.sign, frozenset(self.powers.items()), *map(frozenset, rests))

    def sums_over_odds(self) -> Iterator[tuple[Hashable, Product]]:
        """For ``c * sigmoid(x) * exp(x)`` yield ``(signature of c * sigmoid(x), c * exp(x))``.

        The sum of the first two is ``c * sigmoid(x) * (1 + exp(x)) = c * exp(x)``.
        """
        for key, p in self.powers.items():
            if p.exp > 0 and p.plus > 0:
                small, total = replace(p, exp=p.exp - 1), replace(p, plus=p.plus - 1)
            elif p.exp < 0 and p.minus > 0:
                small, total = replace(p, exp=p.exp + 1), replace(p, minus=p.minus - 1)
            else:
                continue
            yield self._with(key, small).signature, self._with(key, total)

    def _with(self, key: Hashable, powers: Powers) -> Product:
        return replace(self, powers={**self.powers, key: powers})

    def build(self) -> Variable:
        """Return the product as a graph."""
        above, below = list(self.numerator), list(self.denominator)
        for key, unused in self.powers.items():
            # exp(2x) sigmoid(-x) overflows from 355 on, exp(x) sigmoid(x) where the value does.
            powers, (sign, x) = unused.simplified(), self.arguments[key]
            # Only here: most products are read and not built.
            x = x if sign > 0 else negate(x)
            if powers.exp:
                # exp(2x) and not exp(x)**2: it overflows only where the value does.
                multiple = (
                    x
                    if abs(powers.exp) == 1
                    else pt.constant(abs(powers.exp), dtype=self.dtype) * x
                )
                above.append(pt.exp(multiple if powers.exp > 0 else negate(multiple)))
            for count, argument in ((powers.plus, x), (powers.minus, negate(x))):
                if count:
                    (above if count > 0 else below).append(_power(pt_sigmoid(argument), abs(count)))
        result = product_of(above) if above else pt.constant(1, dtype=self.dtype)
        if below:
            result = pt.true_div(result, product_of(below))
        return result if self.sign > 0 else pt.neg(result)

    def _multiply(self, variable: Variable, power: int) -> None:
        sign, variable = strip_sign(variable)
        if sign < 0 and power % 2:
            self.sign = -self.sign
        node = variable.owner
        if node is None or not isinstance(node.op, Elemwise) or variable.type.dtype != self.dtype:
            self._add_rest(variable, power)
            return
        scalar_op = node.op.scalar_op
        if isinstance(scalar_op, ps.Mul):
            for factor in node.inputs:
                self._multiply(factor, power)
        elif isinstance(scalar_op, ps.TrueDiv):
            self._multiply(node.inputs[0], power)
            self._multiply(node.inputs[1], -power)
        elif isinstance(scalar_op, ps.Reciprocal):
            self._multiply(node.inputs[0], -power)
        elif exponent := _integer_power(node):
            if abs(exponent * power) > _LARGEST_POWER:
                self._add_rest(variable, power)
            else:
                self._multiply(node.inputs[0], exponent * power)
        elif isinstance(scalar_op, ps.Exp):
            sign, key = self._argument(node.inputs[0])
            self._add(key, Powers(exp=sign * power))
        elif is_sigmoid_node(node):
            self._add_sigmoid(node.inputs[0], 1, power)
        elif (found := complement_use(node)) is not None and not found[1].path:
            sign, use = found
            if sign < 0 and power % 2:
                self.sign = -self.sign
            self.from_differences.append(use.sigmoid)
            self._add_sigmoid(use.argument, -1, power)
        else:
            self._add_rest(variable, power)

    def _add_sigmoid(self, x: Variable, direction: int, power: int) -> None:
        sign, key = self._argument(x)
        self._add(key, Powers(plus=power) if sign * direction > 0 else Powers(minus=power))
        self._sides.setdefault(key, set()).add(power > 0)

    def _argument(self, x: Variable) -> tuple[int, Hashable]:
        sign, key = signed_key(x)
        self.arguments.setdefault(key, (sign, x))
        return sign, key

    def _add(self, key: Hashable, more: Powers) -> None:
        old = self.powers.get(key, Powers())
        self.powers[key] = Powers(old.plus + more.plus, old.minus + more.minus, old.exp + more.exp)

    def _add_rest(self, variable: Variable, power: int) -> None:
        if isinstance(variable, Constant) and exact_constant(variable) in (1, -1):
            if exact_constant(variable) == -1 and power % 2:
                self.sign = -self.sign
            return
        target = self.numerator if power > 0 else self.denominator
        target.extend([variable] * abs(power))


def _integer_power(node: Apply) -> int:
    """The exponent if the node is an integer power of its first input, else 0."""
    assert isinstance(node.op, Elemwise)
    if isinstance(node.op.scalar_op, ps.Sqr):
        return 2
    value = exact_constant(node.inputs[1]) if isinstance(node.op.scalar_op, ps.Pow) else None
    return int(value) if value is not None and value.denominator == 1 else 0


def _power(base: Variable, count: int) -> Variable:
    if count == 1:
        return base
    return pt.sqr(base) if count == 2 else base ** pt.constant(count, dtype="int8")
