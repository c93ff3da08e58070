"""Powers next to 1, and logarithms of what PyTensor has a function for."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.math import add, log, sub

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.additive import Factors, signed_terms
from pytensor_stabilize.rewrites.arithmetic import difference_of
from pytensor_stabilize.rewrites.matching import FLOATS, exact_constant, scalar_op, strip_sign
from pytensor_stabilize.rewrites.rules import Interval, Left, Rule
from pytensor_stabilize.rewrites.scaling import read_squares
from pytensor_stabilize.rewrites.symbols import Value


def _constant(value: float, like: Value) -> Value:
    return pt.constant(np.asarray(value, dtype=like.type.dtype))


def _power_minus_one(v: Value, exponent: Fraction = Fraction(1, 4)) -> Value:
    """``(1 + v)**p - 1 = expm1(p log1p(v))``, where that is small."""
    if not isinstance(v, Variable):
        p = (v * 0 + exponent.numerator) / exponent.denominator
        return symbols.expm1(p * symbols.log1p(v))
    p, one = _constant(float(exponent), v), _constant(1, v)
    limit = _constant(0.5 / max(1.0, float(abs(exponent))), v)
    near = pt.lt(pt.abs(strip_sign(v)[1]), limit)
    small = pt.expm1(p * pt.log1p(pt.switch(near, v, limit)))
    # The sum, for an argument that is no sum: this rule must not find it again.
    far = pt.switch(near, one, one + v)
    return pt.switch(near, small, pt.add(_constant(-1, v), pt.pow(far, p)))


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
    for at, (sign, term) in enumerate(signed):
        if constants[at] is not None:
            continue
        read = Factors.of(term)
        if sum(read.others.values()) != 1:
            continue
        (base,) = read.others
        found = _power(base, dtype)
        if found is None:
            continue
        v, exponent = found
        wanted = -sign * read.constant
        for k, c in enumerate(constants):
            if c is not None and signed[k][0] * c == wanted:
                outer = Factors(read.constant, read.others - read.others).build(dtype)
                if outer is None:
                    return None
                value = _power_minus_one(v, exponent)
                core = value if exact_constant(outer) == 1 else outer * value
                rest = [t for i, t in enumerate(signed) if i not in (at, k)]
                return difference_of([*rest, (sign, core)])
    return None


def _power(variable: Variable, dtype: str) -> tuple[Variable, Fraction] | None:
    """``(v, p)`` if it is ``(1 + v)**p``."""
    if not isinstance(scalar_op(variable), ps.Pow):
        return None
    base, power = variable.owner.inputs
    exponent = exact_constant(power)
    if exponent is None or exponent.denominator == 1 or base.type.dtype != dtype:
        return None
    inner = signed_terms(base)
    ones = [k for k, (s, v) in enumerate(inner) if s > 0 and exact_constant(v) == 1]
    if len(inner) != 2 or len(ones) != 1:
        return None
    return difference_of([inner[1 - ones[0]]]), exponent


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
            if isinstance(scalar_op(root), ps.Sqrt):
                found = read_squares(root.owner.inputs[0])
                if found is not None and found.b is None and found.a is x:
                    return pt.arccosh(x) if found.minus else pt.arcsinh(x)
    if isinstance(scalar_op(argument), ps.TrueDiv):
        above, below = (_one_plus(v) for v in inner.inputs)
        if above is not None and below is not None and above[1] is below[1]:
            (s, x), (r, _) = above, below
            if s != r:
                return _constant(2 * s, x) * pt.arctanh(x)
    return None


def _one_plus(variable: Variable) -> tuple[int, Variable] | None:
    """``(s, x)`` if it is ``1 + s x``."""
    signed = signed_terms(variable)
    for one, other in (signed, signed[::-1]) if len(signed) == 2 else ():
        if one[0] > 0 and exact_constant(one[1]) == 1 and exact_constant(other[1]) is None:
            return other
    return None


def _log_cos(x: Value) -> Value:
    """``log(cos(x)) = log1p(-sin(x)**2) / 2`` where the cosine is near 1."""
    if not isinstance(x, Variable):
        return symbols.log1p(-(x.sin() ** 2)) / 2
    near = pt.gt(pt.cos(x), _constant(0.75, x))
    half = _constant(0.5, x)
    sine = pt.switch(near, pt.sin(x), half)
    # The same function, of an argument that this rule does not look at.
    far = pt.log(pt.cos(pt.switch(near, half, x)))
    return pt.switch(near, half * pt.log1p(-pt.sqr(sine)), far)


def log_of_cosine(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``log(cos(x))``."""
    (argument,), (output,) = node.inputs, node.outputs
    if not isinstance(scalar_op(argument), ps.Cos) or output.type.dtype not in FLOATS:
        return None
    x = argument.owner.inputs[0]
    known = isinstance(scalar_op(x), ps.Switch) or x.type.dtype != output.type.dtype
    return None if known else _log_cos(x)


def _plain_power(v: Value) -> Value:
    if isinstance(v, Variable):
        return pt.pow(pt.add(_constant(1, v), v), _constant(0.25, v)) - 1
    return ((v + 1).log() / 4).exp() - 1


def _arcsinh(x: Value) -> Value:
    if isinstance(x, Variable):
        return pt.arcsinh(x)
    return x.asinh()


POWERS: tuple[Rule, ...] = (
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
        needs=(ps.Pow,),
        source="(1 + v)**p = exp(p log1p(v))",
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
