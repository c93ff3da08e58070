"""Sums over data beside what is the same for every row: ``sum(v) - n e -> sum(v - e)``.

The derivative of a truncated model is one: that of the density is summed over the data, that of the
normalising constant is taken once, times their number.  Each term of the sum cancels with its part.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.raise_op import CheckAndRaise
from pytensor.scalar import basic as ps
from pytensor.tensor.basic import Alloc, Join, MakeVector
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.math import Sum, add, log1mexp, mul, sub

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.algebra.arguments import is_float
from pytensor_stabilize.rewrites.algebra.limits import within_limits
from pytensor_stabilize.rewrites.arithmetic import (
    as_dtype,
    constant_like,
    factors,
    product_of,
    signed_sum,
)
from pytensor_stabilize.rewrites.branches import hides_a_root, shortens
from pytensor_stabilize.rewrites.guards import is_companion
from pytensor_stabilize.rewrites.matching import (
    MOVES,
    exact_constant,
    is_a,
    negate,
    same_pattern,
    scalar_op_of,
    strip_sign,
    terms,
)
from pytensor_stabilize.rewrites.rules import REAL, Left, Rule
from pytensor_stabilize.rewrites.shapes.pieces import MOST_PIECES, Pieces
from pytensor_stabilize.rewrites.softmax.matching import axes_of

# Of more, the total stays one sum.
_MOST_EXPONENTIALS = 4


@within_limits
def sum_over_data_with_term(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``sum(v) + n e -> sum(v + e)``, where ``v + e`` cancels."""
    (output,) = node.outputs
    if not is_float(output) or any(n != 1 for n in output.type.shape):
        return None
    beside: list[tuple[int, Variable]] = []
    totals: list[tuple[int, Apply]] = []
    for sign, term in terms(node):
        own, total = _total(term)
        if total is None:
            beside.append((sign, term))
        else:
            totals.append((sign * own, total))
    if len(totals) != 1 or not beside:
        return None
    ((sign, total),) = totals
    (inner,) = total.inputs
    count = int(np.prod([n or 0 for n in inner.type.shape]))
    if count < 2 or inner.type.dtype != output.type.dtype:
        return None
    parts = [(s, _part(term, count, inner)) for s, term in beside]
    known = [(s, part) for s, part in parts if part is not None]
    # Each has to be read in full: a root of one of them is no root of the sum.
    if len(known) < len(parts) or not all(_is_read(v) for _, v in known) or hides_a_root(inner):
        return None
    combined = signed_sum([*((sign * s, v) for s, v in _opened(inner)), *known])
    if not hides_a_root(combined):
        return None
    result = pt.sum(combined)
    return pt.reshape(result, [1] * output.type.ndim) if output.type.ndim else result


def _is_read(variable: Variable) -> bool:
    """Whether a part is a number or a product of companions as short as it gets."""
    return exact_constant(variable) is not None or (
        is_companion(variable) and not shortens(variable)
    )


def _opened(variable: Variable) -> list[tuple[int, Variable]]:
    """The terms of a sum; ``tanh(z)`` is ``1 - 2 sigmoid(-2 z)``, and so cancels with others."""
    if variable.owner is not None and variable.owner.op in (add, sub):
        return list(terms(variable.owner))
    sign, core = strip_sign(variable)
    if not is_a(scalar_op_of(core.owner), ps.Tanh):
        return [(1, variable)]
    (z,) = core.owner.inputs  # type: ignore[union-attr]
    two = constant_like(2.0, core)
    return [
        (sign, constant_like(1.0, core)),
        (-sign, pt.mul(two, pt.sigmoid(pt.mul(pt.neg(two), z)))),
    ]


def _total(variable: Variable) -> tuple[int, Apply | None]:
    """A sum over all elements, with its sign."""
    sign, core = strip_sign(variable)
    while core.owner is not None and is_a(core.owner.op, DimShuffle):
        core = core.owner.inputs[0]
    node = core.owner
    whole = node is not None and is_a(node.op, Sum) and not core.type.ndim
    return sign, node if whole else None


