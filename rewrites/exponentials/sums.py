"""Build monomials in exponentials without overflow, and cancel sums of them exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import isfinite

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps

from pytensor_stabilize.rewrites.arithmetic import product_of, sum_of
from pytensor_stabilize.rewrites.exponentials.combining import added_up, groups
from pytensor_stabilize.rewrites.exponentials.monomials import (
    Linear,
    Monomial,
    Term,
    by_age,
    combine,
    is_opaque,
    scaled,
)
from pytensor_stabilize.rewrites.exponentials.rational import Reader
from pytensor_stabilize.rewrites.matching import is_a, scalar_op
from pytensor_stabilize.rewrites.rules import Left

_SUMS = (ps.Add, ps.Sub)
_BINOMIALS = (ps.Expm1, ps.Cosh, ps.Sinh)


def exponents(a: Linear) -> Linear:
    """The part of a linear combination that stands under an exponential."""
    return frozenset((atom, factor) for atom, factor in a if isinstance(atom, Variable))


def _size(a: Linear) -> tuple[int, Fraction]:
    parts = exponents(a)
    return len(parts), sum((abs(factor) for _, factor in parts), Fraction(0))


@dataclass
class Builder:
    """Collects the factors of one product."""

    reader: Reader
    factor: Fraction = Fraction(1)
    above: list[Variable] = field(default_factory=list)
    below: list[Variable] = field(default_factory=list)

    def result(self) -> Variable | None:
        """The product; None if its constant is no ordinary float."""
        constant = abs(self.factor)
        if not isfinite(float(constant)) or float(constant) < 1e-30 or constant > 1e30:
            return None
        alone = len(self.above) == 1 and not self.below
        # As canonicalize would have it: -1 is a factor of a product, not its negation.
        with_constant = self.factor != (-1 if alone and self.factor < 0 else 1)
        above = [self.reader.constant(self.factor)] if with_constant or not self.above else []
        top = product_of([*above, *self.above])
        product = pt.true_div(top, product_of(self.below)) if self.below else top
        return pt.neg(product) if self.factor < 0 and not above else product

    def add(self, variable: Variable, power: int) -> None:
        """Multiply by ``variable**power``."""
        if power:
            count = abs(power)
            raised = variable
            if count > 1:
                raised = pt.sqr(variable) if count == 2 else variable ** pt.constant(count, "int8")
            (self.above if power > 0 else self.below).append(raised)

    def binomial(self, d: Linear, powers: tuple[int, int], exponent: Linear) -> Linear | None:
        """Multiply by ``(1+E)**plus (1-E)**minus``; return what is left of the exponent.

        None if that would need an exponential that may overflow where the product does not.
        """
        plus, minus = powers
        x, minus_x = self.reader.variable(d), self.reader.variable(scaled(d, -1))
        if plus * minus < 0:
            # (1 - E) / (1 + E) = -tanh(d / 2)
            paired = min(abs(plus), abs(minus)) * (1 if minus > 0 else -1)
            self.add(pt.tanh(self.half(d)), paired)
            self.factor *= (-1) ** paired
            plus, minus = plus + paired, minus - paired
        if plus > 0 or minus > 0:
            return None
        count, exponent = absorb(exponent, d, -plus)
        self.add(pt.sigmoid(x), count) if count else None
        self.add(pt.sigmoid(minus_x), -plus - count) if count < -plus else None
        count, exponent = absorb(exponent, d, -minus)
        squares = min(count, -minus - count)
        if squares:
            # E / (1 - E)**2 = 1 / (2 sinh(d / 2))**2.  Squaring 0.5 / sinh instead would keep
            # subnormal results, and costs an ulp: it breaks the promise.
            self.factor /= 4**squares
            self.below += [pt.sinh(self.half(d))] * (2 * squares)
        if count > squares:
            self.add(pt.expm1(minus_x), squares - count)
        elif -minus - count > squares:
            self.factor *= (-1) ** (-minus - count - squares)
            self.add(pt.expm1(x), squares + minus + count)
        return exponent

    def half(self, d: Linear) -> Variable:
        return self.reader.variable(scaled(d, Fraction(1, 2)))


def absorb(exponent: Linear, d: Linear, most: int) -> tuple[int, Linear]:
    """Take as many of the `most` multiples of d out of the exponent as make it simplest."""
    left = [(_size(rest), j, rest) for j in range(most + 1) for rest in [combine(exponent, d, -j)]]
    _, count, rest = min(left, key=lambda item: item[:2])
    return count, rest


def build(monomial: Monomial, reader: Reader) -> Variable | None:
    """Build a monomial; None if an exponential would be left over beside its binomials."""
    builder = Builder(reader, monomial.factor)
    exponent = monomial.exponent
    for d, powers in monomial.binomials.items():
        if is_opaque(d):
            variable, factor = reader.sums[d]
            builder.add(variable, powers[0])
            builder.factor /= factor ** powers[0]
            if powers[1]:
                return None
            continue
        left = builder.binomial(d, powers, exponent)
        if left is None:
            return None
        exponent = left
    if exponents(exponent):
        return None
    for atom, power in sorted(exponent, key=by_age):
        assert isinstance(atom, tuple)
        assert power.denominator == 1
        builder.add(atom[1], int(power))
    return builder.result()


def leaves(variable: Variable, power: int = 1, depth: int = 0) -> Iterator[tuple[Variable, int]]:
    """Factors of a product that are no products themselves, with the sign of their power."""
    node = variable.owner
    op = scalar_op(variable)
    if depth < 8 and is_a(op, ps.Mul, ps.Neg, ps.Sqr, ps.TrueDiv, ps.Reciprocal):
        signs = [power] * len(node.inputs)
        if is_a(op, ps.TrueDiv):
            signs = [power, -power]
        elif is_a(op, ps.Reciprocal):
            signs = [-power]
        for factor, sign in zip(node.inputs, signs, strict=True):
            yield from leaves(factor, sign, depth + 1)
    else:
        yield variable, power


def quotient(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """Rewrite a product with exponentials, cosh or sinh on both sides of the fraction bar."""
    (output,) = node.outputs
    if output.type.dtype not in ("float32", "float64"):
        return None
    factors = dict.fromkeys(leaves(output))
    ops = [(scalar_op(variable), power) for variable, power in factors]
    below = [op for op, power in ops if power < 0 and is_a(op, *_SUMS, *_BINOMIALS)]
    if not below:
        return None
    with_exp = any(is_a(op, ps.Exp) for op, _ in ops)
    if not with_exp and sum(is_a(op, *_SUMS, *_BINOMIALS) for op, _ in ops) < 2:
        return None
    reader = Reader(output.type.dtype)
    product = reader.product(output)
    if product is None or not any(d in reader.written_out for d in product.binomials):
        return None
    if _in_one_argument([product]) or not _meet([variable for variable, _ in factors], reader):
        return None
    built = build(product, reader)
    return Left("an exponential would be left over") if built is None else built


def _in_one_argument(monomials: list[Monomial]) -> bool:
    """Whether the engine of `rewrites.critical` reads them: two rules would go to and fro."""
    found = {atom for m in monomials for d in m.binomials for atom, _ in exponents(d)}
    found |= {atom for m in monomials for atom, _ in exponents(m.exponent)}
    return len(found) == 1


def _meet(factors: list[Variable], reader: Reader) -> bool:
    """Whether an exponential, or two binomials of one d, are among the factors.

    What the rule makes has no such pair, so that it never rewrites its own results.
    """
    seen: set[Linear] = set()
    for factor in factors:
        read = reader.product(factor)
        if read is None:
            continue
        if is_a(scalar_op(factor), ps.Exp) and exponents(read.exponent):
            return True
        if is_a(scalar_op(factor), *_SUMS, *_BINOMIALS):
            if seen & read.binomials.keys():
                return True
            seen |= read.binomials.keys()
    return False


def cancelling_sum(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """Add terms over a common denominator where their leading parts cancel."""
    (output,) = node.outputs
    if output.type.dtype not in ("float32", "float64"):
        return None
    if not any(_may_divide(v) for v in node.inputs):
        return None
    reader = Reader(output.type.dtype)
    read = reader.terms(output)
    if read is None or len(read) < 2 or _in_one_argument([term.monomial for term in read]):
        return None
    whole = _summed(read, reader, opened=True)
    return whole if isinstance(whole, Variable) else _summed(read, reader, opened=False)


def _summed(read: list[Term], reader: Reader, opened: bool) -> Variable | Left | None:
    """Add up the terms of a sum that have a binomial in common.

    Opened, the sums among their factors are multiplied out, and each term is added as a whole.
    """
    parts = read
    if opened:
        found = [reader.opened(term, lambda own: bool(own.binomials)) for term in read]
        parts = [part for own in found if own is not None for part in own]
        if None in found or len(parts) == len(read):
            return None
    for d in dict.fromkeys(d for part in parts for d in part.monomial.binomials):
        if d in reader.written_out or d in reader.sums:
            for group in groups(parts, d):
                chosen = {id(part) for part in group}
                rest = [part for part in parts if id(part) not in chosen]
                if opened and rest:
                    continue
                replaced = added_up(group, d)
                if replaced is not None:
                    return _signed_sum(rest, replaced, reader)
    return None


def _may_divide(variable: Variable, depth: int = 0) -> bool:
    """Whether a quotient stands among the terms: the cheap test of `cancelling_sum`."""
    op = scalar_op(variable)
    if is_a(op, ps.TrueDiv, ps.Reciprocal):
        return True
    if depth > 4 or not is_a(op, ps.Mul, ps.Neg, *_SUMS):
        return False
    return any(_may_divide(v, depth + 1) for v in variable.owner.inputs)


def _signed_sum(rest: list[Term], added: list[Monomial], reader: Reader) -> Variable | Left | None:
    above = [term.variable for term in rest if term.sign > 0]
    below = [term.variable for term in rest if term.sign < 0]
    lonely = not rest and len(added) == 1
    for monomial in added:
        size = monomial if lonely else replace(monomial, factor=abs(monomial.factor))
        built = build(size, reader)
        if built is None:
            return Left("an exponential would be left over")
        (above if lonely or monomial.factor > 0 else below).append(built)
    if not above and not below:
        return None
    if not above:
        return pt.neg(sum_of(below))
    return pt.sub(sum_of(above), sum_of(below)) if below else sum_of(above)
