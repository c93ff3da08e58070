"""Angles: ``1/2 + arctan(x) / pi`` where arctan comes close to pi / 2, arcsin and arccos next to 1.

The critical value of arctan is no float, so that the constant beside it has a rounding error.  What
was written is kept: the angle is computed without a difference, and the error is added to it.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.math import add, arccos, arcsin, sub

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.additive import signed_terms
from pytensor_stabilize.rewrites.algebra.arguments import FUNCTIONS
from pytensor_stabilize.rewrites.algebra.limits import within_limits
from pytensor_stabilize.rewrites.arithmetic import constant_like, difference_of, factors
from pytensor_stabilize.rewrites.critical import factored_sum
from pytensor_stabilize.rewrites.matching import FLOATS, exact_constant, is_a, scalar_op
from pytensor_stabilize.rewrites.rules import Interval, Left, Rule

# OEIS A000796.
PI = Fraction("3.14159265358979323846264338327950288419716939937510582097494")
# Of the unit roundoff: pi and the constants are rounded.
_TOLERANCE = 4
_NO_LEG = Left("1 - u**2 hides no root")


def arctan_beside_its_limit(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``c arctan(x) + c pi / 2 -> c arctan2(1, -x)``, with what the constant differs by."""
    (output,) = node.outputs
    dtype = output.type.dtype
    if dtype not in FLOATS:
        return None
    signed = signed_terms(output)
    constants = [(i, s * c) for i, (s, v) in enumerate(signed) if (c := exact_constant(v))]
    if len(constants) != 1:
        return None
    ((at, d),) = constants
    for i, (sign, term) in enumerate(signed):
        c, counted = factors(term)
        if len(counted) != 1 or counted.total() != 1:
            continue
        (angle,) = counted
        if not is_a(scalar_op(angle), ps.ArcTan) or angle.type.dtype != dtype:
            continue
        assert angle.owner is not None
        x = angle.owner.inputs[0]
        c *= sign
        limit = abs(c) * PI / 2
        allowed = _TOLERANCE * Fraction(float(np.finfo(dtype).epsneg)) * limit
        if abs(abs(d) - limit) > allowed or x.type.dtype != dtype:
            continue
        # d + c arctan(x) is |c| times the angle from the end at which it is 0, with the sign of d.
        other = pt.arctan2(constant_like(1, x), pt.neg(x) if d * c > 0 else x)
        size = constant_like(float(abs(c)), x)
        product = other if abs(c) == 1 else pt.mul(size, other)
        side = 1 if d > 0 else -1
        rest = [t for k, t in enumerate(signed) if k not in (i, at)]
        left = d - side * limit
        if left:
            rest.append((1 if left > 0 else -1, constant_like(float(abs(left)), x)))
        return difference_of([*rest, (side, product)])
    return None


@within_limits
def angle_of_function(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``arcsin(u)`` and ``arccos(u)`` by both legs where ``1 - u**2`` is known without a root."""
    (u,), (output,) = node.inputs, node.outputs
    dtype = output.type.dtype
    if dtype not in FLOATS or u.type.dtype != dtype or u.owner is None:
        return None
    root = is_a(scalar_op(u), ps.Sqrt)
    one = constant_like(1, u)
    rest = factored_sum(pt.sub(one, u.owner.inputs[0] if root else pt.sqr(u)))
    if not isinstance(rest, Variable):
        return _NO_LEG
    other = pt.sqrt(rest)
    legs = (u, other) if node.op == arcsin else (other, u)
    return pt.arctan2(*legs)


def _half_plus(x: symbols.Value) -> symbols.Value:
    if isinstance(x, Variable):
        return pt.add(constant_like(float(PI / 2), x), pt.arctan(x))
    return x.atan() + type(x).pi() / 2


def _angle(x: symbols.Value) -> symbols.Value:
    if not isinstance(x, Variable):
        return (-1 / x).atan()
    left = constant_like(float(Fraction(float(PI / 2)) - PI / 2), x)
    return pt.sub(pt.arctan2(constant_like(1, x), pt.neg(x)), pt.neg(left))


def _arccos_tanh(x: symbols.Value) -> symbols.Value:
    return pt.arccos(pt.tanh(x)) if isinstance(x, Variable) else x.tanh().acos()


def _by_legs(x: symbols.Value) -> symbols.Value:
    if isinstance(x, Variable):
        return pt.arctan2(pt.reciprocal(pt.cosh(x)), pt.tanh(x))
    return (1 / x.sinh()).atan()  # tanh(x) is positive here


ARCTANGENTS: tuple[Rule, ...] = (
    Rule(
        name="angle_of_function",
        before=_arccos_tanh,
        after=_by_legs,
        domain={"x": Interval(1e-3, 300.0)},
        promise=4.0,
        mends="arccos(tanh(x)) is 0 from 19 on, arcsin(sqrt(sigmoid(x))) has nine digits there",
        databases=("stabilize", "specialize"),
        tracks=(arcsin, arccos),
        transform=angle_of_function,
        needs=tuple((arc, kind) for arc in (ps.ArcSin, ps.ArcCos) for kind in FUNCTIONS),
        tested_in="tests/test_arctangents.py",
        source="sin(a)**2 + cos(a)**2 = 1",
    ),
    Rule(
        name="arctan_beside_its_limit",
        before=_half_plus,
        after=_angle,
        domain={"x": Interval(-1e6, -1.0)},
        tested_in="tests/test_arctangents.py",
        promise=4.0,
        mends="1/2 + arctan(x) / pi loses two digits at -45, and all beyond 1e16",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=arctan_beside_its_limit,
        needs=(ps.ArcTan,),
        source="arctan(x) + pi / 2 is the angle of (-x, 1)",
    ),
)
