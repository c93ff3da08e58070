"""Sums of several exponentials: their logarithms, and quotients with them as shares of the sum.

With S = c1 exp(x1) + ... + cn exp(xn), all c positive, the shares cj exp(xj) / S add up to 1 and
neither over- nor underflow early.  Derivatives of log S, and of what is made of it, are sums of
monomials in exponentials over powers of S; over one denominator, with S multiplied out, all that
cancels does so exactly, and what is left is a sum of products of shares.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.math import add, log, log1p, mul, reciprocal, sub, true_div

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.additive import signed_terms
from pytensor_stabilize.rewrites.arithmetic import difference_of, product_of, sum_of
from pytensor_stabilize.rewrites.exponentials.logs import PART_OF_A_SUM, logaddexp_of, sums_that_use
from pytensor_stabilize.rewrites.exponentials.monomials import (
    ONE,
    Atom,
    Linear,
    Monomial,
    Term,
    combine,
    is_opaque,
)
from pytensor_stabilize.rewrites.exponentials.rational import Reader
from pytensor_stabilize.rewrites.exponentials.sums import exponents, leaves
from pytensor_stabilize.rewrites.matching import FLOATS, exact_constant, is_a, scalar_op
from pytensor_stabilize.rewrites.rules import REAL, Interval, Left, Rule

_MOST_PARTS = 6
_LARGEST_POWER = 4


@dataclass(frozen=True)
class Total:
    """A sum of exponentials.

    Attributes
    ----------
    atom
        The variable, as the reader names it.
    parts
        Coefficients by exponents.
    """

    atom: tuple[str, Variable]
    parts: dict[Linear, Fraction]


def read_total(variable: Variable, reader: Reader) -> Total | None:
    """Read ``c1 exp(x1) + ... + cn exp(xn)``, unless another rule does: ``exp(a) + exp(b)``."""
    if not is_a(scalar_op(variable), ps.Add):
        return None
    parts = _parts(variable, reader, {}, _is_shifted)
    if parts is None or len(parts) < 2 or (len(parts) == 2 and len(set(parts.values())) == 1):
        return None
    return Total(("log", variable), parts)


def _parts(
    variable: Variable,
    reader: Reader,
    parts: dict[Linear, Fraction],
    is_made: Callable[[Atom], bool],
) -> dict[Linear, Fraction] | None:
    """Coefficients by exponents of a sum, added to others; None if it is no sum of exponentials.

    ``cosh(x)`` is one as well.
    """
    parts = dict(parts)
    for term in reader.terms(variable) or ():
        for m in term.monomial.multiplied_out():
            c = term.sign * m.factor
            if c <= 0 or m.binomials or is_opaque(m.exponent) or len(parts) == _MOST_PARTS:
                return None
            if any(is_made(atom) for atom, _ in m.exponent):
                return None
            parts[m.exponent] = parts.get(m.exponent, Fraction(0)) + c
    return parts


def _atoms(total: Total) -> set[Atom]:
    """What its exponents are made of: with one argument `rewrites.critical` reads it."""
    return {atom for x in total.parts for atom, _ in x}


def _total_below(variable: Variable, reader: Reader) -> Iterator[Total]:
    """The sums of exponentials in the denominators of a sum of products."""
    todo = [variable]
    while todo:
        current = todo.pop()
        if is_a(scalar_op(current), ps.Add, ps.Sub, ps.Neg):
            todo += current.owner.inputs
            continue
        for leaf, power in leaves(current):
            if power < 0 and (total := read_total(leaf, reader)) is not None:
                yield total


def shares_of_total(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """Write quotients with a sum of exponentials below as products of shares."""
    (output,) = node.outputs
    if output.type.dtype not in FLOATS:
        return None
    reader = Reader(output.type.dtype)
    totals = [t for t in _total_below(output, reader) if len(_atoms(t)) > 1]
    if totals and _is_term_of_another(fgraph, output):
        return PART_OF_A_SUM
    for total in totals:
        read = reader.terms(output)
        if read is None:
            return None
        terms = _opened(read, total, reader)
        signed = [t.monomial.times(Monomial(Fraction(t.sign))) for t in terms]
        found = _over_total(signed, total, is_product=len(read) == 1)
        if found is not None:
            return _built(*found, total, reader)
    return None


def _is_exponential(own: Monomial) -> bool:
    return bool(exponents(own.exponent))


def _opened(read: list[Term], total: Total, reader: Reader) -> list[Term]:
    """The terms with sums of exponentials and quotients among their factors multiplied out."""

    def wanted(own: Monomial) -> bool:
        return _is_exponential(own) or total.atom in dict(own.exponent)

    found: list[Term] = []
    for term in read:
        whole = dict(term.monomial.exponent)
        if whole.get(total.atom, 0) >= 1:
            return read  # it is not to be opened itself
        parts = reader.opened(term, wanted)
        if parts is None:
            return read
        found += [
            Term(part.sign, part.variable, own)
            for part in parts
            for own in part.monomial.multiplied_out()
        ]
    return found


def _is_term_of_another(fgraph: FunctionGraph, output: Variable) -> bool:
    """Whether it cancels in a sum, which is not to meet its terms rewritten."""
    sums = sums_that_use(fgraph, output)
    return any(isinstance(shares_of_total(fgraph, client), Variable) for client in sums)


def _over_total(
    terms: list[Monomial], total: Total, is_product: bool
) -> tuple[dict[Linear, Fraction], int, Linear] | None:
    """Numerators by exponents, the power of the sum below, and the factor that all have.

    None if nothing cancels and nothing can overflow.
    """
    powers = [-dict(m.exponent).get(total.atom, Fraction(0)) for m in terms]
    degree = max(powers)
    if degree < 1 or degree > _LARGEST_POWER or any(p.denominator != 1 for p in powers):
        return None
    rests = {frozenset(_rest(m, total)) for m in terms}
    if len(rests) != 1 or any(m.binomials for m in terms):
        return None
    above: dict[Linear, Fraction] = {}
    sizes: dict[Linear, Fraction] = {}
    spelled = 0
    for m, power in zip(terms, powers, strict=True):
        grown = {exponents(m.exponent): m.factor}
        for _ in range(int(degree - power)):
            grown = _times(grown, total.parts)
        spelled += len(grown)
        for exponent, c in grown.items():
            above[exponent] = above.get(exponent, Fraction(0)) + c
            sizes[exponent] = sizes.get(exponent, Fraction(0)) + abs(c)
    # PyTensor folds 0.3 * 0.3 to a float that is not the square of 0.3.
    folded = 4 * Fraction(float(np.finfo(total.atom[1].type.dtype).eps))
    above = {exponent: c for exponent, c in above.items() if abs(c) > folded * sizes[exponent]}
    if not is_product and len(above) == spelled:
        return None
    if is_product and degree < 2 and not any(above):
        return None  # 1 / S
    return above, int(degree), next(iter(rests))


def _rest(m: Monomial, total: Total) -> Linear:
    return frozenset((a, n) for a, n in m.exponent if isinstance(a, tuple) and a != total.atom)


def _times(a: dict[Linear, Fraction], b: dict[Linear, Fraction]) -> dict[Linear, Fraction]:
    product: dict[Linear, Fraction] = {}
    for x, c in a.items():
        for y, d in b.items():
            exponent = combine(x, y)
            product[exponent] = product.get(exponent, Fraction(0)) + c * d
    return product


def _built(
    above: dict[Linear, Fraction], degree: int, rest: Linear, total: Total, reader: Reader
) -> Variable | Left | None:
    if not above:
        return pt.zeros_like(total.atom[1])
    shares = _Shares(total, reader)
    signed: list[tuple[int, Variable]] = []
    for exponent, c in above.items():
        chosen = _decomposed(exponent, degree, list(total.parts))
        if chosen is None:
            return Left("an exponential would be left over")
        size = np.asarray(float(abs(c)), dtype=reader.dtype)
        factors = [shares.ratios[x] for x in chosen]
        if abs(c) != 1:
            factors.insert(0, pt.constant(size))
        signed.append((1 if c > 0 else -1, product_of(factors)))
    result = difference_of(signed)
    for atom, power in rest:
        assert isinstance(atom, tuple)
        count = abs(int(power))
        raised = atom[1] if count == 1 else pt.pow(atom[1], pt.constant(count, dtype="int8"))
        result = pt.mul(result, raised) if power > 0 else pt.true_div(result, raised)
    return result


def _decomposed(exponent: Linear, count: int, parts: list[Linear]) -> list[Linear] | None:
    """So many of the exponents of the sum, that add up to one."""
    if not count:
        return [] if not exponent else None
    for i, part in enumerate(parts):
        found = _decomposed(combine(exponent, part, -1), count - 1, parts[i:])
        if found is not None:
            return [part, *found]
    return None


class _Shares:
    """``exp(x) / S`` for each x of the sum S, computed less the largest of them."""

    def __init__(self, total: Total, reader: Reader) -> None:
        arguments = {x: _argument(x, reader) for x in total.parts}
        first, *others = arguments.values()
        top = first
        for other in others:
            top = pt.maximum(top, other)
        # inf - inf: of an infinite exponent the share is 1.
        raised = {x: _shifted(v, top, bool(x)) for x, v in arguments.items()}
        whole = sum_of([_multiple(c, raised[x], reader) for x, c in total.parts.items()])
        self.ratios = {x: pt.true_div(value, whole) for x, value in raised.items()}


def _multiple(c: Fraction, x: Variable, reader: Reader) -> Variable:
    return x if c == 1 else pt.mul(reader.constant(c), x)


def _shifted(x: Variable, top: Variable, varies: bool) -> Variable:
    zero = np.asarray(0, dtype=top.type.dtype)
    gap = pt.sub(x, top) if varies else pt.neg(top)
    return pt.exp(pt.switch(pt.eq(x, top), zero, gap))


def _is_shifted(x: Atom) -> bool:
    """Whether it is an exponent that the rule has made."""
    if not isinstance(x, Variable) or not is_a(scalar_op(x), ps.Switch):
        return False
    condition, zero, _ = x.owner.inputs
    return is_a(scalar_op(condition), ps.EQ) and exact_constant(zero) == 0


def _is_bounded(x: Atom) -> bool:
    """As `_is_shifted`, of a logarithm."""
    return isinstance(x, Variable) and is_a(scalar_op(x), ps.Minimum)


def _argument(x: Linear, reader: Reader) -> Variable:
    return reader.variable(x) if x else reader.constant(0)


def log_of_total(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``log(c1 exp(x1) + ... + cn exp(xn))`` by logaddexp, two at a time."""
    (output,), (argument,) = node.outputs, node.inputs
    if output.type.dtype not in FLOATS or argument.type.dtype != output.type.dtype:
        return None
    reader = Reader(output.type.dtype)
    total = total_of_log(node, reader)
    return None if total is None else log_of_parts(total.parts, reader)


