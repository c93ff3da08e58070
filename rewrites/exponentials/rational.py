"""Products and sums read as rational functions of exponentials, whatever their spelling.

With ``E = exp(d)``, everything that the derivatives of ``log(exp(a) + exp(b))``,
``log(exp(a) - exp(b))``, ``log(cosh(x))`` and their kin are made of is a monomial
``c * exp(L) * (1 + E)**p * (1 - E)**m``: for ``exp(a) + exp(b)``, ``d`` is ``a - b``; for
``cosh(x)`` it is ``2 * x``.  Sums of such monomials cancel exactly as polynomials in ``E``, and
what is left is built from sigmoid, tanh, expm1 and sinh, which neither overflow nor cancel.
A variable ``v`` that is no exponential stands for ``exp(log(v))``, so that the same algebra does
``1/(1 + v) - v/(1 + v)**2 = 1/(1 + v)**2``.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Constant, Variable
from pytensor.scalar import basic as ps
from pytensor.scalar.math import Sigmoid as ScalarSigmoid
from pytensor.tensor.elemwise import Elemwise

from pytensor_stabilize.rewrites.arithmetic import as_dtype, sum_of
from pytensor_stabilize.rewrites.exponentials.combining import added_up, groups
from pytensor_stabilize.rewrites.exponentials.monomials import (
    ONE,
    Atom,
    Linear,
    Monomial,
    Term,
    by_age,
    combine,
    first,
    is_opaque,
    linear,
    scaled,
)
from pytensor_stabilize.rewrites.matching import exact_constant, is_a, scalar_op, strip_sign

_ONE = Fraction(1)
# Deeper expressions are opaque, longer ones are left alone: the cost of reading stays bounded.
_DEPTH = 12
_LARGEST_POWER = 8
_MOST_TERMS = 20
_MOST_OPENED = 32


class Reader:
    """Reads variables of one dtype; remembers the variables that stand for its exponents.

    Attributes
    ----------
    names
        Variables by the linear combination that they are, so that what is built uses them.
    written_out
        The d of binomials that were read from a sum, a cosh, a sinh or an expm1, and not from a
        sigmoid or a tanh.
    sums
        By d the variable ``factor * (1 + exp(d))`` and its factor, where d is opaque.
    """

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.names: dict[Linear, Variable] = {}
        self.written_out: set[Linear] = set()
        self.sums: dict[Linear, tuple[Variable, Fraction]] = {}
        self._read: dict[Variable, Monomial | None] = {}

    def terms(self, variable: Variable, depth: int = 0) -> list[Term] | None:
        """Read a sum of monomials; None if it has too many terms."""
        node = variable.owner
        if self._is_mine(variable) and depth < _DEPTH:
            assert node is not None
            assert is_a(node.op, Elemwise)
            scalar_op = node.op.scalar_op
            signs = (1, -1) if is_a(scalar_op, ps.Sub) else (1,) * len(node.inputs)
            if is_a(scalar_op, ps.Neg):
                signs = (-1,)
            if is_a(scalar_op, ps.Add, ps.Sub, ps.Neg):
                found: list[Term] = []
                for sign, part in zip(signs, node.inputs, strict=True):
                    read = self.terms(part, depth + 1)
                    if read is None or len(found) + len(read) > _MOST_TERMS:
                        return None
                    found += [Term(sign * t.sign, t.variable, t.monomial) for t in read]
                return found
        product = self.product(variable, depth)
        return None if product is None else [Term(1, variable, product)]

    def opened(self, term: Term, wanted: Callable[[Monomial], bool]) -> list[Term] | None:
        """A term with sums among its factors multiplied out; None if it has too many parts.

        Sums of which no term is wanted stay.
        """
        found, todo = [term], [term]
        while todo:
            part = todo.pop()
            for atom, power in part.monomial.exponent:
                inner = self._sum(atom, wanted) if power >= 1 else None
                if inner is None:
                    continue
                if len(found) + len(inner) > _MOST_OPENED:
                    return None
                one_less = Monomial(Fraction(1), frozenset([(atom, Fraction(-1))]))
                rest = part.monomial.times(one_less)
                parts = [
                    Term(part.sign * own.sign, part.variable, rest.times(own.monomial))
                    for own in inner
                ]
                found.remove(part)
                found += parts
                todo += parts
                break
        return found

    def _sum(self, atom: Atom, wanted: Callable[[Monomial], bool]) -> list[Term] | None:
        if not isinstance(atom, tuple) or not is_a(scalar_op(atom[1]), ps.Add, ps.Sub):
            return None
        read = self.terms(atom[1]) if self._is_mine(atom[1]) else None
        if read is None or len(read) < 2 or not any(wanted(own.monomial) for own in read):
            return None
        return read

    def product(self, variable: Variable, depth: int = 0) -> Monomial | None:
        """Read a product; None if its powers are too large."""
        if variable not in self._read:
            read = self._product(variable, depth)
            if read is not None and any(
                abs(power) > _LARGEST_POWER for pair in read.binomials.values() for power in pair
            ):
                read = None
            self._read[variable] = read
        return self._read[variable]

    def _is_mine(self, variable: Variable) -> bool:
        # Factors of another dtype are not taken apart: that would change what is rounded.
        node = variable.owner
        return (
            node is not None
            and is_a(node.op, Elemwise)
            and len(node.outputs) == 1
            and variable.type.dtype == self.dtype
        )

    def _product(self, variable: Variable, depth: int) -> Monomial | None:
        constant = exact_constant(variable)
        if constant is not None and constant != 0:
            return Monomial(constant)
        opaque = Monomial(_ONE, frozenset([(("log", variable), _ONE)]))
        if not self._is_mine(variable) or depth >= _DEPTH:
            return opaque
        node = variable.owner
        assert node is not None
        assert is_a(node.op, Elemwise)
        scalar_op, inputs = node.op.scalar_op, node.inputs
        if is_a(scalar_op, ps.Mul, ps.TrueDiv, ps.Reciprocal, ps.Neg, ps.Sqr):
            powers = [1] * len(inputs)
            if is_a(scalar_op, ps.TrueDiv):
                powers = [1, -1]
            elif is_a(scalar_op, ps.Reciprocal, ps.Sqr):
                powers = [-1 if is_a(scalar_op, ps.Reciprocal) else 2]
            product = Monomial(Fraction(-1)) if is_a(scalar_op, ps.Neg) else ONE
            for factor, power in zip(inputs, powers, strict=True):
                read = self.product(factor, depth + 1)
                if read is None:
                    return None
                product = product.times(read.power(power))
            return self._without_signs(product)
        if is_a(scalar_op, ps.Pow):
            count = exact_constant(inputs[1])
            if count is None or count.denominator != 1 or abs(count) > _LARGEST_POWER:
                return opaque
            read = self.product(inputs[0], depth + 1)
            return None if read is None else read.power(int(count))
        if is_a(scalar_op, ps.Add, ps.Sub):
            return self._binomial(variable, depth) or opaque
        return self._function(scalar_op, inputs[0]) or opaque

    def _function(self, scalar_op: ps.ScalarOp, x: Variable) -> Monomial | None:
        half = Fraction(1, 2)
        if _is_minus_abs(x):
            return None  # it cannot overflow any more, and is what the rules build themselves
        if is_a(scalar_op, ps.Exp):
            return Monomial(Fraction(1), self.exponent(x))
        if is_a(scalar_op, ps.Expm1):
            return self.one_and(self.exponent(x), minus=True).times(Monomial(Fraction(-1)))
        if is_a(scalar_op, ps.Cosh, ps.Sinh):
            minus = is_a(scalar_op, ps.Sinh)
            t = self.exponent(x)
            outer = Monomial(-half if minus else half, scaled(t, -1))
            return outer.times(self.one_and(scaled(t, 2), minus))
        if is_a(scalar_op, ScalarSigmoid):
            t = self.exponent(x)
            below = self.one_and(t, minus=False, written_out=False).power(-1)
            return Monomial(Fraction(1), t).times(below)
        if is_a(scalar_op, ps.Tanh):
            t = scaled(self.exponent(x), 2)
            below = self.one_and(t, minus=False, written_out=False).power(-1)
            above = self.one_and(t, minus=True, written_out=False)
            return above.times(below).times(Monomial(Fraction(-1)))
        return None

    def _binomial(self, variable: Variable, depth: int) -> Monomial | None:
        """Read ``exp(a) + exp(b)``, ``exp(a) - exp(b)``, ``1 + v``, ``1 - v``, and what cancels."""
        read = self.terms(variable, depth)
        if read is None:
            return None
        if any(term.monomial.binomials for term in read):
            return self._cancelled(read)
        if len(read) != 2:
            return None
        one, other = (term.monomial.times(Monomial(Fraction(term.sign))) for term in read)
        if abs(one.factor) != abs(other.factor) or one.exponent == other.exponent:
            return None
        if not one.exponent:
            one, other = other, one
        if is_opaque(one.exponent) or is_opaque(other.exponent):
            if other.exponent or one.factor != other.factor:
                return None  # `1 - v` stays opaque: whether v is near 1 is not known
            self.sums[one.exponent] = variable, one.factor
        d = combine(one.exponent, other.exponent, -1)
        minus = one.factor != other.factor
        self._name_difference(d, one.exponent, other.exponent)
        outer = Monomial(other.factor, other.exponent)
        return outer.times(self.one_and(d, minus))

    def _cancelled(self, read: list[Term]) -> Monomial | None:
        """A sum over a common denominator, where that leaves a single monomial."""
        for d in dict.fromkeys(d for term in read for d in term.monomial.binomials):
            for group in groups(read, d):
                total = added_up(group, d) if len(group) == len(read) else None
                if total and len(total) == 1:
                    return total[0]
        return None

    def _name_difference(self, d: Linear, a: Linear, b: Linear) -> None:
        known = d in self.names or scaled(d, -1) in self.names
        if a in self.names and b in self.names and not known and a != scaled(b, -1):
            self.names[d] = pt.sub(self.names[a], self.names[b])

    def one_and(self, d: Linear, minus: bool, written_out: bool = True) -> Monomial:
        """``1 + exp(d)`` or ``1 - exp(d)``, in terms of the one of d and -d that leads."""
        outer = ONE
        if first(d)[1] < 0 and not is_opaque(d):
            outer = Monomial(Fraction(-1 if minus else 1), d)
            d = scaled(d, -1)
        if written_out:
            self.written_out.add(d)
        return outer.times(Monomial(Fraction(1), frozenset(), {d: (0, 1) if minus else (1, 0)}))

    def _without_signs(self, product: Monomial) -> Monomial:
        """Read ``x * sign(x)`` as ``abs(x)``."""
        parts = dict(product.exponent)
        for atom in list(parts):
            owner = atom[1].owner if isinstance(atom, tuple) else None
            if owner is None or not is_a(owner.op, Elemwise):
                continue
            x = owner.inputs[0]
            count = min(parts[atom], parts.get(("log", x), Fraction(0)))
            if is_a(owner.op.scalar_op, ps.Sign) and count >= 1:
                parts[atom] -= count
                parts[("log", x)] -= count
                magnitude: Atom = ("log", self._absolute(x))
                parts[magnitude] = parts.get(magnitude, Fraction(0)) + count
        return Monomial(product.factor, linear(parts), product.binomials)

    def _absolute(self, x: Variable) -> Variable:
        """The variable that is ``abs(x)`` among those that were read, or a new one."""
        for variable in self._read:
            node = variable.owner
            if node is not None and node.inputs[0] is x and node.op == pt.math.abs:
                return variable
        return pt.abs(x)

    def exponent(self, variable: Variable) -> Linear:
        """Read an exponent as a linear combination of variables."""
        found = self._linear(variable, 0)
        if not isinstance(variable, Constant):
            self.names.setdefault(found, variable)
        return found

    def _linear(self, variable: Variable, depth: int) -> Linear:
        node = variable.owner
        if node is not None and self._is_mine(variable) and depth < _DEPTH:
            assert is_a(node.op, Elemwise)
            scalar_op = node.op.scalar_op
            if is_a(scalar_op, ps.Neg):
                return scaled(self._linear(node.inputs[0], depth + 1), -1)
            if is_a(scalar_op, ps.Add, ps.Sub):
                second = -1 if is_a(scalar_op, ps.Sub) else 1
                total = self._linear(node.inputs[0], depth + 1)
                for part in node.inputs[1:]:
                    total = combine(total, self._linear(part, depth + 1), second)
                return total
            if is_a(scalar_op, ps.Mul) and len(node.inputs) == 2:
                for constant, other in (node.inputs, node.inputs[::-1]):
                    factor = exact_constant(constant)
                    # Products with other constants are rounded, so they are not taken apart.
                    if factor and abs(factor.numerator) in (1, 2) and _is_power_of_2(factor):
                        return scaled(self._linear(other, depth + 1), factor)
        return frozenset([(variable, Fraction(1))])

    def variable(self, a: Linear) -> Variable:
        """Build a linear combination of exponents, from variables that exist where possible."""
        if a in self.names:
            return as_dtype(self.names[a], self.dtype)
        for factor in (2, -2, Fraction(1, 2), Fraction(-1, 2), -1):
            known = self.names.get(scaled(a, 1 / Fraction(factor)))
            if known is not None:
                known = as_dtype(known, self.dtype)
                return pt.neg(known) if factor == -1 else pt.mul(self.constant(factor), known)
        parts = sorted(a, key=by_age)
        above = [self._multiple(atom, factor) for atom, factor in parts if factor > 0]
        below = [self._multiple(atom, -factor) for atom, factor in parts if factor < 0]
        if not above:
            return pt.neg(sum_of(below))
        total = sum_of(above)
        for part in below:
            total = pt.sub(total, part)
        return total

    def _multiple(self, atom: Atom, factor: Fraction) -> Variable:
        assert isinstance(atom, Variable)
        atom = as_dtype(atom, self.dtype)
        return atom if factor == 1 else pt.mul(self.constant(factor), atom)

    def constant(self, value: Fraction | int) -> Variable:
        return pt.constant(np.asarray(float(value), dtype=self.dtype))


def _is_power_of_2(value: Fraction) -> bool:
    top, bottom = abs(value.numerator), value.denominator
    return top & (top - 1) == 0 and bottom & (bottom - 1) == 0


def _is_minus_abs(x: Variable) -> bool:
    sign, core = strip_sign(x)
    node = core.owner
    return sign < 0 and node is not None and node.op == pt.math.abs
