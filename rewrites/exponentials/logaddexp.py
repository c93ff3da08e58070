"""The pullback of logaddexp, which PyTensor keeps closed until its last rewrites."""

from functools import cache

import pytensor.tensor as pt
from pytensor import config
from pytensor.compile.builders import OpFromGraph
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.tensor.special import LogAddExp
from pytensor.tensor.type import TensorType

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.arithmetic import as_dtype, signed_sum, sum_of
from pytensor_stabilize.rewrites.exponentials.weighted import WEIGHTED
from pytensor_stabilize.rewrites.matching import FLOATS, exact_constant, is_a, same_pattern
from pytensor_stabilize.rewrites.rules import REAL, Left, Rule


def logaddexp_pullback(
    fgraph: FunctionGraph, node: Apply
) -> Variable | list[Variable] | Left | None:
    """``g sigmoid(x - y)`` and ``g sigmoid(y - x)``, of which a sum can then be seen to cancel."""
    if type(node.op) is not OpFromGraph or len(node.inputs) not in (4, 7, 8):
        return None
    x, y, value, g = node.inputs[:4]
    # Of float32 alone PyTensor computes it in float64.
    if value.owner is None or not is_a(value.owner.op, LogAddExp) or value.owner.inputs != [x, y]:
        return None
    if value.type.dtype not in FLOATS or value.type != g.type:
        return None
    types = (x.type, y.type)
    first, seconds = _pullbacks_of(types, (config.floatX, config.cast_policy))
    gap = pt.sub(*(as_dtype(v, value.type.dtype) for v in (x, y)))
    p, q = pt.sigmoid(gap), pt.sigmoid(pt.neg(gap))
    if node.op == first:
        return _like(node, [pt.mul(g, p), pt.mul(g, q)])
    for second, sides, inputs in seconds:
        if node.op != second:
            continue
        of = dict(zip(sides, (as_dtype(v, value.type.dtype) for v in node.inputs[6:]), strict=True))
        slope = pt.mul(g, p, q)
        by_input = {
            0: pt.mul(slope, signed_sum([(1 if side == 0 else -1, v) for side, v in of.items()])),
            1: pt.mul(slope, signed_sum([(1 if side == 1 else -1, v) for side, v in of.items()])),
            3: sum_of([pt.mul(v, q if side else p) for side, v in of.items()]),
        }
        return _like(node, [by_input[i] for i in inputs])
    return None


def logaddexp_of_zero(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``logaddexp(0, x) -> softplus(x)``, which other rules know."""
    (output,) = node.outputs
    for zero, x in (node.inputs, node.inputs[::-1]):
        if exact_constant(zero) == 0 and x.type.dtype == output.type.dtype in FLOATS:
            value = pt.softplus(x)
            return value if same_pattern(x, output) else pt.second(output, value)
    return None


def _like(node: Apply, slopes: list[Variable]) -> list[Variable] | None:
    """The slopes, summed to the shape of an argument that was broadcast."""
    result = []
    for slope, output in zip(slopes, node.outputs, strict=True):
        fewer = slope.type.ndim - output.type.ndim
        broadcast = (True,) * fewer + tuple(output.type.broadcastable)
        axes = [i for i, b in enumerate(broadcast) if b and not slope.type.broadcastable[i]]
        if any(b and not broadcast[i] for i, b in enumerate(slope.type.broadcastable)):
            return None
        if axes:
            slope = pt.sum(slope, axis=axes, keepdims=True)
        if fewer:
            slope = pt.squeeze(slope, axis=tuple(range(fewer)))
        result.append(as_dtype(slope, output.type.dtype))
    return result


@cache
def _pullbacks_of(
    types: tuple[TensorType, TensorType], settings: tuple[str, str]
) -> tuple[Op, list[tuple[Op, tuple[int, ...], tuple[int, ...]]]]:
    """Ops that PyTensor makes for the pullback and for the pullbacks of that.

    They are recognised by being equal, inner graphs included.  Of the second kind there are three,
    by the outputs of the first that are used: with each come those, and the inputs of the first
    that its own outputs belong to.  `settings`, floatX and the cast policy, decide of the dtypes
    inside.
    """
    x, y = types[0]("x"), types[1]("y")
    value = LogAddExp()(x, y)
    g = value.type("g")
    slopes = value.owner.op.pullback([x, y], [value], [g])
    op = slopes[0].owner.op
    seconds: list[tuple[Op, tuple[int, ...], tuple[int, ...]]] = []
    for sides in ((0, 1), (0,), (1,)):
        given = [v.type("z") if i in sides else DisconnectedType()() for i, v in enumerate(slopes)]
        parts = op.pullback([x, y, value, g], slopes, given)
        connected = tuple(i for i, part in enumerate(parts) if part.owner is not None)
        if connected:  # an integer has no derivative
            seconds.append((parts[connected[0]].owner.op, sides, connected))
    return op, seconds


LOGADDEXP: tuple[Rule, ...] = (
    *WEIGHTED,
    Rule(
        name="logaddexp_pullback",
        before=lambda x, y: symbols.exp(x) / (symbols.exp(x) + symbols.exp(y)),
        after=lambda x, y: symbols.sigmoid(x - y),
        domain={"x": REAL, "y": REAL},
        promise=4.0,
        mends="the gradient of logaddexp is opaque: that of logaddexp(x, -x) is 0 near 0",
        databases=("canonicalize", "stabilize"),
        tracks=(OpFromGraph,),
        transform=logaddexp_pullback,
        needs=(LogAddExp,),
        tested_in="tests/test_pullbacks.py",
        source="The gradient of log(exp(x) + exp(y)) in x is sigmoid(x - y)",
    ),
    Rule(
        name="logaddexp_of_zero",
        before=lambda x: symbols.log(1 + symbols.exp(x)),
        after=symbols.softplus,
        domain={"x": REAL},
        promise=4.0,
        mends="y x - logaddexp(0, x) is 0 for y = 1 and x beyond 37",
        # In canonicalize the pullback, which names the value, would not be known any more.
        databases=("stabilize",),
        tracks=(LogAddExp,),
        transform=logaddexp_of_zero,
        needs=(LogAddExp,),
        tested_in="tests/test_pullbacks.py",
        source="exp(0) = 1",
    ),
)
