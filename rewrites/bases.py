"""Logarithms in another base than e, where those of base e have rules."""

from __future__ import annotations

import math

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.math import log2, log10

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.arithmetic import constant_like, signed_sum
from pytensor_stabilize.rewrites.matching import (
    FLOATS,
    exact_constant,
    is_a,
    same_pattern,
    scalar_op,
    strip_sign,
    terms,
)
from pytensor_stabilize.rewrites.rules import Interval, Left, Rule
from pytensor_stabilize.rewrites.symbols import Value


def log_base_of_one_plus(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``log2(1 + v) -> log1p(v) / log(2)`` for small v, as PyTensor does it for base e alone.

    Of whole powers of the base the logarithm is exact, and may be rounded down to a whole number.
    """
    (output,), (argument,) = node.outputs, node.inputs
    if output.type.dtype not in FLOATS or argument.type.dtype != output.type.dtype:
        return None
    if not is_a(scalar_op(argument), ps.Add, ps.Sub):
        return None
    assert argument.owner is not None
    signed = list(terms(argument.owner))
    ones = [i for i, (sign, v) in enumerate(signed) if exact_constant(v) == sign]
    rest = [term for i, term in enumerate(signed) if i not in ones]
    if len(ones) != 1 or not rest:
        return None
    inside = signed_sum(rest)
    if not same_pattern(inside, argument) or inside.type.dtype != output.type.dtype:
        return None
    near = pt.lt(pt.abs(strip_sign(inside)[1]), constant_like(0.5, inside))
    scale = constant_like(1 / math.log(2 if node.op == log2 else 10), inside)
    small = pt.switch(near, inside, constant_like(0.0, inside))
    # What is chosen is no sum of this rule any more.
    far = node.op(pt.switch(near, constant_like(1.0, inside), argument))
    return pt.switch(near, pt.mul(scale, pt.log1p(small)), far)


def _log2_of_one_plus(v: Value) -> Value:
    if isinstance(v, Variable):
        return pt.log2(pt.add(1, v))
    return (1 + v).log() / (v * 0 + 2).log()


BASES: tuple[Rule, ...] = (
    Rule(
        name="log_base_of_one_plus",
        before=_log2_of_one_plus,
        after=lambda v: symbols.log1p(v) / symbols.log_two(v),
        domain={"v": Interval(-0.9, 1e300)},
        promise=4.0,
        mends="log2(1 + v) and log10(1 + v) are 0 for v below 1e-16",
        databases=("stabilize", "specialize"),
        tracks=(log2, log10),
        transform=log_base_of_one_plus,
        needs=(ps.Log2, ps.Log10),
        source="log2(x) = log(x) / log(2)",
        tested_in="tests/test_bases.py",
    ),
)
