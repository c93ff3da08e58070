"""Logarithms of sums of two exponentials, whatever their spelling."""

from fractions import Fraction
from math import log as natural_log

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable, equal_computations
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.scalar.math import Softplus
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.math import Prod, Sum, add, log, sub
from pytensor.tensor.math import maximum as pt_maximum
from pytensor.tensor.shape import Shape, Shape_i

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.arithmetic import as_dtype, difference_of, sum_of
from pytensor_stabilize.rewrites.differences.pairs import flat_terms
from pytensor_stabilize.rewrites.exponentials.monomials import (
    Linear,
    combine,
    is_opaque,
    scaled,
)
from pytensor_stabilize.rewrites.exponentials.rational import Reader
from pytensor_stabilize.rewrites.matching import (
    FLOATS,
    MOVES,
    exact_constant,
    is_a,
    same_pattern,
    scalar_op,
    scalar_op_of,
)
from pytensor_stabilize.rewrites.rules import REAL, Interval, Left, Rule

_SUMS = (ps.Add, ps.Mul, ps.TrueDiv, ps.Cosh)
# Below it, log1p(sinh(x)**2) / 2 is accurate; above it, the sum that ends in -log(2) is.
NEAR_ZERO = 1.0


def read_sum(argument: Variable, reader: Reader) -> tuple[Fraction, Linear, Linear] | None:
    """Read ``factor * (exp(a) + exp(b))`` as ``(factor, a, b)``."""
    if not is_a(scalar_op(argument), *_SUMS):
        return None
    product = reader.product(argument)
    if product is None or product.factor <= 0 or len(product.binomials) != 1:
        return None
    ((d, powers),) = product.binomials.items()
    b = product.exponent
    if powers != (1, 0) or is_opaque(d) or is_opaque(b) or d not in reader.written_out:
        return None
    return product.factor, combine(b, d), b


