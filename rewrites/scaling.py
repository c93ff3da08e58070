"""Rules that scale sums of two squares by a power of 2 where the squares leave the floats."""

from typing import NamedTuple

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.math import add, mul, sqrt, sub, true_div

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.additive import squared
from pytensor_stabilize.rewrites.arithmetic import product_of
from pytensor_stabilize.rewrites.matching import FLOATS, exact_constant, is_a, scalar_op
from pytensor_stabilize.rewrites.rules import Interval, Left, Rule

# By the degree of the product: it is scaled by 2**-shift where an argument exceeds 2**bound.  The
# scale's own power is a normal float too: fast-math multiplies in an order of its own.
_LIMITS = {"float64": {1: (500, 520), 2: (500, 511), 3: (250, 340), 4: (200, 255)}}
_LIMITS["float32"] = {1: (62, 65), 2: (62, 63), 3: (31, 42), 4: (25, 31)}


class Squares(NamedTuple):
    """``a**2 + b**2``, ``a**2 + 1``, or ``a**2 - 1`` as ``(a - 1) * (a + 1)``."""

    a: Variable
    b: Variable | None
    minus: bool

    def scaled(self, scale: Variable) -> Variable:
        """The sum times ``scale**2``, exactly as it would be rounded without the scale."""
        x = pt.mul(self.a, scale)
        if self.minus:
            return mul(pt.sub(x, scale), pt.add(x, scale))
        return pt.add(pt.sqr(x), pt.sqr(scale if self.b is None else pt.mul(self.b, scale)))

    def scale(self, degree: int) -> tuple[Variable, Variable]:
        """A power of 2 for each element, and its reciprocal; both are 1 in the usual range."""
        dtype = self.a.type.dtype
        bound, shift = _LIMITS[dtype][degree]
        size = pt.abs(self.a)
        if self.b is not None:
            size = pt.maximum(size, pt.abs(self.b))
        one, limit = np.asarray(1, dtype), np.asarray(2.0**bound, dtype)
        down, up = np.asarray(2.0**-shift, dtype), np.asarray(2.0**shift, dtype)
        large, small = pt.gt(size, limit), pt.lt(size, 1 / limit)
        if self.b is None:
            return pt.switch(large, down, one), pt.switch(large, up, one)
        return (
            pt.switch(large, down, pt.switch(small, up, one)),
            pt.switch(large, up, pt.switch(small, down, one)),
        )


def read_squares(variable: Variable) -> Squares | None:
    """Read a sum of two squares that is not scaled yet."""
    node = variable.owner
    if node is None or variable.type.dtype not in FLOATS or len(node.inputs) != 2:
        return None
    found = None
    if node.op in (add, sub):
        found = _sum_of_squares(node)
    elif node.op == mul:
        found = _product_of_neighbours(node)
    if found is None or any(v is not None and _is_scaled(v) for v in (found.a, found.b)):
        return None
    same = all(v.type.dtype == variable.type.dtype for v in (found.a, found.b) if v is not None)
    return found if same else None


def _sum_of_squares(node: Apply) -> Squares | None:
    constants = [exact_constant(v) for v in node.inputs]
    roots = [squared(v) for v in node.inputs]
    if node.op == add and roots[0] is not None and roots[1] is not None:
        return Squares(roots[0], roots[1], minus=False)
    for constant, root in zip(constants, roots[::-1], strict=True):
        if root is not None and constant is not None:
            if node.op == add and constant in (1, -1):
                return Squares(root, None, minus=constant < 0)
            if constant == 1 and roots[0] is not None:
                return Squares(root, None, minus=True)
    return None


def _product_of_neighbours(node: Apply) -> Squares | None:
    """Read ``(x - 1) * (x + 1)``."""
    shifts: dict[int, Variable] = {}
    for factor in node.inputs:
        inner = factor.owner
        if inner is None or inner.op not in (add, sub) or len(inner.inputs) != 2:
            return None
        constants = [exact_constant(v) for v in inner.inputs]
        if inner.op == sub and constants[1] == 1:
            shifts[-1] = inner.inputs[0]
        elif inner.op == add and constants.count(None) == 1:
            at = constants.index(None)
            constant = constants[1 - at]
            assert constant is not None
            shifts[int(constant) if constant.denominator == 1 else 0] = inner.inputs[at]
    x = shifts.get(1)
    return Squares(x, None, minus=True) if x is not None and shifts.get(-1) is x else None


