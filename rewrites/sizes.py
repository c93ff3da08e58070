"""Absolute values beside the signs that their derivatives have.

The derivative of ``log(abs(d))`` is ``sign(d) d' / abs(d)``: neither factor shows the difference d
to the rules for ``d' / d``.
"""

from __future__ import annotations

from collections import Counter

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.math import mul, true_div

from pytensor_stabilize.rewrites.arithmetic import build_product, factors
from pytensor_stabilize.rewrites.matching import FLOATS, is_a, scalar_op, strip_sign
from pytensor_stabilize.rewrites.rules import Interval, Left, Rule


def sign_with_abs(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``sign(u) / abs(u) -> 1 / u``, and so for other powers of both."""
    (output,) = node.outputs
    if output.type.dtype not in FLOATS:
        return None
    constant, counted = factors(output)
    signs, sizes = Counter[Variable](), Counter[Variable]()
    for variable, power in counted.items():
        for kind, found in ((ps.Sign, signs), (ps.Abs, sizes)):
            if is_a(scalar_op(variable), kind):
                found[strip_sign(variable.owner.inputs[0])[1]] += power  # type: ignore[union-attr]
    new = Counter(
        {
            variable: power
            for variable, power in counted.items()
            if not is_a(scalar_op(variable), ps.Sign, ps.Abs)
        }
    )
    changed = False
    for variable, power in counted.items():
        if not is_a(scalar_op(variable), ps.Sign, ps.Abs):
            continue
        own, core = strip_sign(variable.owner.inputs[0])  # type: ignore[union-attr]
        if not (signs[core] and sizes[core] < 0):
            new[variable] += power
        elif is_a(scalar_op(variable), ps.Abs):
            changed = True
            # What is left of an odd power of one alone is a sign.
            if (signs[core] + sizes[core]) % 2:
                return None
            new[core] += power
        elif own < 0 and power % 2:
            constant = -constant
    return build_product(constant, new, output.type.dtype) if changed else None


SIZES: tuple[Rule, ...] = (
    Rule(
        name="sign_with_abs",
        before=lambda x: x * abs(x) / (x * abs(x) ** 2),
        after=lambda x: 1 / abs(x),
        domain={"x": Interval(1e-3, 1e3)},
        promise=4.0,
        mends="the derivative of log(abs(p - r)) is 0 / 0 where p and r are close",
        databases=("canonicalize", "stabilize", "specialize"),
        tracks=(mul, true_div),
        transform=sign_with_abs,
        needs=((ps.Sign, ps.Abs),),
        source="|u| = u sign(u)",
        tested_in="tests/test_sizes.py",
    ),
)
