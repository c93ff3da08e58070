"""Products of powers with symbolic exponents, taken apart and put together."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from math import inf, log, prod
from typing import TypeGuard

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.scalar import basic as ps
from pytensor.tensor.math import mul

from pytensor_stabilize.rewrites.algebra.building import Builder
from pytensor_stabilize.rewrites.algebra.factoring import Factored
from pytensor_stabilize.rewrites.algebra.families import Family, Member
from pytensor_stabilize.rewrites.algebra.forms import (
    ONE,
    Form,
    Monomial,
    Term,
    TooBigError,
    merged,
    monomial,
)
from pytensor_stabilize.rewrites.algebra.reading import Reader
from pytensor_stabilize.rewrites.arithmetic import as_dtype, product_of
from pytensor_stabilize.rewrites.matching import (
    exact_constant,
    is_a,
    same_pattern,
    scalar_op_of,
)

_MOST_FACTORS = 12

# A multiple of an exponent; of 1 where there is none.
Power = tuple[Fraction, Variable | None]


@dataclass
class Exponents:
    """``exp(sum of exponents * log(companion))`` times a quotient of other factors.

    Attributes
    ----------
    numbers
        Powers of positive constants: of 2 in ``(1 - tanh(x))**n``, which is ``2**n q**n``.
    """

    reader: Reader
    powers: dict[Member, list[Power]] = field(default_factory=lambda: defaultdict(list))
    numbers: dict[Fraction, list[Power]] = field(default_factory=lambda: defaultdict(list))
    linear: Reader = field(default_factory=lambda: Reader(open_sums=True))
    symbolic: int = 0
    plain: int = 0
    above: list[Variable] = field(default_factory=list)
    below: list[Variable] = field(default_factory=list)

    def read(self, variable: Variable, power: int = 1) -> None:
        """Take a product apart."""
        node = variable.owner
        op = scalar_op_of(node)
        if node is not None and is_a(op, ps.Mul) and same_patterns(node):
            for factor in node.inputs:
                self.read(factor, power)
        elif node is not None and is_a(op, ps.TrueDiv) and same_patterns(node):
            self.read(node.inputs[0], power)
            self.read(node.inputs[1], -power)
        elif node is not None and is_a(op, ps.Reciprocal):
            self.read(node.inputs[0], -power)
        elif node is not None and is_a(op, ps.Pow) and self._symbolic(node, power):
            self.symbolic += 1
        elif node is not None and is_a(op, ps.Pow) and self._rooted(node, power):
            self.plain += 1
        elif (found := self._companions(variable)) is not None:
            self.plain += 1
            number, factors = found
            if number != 1:
                constant = Builder(self.reader, variable.type.dtype).constant(number)
                (self.above if power > 0 else self.below).append(constant)
            for member, n in factors:
                self.powers[member].append((Fraction(n) * power, None))  # type: ignore[index]
        else:
            (self.above if power > 0 else self.below).append(variable)
        if len(self.above) + len(self.below) > _MOST_FACTORS:
            raise TooBigError

    def _symbolic(self, node: Apply, power: int) -> bool:
        base, exponent = node.inputs
        if exact_constant(exponent) is not None:
            return False
        found = self._companions(base)
        if found is None:
            return False
        number, factors = found
        if number != 1:
            self.numbers[number].append((Fraction(power), exponent))
        for member, n in factors:
            self.powers[member].append((Fraction(n) * power, exponent))  # type: ignore[index]
        return True

    def _rooted(self, node: Apply, power: int) -> bool:
        """Read ``(2 q)**0.3``, of which the factor is no rational number."""
        n = exact_constant(node.inputs[1])
        found = self._companions(node.inputs[0])
        if n is None or n.denominator == 1 or found is None or found[0] == 1:
            return False
        number, factors = found
        self.numbers[number].append((n * power, None))
        for member, m in factors:
            self.powers[member].append((n * m * power, None))  # type: ignore[index]
        return True

    def _companions(self, variable: Variable) -> tuple[Fraction, Monomial] | None:
        """The variable as a positive number and a product of sigmoids, if it is nothing else."""
        found = self.reader.factored(variable)
        members = [g for g, _ in found.factors]
        if found.coefficient <= 0 or not found.is_product or not members:
            return None
        if not all(has_log(g) for g in members):
            return None
        return found.coefficient, found.factors

    def apart(self) -> Monomial:
        """Take out the companions that need no logarithm beside symbolic powers of their family.

        p and q are never small together, and neither over- nor underflow alone:
        ``p**a p**2 q**n``, but not ``p**a / p`` or ``p / p**a``.
        """
        symbolic = {m.family for m, own in self.powers.items() if _symbols(own)}
        found: list[tuple[Member, Fraction]] = []
        for member, own in list(self.powers.items()):
            if member.family not in symbolic:
                continue
            plain = sum((n for n, v in own if v is None), start=Fraction(0))
            others: list[Power] = [(n, v) for n, v in own if v is not None]
            if not others:
                del self.powers[member]
            elif plain > 0 and _least(self._total(others)) >= 0:
                self.powers[member] = others
            else:
                continue
            found.append((member, plain))
        return monomial(found)

    @property
    def is_single(self) -> bool:
        """Whether only one power is left."""
        return sum(map(len, self.powers.values())) == 1

    def power(self, dtype: str) -> Variable:
        """The product of the powers."""
        numbers = {c: form for c, own in self.numbers.items() if (form := self._total(own))}
        if len(self.powers) == 1:
            ((member, exponents),) = self.powers.items()
            builder = Builder(self.reader, dtype)
            whole = self._total(exponents)
            if any(form != whole for form in numbers.values()):
                return pt.exp(self.logarithm(dtype))
            number = prod(numbers, start=Fraction(1))
            base = builder.product(Factored(number, monomial([(member, 1)])))
            total = self._summed(exponents, builder)
            assert total is not None
            return pt.pow(base, total)
        return pt.exp(self.logarithm(dtype))

    def logarithm(self, dtype: str) -> Variable:
        """The sum of the exponents times the logarithms of the companions."""
        builder = Builder(self.reader, dtype)
        parts = []
        for member, exponents in self.powers.items():
            ratio = Fraction(-1 if member.companion == "p" else 1)
            total = self._summed(exponents, builder)
            if total is None:
                continue
            if self._is_inverse(member):
                if member.companion == "p":
                    # log p - log q is the argument: their difference would cancel.
                    parts.append(pt.mul(total, builder.argument(member.family, Fraction(-1))))
                continue
            softplus = builder.unary(pt.softplus, member.family, ratio)
            parts.append(pt.mul(total, softplus))
        for number, exponents in self.numbers.items():
            power = self._summed(exponents, builder)
            if power is not None:
                parts.append(pt.mul(builder.constant(Fraction(-log(number))), power))
        if len(parts) > 1:
            return -pt.add(*parts)
        # PyTensor's canonical form of -(a * softplus)
        minus_one = builder.constant(Fraction(-1))
        factors = parts[0].owner.inputs if parts[0].owner.op == mul else [parts[0]]
        return mul(minus_one, *factors)

    def _is_inverse(self, member: Member) -> bool:
        """Whether the exponents of p and q are opposite."""
        other = Member(member.family, "q" if member.companion == "p" else "p")
        if member.family.moves or other not in self.powers:
            return False
        return not self._total(self.powers[member] + self.powers[other])

    def _summed(self, exponents: list[Power], builder: Builder) -> Variable | None:
        """The sum of the exponents of a companion; None if it is 0."""
        if len(exponents) == 1:
            ((n, exponent),) = exponents
            if exponent is None:
                return builder.constant(n)
            own = as_dtype(exponent, builder.dtype)
            return own if n == 1 else pt.mul(builder.constant(n), own)
        form = self._total(exponents)
        if not form:
            return None
        return Builder(self.linear, builder.dtype).sum(form)

    def _total(self, exponents: list[Power]) -> Form:
        """``a - (a - 1)`` is 1: what a gradient leaves of the exponents."""
        terms: list[Term] = []
        for n, exponent in exponents:
            own = [(Fraction(1), ONE)] if exponent is None else self.linear.terms(exponent)
            terms += [(n * c, m) for c, m in own]
        return merged(terms)

    def as_monomial(self) -> Monomial | None:
        """The powers of the companions, if the symbols in all exponents cancel."""
        found: list[tuple[Member, Fraction]] = []
        if any(map(self._total, self.numbers.values())):
            return None
        for member, exponents in self.powers.items():
            form = self._total(exponents)
            if form.keys() - {ONE}:
                return None
            found.append((member, form.get(ONE, Fraction(0))))
        return monomial(found)

    @property
    def degree(self) -> Fraction:
        """The sum of the constant exponents."""
        return sum(
            (n for exponents in self.powers.values() for n, v in exponents if v is None),
            start=Fraction(0),
        )

    def rest(self, dtype: str) -> Variable | None:
        """The other factors; None if there are none."""
        above = [as_dtype(v, dtype) for v in self.above]
        below = [as_dtype(v, dtype) for v in self.below]
        top = product_of(above) if above else None
        if not below:
            return top
        one = Builder(self.reader, dtype).constant(Fraction(1))
        return pt.true_div(one if top is None else top, product_of(below))


def _least(exponent: Form) -> float:
    """The least that an exponent can be if its symbols are positive: 1 of ``2 - s``."""
    total = 0.0
    for factors, coefficient in exponent.items():
        if coefficient > 0:
            continue
        if not all(has_log(g) and n > 0 for g, n in factors):
            return -inf
        total += float(coefficient) if factors else 0.0
    return total + float(exponent.get(ONE, 0))


def _symbols(exponents: list[Power]) -> bool:
    return any(exponent is not None for _, exponent in exponents)


def same_patterns(node: Apply) -> bool:
    return all(
        same_pattern(v, node.outputs[0]) or v.type.ndim == 0 or exact_constant(v) is not None
        for v in node.inputs
    )


def has_log(generator: object) -> TypeGuard[Member]:
    """Whether a generator is a sigmoid, the logarithm of which is a softplus."""
    return (
        isinstance(generator, Member)
        and isinstance(generator.family, Family)
        and generator.family.kind == "logistic"
        and generator.companion != "t"
    )
