"""Functions of ``w = exp(u)``: ``log(1 - exp(-exp(u)))``, of a cloglog model, and its derivatives.

Where w underflows they are 0 / 0, next to that their terms cancel, and where w overflows they are
inf * 0.  Whatever else the region holds of u, ``sigmoid(-u)`` for example, is rational in w: so
the whole is a power series in w, which takes over where w is small; beyond, w is kept finite.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from math import exp, log

import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.math import add, log1mexp, mul, sub, true_div

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.algebra.arguments import as_multiple
from pytensor_stabilize.rewrites.arithmetic import build_product, constant_like, factors, signed_sum
from pytensor_stabilize.rewrites.differences.pairs import flat_terms
from pytensor_stabilize.rewrites.exponentials.nested_series import WReader, exponential_in
from pytensor_stabilize.rewrites.matching import (
    FLOATS,
    is_a,
    scalar_op,
)
from pytensor_stabilize.rewrites.power_series import (
    NoSeriesError,
    Series,
)
from pytensor_stabilize.rewrites.removable import radius_of, series_at
from pytensor_stabilize.rewrites.rules import Interval, Left, Rule

# Enough to see how many powers are lost, and enough for the largest radius.
_SHORT, _LONG = 10, 44
# Where w stops if the whole decays: exp(-w) is 0, and w**3 is a float.
_TOP = {"float32": 25.0, "float64": 230.0}
# log(1 - exp(-w)) is u - w / 2 below exp(-20), to w**2 / 24.
_SMALL = -20.0


# A constant, and the powers of variables beside it.
_Term = tuple[Fraction, Counter[Variable]]


def nested_exponential(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """Give a function of exp(u) its series where exp(u) is small, and keep exp(u) finite."""
    (output,) = node.outputs
    dtype = output.type.dtype
    if dtype not in FLOATS:
        return None
    w = exponential_in(output)
    if w is None or w.type.dtype != dtype:
        return None
    summed = flat_terms(node) if node.op in (add, sub) else [(1, output)]
    groups = list(_groups(summed, WReader(w, _SHORT)))
    for positions, opaque, terms in groups:
        result = _mended(w, terms)
        if result is None:
            continue
        counted = Counter(opaque)
        counted[result] += 1
        whole = build_product(Fraction(1), counted, dtype)
        rest = [(sign, term) for k, (sign, term) in enumerate(summed) if k not in positions]
        return signed_sum([(1, whole), *rest])
    return None


def _groups(
    summed: list[tuple[int, Variable]], reader: WReader
) -> Iterator[tuple[set[int], Counter[Variable], list[_Term]]]:
    """Terms with the same factors beside their functions of w."""
    found: dict[frozenset[tuple[Variable, int]], list[tuple[int, _Term]]] = {}
    for position, (sign, term) in enumerate(summed):
        constant, counted = factors(term)
        own = Counter({v: n for v, n in counted.items() if reader.series(v) is not None})
        opaque = frozenset((v, n) for v, n in counted.items() if v not in own)
        found.setdefault(opaque, []).append((position, (sign * constant, own)))
    for opaque, group in found.items():
        yield {k for k, _ in group}, Counter(dict(opaque)), [term for _, term in group]


def _total(reader: WReader, terms: list[_Term]) -> Series | None:
    """The sum; None if it is right as it stands."""
    total: Series | None = None
    lowest: list[int] = []
    reader.loses = False
    for constant, counted in terms:
        term = reader.constant(constant)
        above = below = 0
        for v, n in counted.items():
            own = reader.known(v)
            above, below = above + max(own.order * n, 0), below + max(-own.order * n, 0)
            term = term.times(own.power(Fraction(n)))
        # Both underflow.
        reader.loses |= above > 0 and below > 0
        lowest.append(term.order)
        total = term if total is None else total.plus(term)
    assert total is not None
    return total if reader.loses or not total.c or total.order > min(lowest) else None


def _mended(w: Variable, terms: list[_Term]) -> Variable | None:
    """A sum of functions of w: its series where w is small, and what it was with w kept finite."""
    try:
        if not any(counted for _, counted in terms) or _total(WReader(w, _SHORT), terms) is None:
            return None
        reader = WReader(w, _LONG)
        series = _total(reader, terms)
    except NoSeriesError:
        return None
    dtype = w.type.dtype
    if series is None or not series.c or series.order < 0:
        return None
    found = radius_of(series, dtype)
    if found is None:
        return None
    radius, count = found
    limit = constant_like(float(radius), w)
    near = series_at(series, count, pt.minimum(w, limit))
    far = [build_product(c, _finite(reader, counted, radius), dtype) for c, counted in terms]
    return pt.switch(pt.lt(w, limit), near, signed_sum([(1, term) for term in far]))


def _finite(reader: WReader, counted: Counter[Variable], radius: Fraction) -> Counter[Variable]:
    """A product with w kept above the radius, and where w overflows if the product is 0 there."""
    w = reader.w
    u = w.owner.inputs[0]  # type: ignore[union-attr]
    low = constant_like(float(radius), w), constant_like(log(float(radius)), u)
    if reader.decays(counted):
        top = _TOP[w.type.dtype]
        high = constant_like(exp(top), w), constant_like(top, u)
        kept = tuple(map(pt.clip, (w, u), low, high))
    else:
        kept = tuple(map(pt.maximum, (w, u), low))
    return Counter({reader.at(v, *kept): n for v, n in counted.items()})


def log1mexp_of_exponential(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``log(1 - exp(-c w))`` is ``u + log(c)`` where w underflows."""
    (argument,), (output,) = node.inputs, node.outputs
    found = as_multiple(argument)
    w = found.core
    if not isinstance(w, Variable) or not is_a(scalar_op(w), ps.Exp) or found.coefficient >= 0:
        return None
    u = w.owner.inputs[0]  # type: ignore[union-attr]
    if output.type.dtype not in FLOATS or u.type.dtype != output.type.dtype:
        return None
    return _log_of_expm1(u, float(-found.coefficient))