def _part(variable: Variable, count: int, like: Variable) -> Variable | None:
    """What each of `count` elements adds up to the variable, if that is exact."""
    constant = exact_constant(variable)
    factors: list[Variable] = []
    scale = Fraction(1)
    if constant is not None:
        scale = constant
    else:
        sign, core = strip_sign(variable)
        scale *= sign
        for factor in core.owner.inputs if core.owner and core.owner.op == mul else [core]:
            c = exact_constant(factor)
            scale = scale * c if c is not None else scale
            factors += [] if c is not None else [factor]
    scale /= count
    if Fraction(float(scale)) != scale or not all(map(is_float, factors)):
        return None
    one = [_without_axes(as_dtype(v, str(like.type.dtype)), like.type.ndim) for v in factors]
    if not one:
        return constant_like(float(scale), like)
    return (
        product_of([constant_like(float(scale), one[0]), *one]) if scale != 1 else product_of(one)
    )


def _without_axes(variable: Variable, ndim: int) -> Variable:
    """A single element with so many axes of length 1."""
    if variable.type.ndim == ndim:
        return variable
    return variable.dimshuffle(["x"] * ndim)  # type: ignore[attr-defined]


@within_limits
def sum_over_join(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``1 - sum(join(a, b)**2)`` as ``1 - a**2 - b**2``, where that cancels."""
    (output,) = node.outputs
    if not (any(_has_sum(v.owner) for v in node.inputs) and is_float(output)):
        return None
    signed: list[tuple[int, Variable]] = []
    for sign, term in terms(node):
        constant, counted = factors(term)
        core, power = next(iter(counted.items()), (term, 0))
        parts = _parts_of_sum(fgraph, core) if len(counted) == power == 1 else None
        if parts is None or not constant or Fraction(float(constant)) != constant:
            signed.append((sign, term))
            continue
        size = constant_like(float(abs(constant)), output)
        scaled = parts if abs(constant) == 1 else [pt.mul(size, part) for part in parts]
        signed += [(sign if constant > 0 else -sign, part) for part in scaled]
    if len(signed) == len(node.inputs):
        return None
    combined = signed_sum(signed)
    return combined if same_pattern(combined, output) and hides_a_root(combined) else None


def _has_sum(term: Apply | None) -> bool:
    """Whether a term is a sum over an axis, or a product with one."""
    if term is None or type(term.op) is Sum:
        return term is not None
    if not is_a(scalar_op_of(term), ps.Mul, ps.Neg):
        return False
    return any(v.owner is not None and type(v.owner.op) is Sum for v in term.inputs)


def _parts_of_sum(fgraph: FunctionGraph, variable: Variable) -> list[Variable] | None:
    """What a sum along the axis of a join, of single parts, adds up."""
    node = variable.owner
    if node is None or type(node.op) is not Sum:
        return None
    (inner,) = node.inputs
    axes = axes_of(node)
    if len(axes) != 1:
        return None
    (axis,) = axes
    count = inner.type.shape[axis]
    if count is None or count > MOST_PIECES:
        return None
    parts = Pieces(fgraph, axis, [1] * count).of(inner)
    return parts and [as_dtype(pt.squeeze(v, axis), variable.type.dtype) for v in parts]


def total_of_joined_exponentials(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``sum(exp(stack([a, b])), axis=0) -> exp(a) + exp(b)``, where only the total is used."""
    (row,) = node.inputs
    if not is_a(scalar_op_of(row.owner), ps.Exp) or not is_float(row):
        return None
    if any(type(getattr(client, "op", None)) is not Sum for client, _ in fgraph.clients[row]):
        return None
    parts = _parts_of_sum(fgraph, node.outputs[0])
    if parts is None or len(parts) > _MOST_EXPONENTIALS:
        return None
    ones = (exact_constant(part.owner.inputs[0]) == 0 for part in map(_unmoved, parts))  # type: ignore[union-attr]
    return pt.add(*(pt.ones_like(v) if one else v for v, one in zip(parts, ones, strict=True)))


def _unmoved(variable: Variable) -> Variable:
    while variable.owner is not None and is_a(variable.owner.op, *MOVES):
        variable = variable.owner.inputs[0]
    return variable


def log1mexp_of_softplus(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``log1mexp(-softplus(x)) -> -softplus(-x)``: the logarithm of one minus ``sigmoid(-x)``."""
    (argument,) = node.inputs
    moves: list[Apply] = []
    # PyMC's check of the scale stands between the two, and what broadcasts it to the data.
    while argument.owner is not None and is_a(argument.owner.op, *MOVES, Alloc, CheckAndRaise):
        moves.append(argument.owner)
        argument = argument.owner.inputs[0]
    sign, core = strip_sign(argument)
    if sign > 0 or not is_a(scalar_op_of(core.owner), psm.Softplus):
        return None
    (x,) = core.owner.inputs  # type: ignore[union-attr]
    # The negative of a count would wrap.
    result = pt.neg(pt.softplus(negate(as_dtype(x, core.type.dtype))))
    for move in reversed(moves):
        result = move.op(result, *move.inputs[1:])
    return result


def infinite_exponential(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``switch(isinf(-exp(u)), -inf, -exp(u)) -> -exp(u)``: it is that already."""
    condition, limit, value = node.inputs
    test, end = condition.owner, getattr(limit, "data", None)
    if test is None or not is_a(scalar_op_of(test), ps.IsInf) or test.inputs[0] is not value:
        return None
    sign, core = strip_sign(value)
    if end is None or not is_a(scalar_op_of(core.owner), ps.Exp) or np.size(end) != 1:
        return None
    return value if np.ravel(end)[0] == sign * np.inf else None


REDUCED_SUMS: tuple[Rule, ...] = (
    Rule(
        name="sum_over_data_with_term",
        before=lambda x, y: (symbols.sigmoid(x) + symbols.sigmoid(y)) - 2,
        after=lambda x, y: -(symbols.sigmoid(-x) + symbols.sigmoid(-y)),
        domain={"x": REAL, "y": REAL},
        tested_in="tests/test_reduced_sums.py",
        promise=4.0,
        mends="sum(p) - n is 0 where every p rounds to 1",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=sum_over_data_with_term,
        needs=tuple((kind, Sum) for kind in (psm.Sigmoid, ps.Tanh, ps.Exp, psm.Erf, psm.Erfc)),
        source="n e is the sum of e over n elements",
    ),
    Rule(
        name="sum_over_join",
        before=lambda x: 1 - (symbols.sigmoid(x) ** 2 + symbols.sigmoid(-x) ** 2),
        after=lambda x: 2 * symbols.sigmoid(x) * symbols.sigmoid(-x),
        domain={"x": REAL},
        tested_in="tests/test_sums_over_joins.py",
        promise=4.0,
        mends="1 - sum(stack([p, 1 - p])**2) is 0 where p rounds to 1",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=sum_over_join,
        needs=((Sum, Join), (Sum, MakeVector)),
        source="A sum along the axis of a join is that of its parts",
    ),
    Rule(
        name="total_of_joined_exponentials",
        before=lambda x: 1 - symbols.exp(x) / (symbols.exp(x) + 1),
        after=lambda x: symbols.sigmoid(-x),
        domain={"x": REAL},
        tested_in="tests/test_sums_over_joins.py",
        promise=4.0,
        mends="the slope of exp(x) / sum(exp(stack([x, 0]))) is 0 where the share rounds to 1",
        databases=("stabilize", "specialize"),
        tracks=(Sum,),
        transform=total_of_joined_exponentials,
        needs=((ps.Exp, Join), (ps.Exp, MakeVector)),
        sees_clients=True,
        source="As above",
    ),
    Rule(
        name="log1mexp_of_softplus",
        before=lambda x: symbols.log1mexp(-symbols.softplus(x)),
        after=lambda x: -symbols.softplus(-x),
        domain={"x": REAL},
        tested_in="tests/test_reduced_sums.py",
        promise=4.0,
        mends="log1mexp(-softplus(x)) is -inf below -745, its slope inf * 0 below -709",
        databases=("stabilize", "specialize"),
        tracks=(log1mexp,),
        transform=log1mexp_of_softplus,
        needs=(psm.Softplus,),
        source="1 - sigmoid(-x) = sigmoid(x)",
    ),
    Rule(
        name="infinite_exponential",
        before=lambda x: -symbols.exp(-x) * symbols.sigmoid(x),
        after=lambda x: -symbols.sigmoid(-x),
        domain={"x": REAL},
        tested_in="tests/test_reduced_sums.py",
        promise=4.0,
        mends="exp(-x) sigmoid(x) is inf * 0 below -709, behind the switch of log1mexp's pullback",
        databases=("stabilize", "specialize"),
        tracks=(pt.switch,),
        transform=infinite_exponential,
        needs=((ps.Exp, ps.IsInf),),
        source="An infinite exponential is that infinity",
    ),
)
