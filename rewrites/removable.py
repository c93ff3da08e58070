"""Sums of functions of x that cancel next to a point, by their power series there.

``exp(x)/x - expm1(x)/x**2`` is 1/2 at 0, and its terms are infinite.  Read as power series with
exact coefficients, the terms of a sum show how many powers of x they lose; where they do, the sum
is its own series up to a radius, and what it was beyond.  The radius is the largest one at which
few coefficients are enough and their sum does not cancel in turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.scalar.math import Softplus
from pytensor.tensor.math import add, log, sub, true_div

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.arithmetic import build_product, constant_like
from pytensor_stabilize.rewrites.expansions import (
    INFINITY,
    ONE,
    WITH_SERIES,
    ZERO,
    Point,
    Reader,
    Region,
    far_from,
    holds_function,
    logarithm,
    region_of,
)
from pytensor_stabilize.rewrites.matching import FLOATS, is_a, scalar_op
from pytensor_stabilize.rewrites.power_series import FUNCTIONS, NoSeriesError, Series
from pytensor_stabilize.rewrites.rational import polynomials
from pytensor_stabilize.rewrites.rules import Interval, Left, Rule

# Enough to see how many powers are lost, and enough for the largest radius.
_SHORT, _LONG = 10, 44
_MOST_COEFFICIENTS = 22
_RADII = [Fraction(n, 16) for n in (40, 32, 24, 16, 12, 8, 6, 4, 3, 2)]
_SLOW = Left("the series converges too slowly")


def _loses_powers(node: Apply, region: Region, reader: Reader) -> bool:
    total, lowest = region.series(reader)
    if node.op in (add, sub):
        # The zero of x - 1 is an ordinary one: relative to the rounding of x nothing is lost.
        ordinary = reader.point is ONE and total.c and total.order == 1 and lowest == 0
        return not total.c or (total.order > lowest and not ordinary)
    ((_, counted),) = region.terms
    above, below = 0, 0
    for v, power in counted.items():
        order = reader.series(v).order * power
        above, below = (above + order, below) if order > 0 else (above, below - order)
        inner = v.owner
        if inner is not None and inner.op in (add, sub):
            part = region_of(inner, reader)
            if part is not None and _loses_powers(inner, part, reader):
                return True
    # Both underflow: sin(x)**2 / x**2 is 0 / 0 below 1e-162.
    underflow = reader.point is ZERO and above >= 2 and below >= 2
    return underflow and any(holds_function(v, FUNCTIONS) for v in counted)


def _points(region: Region) -> Iterator[Point]:
    yield ZERO
    if region.holds(ps.Log):
        yield ONE
    if not is_a(scalar_op(region.x), Softplus):
        yield INFINITY


def removable_singularity(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """Give a sum that cancels next to x = 0, x = 1 or at infinity its series there."""
    (output,) = node.outputs
    dtype = output.type.dtype
    if dtype not in FLOATS or not any(holds_function(v, _KINDS) for v in node.inputs):
        return None
    reader = Reader(dtype, _SHORT)
    region = region_of(node, reader)
    if region is None:
        return None
    for point in _points(region):
        try:
            if not _loses_powers(node, region, reader.at(point, _SHORT)):
                if point is ZERO:
                    return None
                continue
            series, _ = region.series(reader.at(point, _LONG))
        except NoSeriesError:
            continue
        if not series.c or series.order < 0:
            return Left("the series has a pole, or cancels altogether")
        core = _near_and_far(region, point, series)
        if core is None:
            return _SLOW
        result = Counter(region.opaque)
        result[core] += 1
        return build_product(Fraction(1), result, dtype)
    return None


def _near_and_far(
    region: Region, point: Point, series: Series, of_log: bool = False
) -> Variable | None:
    """The series next to the point, and the region, or its logarithm, elsewhere."""
    x = region.x
    dtype = x.type.dtype
    found = radius_of(series, dtype)
    if found is None:
        return None
    radius, count = found
    limit, edge = (constant_like(float(r), x) for r in (radius, point.edge(radius)))
    if point is INFINITY:
        near = pt.gt(pt.abs(x), edge)
    else:
        size = point.local(x)
        near = pt.lt(size if is_a(scalar_op(size), Softplus) else pt.abs(size), limit)
    # Arguments that keep the branch that is not taken finite: JAX differentiates both.  Not 0:
    # PyTensor moves products into a switch to 0.
    inside = point.local(pt.switch(near, x, edge))
    far = far_from(region, near, point, radius)
    return pt.switch(near, series_at(series, count, inside), pt.log(far) if of_log else far)


def log_of_series(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``log(A(x))`` where A is 1 at x = 0, as ``sinh(x) / x`` is, by its series there."""
    (argument,), (output,) = node.inputs, node.outputs
    dtype = output.type.dtype
    inner = argument.owner
    if (
        dtype not in FLOATS
        or argument.type.dtype != dtype
        or inner is None
        or not is_a(scalar_op(argument), ps.Add, ps.Sub, ps.Mul, ps.TrueDiv)
        or not holds_function(argument, FUNCTIONS)
    ):
        return None
    reader = Reader(dtype, _SHORT)
    region = region_of(inner, reader)
    if region is None or region.opaque:
        return None
    try:
        logarithm(region.series(reader)[0])
        series = logarithm(region.series(reader.at(ZERO, _LONG))[0])
    except NoSeriesError:
        return None
    found = _near_and_far(region, ZERO, series, of_log=True)
    return _SLOW if found is None else found


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


_KINDS = (*WITH_SERIES, Softplus)
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
        needs=_KINDS,
        source="Taylor series with exact coefficients",
    ),
    Rule(
        name="log_of_series",
        before=lambda x: symbols.log(symbols.sinh(x) / x),
        after=lambda x: symbols.log(symbols.sinh(x) / x),
        domain={"x": Interval(1e-100, 1e-10)},
        tested_in="tests/test_expansions.py",
        promise=8.0,
        mends="log(sinh(x) / x) and log((exp(x) - 1) / x) have no digit next to x = 0",
        databases=("specialize",),
        tracks=(log,),
        transform=log_of_series,
        needs=tuple((ps.Log, kind) for kind in FUNCTIONS),
        source="Taylor series with exact coefficients",
    ),
)
