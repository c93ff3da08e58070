"""Sums of functions of x that cancel next to x = 0, by their power series there.

``exp(x)/x - expm1(x)/x**2`` is 1/2 at 0, and its terms are infinite.  Read as power series with
exact coefficients, the terms of a sum show how many powers of x they lose; where they do, the sum
is its own series up to a radius, and what it was beyond.  The radius is the largest one at which
few coefficients are enough and their sum does not cancel in turn.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.math import add, sub, true_div

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.arithmetic import build_product, constant_like, factors
from pytensor_stabilize.rewrites.differences.pairs import flat_terms
from pytensor_stabilize.rewrites.matching import (
    FLOATS,
    constant_exponent,
    exact_constant,
    is_a,
    scalar_op,
)
from pytensor_stabilize.rewrites.power_series import (
    FUNCTIONS,
    NoSeriesError,
    Series,
    coefficients,
)
from pytensor_stabilize.rewrites.rational import polynomials
from pytensor_stabilize.rewrites.rules import Interval, Left, Rule

_ARITHMETIC = (ps.Add, ps.Sub, ps.Mul, ps.TrueDiv, ps.Neg, ps.Sqr, ps.Reciprocal, ps.Pow, ps.Sqrt)
_MINE = (*_ARITHMETIC, *FUNCTIONS)
_MOST_NODES = 60
# Enough to see how many powers are lost, and enough for the largest radius.
_SHORT, _LONG = 10, 44
_MOST_COEFFICIENTS = 22
_RADII = [Fraction(n, 16) for n in (40, 32, 24, 16, 12, 8, 6, 4, 3, 2)]


@dataclass
class Reader:
    """Reads variables as series in x."""

    dtype: str
    size: int
    _leaves: dict[Variable, frozenset[Variable]] = field(default_factory=dict)
    _series: dict[Variable, Series] = field(default_factory=dict)

    def leaves(self, variable: Variable) -> frozenset[Variable]:
        """What a variable is made of by arithmetic and the functions that have a series."""
        if variable not in self._leaves:
            if exact_constant(variable) is not None:
                found = frozenset[Variable]()
            elif not self._is_mine(variable) or len(self._leaves) > _MOST_NODES:
                found = frozenset([variable])
            else:
                assert variable.owner is not None
                found = frozenset().union(*(self.leaves(v) for v in variable.owner.inputs))
            self._leaves[variable] = found
        return self._leaves[variable]

    def _is_mine(self, variable: Variable) -> bool:
        return variable.type.dtype == self.dtype and is_a(scalar_op(variable), *_MINE)

    def series(self, variable: Variable) -> Series:
        """The series of a variable that has one leaf.

        Raises
        ------
        NoSeriesError
            It has none that is known here.
        """
        if variable not in self._series:
            self._series[variable] = self._read(variable)
        return self._series[variable]

    def _read(self, variable: Variable) -> Series:
        constant = exact_constant(variable)
        if constant is not None:
            return self._constant(constant)
        if not self._is_mine(variable):
            return Series(1, [Fraction(1)] + [Fraction(0)] * (self.size - 1))
        node, op = variable.owner, scalar_op(variable)
        assert node is not None
        if is_a(op, ps.Pow, ps.Sqr, ps.Sqrt):
            exponent = constant_exponent(node)
            if exponent is None:
                raise NoSeriesError
            return self.series(node.inputs[0]).power(exponent)
        parts = [self.series(v) for v in node.inputs]
        first = parts[0]
        if is_a(op, ps.Neg):
            return first.scaled(Fraction(-1))
        if is_a(op, ps.Reciprocal):
            return first.inverse()
        if is_a(op, ps.TrueDiv):
            return first.times(parts[1].inverse())
        if is_a(op, ps.Sub):
            return first.plus(parts[1].scaled(Fraction(-1)))
        if is_a(op, ps.Add, ps.Mul):
            for part in parts[1:]:
                first = first.plus(part) if is_a(op, ps.Add) else first.times(part)
            return first
        if not first.c or first.order < 1:
            raise NoSeriesError
        return first.inside(coefficients(type(op), first.end))

    def _constant(self, value: Fraction) -> Series:
        return Series.of(0, [value] + [Fraction(0)] * (self.size - 1))


@dataclass
class Region:
    """``opaque * sum of terms``, every term a product of functions of x."""

    x: Variable
    opaque: Counter[Variable]
    terms: list[tuple[Fraction, Counter[Variable]]]

    def series(self, reader: Reader) -> tuple[Series, int]:
        """The sum, and the lowest power that a term of it has."""
        total: Series | None = None
        lowest = []
        for constant, counted in self.terms:
            term = reader._constant(constant)
            for v, power in counted.items():
                term = term.times(reader.series(v).power(Fraction(power)))
            lowest.append(term.order)
            total = term if total is None else total.plus(term)
        assert total is not None
        return total, min(lowest)


def _region(node: Apply, reader: Reader) -> Region | None:
    (output,) = node.outputs
    summed = flat_terms(node) if node.op in (add, sub) else [(1, output)]
    read = [(sign, *factors(term)) for sign, term in summed]
    inner = [v for _, _, counted in read for v in counted]
    candidates = {
        leaf
        for v in inner
        if len(leaves := reader.leaves(v)) == 1 and _holds_function(v)
        for leaf in leaves
    }
    if len(candidates) != 1:
        return None
    (x,) = candidates
    if x.type.dtype != reader.dtype or is_a(scalar_op(x), ps.Switch, ps.Clip):
        return None
    opaque: list[Counter[Variable]] = []
    terms: list[tuple[Fraction, Counter[Variable]]] = []
    for sign, constant, counted in read:
        own = {v: n for v, n in counted.items() if reader.leaves(v) == {x}}
        opaque.append(Counter({v: n for v, n in counted.items() if v not in own}))
        terms.append((sign * constant, Counter(own)))
    return Region(x, opaque[0], terms) if all(o == opaque[0] for o in opaque) else None


def _holds_function(variable: Variable, level: int = 0) -> bool:
    if is_a(scalar_op(variable), *FUNCTIONS):
        return True
    node = variable.owner
    if node is None or level > 5 or not is_a(scalar_op(variable), *_ARITHMETIC):
        return False
    return any(_holds_function(v, level + 1) for v in node.inputs)


def _loses_powers(node: Apply, region: Region, reader: Reader) -> bool:
    total, lowest = region.series(reader)
    if node.op in (add, sub):
        return not total.c or total.order > lowest
    ((_, counted),) = region.terms
    above, below = 0, 0
    for v, power in counted.items():
        order = reader.series(v).order * power
        above, below = (above + order, below) if order > 0 else (above, below - order)
        inner = v.owner
        if inner is not None and inner.op in (add, sub):
            part = _region(inner, reader)
            if part is not None and _loses_powers(inner, part, reader):
                return True
    # Both underflow: sin(x)**2 / x**2 is 0 / 0 below 1e-162.
    return above >= 2 and below >= 2 and any(map(_holds_function, counted))


def removable_singularity(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """Give a sum that cancels next to x = 0 its series there."""
    (output,) = node.outputs
    dtype = output.type.dtype
    if dtype not in FLOATS or not any(map(_holds_function, node.inputs)):
        return None
    reader = Reader(dtype, _SHORT)
    region = _region(node, reader)
    if region is None:
        return None
    try:
        if not _loses_powers(node, region, reader):
            return None
        series, _ = region.series(Reader(dtype, _LONG))
    except NoSeriesError:
        return None
    if not series.c or series.order < 0:
        return Left("the series has a pole, or cancels altogether")
    found = radius_of(series, dtype)
    if found is None:
        return Left("the series converges too slowly")
    radius, count = found
    x = region.x
    limit = pt.constant(np.asarray(float(radius), dtype=dtype))
    near = pt.lt(pt.abs(x), limit)
    # Arguments that keep the branch that is not taken finite: JAX differentiates both.  Not 0:
    # PyTensor moves products into a switch to 0.
    inside = pt.switch(near, x, limit)
    far = _far(region, near, radius, dtype)
    core = pt.switch(near, series_at(series, count, inside), far)
    result = Counter(region.opaque)
    result[core] += 1
    return build_product(Fraction(1), result, dtype)


def radius_of(series: Series, dtype: str) -> tuple[Fraction, int] | None:
    """The largest radius at which few coefficients do, and their number."""
    tolerance = Fraction(float(np.finfo(dtype).eps)) / 32
    last_two = [0, *(k for k, c in enumerate(series.c) if c)][-2]
    for radius in _RADII:
        sizes = [abs(c) * radius**k for k, c in enumerate(series.c)]
        total = sum(sizes)
        tails = [Fraction(0)]
        for size in reversed(sizes):
            tails.append(tails[-1] + size)
        tails.reverse()
        # What is cut off at the end is no more than the last coefficients there are: of a series
        # in x**12 not the last four, which are 0.
        if sum(sizes[min(last_two, len(sizes) - 4) :]) > tolerance / 16 * total:
            continue
        ends = [
            abs(polynomials.value(tuple(series.c), sign * at))
            / polynomials.value(tuple(map(abs, series.c)), at)
            for sign in (1, -1)
            for at in (radius / 2, radius)
        ]
        if min(ends) < Fraction(1, 8):
            continue
        count = next(k for k, tail in enumerate(tails) if tail <= tolerance * total * min(ends))
        if sum(1 for c in series.c[:count] if c) <= _MOST_COEFFICIENTS:
            return radius, count
    return None


def series_at(series: Series, count: int, x: Variable) -> Variable:
    kept = [(k, c) for k, c in enumerate(series.c[:count]) if c]
    square = pt.sqr(x)

    def power(n: int) -> Variable:
        if n == 1:
            return x
        return square if n == 2 else pt.pow(x, pt.constant(n, dtype="int8"))

    (last, c), *others = reversed(kept)
    result = constant_like(float(c), x)
    for k, c in others:
        result, last = pt.add(constant_like(float(c), x), pt.mul(power(last - k), result)), k
    return pt.mul(power(series.order), result) if series.order else result


def _far(region: Region, near: Variable, radius: Fraction, dtype: str) -> Variable:
    """The sum of the region, at the radius where x is near 0."""
    x = region.x
    limit = pt.constant(np.asarray(float(radius), dtype=dtype))
    known = {x: pt.switch(near, limit, x)}

    def at(variable: Variable) -> Variable:
        node = variable.owner
        if variable not in known:
            if node is None or exact_constant(variable) is not None:
                return variable
            known[variable] = node.op.make_node(*map(at, node.inputs)).outputs[0]
        return known[variable]

    found = []
    for constant, counted in region.terms:
        moved: Counter[Variable] = Counter()
        for v, n in counted.items():
            if v is x and abs(n) > 1:
                # As PyTensor would write the power of a switch.
                power = abs(n)
                far = pt.sqr(x) if power == 2 else pt.mul(*[x] * power)
                at_limit = pt.constant(np.asarray(float(radius**power), dtype=dtype))
                moved[pt.switch(near, at_limit, far)] += n // power
            else:
                moved[at(v)] += n
        found.append(build_product(constant, moved, dtype))
    return pt.add(*found) if len(found) > 1 else found[0]


REMOVABLE: tuple[Rule, ...] = (
    Rule(
        name="removable_singularity",
        before=lambda x: symbols.log1p(x) - x,
        after=lambda x: symbols.log1p(x) - x,
        domain={"x": Interval(1e-100, 1e-10)},
        tested_in="tests/test_rational.py",
        promise=8.0,
        mends="the derivatives of (exp(x) - 1)/x, sin(x)/x and kin are 0/0 next to x = 0",
        databases=("specialize",),
        tracks=(add, sub, true_div),
        transform=removable_singularity,
        needs=FUNCTIONS,
        source="Taylor series with exact coefficients",
    ),
)
