"""Quantiles of the normal distribution, written with erfinv of an argument close to 1 or -1."""

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.math import erfinv

from pytensor_stabilize.rewrites.additive import signed_terms
from pytensor_stabilize.rewrites.arithmetic import constant_like, difference_of
from pytensor_stabilize.rewrites.branches import hides_a_root
from pytensor_stabilize.rewrites.matching import (
    FLOATS,
    exact_constant,
    is_a,
    same_pattern,
    scalar_op,
    strip_sign,
)
from pytensor_stabilize.rewrites.rules import Interval, Left, Rule
from pytensor_stabilize.rewrites.symbols import Value


def erfinv_near_one(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``erfinv(1 - k) -> erfcinv(k)``, and ``erfinv(tanh(y))`` by the distance of tanh from 1."""
    (argument,), (output,) = node.inputs, node.outputs
    if output.type.dtype not in FLOATS or argument.type.dtype != output.type.dtype:
        return None
    sign, core = strip_sign(argument)
    if is_a(scalar_op(core), ps.Tanh):
        y = core.owner.inputs[0]  # type: ignore[union-attr]
        if y.type.dtype != output.type.dtype or is_a(scalar_op(y), ps.Switch):
            return None  # what this rule leaves next to 0
        value = erfinv_of_tanh(y)
        return value if sign > 0 else pt.neg(value)
    summed = signed_terms(argument)
    ones = [k for k, (s, v) in enumerate(summed) if abs(exact_constant(v) or 0) == 1]
    if len(ones) != 1 or len(summed) < 2 or hides_a_root(argument):
        return None  # 2 sigmoid(x) - 1 is about to become tanh(x / 2)
    (at,) = ones
    own = summed.pop(at)
    side = own[0] if exact_constant(own[1]) == 1 else -own[0]
    k = difference_of([(-side * s, v) for s, v in summed])
    if not same_pattern(k, output):
        return None
    return pt.erfcinv(k) if side > 0 else pt.neg(pt.erfcinv(k))


def erfinv_of_tanh(y: Variable) -> Variable:
    """``erfinv(tanh(y)) = sign(y) erfcinv(2 sigmoid(-2 |y|))`` where the tanh is close to 1."""
    one = constant_like(1, y)
    near, size = pt.lt(pt.abs(y), one), pt.abs(y)
    # The clamped arguments keep the branch that is not taken finite: JAX differentiates both.
    small = pt.erfinv(pt.tanh(pt.switch(near, y, constant_like(0, y))))
    two = constant_like(2, y)
    far = pt.erfcinv(two * pt.sigmoid(constant_like(-2, y) * pt.switch(near, one, size)))
    return pt.switch(near, small, pt.switch(pt.lt(y, constant_like(0, y)), pt.neg(far), far))


def _before(x: Value) -> Value:
    shifted: Value = 2 * x - 1
    return pt.erfinv(shifted) if isinstance(shifted, Variable) else shifted.erfinv()


def _after(x: Value) -> Value:
    twice: Value = 2 * x
    return pt.neg(pt.erfcinv(twice)) if isinstance(twice, Variable) else -twice.erfcinv()


INVERSE: tuple[Rule, ...] = (
    Rule(
        name="erfinv_near_one",
        before=_before,
        after=_after,
        domain={"x": Interval(1e-300, 0.9)},
        promise=8.0,
        mends="the normal quantile sqrt(2) erfinv(2 p - 1) is -inf for p below 1e-16",
        databases=("stabilize", "specialize"),
        tracks=(erfinv,),
        transform=erfinv_near_one,
        tested_in="tests/test_spelled_otherwise.py",
        source="erf(x) = 1 - erfc(x)",
    ),
)
