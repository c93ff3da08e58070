"""Rules for erf, erfc and the normal distribution function, with one argument and with two.

They run in canonicalize too: PyTensor's own rules for ``log(erfc(x))`` and its gradient, in
stabilize, put a series in their place that keeps six digits beyond 26.
"""

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.scalar.math import Erf, Erfc, Erfcx

from pytensor_stabilize.rewrites.additive import signed_terms
from pytensor_stabilize.rewrites.arithmetic import (
    build_product,
    difference_of,
    factors,
    product_of,
    signed_sum,
)
from pytensor_stabilize.rewrites.matching import FLOATS, MOVES, exact_constant, is_a, scalar_op
from pytensor_stabilize.rewrites.normal import ops
from pytensor_stabilize.rewrites.normal.forms import call
from pytensor_stabilize.rewrites.normal.matching import (
    Argument,
    ErfSum,
    Monomial,
    argument_of,
    common_scale,
    summands,
    without,
)
from pytensor_stabilize.rewrites.rules import Left, Transform

C = Fraction(2 / np.sqrt(np.pi))
HALF = Fraction(1, 2)
# Denominators of numbers that nobody has rounded.
_WRITTEN = 16


def may_be_erf_sum(variable: Variable) -> bool:
    """A quick look: whether reading it as a sum of erf and erfc could lead to anything."""
    op = scalar_op(variable)
    if op is None:
        return variable.owner is not None and is_a(variable.owner.op, *MOVES)
    return isinstance(
        op, ps.Add | ps.Sub | ps.Mul | ps.Neg | ps.TrueDiv | Erf | Erfc | ops.ErfDifference
    )


