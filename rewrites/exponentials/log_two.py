"""Softplus minus log(2): log-cosh as it is usually written, and the shifted softplus.

``x + softplus(-2 x) - log(2)`` never overflows, and has an absolute error of 1e-16 next to 0,
where it is x**2 / 2.  ``softplus(x) - log(2)`` is x / 2 there.
"""

from collections import Counter
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.scalar.math import Softplus
from pytensor.tensor.math import add, sub

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.arithmetic import (
    build_product,
    constant_like,
    difference_of,
    factors,
)
from pytensor_stabilize.rewrites.differences.pairs import flat_terms
from pytensor_stabilize.rewrites.exponentials.logs import (
    NEAR_ZERO,
    PART_OF_A_SUM,
    log_cosh_of,
    sums_that_use,
)
from pytensor_stabilize.rewrites.matching import FLOATS, exact_constant, is_a, scalar_op
from pytensor_stabilize.rewrites.rules import REAL, Left, Rule

# OEIS A002162.
LOG_TWO = Fraction("0.693147180559945309417232121458176568075500134360255254120680009")
# Of the unit roundoff: the constant is rounded, and may be a sum of two.
_TOLERANCE = 4


class _Found(NamedTuple):
    """``times * softplus(argument) + constant`` among the terms of a sum, and the others."""

    times: Fraction
    argument: Variable
    constant: Fraction
    others: list[tuple[int, Variable]]

    @property
    def residual(self) -> Fraction:
        """What the constant differs by from a multiple of log(2): it is a float."""
        return self.constant + self.times * LOG_TWO


def _read(node: Apply) -> _Found | None:
    (output,) = node.outputs
    dtype = output.type.dtype
    if dtype not in FLOATS:
        return None
    summed = flat_terms(node)
    constants = [(s, v, c) for s, v in summed if (c := exact_constant(v)) is not None]
    if len(constants) != 1:
        return None
    ((sign, known, value),) = constants
    for own, term in summed:
        times, counted = factors(term)
        if len(counted) != 1 or counted.total() != 1:
            continue
        (softplus,) = counted
        if not is_a(scalar_op(softplus), Softplus) or softplus.type.dtype != dtype:
            continue
        assert softplus.owner is not None
        found = _Found(own * times, softplus.owner.inputs[0], sign * value, list(summed))
        allowed = _TOLERANCE * Fraction(float(np.finfo(dtype).epsneg)) * abs(found.times)
        if abs(found.residual) > allowed or found.argument.type.dtype != dtype:
            continue
        if _is_far(found.argument):
            continue
        found.others.remove((own, term))
        found.others.remove((sign, known))
        return found
    return None


def _is_far(argument: Variable) -> bool:
    """Whether it is what stands in the branch away from 0."""
    _, counted = factors(argument)
    return any(
        is_a(scalar_op(v), ps.Maximum)
        and any(exact_constant(bound) == NEAR_ZERO for bound in v.owner.inputs)  # type: ignore[union-attr]
        for v in counted
    )


def _half(found: _Found) -> tuple[tuple[int, Variable], Variable] | None:
    """The term that makes softplus even, and half its argument."""
    k, counted = factors(found.argument)
    for sign, term in found.others:
        c, own = factors(term)
        if own == counted and sign * c == -found.times * k / 2:
            return (sign, term), build_product(k / 2, counted, found.argument.type.dtype)
    return None


def log_cosh_of_softplus(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``n (softplus(2 u) - u - log(2)) -> n log(cosh(u))``."""
    found = _read(node)
    if found is None:
        return None
    partner = _half(found)
    if partner is None:
        return None
    used, half = partner
    found.others.remove(used)
    return _sum(found, log_cosh_of(_unsigned(half)))


def _unsigned(u: Variable) -> Variable:
    """The argument of an even function without sign, and without abs: its derivative at 0 is 0."""
    c, counted = factors(u)
    if len(counted) != 1 or counted.total() != 1:
        return build_product(abs(c), counted, u.type.dtype)
    (core,) = counted
    node, op = core.owner, scalar_op(core)
    inner = None
    if node is not None and is_a(op, ps.Abs):
        (inner,) = node.inputs
    elif node is not None and is_a(op, ps.Switch):
        (first, own), (second, other) = map(factors, node.inputs[1:])
        inner = node.inputs[1] if own == other and first == -second else None
    return build_product(abs(c), Counter({core if inner is None else inner: 1}), u.type.dtype)


def shifted_softplus(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``n (softplus(x) - log(2)) -> n log1p(expm1(x) / 2)`` where x is not large."""
    found = _read(node)
    if found is None:
        return None
    if sums_that_use(fgraph, node.outputs[0]):
        return PART_OF_A_SUM
    return _sum(found, shifted_softplus_of(found.argument))


def shifted_softplus_of(x: symbols.Value) -> symbols.Value:
    """``softplus(x) - log(2)`` by two formulas, of which each is accurate where it is used."""
    if not isinstance(x, Variable):
        return symbols.softplus(x) - symbols.log_two(x)
    limit = constant_like(NEAR_ZERO, x)
    near = pt.log1p(constant_like(0.5, x) * pt.expm1(pt.minimum(x, limit)))
    far = constant_like(-float(LOG_TWO), x) + pt.softplus(pt.maximum(x, limit))
    return pt.switch(pt.le(x, limit), near, far)


def residual(like: symbols.Value) -> symbols.Value:
    """What log(2) and the float next to it differ by."""
    if not isinstance(like, Variable):
        return like * 0
    rounded = exact_constant(symbols.log_two(like))
    assert rounded is not None
    return constant_like(float(LOG_TWO - rounded), like)


def _sum(found: _Found, value: Variable) -> Variable:
    """The others, and in place of what was found n times a value; constants first."""
    size = abs(found.times)
    product = value if size == 1 else pt.mul(constant_like(float(size), value), value)
    terms = [(1 if found.times > 0 else -1, product), *found.others]
    if found.residual:
        terms.insert(0, (1, constant_like(float(found.residual), value)))
    return difference_of(terms)


LOG_TWO_RULES: tuple[Rule, ...] = (
    Rule(
        name="log_cosh_of_softplus",
        before=lambda x: x + symbols.softplus(-2 * x) - symbols.log_two(x),
        after=lambda x: residual(x) + log_cosh_of(x),
        domain={"x": REAL},
        promise=4.0,
        mends="x + softplus(-2 x) - log(2) keeps no digit for |x| < 1e-8",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=log_cosh_of_softplus,
        needs=(Softplus,),
        tested_in="tests/test_log_two.py",
        source="2 cosh(x) = exp(x) (1 + exp(-2 x)); cosh(x)**2 = 1 + sinh(x)**2",
    ),
    Rule(
        name="shifted_softplus",
        before=lambda x: symbols.softplus(x) - symbols.log_two(x),
        after=lambda x: residual(x) + shifted_softplus_of(x),
        domain={"x": REAL},
        promise=4.0,
        mends="softplus(x) - log(2) keeps no digit for |x| < 1e-16",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=shifted_softplus,
        needs=(Softplus,),
        tested_in="tests/test_log_two.py",
        source="(1 + exp(x)) / 2 = 1 + (exp(x) - 1) / 2",
    ),
)