def total_of_log(node: Apply, reader: Reader) -> Total | None:
    """The sum of exponentials that a ``log`` or a ``log1p`` is taken of."""
    (argument,) = node.inputs
    return read_total(argument, reader) if node.op == log else _one_and(argument, reader)


def log_of_parts(parts: dict[Linear, Fraction], reader: Reader) -> Variable:
    """The logarithm of a sum of exponentials, from their coefficients by exponents."""
    logs: list[Variable] = []
    for x, c in parts.items():
        if not x:
            if c != 1:
                logs.append(pt.constant(np.asarray(np.log(float(c)), dtype=reader.dtype)))
            continue
        own = reader.variable(x)
        # The logarithm is rounded by no more than a sum of this size is.
        number = (1, pt.constant(np.asarray(np.log(float(c)), dtype=reader.dtype)))
        logs.append(own if c == 1 else difference_of([number, *signed_terms(own)]))
    result = logs[0]
    for other in logs[1:]:
        result = logaddexp_of(result, other)
    if parts.get(frozenset()) != 1:
        return result
    # Of small exponentials their sum has more digits than the logarithm of it.
    small = [_small(x, c, reader) for x, c in parts.items() if x]
    below = pt.lt(result, reader.constant(0))
    return pt.switch(below, pt.log1p(sum_of(small)), pt.softplus(result))


