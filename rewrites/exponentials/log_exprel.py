"""``log(1 - exp(-w)) - log(w)``, of counts that are not 0: it is 0 at w = 0, where both are not.

The density of a zero-truncated Poisson is ``y log(w) - w - log(1 - exp(-w))``, with w = exp(eta).
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import factorial
from typing import NamedTuple

import numpy as np
import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.math import add, sub

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.additive import signed_terms
from pytensor_stabilize.rewrites.algebra.arguments import as_multiple
from pytensor_stabilize.rewrites.arithmetic import (
    as_dtype,
    build_product,
    constant_like,
    difference_of,
    factors,
)
from pytensor_stabilize.rewrites.matching import (
    FLOATS,
    exact_constant,
    is_a,
    scalar_op,
    strip_sign,
    terms,
)
from pytensor_stabilize.rewrites.rules import Interval, Left, Rule

# Beyond it the difference of the logarithms is right.
_NEAR = 1.0
# sinh(w / 2) / (w / 2) = 1 + w**2 / 24 + ...: the next coefficient is below half an ulp of w / 2.
_COEFFICIENTS = [Fraction(1, 4**k * factorial(2 * k + 1)) for k in range(1, 8)]
_DEPTH = 6


class _Tail(NamedTuple):
    """``log(1 - exp(-rate w))``, and what else is ``log(w)``."""

    rate: Fraction
    w: Variable
    u: Variable | None

    def is_log(self, variable: Variable) -> bool:
        if variable is self.u:
            return True
        if not is_a(scalar_op(variable), ps.Log):
            return False
        return variable.owner.inputs[0] is self.w  # type: ignore[union-attr]


def _tail(variable: Variable) -> _Tail | None:
    if not is_a(scalar_op(variable), psm.Log1mexp):
        return None
    found = as_multiple(variable.owner.inputs[0])  # type: ignore[union-attr]
    w = found.core
    if found.coefficient >= 0 or not isinstance(w, Variable) or w.type != variable.type:
        return None
    if _is_far(w):
        return None
    is_exp = is_a(scalar_op(w), ps.Exp)
    return _Tail(-found.coefficient, w, w.owner.inputs[0] if is_exp else None)  # type: ignore[union-attr]


def _is_far(w: Variable) -> bool:
    """Whether it is what stands in the branch away from 0."""
    if not is_a(scalar_op(w), ps.Maximum):
        return False
    return any(exact_constant(v) == _NEAR for v in w.owner.inputs)  # type: ignore[union-attr]


def _flat(variable: Variable, stop: Variable | None, sign: int = 1, depth: int = 0) -> list:
    """Terms of a sum with their signs; an exponent that is a sum stays one."""
    outer, core = strip_sign(variable)
    node = core.owner
    if core is stop or node is None or node.op not in (add, sub) or depth > _DEPTH:
        return [(sign * outer, core)]
    found: list[tuple[int, Variable]] = []
    for inner, term in terms(node):
        # A sum of integers may wrap.
        is_like = term.type.dtype == variable.type.dtype
        sub_sign = sign * outer * inner
        found += _flat(term, stop, sub_sign, depth + 1) if is_like else [(sub_sign, term)]
    return found


def log1mexp_minus_log(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``y u - log1mexp(-exp(u))`` as ``(y - 1) u`` minus what is 0 at 0."""
    (output,) = node.outputs
    dtype = output.type.dtype
    if dtype not in FLOATS:
        return None
    for _, term in _flat(output, None):
        tail = _tail(term)
        if tail is None or tail.w.type.dtype != dtype:
            continue
        signed = _flat(output, tail.u)
        at = next((k for k, (_, v) in enumerate(signed) if v is term), None)
        if at is None:
            continue
        own = signed[at][0]
        for i, (sign, other) in enumerate(signed):
            constant, counted = factors(other)
            logs = [v for v, n in counted.items() if n == 1 and tail.is_log(v)]
            if len(logs) != 1 or other.type.dtype != dtype:
                continue
            counted.subtract(logs)
            kept = Counter({v: n for v, n in counted.items() if n})
            rest = [t for k, t in enumerate(signed) if k not in (i, at)]
            total = sign * constant + own
            if kept:
                weight = as_dtype(build_product(constant, kept, dtype), dtype)
                rest.append((sign, pt.mul(_plus(weight, own * sign), logs[0])))
            elif own * sign * constant > 0:
                continue  # both are far below 0, or neither
            elif total:
                size = constant_like(abs(float(total)), logs[0])
                product = logs[0] if abs(total) == 1 else pt.mul(size, logs[0])
                rest.append((1 if total > 0 else -1, product))
            v = tail.w
            if tail.rate != 1:
                v = pt.mul(constant_like(float(tail.rate), v), v)
                number = own * float(np.log(float(tail.rate)))
                rest.append((1 if number > 0 else -1, constant_like(abs(number), v)))
            return difference_of([*rest, (own, log_exprel(v))])
    return None


def _plus(weight: Variable, number: int) -> Variable:
    """A sum and a number; ``y + 1 - 1`` is y, as PyTensor would have it."""
    signed = [(s, v, exact_constant(v)) for s, v in signed_terms(weight)]
    total = number + sum((s * c for s, _, c in signed if c is not None), Fraction(0))
    others = [(s, v) for s, v, c in signed if c is None]
    left = difference_of(others) if others else constant_like(0, weight)
    return pt.add(constant_like(float(total), weight), left) if total else left


def log_exprel(w: symbols.Value) -> symbols.Value:
    """``log((1 - exp(-w)) / w) = -w / 2 + log(sinh(w / 2) / (w / 2))``."""
    if not isinstance(w, Variable):
        return symbols.log(-symbols.expm1(-w)) - symbols.log(w)
    limit = constant_like(_NEAR, w)
    near = pt.minimum(w, limit)
    square = pt.sqr(near)
    total = constant_like(float(_COEFFICIENTS[-1]), w)
    for c in reversed(_COEFFICIENTS[:-1]):
        total = pt.add(constant_like(float(c), w), pt.mul(square, total))
    half = pt.mul(constant_like(0.5, w), near)
    far = pt.maximum(w, limit)
    return pt.switch(
        pt.lt(w, limit),
        pt.sub(pt.log1p(pt.mul(square, total)), half),
        pt.sub(pt.log1mexp(pt.neg(far)), pt.log(far)),
    )


LOG_EXPREL: tuple[Rule, ...] = (
    Rule(
        name="log1mexp_minus_log",
        before=lambda w: (
            pt.log1mexp(pt.neg(w)) - pt.log(w)
            if isinstance(w, Variable)
            else symbols.log(-symbols.expm1(-w)) - symbols.log(w)
        ),
        after=log_exprel,
        domain={"w": Interval(1e-300, 1e300)},
        tested_in="tests/test_nested.py",
        promise=4.0,
        mends="log(1 - exp(-w)) - log(w), of a zero-truncated Poisson, has no digit at 1e-17",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=log1mexp_minus_log,
        needs=(psm.Log1mexp,),
        source="1 - exp(-w) = 2 exp(-w / 2) sinh(w / 2)",
    ),
)
