"""Rules for log_softmax and logsumexp: recognised, differentiated, and exact at the top of a row.

Where one component dominates, its log_softmax is ``-log1p(sum of the others' exp(x - max))``; the
``log(1 + tiny)`` that PyTensor and JAX compute is 0.
"""

from collections.abc import Sequence
from fractions import Fraction
from functools import cache

import pytensor.tensor as pt
from pytensor import config
from pytensor.compile.builders import OpFromGraph
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.tensor.basic import expand_dims
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.math import Max, Sum, add, exp, log, log1p, sub
from pytensor.tensor.special import LogSoftmax, LogSumExp, Softmax
from pytensor.tensor.type import TensorType

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.matching import (
    FLOATS,
    MOVES,
    exact_constant,
    is_a,
    is_complex,
    same_pattern,
)
from pytensor_stabilize.rewrites.rules import REAL, Left, Rule
from pytensor_stabilize.rewrites.softmax.components import (
    above_half,
    complement,
    log1p_argument,
    rest_of,
)
from pytensor_stabilize.rewrites.softmax.matching import (
    axes_of,
    is_exp,
    is_near,
    is_softmax,
    normal_axes,
    picks_rows,
    row_maximum,
    row_sum,
    softmax_axes,
)
from pytensor_stabilize.rewrites.softmax.reader import Reader
from pytensor_stabilize.rewrites.softmax.terms import ONE, Key, Term, merged, replaced
from pytensor_stabilize.rewrites.softmax.transforms import of_sum


def find_log_softmax(reader: Reader, terms: list[Term]) -> list[Term] | None:
    """``c * x - c * logsumexp(x)``, also of indexed elements of x."""
    for small in terms:
        for lse, power in small.powers:
            if power != 1 or not isinstance(lse, Variable):
                continue
            factor = small.without(lse)
            for large in terms:
                x = dict(large.times(factor, -1).powers)
                if len(x) == 1 and small.coefficient * large.coefficient:
                    ((core, one),) = x.items()
                    scale = -large.coefficient / small.coefficient
                    new = log_softmax_of(core, lse, scale, reader) if one == 1 else None
                    if new is not None:
                        used = Term(-small.coefficient, large.powers)
                        others = [used if term is large else term for term in terms]
                        return replaced(others, small, used, factor, new)
    return None


def log_softmax_of(core: Key, lse: Variable, scale: Fraction, reader: Reader) -> Variable | None:
    """``scale * core - lse`` as elements of a log-softmax; None if it is something else."""
    node = lse.owner
    if node is not None and is_a(node.op, DimShuffle):
        augment, squeezed = node.op.augment, node.op.drop
        if squeezed or (node.op.is_transpose and not augment):
            return None
        node = node.inputs[0].owner
    else:
        augment = ()
    if node is None or not is_a(node.op, LogSumExp) or not isinstance(core, Variable):
        return None
    (x,) = node.inputs
    axes = normal_axes(node.op.axis, x)
    if not axes:
        return None
    multiple = x
    if scale != 1:
        read = reader.read(x)
        if len(read) != 1 or read[0].coefficient != scale or len(read[0].powers) != 1:
            return None
        ((x, one),) = read[0].powers
        if one != 1 or not isinstance(x, Variable) or not same_pattern(x, multiple):
            return None
    if core is x:
        if augment == axes and lse.owner.op.is_expand_dims:
            return LogSoftmax(axis=axes)(multiple)
        return None
    path: list[Apply] = []
    variable = core
    while variable is not x:
        if variable.owner is None or not is_a(variable.owner.op, *MOVES, Max):
            return None
        path.append(variable.owner)
        variable = variable.owner.inputs[0]
    if len(axes) < x.type.ndim and not _keeps_rows(path, axes, augment):
        return None
    result = LogSoftmax(axis=axes)(multiple)
    for step in reversed(path):
        if is_a(step.op, Max) and scale < 0:
            result = pt.min(result, axis=step.op.axis)  # -max(x) is the least of -x
        else:
            result = step.op.make_node(result, *step.inputs[1:]).outputs[0]
    return result


