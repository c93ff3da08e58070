"""Powers next to 1, and logarithms of what PyTensor has a function for."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.math import add, log, mul, sub

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.additive import signed_terms
from pytensor_stabilize.rewrites.algebra.arguments import FUNCTIONS
from pytensor_stabilize.rewrites.arithmetic import (
    as_dtype,
    constant_like,
    difference_of,
    product_of,
)
from pytensor_stabilize.rewrites.bases import BASES
from pytensor_stabilize.rewrites.matching import FLOATS, exact_constant, is_a, scalar_op, strip_sign
from pytensor_stabilize.rewrites.powers_near_one import LARGEST_MULTIPLIED_OUT, power_less_one
from pytensor_stabilize.rewrites.products import Factors
from pytensor_stabilize.rewrites.rules import ConstantPower, Interval, Left, Rule
from pytensor_stabilize.rewrites.scaling import read_squares
from pytensor_stabilize.rewrites.symbols import Value

# Below it the zero of x**p - 1 at x = 1 is no ordinary one: it has lost 1 / p ulps before.
_SMALL_POWER = Fraction(1, 4)
_NARROW = ("bool", "int8", "uint8", "int16", "uint16", "float16", "float32")


def _power_minus_one(v: Value, exponent: Fraction = Fraction(1, 4)) -> Value:
    """``(1 + v)**p - 1 = expm1(p log1p(v))``, where that is small."""
    if not isinstance(v, Variable):
        p = (v * 0 + exponent.numerator) / exponent.denominator
        return symbols.expm1(p * symbols.log1p(v))
    p, one = constant_like(float(exponent), v), constant_like(1, v)
    limit = constant_like(0.5 / max(1.0, float(abs(exponent))), v)
    near = pt.lt(pt.abs(strip_sign(v)[1]), limit)
    small = pt.expm1(p * pt.log1p(pt.switch(near, v, limit)))
    # The sum, for an argument that is no sum: this rule must not find it again.
    far = pt.switch(near, one, pt.add(one, v))
    return pt.switch(near, small, pt.add(constant_like(-1, v), pt.pow(far, p)))


def power_minus_one(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``c (1 + v)**p - c`` next to v = 0; roots and integer powers have rules of their own."""
    (output,) = node.outputs
    dtype = output.type.dtype
    if dtype not in FLOATS:
        return None
    signed = signed_terms(output)
    if not 2 <= len(signed) <= 4:
        return None
    constants = [exact_constant(v) for _, v in signed]
    if all(c is None for c in constants):
        return None
    for at, (sign, term) in enumerate(signed):
        if constants[at] is not None:
            continue
        read = Factors.of(term)
        if sum(read.others.values()) != 1:
            continue
        (base,) = read.others
        value = _minus_one(base, dtype)
        if value is None:
            continue
        wanted = -sign * read.constant
        for k, c in enumerate(constants):
            if c is not None and signed[k][0] * c == wanted:
                outer = Factors(read.constant, read.others - read.others).build(dtype)
                if outer is None:
                    return None
                core = value if exact_constant(outer) == 1 else pt.mul(outer, value)
                rest = [t for i, t in enumerate(signed) if i not in (at, k)]
                return difference_of([*rest, (sign, core)])
    return None


def _minus_one(variable: Variable, dtype: str) -> Variable | None:
    """A power that is next to 1 for a small argument, minus 1."""
    found = _power(variable, dtype)
    if found is not None:
        return _power_minus_one(*found)
    constant = constant_base(variable)
    if constant is None or variable.type.dtype != dtype:
        found_less = power_less_one(variable, dtype)
        return _small_power_minus_one(variable, dtype) if found_less is None else found_less
    base, x = constant
    if x.type.dtype != dtype or is_a(scalar_op(x), ps.Switch):
        return None
    scale = math.log(base)
    # A logarithm that is rounded costs digits where the exponent is large.
    limit = constant_like(0.5 / abs(scale), x)
    near = pt.lt(pt.abs(strip_sign(x)[1]), limit)
    small = pt.expm1(constant_like(scale, x) * pt.switch(near, x, limit))
    assert variable.owner is not None
    inputs = [pt.switch(near, limit, x) if v is x else v for v in variable.owner.inputs]
    far = pt.add(constant_like(-1, x), variable.owner.op(*inputs))
    return pt.switch(near, small, far)


