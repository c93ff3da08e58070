"""Logarithms of what is put together of parts: joins, switches, clipped values."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.scalar import basic as ps
from pytensor.tensor.basic import AllocEmpty, Join, MakeVector
from pytensor.tensor.math import log, log1p

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.algebra.arguments import is_float
from pytensor_stabilize.rewrites.algebra.families import Member, families
from pytensor_stabilize.rewrites.algebra.forms import TooBigError
from pytensor_stabilize.rewrites.algebra.products import Spelled, spelled_product
from pytensor_stabilize.rewrites.algebra.reading import Reader
from pytensor_stabilize.rewrites.algebra.signs import is_above_0
from pytensor_stabilize.rewrites.guards import asked_of_argument
from pytensor_stabilize.rewrites.matching import (
    MOVES,
    exact_constant,
    is_a,
    scalar_op_of,
    strip_sign,
)
from pytensor_stabilize.rewrites.products_over_axes import is_product_over_axis
from pytensor_stabilize.rewrites.rules import REAL, Left, Rule
from pytensor_stabilize.rewrites.shapes.writes import READS, WRITES, Scatter, writes_to_zeros

_MOST_PARTS = 16


def log_of_parts(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``log(join(a, b)) -> join(log a, log b)`` and the like, where a part is a companion."""
    (output,), (argument,) = node.outputs, node.inputs
    complement = node.op == log1p
    if complement:
        sign, argument = strip_sign(argument)
        if sign > 0:
            return None  # nothing cancels in 1 + p
    moves: list[Apply] = []
    while argument.owner is not None and is_a(argument.owner.op, *MOVES):
        moves.append(argument.owner)
        argument = argument.owner.inputs[0]
    inner = argument.owner
    if inner is None or not is_float(output) or output.type.dtype != argument.type.dtype:
        return None
    positions = _parts(inner, complement)
    if not positions or len(positions) > _MOST_PARTS:
        return None
    parts = [inner.inputs[i] for i in positions]
    op = scalar_op_of(inner)
    if not any(_gains(part, complement) for part in parts):
        return None
    # The derivative of a part that is not taken would be 0 times infinity.
    if is_a(op, ps.Switch, ps.Clip, ps.Maximum, ps.Minimum) and not all(
        _is_safe(part, complement) for part in parts
    ):
        return Left("a branch may be 0, and the derivative of its logarithm infinite")
    if _drops([inner, *moves]) and not all(_may_be_dropped(part, complement) for part in parts):
        return Left("a part left out may be 0, and the derivative of its logarithm infinite")
    inputs = list(inner.inputs)
    if is_a(op, ps.Switch) and (reached := asked_of_argument(inputs[0])) is not None:
        inputs[0] = reached  # a guard against the logarithm of 0, which is no longer needed
    for i in positions:
        part = inputs[i]
        if part.type.dtype != output.type.dtype:
            part = pt.cast(part, output.type.dtype)
        inputs[i] = pt.log1p(-part) if complement else pt.log(part)
    result = _decreasing(inner.op, op)(*inputs) if complement else inner.op(*inputs)
    for move in reversed(moves):
        result = move.op(result, *move.inputs[1:])
    return cast(Variable, result)


def _decreasing(outer: Op, op: ps.ScalarOp | None) -> Callable[..., Variable]:
    """What puts parts together after a decreasing function: bounds change places."""
    if is_a(op, ps.Clip):
        return lambda v, lo, hi: pt.clip(v, hi, lo)
    if is_a(op, ps.Maximum):
        return pt.minimum
    return cast(Callable[..., Variable], pt.maximum if is_a(op, ps.Minimum) else outer)


def _parts(node: Apply, complement: bool) -> list[int]:
    """Positions of the inputs that a node puts together."""
    op = scalar_op_of(node)
    if is_a(node.op, Join, MakeVector):
        return list(range(len(node.inputs)))
    if is_a(op, ps.Switch):
        return [1, 2]
    if is_a(op, ps.Clip):
        return [0, 1, 2]
    if is_a(op, ps.Maximum, ps.Minimum) and len(node.inputs) == 2:
        return [0, 1]
    if is_a(node.op, *WRITES):
        # log1p(0) is 0, so that an increment of zeros stays one.
        places = complement and writes_to_zeros(node) and Scatter(node.outputs[0]).sets
        return [0, 1] if node.op.set_instead_of_inc or places else []  # type: ignore[attr-defined]
    return []


def _drops(nodes: list[Apply]) -> bool:
    """Whether some elements of what is put together may be left out or written over."""
    return any(is_a(node.op, *WRITES, *READS) for node in nodes)


def _may_be_dropped(part: Variable, complement: bool) -> bool:
    """Whether the logarithm has a finite derivative everywhere, or none is taken."""
    node = part.owner
    if is_a(part, Constant) or not is_float(part) or exact_constant(part) is not None:
        return True
    if node is not None and is_a(node.op, AllocEmpty):
        return True
    if node is not None and is_a(node.op, *WRITES):
        return all(_may_be_dropped(v, complement) for v in node.inputs[:2])
    return _is_safe(part, complement)


def _gains(part: Variable, complement: bool) -> bool:
    """Whether the logarithm of a part is a sum of logarithms of companions, or a switch of them."""
    if part.owner is not None and is_a(scalar_op_of(part.owner), ps.Switch):
        parts = part.owner.inputs[1:]
        gaining = [_gains(v, complement) for v in parts]
        finite = [_is_inside(v, complement) for v in parts]
        return any(gaining) and all(map(any, zip(gaining, finite, strict=True)))
    if not complement and is_product_over_axis(part):
        return True
    product = _product(part)
    return product is not None and product.coefficient > 0 and bool(families([product.factors]))


def _product(part: Variable) -> Spelled | None:
    reader = Reader()
    try:
        if not is_float(part) or not reader.survey(part):
            return None
        return spelled_product(reader, part)
    except TooBigError:
        return None


def _is_safe(part: Variable, complement: bool) -> bool:
    """Whether the logarithm, or that of one minus it, is finite where all arguments are.

    ``log(tanh(x))`` has no derivative at x = 0, and ``log1p(-exp(x))`` is nan above.
    """
    if _is_inside(part, complement):
        return True
    if part.owner is not None and is_a(scalar_op_of(part.owner), ps.Switch):
        return all(_is_safe(v, complement) for v in part.owner.inputs[1:])
    if not complement and is_product_over_axis(part):
        return True
    product = _product(part)
    if product is None or product.coefficient <= 0:
        return False
    if not complement:
        return all(is_above_0(g) for g, _ in product.factors)
    # Each factor is below 1 wherever its argument is finite.
    return product.coefficient <= 1 and all(
        isinstance(g, Member) and g.family.kind != "cosine" and n > 0 for g, n in product.factors
    )


def _is_inside(part: Variable, complement: bool) -> bool:
    """Whether a part is a constant whose logarithm is finite."""
    value = exact_constant(part)
    return value is not None and (value < 1 if complement else value > 0)


LOG_PARTS: tuple[Rule, ...] = (
    Rule(
        name="log_of_parts",
        before=lambda x: symbols.log(
            symbols.switch(x > 0, symbols.sigmoid(x), 1 - symbols.sigmoid(x))
        ),
        after=lambda x: symbols.switch(x > 0, -symbols.softplus(-x), -symbols.softplus(x)),
        domain={"x": REAL},
        promise=4.0,
        mends="log(join(p, 1 - p)), log(switch(y, p, 1 - p)) is -inf beyond 37",
        databases=("stabilize", "specialize"),
        tracks=(log, log1p),
        transform=log_of_parts,
        source="A function of each part",
    ),
)