def _log_of_expm1(u: symbols.Value, c: float = 1.0) -> symbols.Value:
    w = symbols.exp(u)
    if not isinstance(u, Variable):
        return symbols.log1mexp(-w)
    # The branch that is not taken stays finite: JAX differentiates both.
    small = constant_like(exp(_SMALL) / c, u)
    near = u - constant_like(0.5 * c, u) * pt.minimum(w, small)
    if c != 1:
        near = near + constant_like(log(c), u)
    far = pt.log1mexp(constant_like(-c, u) * pt.maximum(w, small))
    return pt.switch(pt.lt(w, small), near, far)


NESTED: tuple[Rule, ...] = (
    Rule(
        name="log1mexp_of_exponential",
        before=lambda u: symbols.log1mexp(-symbols.exp(u)),
        after=_log_of_expm1,
        domain={"u": Interval(-700.0, 3.0)},
        tested_in="tests/test_nested.py",
        promise=16.0,
        mends="log(1 - exp(-exp(u))) is -inf below -745",
        databases=("stabilize", "specialize"),
        tracks=(log1mexp,),
        transform=log1mexp_of_exponential,
        needs=((psm.Log1mexp, ps.Exp),),
        source="log(1 - exp(-w)) = log(w) - w / 2 + w**2 / 24 + ...",
    ),
    Rule(
        name="nested_exponential",
        before=lambda u: symbols.exp(u) / symbols.expm1(symbols.exp(u)),
        after=lambda u: symbols.exp(u) / symbols.expm1(symbols.exp(u)),
        domain={"u": Interval(-30.0, 3.0)},
        tested_in="tests/test_nested.py",
        promise=16.0,
        mends="the derivatives of log(1 - exp(-exp(u))) are 0 / 0 below -745, inf * 0 beyond 710",
        databases=("specialize",),
        tracks=(add, sub, mul, true_div),
        transform=nested_exponential,
        needs=((ps.Exp, psm.Sigmoid), (ps.Exp, ps.Tanh), (ps.Exp, ps.Expm1)),
        source="Power series in exp(u) with exact coefficients",
    ),
)