def log_of_cosh(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``log(cosh(x))``, with any positive factor, also as exponentials."""
    (output,), (argument,) = node.outputs, node.inputs
    if argument.type.dtype != output.type.dtype or output.type.dtype not in ("float32", "float64"):
        return None
    reader = Reader(output.type.dtype)
    found = read_sum(argument, reader)
    if found is None:
        return None
    factor, a, b = found
    if a != scaled(b, -1):
        return Left("it is no cosh; PyTensor's own rule takes log(exp(a) + exp(b))")
    x = reader.variable(a)
    if factor == Fraction(1, 2):
        return log_cosh_of(x)
    parts = twice_cosh(x)
    if factor != 1:
        parts.insert(0, pt.constant(np.asarray(natural_log(factor), dtype=output.type.dtype)))
    return pt.add(*parts)


def twice_cosh(x: Variable) -> list[Variable]:
    """Terms of ``log(2 * cosh(x)) = |x| + softplus(-2 * |x|)``."""
    dtype = x.type.dtype
    # A switch and not abs, whose derivative at 0 is 0: differentiated twice that would be wrong.
    return _twice_cosh_of(pt.switch(pt.ge(x, np.asarray(0, dtype=dtype)), x, pt.neg(x)))


def _twice_cosh_of(size: Variable) -> list[Variable]:
    """Terms of ``log(2 * cosh(size))`` for a size that is not negative."""
    return [size, pt.softplus(pt.mul(np.asarray(-2, dtype=size.type.dtype), size))]


def log_cosh_of(x: symbols.Value) -> symbols.Value:
    """``log(cosh(x))`` by two formulas, of which each is accurate where it is used."""
    if not isinstance(x, Variable):
        return x + symbols.softplus(-2 * x) - symbols.log_two(x)
    dtype = x.type.dtype
    near = pt.lt(pt.abs(x), np.asarray(NEAR_ZERO, dtype=dtype))
    # The clamped argument keeps the branch that is not taken finite: JAX differentiates both.
    small = pt.switch(near, x, np.asarray(0, dtype=dtype))
    # Also says that it is the branch away from 0, which `log_two` leaves.
    size = pt.maximum(pt.abs(x), np.asarray(NEAR_ZERO, dtype=dtype))
    far = pt.add(pt.constant(np.asarray(-np.log(2.0), dtype=dtype)), *_twice_cosh_of(size))
    return pt.switch(near, np.asarray(0.5, dtype) * pt.log1p(pt.sqr(pt.sinh(small))), far)


def logaddexp_of(x: symbols.Value, y: symbols.Value) -> symbols.Value:
    """``log(exp(x) + exp(y))`` with the right derivatives at x = y too, where max has none."""
    if not isinstance(x, Variable):
        return x + symbols.softplus(y - x)
    larger = pt.ge(x, y)
    hi, lo = pt.switch(larger, x, y), pt.switch(larger, y, x)
    # inf - inf: with 0 in its place the sum is the infinity that it should be.
    finite = pt.switch(pt.isinf(hi), np.asarray(0, dtype=hi.type.dtype), hi)
    return hi + pt.softplus(lo - finite)


def log_of_mean(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``log(sum(exp(x)) / n) -> log(sum(exp(x))) - log(n)``, for a positive number or length n."""
    (output,), (argument,) = node.outputs, node.inputs
    op = scalar_op(argument)
    if not is_a(op, ps.Mul, ps.TrueDiv) or len(argument.owner.inputs) != 2:  # type: ignore[union-attr]
        return None
    first, second = argument.owner.inputs  # type: ignore[union-attr]
    if is_a(op, ps.Mul) and not _is_exponential_sum(first):
        first, second = second, first
    if not _is_exponential_sum(first) or first.type.dtype != output.type.dtype:
        return None
    if not same_pattern(first, output) or not _is_positive_number(second):
        return None
    factor = pt.log(as_dtype(second, output.type.dtype))
    return pt.add(pt.log(first), factor) if is_a(op, ps.Mul) else pt.sub(pt.log(first), factor)


def _is_exponential_sum(variable: Variable) -> bool:
    """Whether it is ``sum(exp(x))``, of which PyTensor has a stable logarithm."""
    while variable.owner is not None and is_a(variable.owner.op, *MOVES):
        variable = variable.owner.inputs[0]
    node = variable.owner
    return node is not None and is_a(node.op, Sum) and is_a(scalar_op(node.inputs[0]), ps.Exp)


def _is_positive_number(variable: Variable) -> bool:
    """Whether it is a positive constant, or how many elements there are."""
    value = exact_constant(variable)
    if value is not None:
        return value > 0
    while variable.owner is not None and (
        is_a(variable.owner.op, *MOVES) or is_a(scalar_op(variable), ps.Cast)
    ):
        variable = variable.owner.inputs[0]
    if is_a(scalar_op(variable), ps.Mul):
        assert variable.owner is not None
        return all(map(_is_positive_number, variable.owner.inputs))
    return variable.owner is not None and is_a(variable.owner.op, Shape, Shape_i, Prod)


def log_of_shifted_sum(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``m + log(exp(x - m) + exp(y - m))``, PyTensor's form of logaddexp, without the m."""
    (output,) = node.outputs
    dtype = output.type.dtype
    logs = [v for v in node.inputs if v.owner is not None and v.owner.op == log]
    if len(logs) != 1 or dtype not in ("float32", "float64") or logs[0].type.dtype != dtype:
        return None
    reader = Reader(dtype)
    found = read_sum(logs[0].owner.inputs[0], reader)
    if found is None or found[0] != 1:
        return None
    _, a, b = found
    for shift in node.inputs:
        if shift is logs[0] or not _is_maximum(shift):
            continue
        m = frozenset([(shift, Fraction(1))])
        x, y = (combine(_named_as(shift, own), m) for own in (a, b))
        if len(dict(x)) and len(dict(y)) and shift not in dict(x) and shift not in dict(y):
            rest = [v for v in node.inputs if v is not logs[0] and v is not shift]
            # Not with the names of the reader that knows x - m: the m is to go.
            plain = Reader(dtype)
            if x == scaled(y, -1):
                merged = pt.add(*twice_cosh(plain.variable(x)))
            else:
                merged = logaddexp_of(plain.variable(x), plain.variable(y))
            return sum_of([*rest, merged])
    return None


def argument_plus_softplus(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``a + softplus(b - a)``, which is logaddexp too, and cancels where b is near 0."""
    (output,) = node.outputs
    dtype = output.type.dtype
    if dtype not in ("float32", "float64"):
        return None
    softplus = [v for v in node.inputs if is_a(scalar_op(v), Softplus)]
    if len(softplus) != 1 or any(v.type.dtype != dtype for v in node.inputs):
        return None
    reader = Reader(dtype)
    inner = softplus[0].owner.inputs[0]
    if scalar_op(inner) is None or inner.type.dtype != dtype:
        return None
    gap = reader.exponent(inner)
    for a in node.inputs:
        if a is softplus[0] or exact_constant(a) is not None:
            continue
        start = reader.exponent(a)
        b = combine(gap, start)
        if b and not dict(b).keys() & dict(start).keys():
            rest = [v for v in node.inputs if v is not softplus[0] and v is not a]
            return sum_of([*rest, logaddexp_of(a, reader.variable(b))])
    return None


def logaddexp_minus_argument(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``a - logaddexp(a, b) -> -softplus(b - a)``, with whatever else is added."""
    (output,) = node.outputs
    if output.type.dtype not in FLOATS or not any(map(_may_hold_softplus, node.inputs)):
        return None
    summed = [term for term in flat_terms(node) if exact_constant(term[1]) != 0]
    for sign, smooth in summed:
        pair = _smooth_maximum(smooth)
        if pair is None:
            continue
        larger = next((v for n, v in summed if n == sign and _chosen(v) == pair), None)
        if larger is None:
            continue
        for own, other in (pair, pair[::-1]):
            if (-sign, own) in summed and own.type.dtype == output.type.dtype:
                merged = pt.softplus(pt.sub(other, own))
                for used in ((sign, smooth), (sign, larger), (-sign, own)):
                    summed.remove(used)
                return difference_of([*summed, (sign, merged)])
    return None


def _may_hold_softplus(variable: Variable) -> bool:
    op = scalar_op(variable)
    if is_a(op, ps.Add, ps.Sub, ps.Neg):
        assert variable.owner is not None
        return any(map(_may_hold_softplus, variable.owner.inputs))
    return is_a(op, Softplus)


def _chosen(variable: Variable) -> tuple[Variable, Variable] | None:
    """``(a, b)`` of ``switch(a >= b, a, b)``, the larger one."""
    if not is_a(scalar_op(variable), ps.Switch):
        return None
    condition, *branches = variable.owner.inputs  # type: ignore[union-attr]
    if not is_a(scalar_op(condition), ps.GE):
        return None
    a, b = condition.owner.inputs  # type: ignore[union-attr]
    return (a, b) if branches == [a, b] else None


def _smooth_maximum(variable: Variable) -> tuple[Variable, Variable] | None:
    """``(a, b)`` of the ``softplus(lo - hi)`` that `logaddexp_of` adds to the larger one."""
    if not is_a(scalar_op(variable), Softplus):
        return None
    gap = variable.owner.inputs[0]  # type: ignore[union-attr]
    if not is_a(scalar_op(gap), ps.Sub):
        return None
    lo, finite = gap.owner.inputs  # type: ignore[union-attr]
    if not is_a(scalar_op(finite), ps.Switch):
        return None
    pair = _chosen(finite.owner.inputs[2])  # type: ignore[union-attr]
    if pair is None or not is_a(scalar_op(lo), ps.Switch):
        return None
    return pair if lo.owner.inputs[1:] == [*pair[::-1]] else None  # type: ignore[union-attr]


def _named_as(variable: Variable, own: Linear) -> Linear:
    """A linear combination, with a variable in place of what is computed as it is.

    PyTensor adds the dimensions of a maximum anew for each of its uses.
    """
    keys = [k for k, _ in own if isinstance(k, Variable) and k is not variable]
    twins = [k for k in keys if equal_computations([k], [variable])]
    for twin in twins:
        own = combine(
            own, frozenset([(variable, Fraction(1)), (twin, Fraction(-1))]), dict(own)[twin]
        )
    return own


def _is_maximum(variable: Variable) -> bool:
    """Whether it is a maximum, or one with infinities replaced; with dimensions added or not."""
    while variable.owner is not None and is_a(variable.owner.op, DimShuffle):
        variable = variable.owner.inputs[0]
    node = variable.owner
    if is_a(scalar_op(variable), ps.Switch):
        assert node is not None
        return any(_is_maximum(v) for v in node.inputs[1:])
    return node is not None and node.op == pt_maximum


PART_OF_A_SUM = Left("the sum that it is a term of is looked at as a whole", lasts=False)


def sums_that_use(fgraph: FunctionGraph, variable: Variable) -> list[Apply]:
    """The sums and differences that a variable is a term of."""
    return [
        client
        for client, _ in fgraph.clients.get(variable, ())
        if isinstance(client, Apply) and is_a(scalar_op_of(client), ps.Add, ps.Sub)
    ]


LOG_SUMS: tuple[Rule, ...] = (
    Rule(
        name="log_cosh",
        before=lambda x: symbols.log(symbols.cosh(x)),
        after=log_cosh_of,
        domain={"x": REAL},
        promise=4.0,
        mends="log(cosh(x)) is inf for |x| > 710 and keeps no digit for |x| < 1e-8",
        databases=("stabilize", "specialize"),
        tracks=(log,),
        transform=log_of_cosh,
        source="cosh(x)**2 = 1 + sinh(x)**2 and 2 cosh(x) = exp(x) (1 + exp(-2 x))",
    ),
    Rule(
        name="log_of_mean_exponential",
        before=lambda x: symbols.log((symbols.exp(x) + symbols.exp(x)) / 2),
        after=lambda x: x,
        domain={"x": REAL},
        promise=4.0,
        mends="log(mean(exp(x))) is inf beyond 710, and -inf below -745",
        databases=("stabilize", "specialize"),
        tracks=(log,),
        transform=log_of_mean,
        needs=((Sum, ps.Exp),),
        # The row states the case of two equal elements.
        tested_in="tests/test_spelled_otherwise.py",
        source="log(s / n) = log(s) - log(n)",
    ),
    Rule(
        name="shifted_logaddexp",
        before=lambda x, y: symbols.log(symbols.exp(x) + symbols.exp(y)),
        after=logaddexp_of,
        # So that y - x is exact: its rounding is the question's own condition, 1 + |x - y|.
        domain={"x": Interval(0.0, 1e-300), "y": Interval(-700.0, -1.0)},
        promise=4.0,
        mends="m + log(1 + exp(-d)) loses the second term where it is small and m is 0",
        databases=("stabilize", "specialize"),
        tracks=(add,),
        transform=log_of_shifted_sum,
        source="log(exp(x) + exp(y)) = max(x, y) + softplus(-|x - y|)",
    ),
    Rule(
        name="argument_plus_softplus",
        before=lambda x, y: y + symbols.softplus(x - y),
        after=lambda x, y: logaddexp_of(y, x),
        domain={"x": Interval(0.0, 1e-300), "y": Interval(-700.0, -1.0)},
        promise=4.0,
        mends="a + softplus(b - a) is 0 where b is near 0 and a far below",
        databases=("stabilize", "specialize"),
        tracks=(add,),
        transform=argument_plus_softplus,
        source="log(exp(x) + exp(y)) = max(x, y) + softplus(-|x - y|)",
    ),
    Rule(
        name="logaddexp_minus_argument",
        before=lambda x, y: logaddexp_of(x, y) - x,
        after=lambda x, y: symbols.softplus(y - x),
        domain={"x": Interval(1.0, 2.0), "y": Interval(-100.0, -40.0)},
        # The rounding of y - x is the question's own condition, 1 + |x - y|.
        promise=110.0,
        mends="log(exp(a) / (exp(a) + exp(b))) is 0 where b is 40 below a",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=logaddexp_minus_argument,
        needs=(Softplus,),
        source="log(exp(x) + exp(y)) - x = log(1 + exp(y - x))",
    ),
)