def _is_scaled(variable: Variable) -> bool:
    """Whether it is a scale, or scaled by one: a switch between powers of 2."""
    node = variable.owner
    if node is None:
        return False
    if node.op == mul:
        return any(_is_scaled(v) for v in node.inputs)
    if not is_a(scalar_op(variable), ps.Switch):
        return False
    return all(exact_constant(v) is not None or _is_scaled(v) for v in node.inputs[1:])


def scaled_root(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``sqrt(a**2 + b**2)`` where a square would overflow, or both would underflow."""
    found = read_squares(node.inputs[0])
    if found is None or node.outputs[0].type.dtype != node.inputs[0].type.dtype:
        return None
    scale, inverse = found.scale(1)
    return pt.sqrt(found.scaled(scale)) * inverse


def quotient_by_squares(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """A quotient by powers of ``a**2 + b**2``, or of its root, up to the fourth degree."""
    (output,) = node.outputs
    above, below = node.inputs
    if output.type.dtype not in FLOATS or below.type.dtype != output.type.dtype:
        return None
    if exact_constant(above) is not None:
        return None  # the squares leave the floats no sooner than the result does
    roots: list[tuple[Variable, int]] = []
    others = []
    for factor, count in _powers(below):
        inner = factor.owner.inputs[0] if is_a(scalar_op(factor), ps.Sqrt) else None
        if inner is not None and read_squares(inner) is not None:
            roots.append((inner, count))
        elif read_squares(factor) is not None:
            roots.append((factor, 2 * count))
        else:
            others += [factor] * count
    degree = sum(count for _, count in roots)
    # The square root's own rule is enough for the first degree.
    if len({inner for inner, _ in roots}) != 1 or not 2 <= degree <= 4:
        return None
    found = read_squares(roots[0][0])
    assert found is not None
    scale, _ = found.scale(degree)
    scaled = found.scaled(scale)
    denominator = pt.sqr(scaled) if degree == 4 else scaled
    if degree == 3:
        root = pt.sqrt(scaled)
        denominator = root * root * root
    result = pt.true_div(pt.mul(above, scale), product_of([*others, denominator]))
    for _ in range(degree - 1):
        result = result * scale
    return result


def _powers(below: Variable) -> list[tuple[Variable, int]]:
    """Factors of a denominator with their powers, where it has no quotients."""
    whole = read_squares(below)
    if whole is not None:
        return [(below, 1)]
    node = below.owner
    if node is not None and node.op == mul:
        return [power for factor in node.inputs for power in _powers(factor)]
    root = squared(below)
    if root is not None:
        return [(factor, 2 * count) for factor, count in _powers(root)]
    return [(below, 1)]


SCALING: tuple[Rule, ...] = (
    Rule(
        name="scaled_root_of_squares",
        before=lambda a, b: symbols.sqrt(a**2 + b**2),
        after=lambda a, b: symbols.sqrt(a**2 + b**2),
        # It holds for all reals; here the naive form fails.
        domain={"a": Interval(1e-170, 1e-162), "b": Interval(1e-170, 1e-162)},
        tested_in="tests/test_additive.py",
        promise=4.0,
        mends="sqrt(a**2 + b**2) is inf beyond 1e154 and 0 below 1e-162",
        databases=("stabilize", "specialize"),
        tracks=(sqrt,),
        transform=scaled_root,
        opt_in=True,
        source="Multiplying by a power of 2 is exact",
    ),
    Rule(
        name="scaled_quotient_by_squares",
        before=lambda a, b: a / (a**2 + b**2),
        after=lambda a, b: a / (a**2 + b**2),
        # As above.
        domain={"a": Interval(1e-170, 1e-160), "b": Interval(1e-170, 1e-160)},
        tested_in="tests/test_additive.py",
        promise=4.0,
        mends="the derivatives of arctan2, arcsinh and arccosh are 0, inf or nan where the "
        "squares leave the floats, and the result does not",
        databases=("stabilize", "specialize"),
        tracks=(true_div,),
        transform=quotient_by_squares,
        opt_in=True,
        source="Multiplying by a power of 2 is exact",
    ),
)
