"""Constants inside the normal family: their rounding, their width, and where they stand."""

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.math import true_div

from pytensor_stabilize.rewrites.matching import FLOATS, exact_constant, is_a, scalar_op
from pytensor_stabilize.rewrites.normal import ops
from pytensor_stabilize.rewrites.normal.forms import call
from pytensor_stabilize.rewrites.normal.matching import (
    ROOT_HALF,
    Argument,
    argument_of,
    common_scale,
    pair_of,
)
from pytensor_stabilize.rewrites.rules import Left

OF_CONSTANTS = (
    *(ps.Sqrt, ps.Log, ps.Log1p, ps.Exp, ps.Expm1, ps.Pow, ps.Sqr),
    *(ps.Add, ps.Sub, ps.Mul, ps.TrueDiv, ps.Neg, ps.Reciprocal),
)


def absorb_constant(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``f(c * x; k) -> f(x; c k)``: constants that became visible after f was recognised."""
    inner = [Argument.of(x) for x in node.inputs[:-2]]
    if all(u.k == 1 for u in inner) or exact_constant(node.inputs[-2]) is None:
        return None
    if len(inner) == 1:
        u = argument_of(node)
        return call(node.op, u.k, u.core)
    if inner[0].k == inner[1].k == -1 or abs(inner[0].k) == 1 or abs(inner[0].k) != abs(inner[1].k):
        return None
    k, x, y = common_scale(*pair_of(node))
    return call(node.op, k, x, y)


def rounded_argument(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``erfc(k * x)`` for a constant k: the rounding of the product is made up for."""
    if node.inputs[0].type.dtype not in FLOATS:
        return None
    u = Argument.of(node.inputs[0])
    numerator = u.k.numerator
    if abs(numerator) == 1 and u.k.denominator & (u.k.denominator - 1) == 0:
        return None  # a power of two: nothing is rounded
    return call(ops.erfc_scaled, u.k, u.core)


def widen_constants(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``x / sqrt(2.0)``: a float32 function of a constant in a float64 result, in float64."""
    if node.outputs[0].type.dtype != "float64":
        return None
    for i, variable in enumerate(node.inputs):
        if variable.type.dtype != "float32" or not _may_be_function(variable):
            continue
        wide = _widened(variable)
        if wide is None:
            continue
        if node.op == true_div and i == 1 and _is_root_of_two(variable):
            return node.inputs[0] * pt.constant(ROOT_HALF, dtype="float64")
        inputs = list(node.inputs)
        inputs[i] = wide
        return node.op.make_node(*inputs).outputs[0]
    return None


def _widened(variable: Variable, depth: int = 4) -> Variable | None:
    """The same functions of constants in float64; None if anything else is in it."""
    node = variable.owner
    if isinstance(variable, Constant):
        value = exact_constant(variable)
        if value is None or np.dtype(variable.type.dtype).itemsize > 4:
            return None
        return pt.constant(variable.data.astype("float64"))
    op = scalar_op(variable)
    if not depth or node is None or not (is_a(node.op, DimShuffle) or _is_function(op)):
        return None
    inputs = [_widened(v, depth - 1) for v in node.inputs]
    if any(v is None for v in inputs):
        return None
    return node.op.make_node(*inputs).outputs[0]


def _may_be_function(variable: Variable) -> bool:
    while variable.owner is not None and is_a(variable.owner.op, DimShuffle):
        variable = variable.owner.inputs[0]
    return _is_function(scalar_op(variable))


def _is_function(op: ps.ScalarOp | None) -> bool:
    return is_a(op, *OF_CONSTANTS)


def _is_root_of_two(variable: Variable) -> bool:
    while variable.owner is not None and is_a(variable.owner.op, DimShuffle):
        variable = variable.owner.inputs[0]
    return is_a(scalar_op(variable), ps.Sqrt) and (exact_constant(variable.owner.inputs[0]) == 2)
