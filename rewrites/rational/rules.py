"""Sums of quotients, powers and square roots of one variable, read as one rational function.

With exact coefficients the sum has a numerator whose lowest and highest power are known.  If the
terms start with a lower power than the numerator they cancel next to x = 0, if they end with a
higher one they cancel for large x: ``1/(x + 1) - 2/x + 1/(x - 1) = 2 / ((x + 1) x (x - 1))``.  A
root is a power 1/2 of what stands below it; what is left of a difference of roots is multiplied
by its conjugate.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.math import add, sub

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.algebra.arguments import ARITHMETIC, FUNCTIONS, SUMS
from pytensor_stabilize.rewrites.algebra.forms import (
    Monomial,
    Term,
    TooBigError,
    common,
    common_measure,
    generators,
    monomial,
    power_of,
    times,
    to_power,
)
from pytensor_stabilize.rewrites.arithmetic import product_of
from pytensor_stabilize.rewrites.matching import FLOATS, is_a, scalar_op
from pytensor_stabilize.rewrites.rational import polynomials
from pytensor_stabilize.rewrites.rational.building import Builder, Group, magnitude
from pytensor_stabilize.rewrites.rational.polynomials import Poly
from pytensor_stabilize.rewrites.rational.reading import (
    Reader,
    Sum,
    expanded,
    poly_of,
    variable_of,
    whole_part,
)
from pytensor_stabilize.rewrites.rules import ConstantPower, Interval, Left, Rule


@dataclass
class Fractional:
    """``outer * (sum of groups)``: a sum over its common denominator.

    Attributes
    ----------
    at_zero, at_infinity
        The lowest and the highest power of x that a term of the sum has there.
    """

    x: Variable
    outer: Monomial
    groups: list[Group]
    at_zero: Fraction
    at_infinity: Fraction

    @classmethod
    def of(cls, read: list[Term]) -> Fractional | None:
        """Collect the terms; None if they are not of one variable."""
        outer = common(m for _, m in read)
        rest = [(c, times(m, to_power(outer, -1))) for c, m in read]
        variables = {variable_of(g) for g in generators(m for _, m in rest)}
        if len(variables) != 1:
            return None
        (x,) = variables
        groups: dict[Monomial, Poly] = defaultdict(tuple)
        for c, m in rest:
            root = monomial((g, n - whole_part(n)) for g, n in m)
            integral = monomial((g, whole_part(n)) for g, n in m)
            groups[root] = polynomials.plus(groups[root], expanded(c, integral))
        found = [Group(root, poly) for root, poly in groups.items() if poly]
        lows, highs = zip(*(_orders(m) for _, m in rest), strict=True)
        return cls(x, outer, found, min(lows), max(highs))


def _orders(factors: Monomial) -> tuple[Fraction, Fraction]:
    """Powers of x that a monomial behaves as next to 0 and far away."""
    low = high = Fraction(0)
    for generator, n in factors:
        poly = poly_of(generator)
        low += n * polynomials.lowest(poly)
        high += n * (len(poly) - 1)
    return low, high


def _orders_of(group: Group) -> tuple[Fraction, Fraction]:
    low, high = _orders(group.root)
    return low + polynomials.lowest(group.poly), high + len(group.poly) - 1


def cancelling_rational(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """Bring a sum that cancels next to 0 or far away over its common denominator."""
    (output,) = node.outputs
    dtype = output.type.dtype
    if dtype not in FLOATS or not any(_may_hold(v) for v in node.inputs):
        return None
    if _holds_function(output):
        return None  # it has companions, or is a branch that a rule made
    reader = Reader(dtype)
    try:
        read = reader.summed(output)
        if len(read) < 2 or _has_one_sign(read):
            return None
        found = Fractional.of(read)
        if found is None:
            return None
        if not found.groups:
            return pt.zeros_like(output)
        return _rebuilt(found, Builder(reader, found.x))
    except (TooBigError, polynomials.TooLargeError):
        return Left("it has more terms, higher powers or other constants than are multiplied out")


def _rebuilt(found: Fractional, builder: Builder) -> Variable | Left | None:
    if len(found.groups) == 1:
        (group,) = found.groups
        low, high = _orders_of(group)
        if low <= found.at_zero and high >= found.at_infinity:
            return None
        factors = times(found.outer, group.root)
        return builder.quotient(group.poly, factors, [])
    if len(found.groups) == 2:
        return _conjugated(found, builder)
    return None


def _conjugated(found: Fractional, builder: Builder) -> Variable | Left | None:
    """``a - b = (a**2 - b**2) / (a + b)`` for a and b that have one sign each."""
    content = common_measure(c for g in found.groups for c in g.poly if c)
    a, b = (Group(g.root, polynomials.scaled(g.poly, 1 / content)) for g in found.groups)
    above = polynomials.plus(_squared(a), polynomials.scaled(_squared(b), Fraction(-1)))
    if not above:
        return None
    lows, highs = zip(*(_orders_of(g) for g in (a, b)), strict=True)
    low, high = polynomials.lowest(above), len(above) - 1
    if low <= 2 * min(lows) and high >= 2 * max(highs):
        return None
    signs = [polynomials.sign(g.poly) for g in (a, b)]
    positive = any(power_of(m, found.x).denominator == 2 for m in (a.root, b.root))
    parities = [0 if positive else polynomials.parity(g.poly) for g in (a, b)]
    if signs[0] is None or signs[1] is None or None in parities or parities == [1, 1]:
        return Left("the two parts of the difference have no sign of their own")
    above = polynomials.scaled(above, content)
    if parities == [0, 0]:
        if signs[0] == signs[1]:
            return None
        above = polynomials.scaled(above, Fraction(signs[0]))
        return builder.quotient(above, found.outer, [a, b], positive)
    # One part changes its sign at 0, so that they cancel on one side only.
    above = polynomials.scaled(above, 1 / content)
    if polynomials.sign(above) is None or polynomials.parity(above) != 0:
        return Left("the squares of the two parts do not simplify")
    even, odd = (0, 1) if parities[0] == 0 else (1, 0)
    inner = frozenset((g, n) for g, n in found.outer if variable_of(g) is found.x)
    if power_of(inner, found.x):
        return Left("a power of the variable stands before the difference")
    total = pt.add(
        *(magnitude(Group(times(g.root, inner), g.poly), builder, False) for g in (a, b))
    )
    zero = np.asarray(0, dtype=builder.reader.dtype)
    agrees = (pt.ge if signs[even] == signs[odd] else pt.le)(found.x, zero)
    squared = polynomials.scaled(above, Fraction(1 if even == 0 else -1))
    core = pt.switch(agrees, total, builder.quotient(squared, inner, [a, b], positive))
    outer_above, outer_below = builder.factors(found.outer - inner)
    if content != 1:
        outer_above.insert(0, builder.constant(content))
    result = product_of([*outer_above, core])
    if outer_below:
        result = pt.true_div(result, product_of(outer_below))
    sign = signs[0] if even == 0 else signs[1]
    return result if sign > 0 else pt.neg(result)


def _squared(group: Group) -> Poly:
    result = polynomials.times(group.poly, group.poly)
    for generator, _ in group.root:
        result = polynomials.times(result, poly_of(generator))
    return result


def _has_one_sign(read: list[Term]) -> bool:
    signs = {c > 0 for c, _ in read}
    sums = (g for g in generators(m for _, m in read) if isinstance(g, Sum))
    return len(signs) < 2 and all(polynomials.sign(g.poly) == 1 for g in sums)


def _holds_function(variable: Variable) -> bool:
    """Whether arithmetic leads down to a function of the table, or to a switch."""
    todo, seen = [variable], {variable}
    for current in todo:
        op = scalar_op(current)
        if is_a(op, *FUNCTIONS, ps.Switch):
            return True
        if current.owner is not None and is_a(op, *ARITHMETIC, *SUMS):
            fresh = [v for v in current.owner.inputs if v not in seen]
            seen.update(fresh)
            todo += fresh
    return False


def _may_hold(variable: Variable, level: int = 0) -> bool:
    """Cheap test: whether there is a quotient, a power or a sum near the top."""
    op = scalar_op(variable)
    if is_a(op, ps.TrueDiv, ps.Reciprocal, ps.Sqr, ps.Sqrt, ps.Pow):
        return True
    if is_a(op, ps.Mul, ps.Neg, ps.Add, ps.Sub) and level < 3:
        assert variable.owner is not None
        return any(_may_hold(v, level + 1) for v in variable.owner.inputs)
    return False


def _three(x: symbols.Value) -> symbols.Value:
    return 2 / ((x + 1) * x * (x - 1))


RATIONAL: tuple[Rule, ...] = (
    Rule(
        name="cancelling_rational_sum",
        before=lambda x: 1 / (x + 1) - 2 / x + 1 / (x - 1),
        after=_three,
        domain={"x": Interval(2.0, 1e80)},
        tested_in="tests/test_rational.py",
        promise=4.0,
        mends="1/(x + 1) - 2/x + 1/(x - 1) has no digit beyond 1e8, (1 + x)**2 - 1 none at 1e-17",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=cancelling_rational,
        needs=(ps.TrueDiv, ps.Reciprocal, ps.Sqr, ps.Sqrt, ps.Pow, ConstantPower),
        source="exact arithmetic of rational functions",
    ),
)
