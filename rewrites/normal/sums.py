"""Sums in which two terms of the normal family cancel, and what they are equal to."""

from collections.abc import Callable, Hashable
from fractions import Fraction

import numpy as np
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.scalar.math import Erfcx

from pytensor_stabilize.rewrites.arithmetic import signed_sum
from pytensor_stabilize.rewrites.matching import FLOATS, is_a, scalar_op
from pytensor_stabilize.rewrites.normal import ops
from pytensor_stabilize.rewrites.normal.forms import call
from pytensor_stabilize.rewrites.normal.matching import (
    Argument,
    Monomial,
    Powers,
    argument_of,
    close,
    common_scale,
    pair_of,
    summands,
    without,
)
from pytensor_stabilize.rewrites.rules import Left, Transform

C = Fraction(2 / np.sqrt(np.pi))

Term = tuple[Fraction, Monomial]
Merge = Callable[[dict[object, Term], str], tuple[list[object], Variable] | None]


def sum_transform(merge: Merge, quick: type | tuple[type, ...]) -> Transform:
    """Make a transform of sums in which `merge` finds two terms that cancel.

    `quick` are the scalar ops one of which must occur.
    """

    def transform(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
        dtype = str(node.outputs[0].type.dtype)
        if dtype not in FLOATS:
            return None
        signed = summands(node.outputs[0])
        if signed is None or not any(_contains(v, quick) for _, v in signed):
            return None
        terms: dict[object, Term] = {}
        keys_of: list[object] = []
        for sign, term in signed:
            monomial = Monomial.of(term)
            keys_of.append(monomial.key)
            c, first = terms.get(monomial.key, (Fraction(0), monomial))
            terms[monomial.key] = c + sign * monomial.coefficient, first
        found = merge(terms, dtype)
        if found is None:
            return None
        keys, merged = found
        rest = [s for s, key in zip(signed, keys_of, strict=True) if key not in keys]
        return signed_sum([(1, merged), *rest])

    return transform


def _contains(variable: Variable, kinds: type | tuple[type, ...], depth: int = 4) -> bool:
    op = scalar_op(variable)
    if isinstance(op, kinds):
        return True
    if not depth or not is_a(op, ps.Mul, ps.TrueDiv, ps.Neg, ps.Sqr, ps.Pow):
        return False
    return any(_contains(v, kinds, depth - 1) for v in variable.owner.inputs)


def _merge(
    kernel: str,
    partner: Callable[[Powers, Hashable, Argument], Powers],
    slope: Callable[[Argument], Fraction],
    build: Callable[[Monomial, Apply, Fraction, str], Variable],
) -> Merge:
    """Make a merge of ``c * f * K`` and ``e * g * K``, where ``e = c * slope``.

    f is the kernel's node with the argument ``k * x``; `partner` makes the powers of ``g * K`` of
    those of ``f * K``, and `build` the sum.
    """

    def merge(terms: dict[object, Term], dtype: str) -> tuple[list[object], Variable] | None:
        for key, (c, monomial) in terms.items():
            for f, power in monomial.powers.items():
                if not (isinstance(f, tuple) and f[0] == kernel and power > 0 and c):
                    continue
                other = frozenset(partner(monomial.powers, f, f[1]).items())
                if other not in terms or not close(terms[other][0], c * slope(f[1]), dtype):
                    continue
                owner = monomial.variables[f].owner
                rest = Monomial(Fraction(1), without(monomial.powers, (f, 1)), monomial.variables)
                return [key, other], build(rest, owner, c, dtype)
        return None

    return merge


def _times_argument(powers: Powers, f: Hashable, x: Argument) -> Powers:
    return without(powers, (f, 1), *((v, -p) for v, p in x.key))


def _times(rest: Monomial, factors: list[Variable], c: Fraction, dtype: str) -> Variable:
    for factor in factors:
        rest.times_factor(factor, 1)
    return rest.build(dtype, c)


def _excess(rest: Monomial, node: Apply, c: Fraction, dtype: str) -> Variable:
    u = argument_of(node)
    return _times(rest, [call(ops.erfc_excess, u.k, u.core)], c / C, dtype)


def _pair_excess(rest: Monomial, node: Apply, c: Fraction, dtype: str) -> Variable:
    k, x, y = common_scale(*pair_of(node))
    return _times(rest, [call(ops.erf_difference_excess, k, x, y)], c / C, dtype)


def _second(rest: Monomial, node: Apply, c: Fraction, dtype: str) -> Variable:
    # c K x d + e K with c = -k e: e K (1 - u d).
    u = argument_of(node)
    for v, p in u.key:
        rest.powers = without(rest.powers, (v, p))
    return _times(rest, [call(ops.erfc_second, u.k, u.core)], -c / u.k, dtype)


def _excess_slope(rest: Monomial, node: Apply, c: Fraction, dtype: str) -> Variable:
    # c K r d + e K with c = -e C / 2: e K s / 2.
    u = argument_of(node)
    rest.powers = without(rest.powers, (("erfc_excess", u), 1))
    return _times(rest, [call(ops.erfc_slope, u.k, u.core)], -c / C, dtype)


def _without_excess(powers: Powers, f: Hashable, x: Argument) -> Powers:
    return without(powers, (f, 1), (("erfc_excess", x), 1))


def _erfcx_slope(rest: Monomial, node: Apply, c: Fraction, dtype: str) -> Variable:
    # c K x erfcx + e K with c = -2 k e / C: (e / C) K d erfcx.
    u = Argument.of(node.inputs[0])
    for v, p in u.key:
        rest.powers = without(rest.powers, (v, p))
    factors = [call(ops.erfc_excess, u.k, u.core), node.outputs[0]]
    return _times(rest, factors, -c / (2 * u.k), dtype)


def _over_argument(powers: Powers, f: Hashable, x: Argument) -> Powers:
    return without(powers, (f, 1), *x.key)


excess_sum = sum_transform(
    _merge("erfc_ratio", _times_argument, lambda x: -2 * x.k / C, _excess),
    (ops.ErfcRatio, ops.ErfcCurvature),
)
pair_excess_sum = sum_transform(
    _merge("erf_difference_ratio", _times_argument, lambda x: 2 * x.k / C, _pair_excess),
    ops.ErfDifferenceRatio,
)


def _slope_of_second(rest: Monomial, node: Apply, c: Fraction, dtype: str) -> Variable:
    # c K w - c K d**2 / 2: c K s / 2.
    u = argument_of(node)
    return _times(rest, [call(ops.erfc_slope, u.k, u.core)], c / 2, dtype)


def _excess_squared(powers: Powers, f: Hashable, x: Argument) -> Powers:
    return without(powers, (f, 1), (("erfc_excess", x), -2))


slope_sum = sum_transform(
    _merge("erfc_second", _excess_squared, lambda x: Fraction(-1, 2), _slope_of_second),
    ops.ErfcSecond,
)
excess_slope_sum = sum_transform(
    _merge("erfc_ratio", _without_excess, lambda x: -2 / C, _excess_slope),
    (ops.ErfcRatio, ops.ErfcCurvature),
)
second_sum = sum_transform(
    _merge("erfc_excess", _over_argument, lambda x: -1 / x.k, _second),
    (ops.ErfcExcess, ops.ErfcCurvature),
)
erfcx_sum = sum_transform(
    _merge("erfcx", _over_argument, lambda x: -C / (2 * x.k), _erfcx_slope), Erfcx
)