def _small(x: Linear, c: Fraction, reader: Reader) -> Variable:
    """``c exp(x)``, which stays finite where it is above 1."""
    end = reader.constant(Fraction(max(0, math.ceil(-math.log(c)))))
    return _multiple(c, pt.exp(pt.minimum(reader.variable(x), end)), reader)


def _one_and(argument: Variable, reader: Reader) -> Total | None:
    """``1 + c exp(a) + exp(b)`` of ``log1p(c exp(a) + exp(b))``."""
    parts = _parts(argument, reader, {ONE.exponent: Fraction(1)}, _is_bounded)
    if parts is None or len(parts) < 3:
        return None
    return Total(("log", argument), parts)


_TESTS = "tests/test_exponential_shares.py"
_SOURCE = "c exp(x) / S = c exp(x - m) / (S exp(-m)), m the largest exponent"
# The rows state the case of a = b = x.
_LARGE = Interval(500.0, 502.0)

SHARES: tuple[Rule, ...] = (
    Rule(
        name="log_of_exponential_total",
        before=lambda x: symbols.log(2 + symbols.exp(x)),
        after=lambda x: logaddexp_of(symbols.log_two(x), x),
        domain={"x": REAL},
        promise=4.0,
        mends="log(2 + exp(x)) and log(1 + exp(a) + exp(b)) are inf beyond 710",
        databases=("stabilize", "specialize"),
        tracks=(log, log1p),
        transform=log_of_total,
        needs=(ps.Exp, ps.Cosh),
        tested_in=_TESTS,
        source="log(exp(x) + exp(y)) = max(x, y) + softplus(-|x - y|)",
    ),
    Rule(
        name="sum_over_exponential_total",
        before=lambda x: 1 - symbols.exp(x) / (1 + 2 * symbols.exp(x)),
        after=lambda x: (1 + symbols.exp(x)) / (1 + 2 * symbols.exp(x)),
        domain={"x": _LARGE},
        promise=4.0,
        mends="second derivatives of log(1 + exp(a) + exp(b)) cancel to 0, and are nan from 355 on",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=shares_of_total,
        needs=(ps.Exp, ps.Cosh),
        tested_in=_TESTS,
        source=_SOURCE,
    ),
    Rule(
        name="shares_of_exponential_total",
        before=lambda x: symbols.exp(x) / (1 + 2 * symbols.exp(x)),
        after=lambda x: 1 / (symbols.exp(-x) + 2),
        domain={"x": _LARGE},
        promise=4.0,
        mends="exp(a) / (1 + exp(a) + exp(b)) is nan beyond 710, its derivatives from 355 on",
        # What PyMC differentiates is the quotient, without the maximum.
        databases=("specialize",),
        tracks=(mul, true_div, reciprocal),
        transform=shares_of_total,
        needs=(ps.Exp, ps.Cosh),
        tested_in=_TESTS,
        source=_SOURCE,
    ),
)
