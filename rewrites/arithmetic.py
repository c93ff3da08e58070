"""Build sums and products without nodes that do nothing, and read products."""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import cast

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.scalar import basic as ps
from pytensor.tensor.math import add, mul, neg, sub, true_div

from pytensor_stabilize.rewrites.matching import (
    FLOATS,
    exact_constant,
    is_a,
    scalar_op,
    scalar_op_of,
    strip_sign,
)

_ONE = Fraction(1)
# Signed types with room for the sum of two numbers, or for a negation.
_WIDER = {"bool": "int8", "int8": "int16", "uint8": "int16", "int16": "int32", "uint16": "int32"}
_WIDER |= {"int32": "int64", "uint32": "int64"}


def as_dtype(variable: Variable, dtype: str) -> Variable:
    """Cast only where the dtype differs."""
    if variable.type.dtype == dtype:
        return variable
    if is_a(scalar_op(variable), ps.Neg) and variable.type.dtype.startswith("uint"):
        # PyTensor negates counts in gradients of powers, and means numbers below 0.
        return neg(as_dtype(variable.owner.inputs[0], dtype))  # type: ignore[union-attr]
    return cast(Variable, pt.cast(variable, dtype))


def constant_like(value: float, like: Variable) -> Variable:
    """A constant of the dtype of a variable."""
    return pt.constant(np.asarray(value, dtype=like.type.dtype))


def sum_of(terms: Sequence[Variable]) -> Variable:
    """Sum of one or more terms."""
    return cast(Variable, add(*terms)) if len(terms) > 1 else terms[0]


def product_of(factors: Sequence[Variable]) -> Variable:
    """Product of one or more factors."""
    if len(factors) == 1:
        return factors[0]
    if not any(map(_is_float, factors)):
        # Of a longer product with a float in it; integers alone would wrap.
        factors = [as_dtype(factors[0], "float64"), *factors[1:]]
    return cast(Variable, mul(*factors))


def signed_sum(signed: list[tuple[int, Variable]]) -> Variable:
    """Sum of the positive terms minus the sum of the negative ones."""
    return difference_of([(s * sign, core) for s, t in signed for sign, core in [strip_factor(t)]])


def difference_of(stripped: list[tuple[int, Variable]]) -> Variable:
    """As `signed_sum`, of terms that have no sign of their own left."""
    above = [core for sign, core in stripped if sign > 0]
    below = [core for sign, core in stripped if sign < 0]
    above = _added_up(above, negated=False)
    below = _added_up(below, negated=not any(map(_is_float, above)))
    if not above:
        return neg(sum_of(below))
    return sub(sum_of(above), sum_of(below)) if below else sum_of(above)


def _added_up(terms: list[Variable], negated: bool) -> list[Variable]:
    """Terms that can be added up, and negated: integers wrap, conditions refuse."""
    if any(map(_is_float, terms)) or not (negated or len(terms) > 1):
        return terms
    return [as_dtype(v, _WIDER.get(v.type.dtype, v.type.dtype)) for v in terms]


def _is_float(variable: Variable) -> bool:
    return variable.type.dtype in FLOATS


def strip_factor(variable: Variable) -> tuple[int, Variable]:
    """As `strip_sign`, and through a factor -1 of a longer product."""
    sign, core = strip_sign(variable)
    node = core.owner
    if node is not None and node.op == mul and len(node.inputs) > 2:
        rest = [factor for factor in node.inputs if exact_constant(factor) != -1]
        if len(rest) == len(node.inputs) - 1:
            product = product_of(rest)
            if product.type.broadcastable == core.type.broadcastable:
                return -sign, product
    return sign, core


def factors(variable: Variable) -> tuple[Fraction, Counter[Variable]]:
    """Read a product: ``(c, {factor: exponent})``; c is 0 where it is not finite."""
    constant = _ONE
    found: Counter[Variable] = Counter()
    todo = [(variable, 1)]
    while todo:
        v, power = todo.pop()
        value = exact_constant(v)
        if value is not None:
            if power != 1 and value:
                value **= power
            constant *= value
            continue
        node = v.owner
        kind = type(scalar_op_of(node))
        if node is None or np.dtype(v.type.dtype).kind != "f":
            found[v] += power
        elif kind is ps.Mul:
            todo += [(factor, power) for factor in node.inputs]
        elif kind is ps.Neg:
            constant *= 1 if power % 2 == 0 else -1
            todo.append((node.inputs[0], power))
        elif kind is ps.TrueDiv:
            todo += [(node.inputs[0], power), (node.inputs[1], -power)]
        elif kind is ps.Sqr:
            todo.append((node.inputs[0], 2 * power))
        elif kind is ps.Reciprocal:
            todo.append((node.inputs[0], -power))
        else:
            found[v] += power
    return constant, Counter({v: p for v, p in found.items() if p})


def build_product(constant: Fraction, counted: Counter[Variable], dtype: str) -> Variable:
    """The inverse of `factors`."""
    above = [v for v, p in counted.items() for v in [v] * p]
    below = [v for v, p in counted.items() for v in [v] * -p]
    negative = constant == -1 and bool(above)
    if not above or (constant != 1 and not negative):
        above.insert(0, pt.constant(np.asarray(float(constant), dtype=dtype)))
    result = true_div(product_of(above), product_of(below)) if below else product_of(above)
    return neg(result) if negative else result
