"""Logarithms of products that run over an axis: ``log(cumprod(1 - h))``, ``log(1 - prod(s))``.

The product underflows where its logarithm is an ordinary number, and is 1 where its complement is
one.  The sum of the logarithms does neither.
"""

from __future__ import annotations

from collections.abc import Callable

import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.extra_ops import CumOp
from pytensor.tensor.math import Prod, add, log, log1p, sub

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.additive import with_complement
from pytensor_stabilize.rewrites.algebra.arguments import is_float
from pytensor_stabilize.rewrites.algebra.families import Member
from pytensor_stabilize.rewrites.algebra.forms import TooBigError
from pytensor_stabilize.rewrites.algebra.products import spelled_product
from pytensor_stabilize.rewrites.algebra.reading import Reader
from pytensor_stabilize.rewrites.matching import MOVES, is_a, strip_sign
from pytensor_stabilize.rewrites.rules import REAL, Left, Needs, Rule


def log_of_product_over_axis(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``log(cumprod(p)) -> cumsum(log(p))``, ``log1p(-prod(p)) -> log1mexp(sum(log(p)))``."""
    (output,), (argument,) = node.outputs, node.inputs
    complement = node.op == log1p
    sign, core = strip_sign(argument) if complement else (1, argument)
    if complement != (sign < 0) or not is_float(output):
        return None
    return _of_logarithm(core, pt.log1mexp if complement else None, output)


def one_minus_product_over_axis(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``1 - prod(p) -> -expm1(sum(log(p)))``, with whatever else is added."""
    (output,) = node.outputs
    if not is_float(output):
        return None

    def complement(core: Variable) -> tuple[int, Variable] | None:
        made = _of_logarithm(core, pt.expm1, output)
        return None if made is None else (-1, made)

    return with_complement(output, complement)


def _of_logarithm(
    core: Variable, function: Callable[[Variable], Variable] | None, output: Variable
) -> Variable | None:
    """A function of the logarithm of a product over an axis, moved as the product was."""
    moves: list[Apply] = []
    while core.owner is not None and is_a(core.owner.op, *MOVES):
        moves.append(core.owner)
        core = core.owner.inputs[0]
    if not is_product_over_axis(core) or core.type.dtype != output.type.dtype:
        return None
    assert core.owner is not None
    op, factor = core.owner.op, core.owner.inputs[0]
    if factor.type.dtype != output.type.dtype:
        return None  # multiplied in more digits than the logarithms would have
    total = pt.cumsum if is_a(op, CumOp) else pt.sum
    result = total(pt.log(factor), axis=op.axis)  # type: ignore[attr-defined]
    if function is not None:
        result = function(result)
    for move in reversed(moves):
        result = move.op(result, *move.inputs[1:])
    return result


def is_product_over_axis(variable: Variable) -> bool:
    """Whether a variable is a product of probabilities, or elements of it that were moved about."""
    while variable.owner is not None and is_a(variable.owner.op, *MOVES):
        variable = variable.owner.inputs[0]
    node = variable.owner
    if node is None or not is_a(node.op, CumOp, Prod):
        return False
    if is_a(node.op, CumOp) and node.op.mode != "mul":  # type: ignore[attr-defined]
        return False
    factor = node.inputs[0]
    reader = Reader()
    try:
        if not is_float(factor) or not reader.survey(factor):
            return False
        found = spelled_product(reader, factor)
    except TooBigError:
        return False
    if found.coefficient <= 0 or not found.factors:
        return False
    return all(
        isinstance(g, Member) and g.companion != "t" and g.family.kind != "cosine"
        for g, _ in found.factors
    )


_NEEDS: Needs = tuple(
    (kind, op) for kind in (psm.Sigmoid, ps.Tanh, ps.Exp, psm.Erf, psm.Erfc) for op in (CumOp, Prod)
)

PRODUCTS_OVER_AXES: tuple[Rule, ...] = (
    Rule(
        name="log_of_product_over_axis",
        before=lambda x: symbols.log(symbols.sigmoid(x) * symbols.sigmoid(x)),
        after=lambda x: -symbols.softplus(-x) - symbols.softplus(-x),
        domain={"x": REAL},
        tested_in="tests/test_products_over_axes.py",
        # The logarithm itself to 4 ulp; log(1 - prod(p)) is -exp(t) where the product is small, and
        # the rounding of t = log(prod(p)) is |t| / 2 ulp of that, |t| up to 745.
        promise=380.0,
        mends="log(cumprod(p)) is -inf where it underflows, log(1 - prod(p)) where that is 1",
        databases=("stabilize", "specialize"),
        tracks=(log, log1p),
        transform=log_of_product_over_axis,
        needs=_NEEDS,
        source="The logarithm of a product is the sum of the logarithms",
    ),
    Rule(
        name="one_minus_product_over_axis",
        before=lambda x: 1 - symbols.sigmoid(x) * symbols.sigmoid(x),
        after=lambda x: -symbols.expm1(-2 * symbols.softplus(-x)),
        domain={"x": REAL},
        tested_in="tests/test_products_over_axes.py",
        promise=6.0,
        mends="1 - prod(1 - p), that something happens at all, is 0 where every p is small",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=one_minus_product_over_axis,
        needs=_NEEDS,
        source="As above",
    ),
)