def _small_power_minus_one(variable: Variable, dtype: str) -> Variable | None:
    """``x**p - 1`` of a variable for a p that may be small, as Box and Cox divide it by p."""
    if not is_a(scalar_op(variable), ps.Pow):
        return None
    x, p = variable.owner.inputs  # type: ignore[union-attr]
    exponent = exact_constant(p)
    if x.owner is not None and is_a(scalar_op(x), *FUNCTIONS, ps.Switch):
        return None  # powers of these have rules of their own; a switch is what is left here
    if {x.type.dtype, variable.type.dtype} != {dtype} or exact_constant(x) is not None:
        return None
    if p.type.dtype != dtype if exponent is None else not 0 < abs(exponent) < _SMALL_POWER:
        return None
    p = as_dtype(p, dtype)
    one = constant_like(1, x)
    above = pt.gt(x, constant_like(0, x))
    t = pt.mul(p, pt.log(pt.switch(above, x, one)))
    # Further from 0 the rounding of t would cost digits.
    near = pt.and_(above, pt.lt(pt.abs(t), constant_like(0.5, t)))
    small = pt.expm1(pt.switch(near, t, constant_like(0, t)))
    far = pt.add(constant_like(-1, x), pt.pow(pt.switch(near, one, x), p))
    return pt.switch(near, small, far)


def constant_base(variable: Variable) -> tuple[Fraction, Variable] | None:
    """``(c, x)`` if it is ``c**x``, of a constant above 0 other than 1."""
    node, op = variable.owner, scalar_op(variable)
    if node is None:
        return None
    if is_a(op, ps.Exp2):
        return Fraction(2), node.inputs[0]
    if not is_a(op, ps.Pow):
        return None
    c = exact_constant(node.inputs[0])
    return (c, node.inputs[1]) if c is not None and c > 0 and c != 1 else None