def _keeps_rows(path: list[Apply], axes: tuple[int, ...], augment: Sequence[int]) -> bool:
    """Whether each row has one element at the end of a path, in the dimensions of the lse."""
    first = path[-1]
    if is_a(first.op, Max):
        if axes_of(first) != axes:
            return False
        expands = is_a(path[0].op, DimShuffle) and bool(path[0].op.is_expand_dims)
        kept = path[0].op.augment if expands else ()
        return len(path) == 1 + expands and tuple(kept) == tuple(augment)
    return len(path) == 1 and not augment and picks_rows(first, axes)


def log_of_sum(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``log(sum(exp(x - max(x)))) -> log1p(...)`` of the sum without one of its largest terms."""
    (summed,) = node.inputs
    moved = summed.owner if summed.owner and is_a(summed.owner.op, DimShuffle) else None
    row = (moved.inputs[0] if moved else summed).owner
    if row is None or type(row.op) is not Sum or not is_exp(row.inputs[0]):
        return None
    exponent = row.inputs[0].owner.inputs[0]
    shift = exponent.owner
    if shift is None or shift.op != sub or is_complex(exponent):
        return None
    x, top = shift.inputs
    axes = set(axes_of(row))
    guard = top.owner
    if guard is not None and guard.op == pt.switch and exact_constant(guard.inputs[1]) == 0:
        top = guard.inputs[2]  # logsumexp does not shift by an infinite maximum
    if not row_maximum(top, x, axes):
        return None
    rest = log1p_argument(row.inputs[0], exponent, row.op.axis)
    return pt.log1p(moved.op(rest) if moved else rest)


def log_of_complement(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``log(1 - p)`` of softmax components: above 1/2 it is the logarithm of the others' sum."""
    (argument,) = node.inputs
    if not is_near(argument, is_softmax) or argument.type.dtype not in FLOATS:
        return None
    read = Reader(fgraph, argument.type.dtype).read(argument)
    terms = merged([*read, ONE] if node.op == log1p else read)
    if len(terms) != 2 or ONE not in terms:
        return None
    minus = terms[1 - terms.index(ONE)]
    if minus.coefficient != -1 or len(minus.powers) != 1:
        return None
    ((p, power),) = minus.powers
    if power != 1 or not isinstance(p, Variable) or (gap := complement(p)) is None:
        return None
    axes = softmax_axes(p)
    others = gap if axes is None else row_sum(rest_of(p), axes)
    return pt.switch(above_half(p), pt.log(others), pt.log1p(pt.neg(rest_of(p))))


def log_softmax_with_log1p(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """Write a log-softmax out, in the last pass that could need it whole."""
    (x,) = node.inputs
    axes = tuple(range(x.type.ndim)) if node.op.axis is None else tuple(node.op.axis)
    if not all(-x.type.ndim <= axis < x.type.ndim for axis in axes):
        return None  # PyTensor takes a scalar with an axis, and says so when it runs
    exponent = x - pt.max(x, axis=axes, keepdims=True)
    rest = log1p_argument(exp(exponent), exponent, axes)
    return exponent - pt.log1p(expand_dims(rest, axes))


def log_sum_exp_pullback(
    fgraph: FunctionGraph, node: Apply
) -> Variable | list[Variable] | Left | None:
    """PyTensor differentiates logsumexp through its maximum: the gradient is a softmax."""
    if type(node.op) is not OpFromGraph or len(node.inputs) not in (3, 5):
        return None
    x, value, g = node.inputs[:3]
    lse = value.owner
    if lse is None or not is_a(lse.op, LogSumExp) or lse.inputs[0] is not x:
        return None
    axes = normal_axes(lse.op.axis, x)
    if not axes:
        return None
    settings = config.floatX, config.cast_policy
    first, second, second_inputs = pullbacks_of(x.type, lse.op.axis, settings)
    p = Softmax(axis=axes)(x)
    rows = expand_dims(g, axes)
    if node.op == first:
        return rows * p
    if node.op != second:
        return None
    z = node.inputs[4]
    by_input = {
        0: rows * (p * z - p * expand_dims(pt.sum(p * z, axis=axes), axes)),
        2: pt.sum(p * z, axis=axes),
    }
    return [by_input[i] for i in second_inputs]


@cache
def pullbacks_of(
    x_type: TensorType, axis: tuple[int, ...], settings: tuple[str, str]
) -> tuple[Op, Op, tuple[int, ...]]:
    """Ops that PyTensor makes for the pullback of logsumexp and for the pullback of that.

    They are recognised by being equal, inner graphs included.  Last come the inputs of the first
    that the outputs of the second belong to.

    Parameters
    ----------
    settings
        floatX and the cast policy, which decide of the dtypes inside: what was made under one is
        not met under another.
    """
    x = x_type("x")
    value = LogSumExp(axis=axis)(x)
    g = value.type("g")
    (gradient,) = value.owner.op.pullback([x], [value], [g])
    z = gradient.type("z")
    parts = gradient.owner.op.pullback([x, value, g], [gradient], [z])
    connected = tuple(i for i, part in enumerate(parts) if part.owner is not None)
    return gradient.owner.op, parts[connected[0]].owner.op, connected


def _is_log_sum_exp(node: Apply) -> bool:
    return is_a(node.op, LogSumExp)


_TESTS = "tests/test_softmax.py"
_RECOGNITION = ("symbolic_op_recognition",)


def _lse(a: symbols.Value, b: symbols.Value) -> symbols.Value:
    """``log(exp(a) + exp(b))``."""
    return symbols.log(symbols.exp(a) + symbols.exp(b))


LOG_SOFTMAX: tuple[Rule, ...] = (
    Rule(
        name="log_softmax_of_logsumexp",
        before=lambda a, b: a - _lse(a, b),
        after=lambda a, b: -symbols.log1p(symbols.exp(b - a)),
        domain={"a": REAL, "b": REAL},
        promise=4.0,
        mends="x - logsumexp(x) cancels where the sum has another client, or x is indexed",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=of_sum(find_log_softmax, _is_log_sum_exp),
        needs=(LogSumExp,),
        sees_clients=True,
        tags=_RECOGNITION,
        tested_in=_TESTS,
        source="Definition of log_softmax",
    ),
    Rule(
        name="logsumexp_pullback",
        before=lambda a, b: symbols.exp(a - _lse(a, b)),
        after=lambda a, b: symbols.exp(a) / (symbols.exp(a) + symbols.exp(b)),
        domain={"a": REAL, "b": REAL},
        promise=4.0,
        mends="the gradient of logsumexp is opaque and goes through the maximum; the Hessian is 0",
        databases=("canonicalize", "stabilize"),
        tracks=(OpFromGraph,),
        transform=log_sum_exp_pullback,
        tested_in=_TESTS,
        source="The gradient of logsumexp is softmax",
    ),
    Rule(
        name="log_sum_exp_log1p",
        before=lambda a, b: symbols.log(symbols.exp(a - a) + symbols.exp(b - a)),
        after=lambda a, b: symbols.log1p(symbols.exp(b - a)),
        domain={"a": REAL, "b": REAL},
        promise=4.0,
        mends="log(sum(exp(x - max(x)))) is 0 at a gap of 37",
        databases=("specialize",),
        tracks=(log,),
        transform=log_of_sum,
        tested_in=_TESTS,
        source="One of the summands is 1",
    ),
    Rule(
        name="log_of_softmax_complement",
        before=lambda a, b: symbols.log(
            1 - symbols.exp(a) / (symbols.exp(a) + symbols.exp(b)),
        ),
        after=lambda a, b: -symbols.softplus(a - b),
        domain={"a": REAL, "b": REAL},
        promise=4.0,
        mends="log(1 - softmax(x)) is -inf at a gap of 37",
        databases=("specialize",),
        tracks=(log, log1p),
        transform=log_of_complement,
        needs=(Softmax,),
        tested_in=_TESTS,
        source="1 - p = sum of the other components",
    ),
    Rule(
        name="log_softmax_log1p",
        before=lambda a, b: symbols.log(symbols.exp(a) / (symbols.exp(a) + symbols.exp(b))),
        after=lambda a, b: -symbols.log1p(symbols.exp(b - a)),
        domain={"a": REAL, "b": REAL},
        promise=4.0,
        mends="log_softmax(x) is 0 at a gap of 37, where it is -exp(-37)",
        databases=("specialize",),
        tracks=(LogSoftmax,),
        transform=log_softmax_with_log1p,
        tested_in=_TESTS,
        source="One of the summands is 1",
    ),
)