def log_transform(offset: int, pair: bool = False, halves: tuple[bool, ...] = ()) -> Transform:
    """Make the transform of ``log(v + offset)`` where that is a multiple of a tail or difference.

    The tail is ``erfc(u)``, the difference, with `pair`, ``erf(a) - erf(b)``.  `halves` says
    whether ``erfc(u) / 2`` is wanted, or other multiples, or both.
    """

    def transform(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
        found = _read(node.inputs[0])
        if found is None or node.outputs[0].type.dtype not in FLOATS:
            return None
        found.constant += offset
        if pair:
            difference = found.difference
            if difference is None:
                return None
            c, a, b = difference
            k, x, y = common_scale(a, b)
            if c == 1:
                return call(ops.log_erf_difference, k, x, y)
            return _plus_log(call(ops.log_half_erf_difference, k, x, y), 2 * c)
        tail = found.tail
        if tail is None or tail[0] < 0 or (tail[0] == HALF) not in halves:
            return None
        c, u = tail
        if c == HALF:
            return call(ops.log_half_erfc, u.k, u.core)
        return _plus_log(call(ops.log_erfc, u.k, u.core), c)

    return transform


def log_of_erfcx(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``log(erfcx(u))``."""
    (x,) = node.inputs
    if not is_a(scalar_op(x), Erfcx) or x.type.dtype not in FLOATS:
        return None
    u = Argument.of(x.owner.inputs[0])
    return call(ops.log_erfcx, u.k, u.core)


def _read(variable: Variable) -> ErfSum | None:
    return ErfSum.of(variable) if may_be_erf_sum(variable) else None


def _plus_log(value: Variable, c: Fraction) -> Variable:
    return value if c == 1 else value + pt.constant(np.log(float(c)), dtype=value.type.dtype)


def erf_difference_in_sum(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``c * erf(a) - c * erf(b) + rest -> c * erf_difference(a, b) + rest``."""
    signed = summands(node.outputs[0])
    if signed is None or node.outputs[0].type.dtype not in FLOATS:
        return None
    total, rest, count = ErfSum(), [], 0
    for sign, term in signed:
        found = _read(term)
        if found is None and exact_constant(term) is not None:
            found = ErfSum(exact_constant(term) or Fraction(0))
        elif found is not None:
            count += 1
        if found is None:
            rest.append((sign, term))
        else:
            total.plus(found, sign)
    difference = total.difference if count else None
    if difference is None or (count == 1 and not rest):
        return None
    if any(is_a(scalar_op(term), ops.ErfDifference) for _, term in signed):
        return None
    c, a, b = difference
    k, x, y = common_scale(a, b)
    value = call(ops.erf_difference, k, x, y)
    if c != 1:
        value = pt.constant(float(c), dtype=value.type.dtype) * value
    return signed_sum([(1, value), *rest])


def ratio_transform(pair: bool) -> Transform:
    """Make the transform of ``exp(-u**2) * rest / erfc(u)``, or of the same with two arguments."""

    def transform(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
        below = _factors(node.inputs[1])
        found = [(v, s) for v in below if (s := _read(v)) is not None]
        if not found or node.outputs[0].type.dtype not in FLOATS:
            return None
        above = _factors(node.inputs[0])
        dtype = str(node.outputs[0].type.dtype)
        for variable, total in found:
            built = _pair_ratio(above, total, dtype) if pair else _ratio(above, total, dtype)
            if built is None:
                continue
            n, above_left, ratio, c = built
            if n > sum(v is variable for v in below):
                continue
            alone = not pair and n == 1
            spread = _over_both_tails(above_left, total, ratio, dtype) if alone else None
            other = _other_tail(total, found) if alone and spread is None else None
            if other is not None:
                # 1 / (erfc(u) erfc(-u)) = (1 / erfc(u) + 1 / erfc(-u)) / 2, because they add to 2.
                below.remove(other[0])
                ratio, c = pt.add(ratio, other[1]), 2 * c * other[2]
            above_left = [*above_left, *[ratio] * n] if spread is None else [spread]
            for _ in range(n):
                below.remove(variable)
                if c != 1:
                    below.append(pt.constant(float(c), dtype=dtype))
            result = product_of(above_left)
            return pt.true_div(result, product_of(below)) if below else result
        return None

    return transform


Built = tuple[int, list[Variable], Variable, Fraction]


def _ratio(above: list[Variable], total: ErfSum, dtype: str) -> Built | None:
    tail = total.tail
    if tail is None:
        return None
    c, u = tail
    taken = _take_exp(above, u, dtype)
    if taken is None:
        return None
    n, left, square = taken
    k = u.k
    if square.denominator <= _WRITTEN and square != k * k:
        # exp(-x**2 / 2) as the user wrote it: 1 / sqrt(2) beside it in erfc is rounded.
        k = _root(square) * (1 if k > 0 else -1)
    return n, left, call(ops.erfc_ratio, k, u.core), c


def _root(square: Fraction) -> Fraction:
    """A square root to 40 digits."""
    scale = 10**80
    return Fraction(math.isqrt(square.numerator * scale // square.denominator), 10**40)


def _other_tail(
    total: ErfSum, found: list[tuple[Variable, ErfSum]]
) -> tuple[Variable, Variable, Fraction] | None:
    """Next to ``erfc(u)``, a ``c erfc(-u)`` with its ratio."""
    assert total.tail is not None
    u = total.tail[1]
    for variable, other in found:
        if other.tail is None:
            continue
        c, v = other.tail
        if v == -u:
            return variable, call(ops.erfc_ratio, v.k, v.core), c
    return None


def _over_both_tails(
    above: list[Variable], total: ErfSum, ratio: Variable, dtype: str
) -> Variable | None:
    """A probit score, ``(y / Phi(x) - 1) phi(x) / Phi(-x)``: a ratio of each tail, not 0 times inf.

    With r the ratio of erfc(u) and s that of erfc(-u), ``r / erfc(-u) = (r + s) / 2``.
    """
    assert total.tail is not None
    u = total.tail[1]
    for at, factor in enumerate(above):
        if not is_a(scalar_op(factor), ps.Add, ps.Sub) or factor.type.dtype != dtype:
            continue
        halves: list[tuple[int, Variable]] = []
        plain: list[tuple[int, Variable]] = []
        for sign, term in signed_terms(factor):
            c, counted = factors(term)
            tails = [(v, _read(v)) for v, n in counted.items() if n == -1]
            found = [(v, s.tail[0]) for v, s in tails if s and s.tail and s.tail[1] == -u]
            if len(found) != 1 or found[0][1] <= 0:
                plain.append((sign, term))
                continue
            ((tail, scale),) = found
            counted[tail] = 0
            half = build_product(
                c / (2 * scale), Counter({v: n for v, n in counted.items() if n}), dtype
            )
            halves.append((sign, half))
        if not halves:
            continue
        k = argument_of(ratio.owner).k
        other = call(ops.erfc_ratio, -k, u.core)
        both = pt.add(
            pt.mul(difference_of(halves), other), pt.mul(difference_of([*halves, *plain]), ratio)
        )
        return product_of([*above[:at], both, *above[at + 1 :]])
    return None


def _pair_ratio(above: list[Variable], total: ErfSum, dtype: str) -> Built | None:
    difference = total.difference
    if difference is None:
        return None
    c, a, b = difference
    for first, other, sign in ((a, b, 1), (b, a, -1)):
        taken = _take_exp(above, first, dtype)
        if taken is not None:
            n, left, _ = taken
            k, x, y = common_scale(first, other)
            return n, left, call(ops.erf_difference_ratio, k, x, y), sign * c
    return None


def _factors(variable: Variable) -> list[Variable]:
    """Factors of a product, squares taken apart."""
    op = scalar_op(variable)
    if variable.owner is None or op is None:
        return [variable]
    inputs = variable.owner.inputs
    if is_a(op, ps.Mul):
        return [factor for v in inputs for factor in _factors(v)]
    if is_a(op, ps.Sqr):
        return _factors(inputs[0]) * 2
    if is_a(op, ps.Pow):
        power = exact_constant(inputs[1])
        if power is not None and power.denominator == 1 and 0 < power <= 8:
            return _factors(inputs[0]) * int(power)
    return [variable]


def _take_exp(
    above: list[Variable], u: Argument, dtype: str
) -> tuple[int, list[Variable], Fraction] | None:
    """Take ``exp(-n u**2)`` out of the factors: return n, what is left, and the k**2 in it."""
    for i, factor in enumerate(above):
        if not is_a(scalar_op(factor), ps.Exp):
            continue
        exponents = summands(factor.owner.inputs[0])
        if exponents is None:
            continue
        for j, (sign, term) in enumerate(exponents):
            monomial = Monomial.of(term)
            n = u.is_square_of(sign * monomial.coefficient, monomial.powers, dtype)
            if n:
                rest = exponents[:j] + exponents[j + 1 :]
                left = above[:i] + above[i + 1 :]
                if rest:
                    left.append(pt.exp(signed_sum(rest)))
                return n, left, abs(monomial.coefficient) / n
    return None


def erfcx_times_ratio(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``exp(-u**2) / erfc(u) * erfcx(u) -> 1``."""
    monomial = Monomial.of(node.outputs[0])
    for key in monomial.powers:
        if isinstance(key, tuple) and key[0] == "erfc_ratio":
            other = ("erfcx", key[1])
            n = min(monomial.powers[key], monomial.powers.get(other, 0))
            if n > 0:
                monomial.powers = without(monomial.powers, (key, n), (other, n))
                return monomial.build(str(node.outputs[0].type.dtype))
    return None


def ratio_times_excess(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``exp(-u**2) / erfc(u) * d(u)``: one kernel, and one rounding, for both."""
    kinds = {type(scalar_op(factor)) for factor in _factors(node.outputs[0])}
    if not {ops.ErfcRatio, ops.ErfcExcess} <= kinds:
        return None
    monomial = Monomial.of(node.outputs[0])
    for key in monomial.powers:
        if isinstance(key, tuple) and key[0] == "erfc_ratio":
            other, u = ("erfc_excess", key[1]), key[1]
            n = min(monomial.powers[key], monomial.powers.get(other, 0))
            if n > 0:
                monomial.powers = without(monomial.powers, (key, n), (other, n))
                curvature = call(ops.erfc_curvature, u.k, u.core)
                monomial.powers[curvature] = n
                monomial.variables[curvature] = curvature
                coefficient = monomial.coefficient / C**n
                return monomial.build(str(node.outputs[0].type.dtype), coefficient)
    return None


def one_over_erfcx(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``rest / erfcx(u) -> rest * exp(-u**2) / erfc(u)``, of which derivatives are known."""
    reciprocal = is_a(node.op.scalar_op, ps.Reciprocal)
    below = _factors(node.inputs[-1])
    for factor in below:
        if is_a(scalar_op(factor), Erfcx) and factor.type.dtype in FLOATS:
            below.remove(factor)
            u = Argument.of(factor.owner.inputs[0])
            ratio = call(ops.erfc_ratio, u.k, u.core)
            above = ratio if reciprocal else product_of([node.inputs[0], ratio])
            return pt.true_div(above, product_of(below)) if below else above
    return None


def log_cdf_switch(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``switch(condition, log(erfcx(u) / 2) - u**2, log(erfc(u) / 2))``: both are the same."""
    for whole, scaled in (node.inputs[1:], node.inputs[:0:-1]):
        if is_a(scalar_op(whole), ops.LogHalfErfc) and scaled.owner is not None:
            u = argument_of(whole.owner)
            if _is_scaled_log(scaled, u) and whole.type.dtype == node.outputs[0].type.dtype:
                return whole
    return None


def _is_scaled_log(variable: Variable, u: Argument) -> bool:
    signed = summands(variable)
    if signed is None or len(signed) != 2:
        return False
    dtype = str(variable.type.dtype)
    logs = [v for sign, v in signed if sign > 0 and is_a(scalar_op(v), ps.Log)]
    squares = [(sign, Monomial.of(v)) for sign, v in signed if v not in logs]
    if len(logs) != 1 or dtype not in FLOATS:
        return False
    inner = Monomial.of(logs[0].owner.inputs[0])
    ((sign, square),) = squares
    return (
        u.is_square_of(sign * square.coefficient, square.powers, dtype) == 1
        and inner.powers == {("erfcx", u): 1}
        and inner.coefficient == HALF
    )