def widened_log_of_base(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """Give the derivative of ``2**x`` its logarithm in float64.

    PyTensor takes the logarithm of the constant as it is stored, an int8 or a float32 where the
    user wrote 2, and so in float32.
    """
    (output,) = node.outputs
    if output.type.dtype != "float64":
        return None
    for at, factor in enumerate(node.inputs):
        k = exact_constant(factor)
        if k is None or not k:
            continue
        for other in node.inputs:
            found = constant_base(other)
            if found is None or _is_wide(other):
                continue
            scale = math.log(found[0])
            wide = _widened(float(k), float(np.float32(scale)), scale)
            if wide is not None:
                inputs = list(node.inputs)
                inputs[at] = pt.constant(np.full(factor.type.shape, wide), dtype="float64")
                return product_of(inputs)
    return None


def _is_wide(power: Variable) -> bool:
    """Whether the base is stored in float64, or in integers that are made one."""
    assert power.owner is not None
    dtype = power.owner.inputs[0].type.dtype
    return not is_a(scalar_op(power), ps.Exp2) and dtype not in _NARROW


def _widened(k: float, narrow: float, wide: float) -> float | None:
    """``r wide**n`` if k is ``r narrow**n`` for a small n and a short r."""
    if narrow == wide:
        return None
    for n in (1, 2):
        ratio = k / narrow**n
        short = Fraction(ratio).limit_denominator(64)
        if short and abs(short) <= 64 and abs(ratio - float(short)) <= 4e-16 * abs(ratio):
            return float(short) * wide**n
    return None


def _power(variable: Variable, dtype: str) -> tuple[Variable, Fraction] | None:
    """``(v, p)`` if it is ``(1 + v)**p``."""
    if not is_a(scalar_op(variable), ps.Pow):
        return None
    base, power = variable.owner.inputs
    exponent = exact_constant(power)
    if exponent is None or base.type.dtype != dtype:
        return None
    # Smaller integer powers are polynomials, and next to x = 0 shorter without their constant.
    if exponent.denominator == 1 and abs(exponent) <= LARGEST_MULTIPLIED_OUT:
        return None
    inner = signed_terms(base)
    ones = [k for k, (s, v) in enumerate(inner) if s > 0 and exact_constant(v) == 1]
    if len(inner) != 2 or len(ones) != 1:
        return None
    return as_dtype(difference_of([inner[1 - ones[0]]]), dtype), exponent


def log_of_inverse_function(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """Logarithms that are arcsinh, arccosh or arctanh."""
    (argument,), (output,) = node.inputs, node.outputs
    if output.type.dtype not in FLOATS or argument.type.dtype != output.type.dtype:
        return None
    inner = argument.owner
    if inner is None or len(inner.inputs) != 2:
        return None
    if inner.op == add:
        for x, root in (inner.inputs, inner.inputs[::-1]):
            if is_a(scalar_op(root), ps.Sqrt):
                found = read_squares(root.owner.inputs[0])
                if found is not None and found.b is None and found.a is x:
                    return pt.arccosh(x) if found.minus else pt.arcsinh(x)
    if is_a(scalar_op(argument), ps.TrueDiv):
        above, below = (_one_plus(v) for v in inner.inputs)
        if above is not None and below is not None and above[1] is below[1]:
            (s, x), (r, _) = above, below
            if s != r:
                return constant_like(2 * s, output) * pt.arctanh(as_dtype(x, output.type.dtype))
    return None


def _one_plus(variable: Variable) -> tuple[int, Variable] | None:
    """``(s, x)`` if it is ``1 + s x``."""
    if variable.type.dtype not in FLOATS:
        return None
    signed = signed_terms(variable)
    for one, other in (signed, signed[::-1]) if len(signed) == 2 else ():
        if one[0] > 0 and exact_constant(one[1]) == 1 and exact_constant(other[1]) is None:
            return other
    return None


def _log_cos(x: Value) -> Value:
    """``log(cos(x)) = log1p(-sin(x)**2) / 2`` where the cosine is near 1."""
    if not isinstance(x, Variable):
        return symbols.log1p(-(x.sin() ** 2)) / 2
    near = pt.gt(pt.cos(x), constant_like(0.75, x))
    half = constant_like(0.5, x)
    sine = pt.switch(near, pt.sin(x), half)
    # The same function, of an argument that this rule does not look at.
    far = pt.log(pt.cos(pt.switch(near, half, x)))
    return pt.switch(near, half * pt.log1p(-pt.sqr(sine)), far)


def log_of_cosine(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``log(cos(x))``."""
    (argument,), (output,) = node.inputs, node.outputs
    if not is_a(scalar_op(argument), ps.Cos) or output.type.dtype not in FLOATS:
        return None
    x = argument.owner.inputs[0]
    known = is_a(scalar_op(x), ps.Switch) or x.type.dtype != output.type.dtype
    return None if known else _log_cos(x)


def _plain_power(v: Value) -> Value:
    if isinstance(v, Variable):
        return pt.pow(pt.add(constant_like(1, v), v), constant_like(0.25, v)) - 1
    return ((v + 1).log() / 4).exp() - 1


def _arcsinh(x: Value) -> Value:
    if isinstance(x, Variable):
        return pt.arcsinh(x)
    return x.asinh()


POWERS: tuple[Rule, ...] = (
    *BASES,
    Rule(
        name="power_minus_one",
        before=_plain_power,
        after=_power_minus_one,
        domain={"v": Interval(-0.5, 0.5)},
        tested_in="tests/test_rational.py",
        promise=4.0,
        mends="(1 + v)**p - 1 is 0 for v below 1e-16",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=power_minus_one,
        needs=(ps.Pow, ConstantPower, ps.Exp2, ps.Sqr),
        source="(1 + v)**p = exp(p log1p(v)), c**x = exp(x log(c))",
    ),
    Rule(
        name="widened_log_of_base",
        before=lambda x: symbols.exp(x),
        after=lambda x: symbols.exp(x),
        domain={"x": Interval(-0.5, 0.5)},
        tested_in="tests/test_powers.py",
        promise=4.0,
        mends="the derivative of 2**x has log(2) in float32",
        databases=("stabilize", "specialize"),
        tracks=(mul,),
        transform=widened_log_of_base,
        needs=(ps.Pow, ps.Exp2),
        source="d/dx c**x = log(c) c**x",
    ),
    Rule(
        name="log_is_arcsinh",
        before=lambda x: symbols.log(x + symbols.sqrt(x**2 + 1)),
        after=_arcsinh,
        domain={"x": Interval(-1e3, 1e100)},
        tested_in="tests/test_rational.py",
        promise=4.0,
        mends="log(x + sqrt(x**2 + 1)) is 0 for x below 1e-16, -inf for x below -1e8",
        databases=("stabilize", "specialize"),
        tracks=(log,),
        transform=log_of_inverse_function,
        source="Abramowitz and Stegun, 4.6.20 to 4.6.22",
    ),
    Rule(
        name="log_cosine",
        before=lambda x: pt.log(pt.cos(x)) if isinstance(x, Variable) else x.cos().log(),
        after=_log_cos,
        domain={"x": Interval(-0.7, 0.7)},
        tested_in="tests/test_rational.py",
        promise=5.0,
        mends="log(cos(x)) is 0 for x below 1e-8",
        databases=("stabilize", "specialize"),
        tracks=(log,),
        transform=log_of_cosine,
        needs=(ps.Cos,),
        source="cos(x)**2 = 1 - sin(x)**2",
    ),
)
