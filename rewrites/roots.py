"""Rules for differences of square roots, and of their reciprocals."""

from collections import Counter
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.math import add, sub

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.additive import signed_terms
from pytensor_stabilize.rewrites.arithmetic import constant_like, difference_of, product_of
from pytensor_stabilize.rewrites.matching import (
    FLOATS,
    exact_constant,
    is_a,
    scalar_op,
    strip_sign,
    terms,
)
from pytensor_stabilize.rewrites.products import Factors
from pytensor_stabilize.rewrites.rules import REAL, Interval, Left, Rule


def difference_of_roots(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``sqrt(u) - sqrt(v) -> (u - v) / (sqrt(u) + sqrt(v))``, also for a constant root."""
    (output,) = node.outputs
    dtype = output.type.dtype
    signed = [(s * c, v) for s, term in terms(node) for c, v in [strip_sign(term)]]
    if dtype not in FLOATS or len(signed) != 2 or any(v.type.dtype != dtype for _, v in signed):
        return None
    squares = [_square(v, other) for (_, v), (_, other) in (signed, signed[::-1])]
    if not any(is_a(scalar_op(v), ps.Sqrt) for _, v in signed) or None in squares:
        return None
    (s, p), (r, q) = signed
    constants = [exact_constant(v) for v in (p, q)]
    signs = [
        sign if constant is None or constant > 0 else -sign
        for sign, constant in ((s, constants[0]), (r, constants[1]))
    ]
    if signs[0] == signs[1]:
        return None
    if signs[0] < 0:
        p, q, constants, squares = q, p, constants[::-1], squares[::-1]
    (up, vp), (uq, vq) = squares  # type: ignore[misc]
    p, q = (
        v if c is None or c > 0 else pt.constant(np.asarray(-float(c), dtype=dtype))
        for v, c in ((p, constants[0]), (q, constants[1]))
    )
    difference = _difference(up, vp, uq, vq, dtype)
    if difference is None:
        return Left("the difference of the squares is not simpler")
    parts = (q, p) if constants[1] is not None else (p, q)
    return _guarded(difference, pt.add(*parts), all(c is None for c in constants))


def _guarded(difference: Variable, total: Variable, may_vanish: bool) -> Variable:
    """The quotient; where it is 0 / 0 or inf / inf, the numerator, which is the answer there."""
    special = pt.isinf(total)
    if may_vanish:
        special = pt.or_(special, pt.eq(total, np.asarray(0, dtype=total.type.dtype)))
    return pt.switch(special, difference, pt.true_div(difference, total))


def _root_minus_one(x: symbols.Value) -> symbols.Value:
    """``sqrt(1 + x**2) - 1`` as the rule makes it."""
    above, below = x**2, 1 + symbols.sqrt(1 + x**2)
    return _guarded(above, below, False) if isinstance(x, Variable) else above / below


def _square(
    variable: Variable, other: Variable | None = None
) -> tuple[Fraction, list[tuple[int, Variable]]] | None:
    """The square of a root, a constant or ``|x|``, as a constant and other terms."""
    value = exact_constant(variable)
    if value is not None:
        return value**2, []
    if other is not None and is_a(scalar_op(variable), ps.Abs) and is_a(scalar_op(other), ps.Sqrt):
        # The square that the other one has.
        x = variable.owner.inputs[0]
        for sign, term in signed_terms(other.owner.inputs[0]):
            if is_a(scalar_op(term), ps.Sqr) and term.owner.inputs[0] is x:
                return Fraction(0), [(sign, term)]
    if not is_a(scalar_op(variable), ps.Sqrt):
        return None
    inner = variable.owner.inputs[0]
    if inner.type.dtype != variable.type.dtype:
        return None
    total, rest = Fraction(0), []
    for sign, term in signed_terms(inner):
        constant = exact_constant(term)
        if constant is None:
            rest.append((sign, term))
        else:
            total += sign * constant
    return total, rest


def _difference(
    u0: Fraction,
    u: list[tuple[int, Variable]],
    v0: Fraction,
    v: list[tuple[int, Variable]],
    dtype: str,
) -> Variable | None:
    """``u - v`` where that is one term or a difference of two variables; else None."""
    total = Counter(u)
    total.subtract(Counter(v))
    left = [(s if n > 0 else -s, t) for (s, t), n in total.items() for _ in range(abs(n))]
    constant = u0 - v0
    # With more terms the subtraction would round, and may cancel where the roots do not.
    if len(left) + (constant != 0) > (2 if not constant else 1):
        return None
    if constant:
        value = np.asarray(float(constant), dtype=dtype)
        if Fraction(float(value)) != constant:
            return None
        left.append((1, pt.constant(value)))
    return difference_of(left) if left else None


class Power(NamedTuple):
    """``factor * rest / root**power``."""

    factor: Fraction
    rest: Counter[Variable]
    root: Variable
    power: int


def _reciprocal_power(variable: Variable) -> Power | None:
    sign, core = strip_sign(variable)
    op = scalar_op(core)
    if not is_a(op, ps.TrueDiv, ps.Reciprocal):
        return None
    above, below = core.owner.inputs if is_a(op, ps.TrueDiv) else (None, core.owner.inputs[0])
    if any(v is not None and v.type.dtype != core.type.dtype for v in (above, below)):
        return None
    top = Factors(Fraction(1), Counter()) if above is None else Factors.of(above)
    bottom = Factors.of(below)
    if len(bottom.others) != 1 or not bottom.constant:
        return None
    ((root, count),) = bottom.others.items()
    if not is_a(scalar_op(root), ps.Sqrt) or count not in (1, 3):
        return None
    return Power(sign * top.constant / bottom.constant, top.others, root, count)


def difference_of_reciprocal_roots(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``1/sqrt(u)**n - 1/sqrt(v)**n`` for n = 1 and 3: the derivatives of ``sqrt(u) - sqrt(v)``."""
    (output,) = node.outputs
    dtype = output.type.dtype
    signed = list(terms(node))
    if dtype not in FLOATS or len(signed) != 2 or any(t.type.dtype != dtype for _, t in signed):
        return None
    read = [_reciprocal_power(term) for _, term in signed]
    one, other = read
    for k in (0, 1):
        constant = exact_constant(signed[1 - k][1])
        power = read[k]
        if constant is not None and power is not None and not power.rest and power.power == 1:
            return _against_constant(
                signed[k][0] * power.factor, power.root, signed[1 - k][0] * constant, dtype
            )
    if one is None or other is None or one.power != other.power or one.rest != other.rest:
        return None
    c = signed[0][0] * one.factor
    squares = [_square(power.root) for power in (one, other)]
    if c != -signed[1][0] * other.factor or squares[0] is None or squares[1] is None:
        return None
    difference = _difference(*squares[1], *squares[0], dtype)
    outer = Factors(c, one.rest).build(dtype)
    if difference is None or outer is None:
        return Left("the difference of the squares is not simpler")
    p, q = one.root, other.root
    top = product_of([v for v in (outer, difference) if exact_constant(v) != 1] or [outer])
    # The product of three roots is beyond the floats where the result is an ordinary number.
    total, limits = pt.mul(p, q, pt.add(p, q)), np.finfo(dtype)
    inside = pt.and_(
        pt.gt(total, constant_like(limits.tiny, total)),
        pt.le(total, constant_like(limits.max, total)),
    )
    unit = constant_like(1, total)
    result = pt.true_div(top, pt.switch(inside, total, unit))
    if one.power == 3:
        # 1 / (p q)**3 would overflow long before the result does.
        u, v = (root.owner.inputs[0] for root in (p, q))
        inverses = [pt.reciprocal(u), pt.reciprocal(pt.mul(p, q)), pt.reciprocal(v)]
        result = pt.mul(result, pt.add(*inverses))
    p, q = (pt.switch(inside, unit, root) for root in (p, q))
    plain = pt.sub(*(pt.pow(pt.reciprocal(root), one.power) for root in (p, q)))
    return pt.switch(inside, result, plain if exact_constant(outer) == 1 else pt.mul(outer, plain))


def _against_constant(
    factor: Fraction, root: Variable, constant: Fraction, dtype: str
) -> Variable | Left | None:
    """``c / sqrt(u) - c -> c (1 - u) / (sqrt(u) (1 + sqrt(u)))``."""
    square = _square(root)
    if factor != -constant or square is None:
        return None
    difference = _difference(Fraction(1), [], *square, dtype)
    outer = Factors(factor, Counter()).build(dtype)
    if difference is None or outer is None:
        return Left("the difference of the squares is not simpler")
    one = constant_like(1, root)
    quotient = pt.true_div(difference, pt.mul(root, pt.add(one, root)))
    # inf / inf, where the reciprocal of the root is 0
    value = pt.switch(pt.isinf(root), constant_like(-1, root), quotient)
    return value if factor == 1 else pt.mul(outer, value)


ROOTS: tuple[Rule, ...] = (
    Rule(
        name="difference_of_roots",
        before=lambda x: symbols.sqrt(1 + x**2) - 1,
        after=_root_minus_one,
        domain={"x": REAL},
        promise=4.0,
        mends="sqrt(1 + x) - 1 is 0 for x < 2e-16, sqrt(x + 1) - sqrt(x) for x > 1e16",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=difference_of_roots,
        needs=(ps.Sqrt,),
        source="u - v = (sqrt(u) - sqrt(v)) (sqrt(u) + sqrt(v))",
    ),
    Rule(
        name="difference_of_reciprocal_roots",
        before=lambda x: 1 / symbols.sqrt(x + 1) - 1 / symbols.sqrt(x),
        after=lambda x: (
            -1 / (symbols.sqrt(x + 1) * symbols.sqrt(x) * (symbols.sqrt(x + 1) + symbols.sqrt(x)))
        ),
        domain={"x": Interval(1e-3)},
        tested_in="tests/test_spelled_otherwise.py",
        promise=5.0,
        mends="the derivatives of sqrt(x + 1) - sqrt(x) are 0 for x > 1e16",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=difference_of_reciprocal_roots,
        needs=(ps.Sqrt,),
        source="u - v = (sqrt(u) - sqrt(v)) (sqrt(u) + sqrt(v))",
    ),
)
