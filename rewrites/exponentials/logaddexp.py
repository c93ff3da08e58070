"""The pullback of logaddexp, which PyTensor keeps closed until its last rewrites."""

from functools import cache

import pytensor.tensor as pt
from pytensor import config
from pytensor.compile.builders import OpFromGraph
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.tensor.special import LogAddExp
from pytensor.tensor.type import TensorType

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.arithmetic import as_dtype
from pytensor_stabilize.rewrites.matching import FLOATS, is_a, same_pattern
from pytensor_stabilize.rewrites.rules import REAL, Left, Rule


def logaddexp_pullback(
    fgraph: FunctionGraph, node: Apply
) -> Variable | list[Variable] | Left | None:
    """``g sigmoid(x - y)`` and ``g sigmoid(y - x)``, of which a sum can then be seen to cancel."""
    if type(node.op) is not OpFromGraph or len(node.inputs) not in (4, 8):
        return None
    x, y, value, g = node.inputs[:4]
    if value.owner is None or not is_a(value.owner.op, LogAddExp) or x.type.dtype not in FLOATS:
        return None
    # Of float32 PyTensor computes it in float64.
    if value.owner.inputs != [x, y] or x.type != y.type or value.type != g.type:
        return None
    if not same_pattern(x, value):
        return None
    first, second, second_inputs = _pullbacks_of(x.type, (config.floatX, config.cast_policy))
    gap = pt.sub(*(as_dtype(v, value.type.dtype) for v in (x, y)))
    p, q = pt.sigmoid(gap), pt.sigmoid(pt.neg(gap))
    if node.op == first:
        return [pt.mul(g, p), pt.mul(g, q)]
    if node.op != second:
        return None
    of_x, of_y = node.inputs[6:]
    slope = pt.mul(g, p, q)
    by_input = {
        0: pt.mul(slope, pt.sub(of_x, of_y)),
        1: pt.mul(slope, pt.sub(of_y, of_x)),
        3: pt.add(pt.mul(of_x, p), pt.mul(of_y, q)),
    }
    return [by_input[i] for i in second_inputs]


@cache
def _pullbacks_of(x_type: TensorType, settings: tuple[str, str]) -> tuple[Op, Op, tuple[int, ...]]:
    """Ops that PyTensor makes for the pullback and for the pullback of that.

    They are recognised by being equal, inner graphs included.  Last come the inputs of the first
    that the outputs of the second belong to.  `settings`, floatX and the cast policy, decide of
    the dtypes inside.
    """
    x, y = x_type("x"), x_type("y")
    value = LogAddExp()(x, y)
    g = value.type("g")
    slopes = value.owner.op.pullback([x, y], [value], [g])
    op = slopes[0].owner.op
    parts = op.pullback([x, y, value, g], slopes, [v.type("z") for v in slopes])
    connected = tuple(i for i, part in enumerate(parts) if part.owner is not None)
    return op, parts[connected[0]].owner.op, connected


LOGADDEXP: tuple[Rule, ...] = (
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
)
