"""Softmax and its like over the two elements of a join: a sigmoid, softplus and logaddexp.

The rules for these see one argument, where a row has as many as it likes.
"""

from __future__ import annotations

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.basic import Join, MakeVector, Split
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.special import LogSoftmax, LogSumExp, Softmax
from pytensor.tensor.subtensor import Subtensor

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.exponentials.logs import logaddexp_of
from pytensor_stabilize.rewrites.matching import FLOATS, exact_constant, is_a, scalar_op_of
from pytensor_stabilize.rewrites.rules import Interval, Left, Rule
from pytensor_stabilize.rewrites.shapes.pieces import Pieces


def _two(fgraph: FunctionGraph, node: Apply) -> list[Variable] | None:
    """The two parts that a node's row is joined of, along its axis."""
    (row,), (output,) = node.inputs, node.outputs
    axes = node.op.axis
    # A number has axis 0 for PyTensor, and no dimension.
    if axes is None or len(axes) != 1 or row.type.ndim == 0 or row.type.shape[axes[0]] != 2:
        return None
    if row.type.dtype != output.type.dtype or row.type.dtype not in FLOATS:
        return None
    return Pieces(fgraph, axes[0], [1, 1]).of(row)


def _is_taken_apart(fgraph: FunctionGraph, row: Variable) -> bool:
    """Whether nothing but single elements of a row is used.

    Sums over a row of products have rules of their own, which know a softmax.
    """
    for client, _ in fgraph.clients[row]:
        op = scalar_op_of(client) if isinstance(client, Apply) else None
        if is_a(client.op, Subtensor, Split):
            continue
        scales = is_a(op, ps.Neg, ps.Mul) and all(
            v is row or exact_constant(v) is not None for v in client.inputs
        )
        if not scales and not is_a(client.op, DimShuffle):
            return False
        if not _is_taken_apart(fgraph, client.outputs[0]):
            return False
    return True


def logsumexp_of_two(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``logsumexp(stack([a, b])) -> logaddexp(a, b)``."""
    parts = _two(fgraph, node)
    if parts is None:
        return None
    return pt.logaddexp(*(pt.squeeze(v, node.op.axis[0]) for v in parts))


def softmax_of_two(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``softmax(stack([a, b])) -> stack([sigmoid(a - b), sigmoid(b - a)])``."""
    parts = _two(fgraph, node)
    if parts is None or not _is_taken_apart(fgraph, node.outputs[0]):
        return None
    gap = pt.sub(*parts)
    return pt.join(node.op.axis[0], pt.sigmoid(gap), pt.sigmoid(pt.neg(gap)))


def log_softmax_of_two(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``log_softmax(stack([a, b])) -> -stack([softplus(b - a), softplus(a - b)])``."""
    parts = _two(fgraph, node)
    if parts is None or not _is_taken_apart(fgraph, node.outputs[0]):
        return None
    gap = pt.sub(*parts)
    return pt.join(node.op.axis[0], pt.neg(pt.softplus(pt.neg(gap))), pt.neg(pt.softplus(gap)))


_DOMAIN = {"a": Interval(0.0, 1e-300), "b": Interval(-700.0, 700.0)}
_TESTS = "tests/test_two_joined.py"

OF_TWO: tuple[Rule, ...] = (
    Rule(
        name="logsumexp_of_two",
        before=lambda a, b: symbols.log(symbols.exp(a) + symbols.exp(b)),
        after=lambda a, b: logaddexp_of(a, b),
        domain=_DOMAIN,
        promise=4.0,
        mends="logsumexp(stack([x, 0])) - x is 0 for x beyond 37",
        # In canonicalize the pullback, which names the value, would not be known any more.
        databases=("stabilize",),
        tracks=(LogSumExp,),
        transform=logsumexp_of_two,
        needs=((LogSumExp, Join), (LogSumExp, MakeVector)),
        source="A sum along the axis of a join is that of its parts",
        tested_in=_TESTS,
    ),
    Rule(
        name="softmax_of_two",
        before=lambda a, b: symbols.exp(a) / (symbols.exp(a) + symbols.exp(b)),
        after=lambda a, b: symbols.sigmoid(a - b),
        domain=_DOMAIN,
        promise=4.0,
        mends="the gradient of x - logsumexp(stack([x, 0])) is 0 for x beyond 37",
        databases=("stabilize",),
        tracks=(Softmax,),
        transform=softmax_of_two,
        needs=((Softmax, Join), (Softmax, MakeVector)),
        sees_clients=True,
        source="As above",
        tested_in=_TESTS,
    ),
    Rule(
        name="log_softmax_of_two",
        before=lambda a, b: symbols.log(symbols.exp(a) / (symbols.exp(a) + symbols.exp(b))),
        after=lambda a, b: -symbols.softplus(b - a),
        domain=_DOMAIN,
        promise=4.0,
        mends="what multiplies log_softmax(stack([x, 0])) does not see a softplus",
        databases=("stabilize",),
        tracks=(LogSoftmax,),
        transform=log_softmax_of_two,
        needs=((LogSoftmax, Join), (LogSoftmax, MakeVector)),
        sees_clients=True,
        source="As above",
        tested_in=_TESTS,
    ),
)
