"""Elemwise ops, casts and fused loops on balls."""

from itertools import repeat
from typing import Any

import numpy as np
import pytensor.scalar.basic as ps
from flint import arb
from pytensor.graph.basic import Apply, Constant
from pytensor.graph.op import Op
from pytensor.scalar.basic import ScalarOp
from pytensor.scalar.loop import ScalarLoop
from pytensor.tensor.elemwise import Elemwise

from pytensor_stabilize.graphs.exact.arithmetic import BITS, Scalar, trunc, unequal
from pytensor_stabilize.graphs.exact.balls import (
    UNDEFINED,
    UNKNOWN,
    ZERO,
    balls_of,
    condition,
    integer_range,
    is_unknown,
    object_array,
    real,
    shape_of,
)
from pytensor_stabilize.graphs.exact.rules import Step, UnsupportedOp, maker_for, register
from pytensor_stabilize.graphs.exact.scalars import SCALARS, scalar_function
from pytensor_stabilize.graphs.graphlike import is_real


def over_elements(function: Scalar, values: tuple[Any, ...]) -> Any:
    """Apply a function of balls to values of shapes that broadcast."""
    for value in values:
        if type(value) is not arb:
            break
    else:
        return function(*values)
    arguments = tuple(real(value) for value in values)
    if all(type(a) is arb for a in arguments):
        return function(*arguments)
    shape = np.broadcast_shapes(*(shape_of(a) for a in arguments))
    columns = [
        repeat(a) if isinstance(a, arb) else np.broadcast_to(a, shape).ravel().tolist()
        for a in arguments
    ]
    return object_array(map(function, *columns), shape)


@register(Elemwise)
def elemwise(op: Op, node: Apply) -> Step:
    """Step of an Elemwise: that of its scalar op, over the elements."""
    return scalar_step(op.scalar_op, node)  # type: ignore[attr-defined]


@register(ScalarOp)
def scalar_step(op: Op, node: Apply) -> Step:
    """Step of a scalar op, whose inputs may be arrays."""
    maker = maker_for(op)
    if maker is not None and maker is not scalar_step:
        return maker(op, node)
    function = scalar_function(op)
    if function is None:
        raise UnsupportedOp
    (output,) = node.outputs
    if is_real(output):
        return _real_step(function, node)
    dtype = output.type.dtype
    on_bits = BITS.get(type(op).__name__) if dtype != "bool" else None
    discrete: Scalar = function if on_bits is None else on_bits
    return lambda *values: [condition(over_elements(discrete, values), dtype)]


def _real_step(function: Scalar, node: Apply) -> Step:
    """Step of a real scalar op; constants of integers are made to balls once."""
    integers = {
        i: balls_of(np.asarray(v.data), structural=True)
        for i, v in enumerate(node.inputs)
        if isinstance(v, Constant) and not is_real(v)
    }

    def with_integers(*values: Any) -> list[Any]:
        mixed = list(values)
        for i, balls in integers.items():
            mixed[i] = balls
        return [over_elements(function, tuple(mixed))]

    return with_integers if integers else lambda *values: [over_elements(function, values)]


def _fill(values: tuple[Any, ...]) -> Any:
    """The last value in the shape of all; what fills need not be a number."""
    last, shape = real(values[-1]), np.broadcast_shapes(*(shape_of(v) for v in values))
    if shape_of(last) == shape:
        return last
    if isinstance(last, arb):
        return object_array([last] * int(np.prod(shape, dtype=int)), shape)
    return np.broadcast_to(last, shape)


@register(ps.Second)
def second(op: Op, node: Apply) -> Step:
    """Step of a fill: what is filled gives only its shape, and need not be a number."""
    return lambda *values: [_fill(values)]


@register(ps.Switch)
def switch(op: Op, node: Apply) -> Step:
    """Step of a switch; None stands for a branch that nothing selects."""
    function = SCALARS[ps.Switch]
    dtype = None if is_real(node.outputs[0]) else node.outputs[0].type.dtype

    def step(condition_value: Any, then: Any, otherwise: Any) -> list[Any]:
        if then is None or otherwise is None:
            return [_fill((condition_value, otherwise if then is None else then))]
        value = over_elements(function, (condition_value, then, otherwise))
        return [value if dtype is None else condition(value, dtype)]

    return step


@register(ps.Cast)
def cast(op: Op, node: Apply) -> Step:
    """Step of a cast: the identity between floats, truncation from a float to an integer."""
    dtype = node.outputs[0].type.dtype
    if is_real(node.outputs[0]):
        return lambda value: [real(value)]

    from_real = is_real(node.inputs[0])

    def to_integer(x: arb) -> arb:
        if dtype == "bool":
            return unequal(x, ZERO)
        if not x.is_finite():
            return UNKNOWN if is_unknown(x) else UNDEFINED
        if not from_real:
            return x
        y, (low, high) = trunc(x), integer_range(dtype)
        # Integers wrap around, but what C makes of a float beyond the range is not defined.
        return UNDEFINED if y < low or y > high else y

    return lambda value: [condition(over_elements(to_integer, (value,)), dtype)]


@register(ps.ScalarInnerGraphOp)
def composite(op: Op, node: Apply) -> Step:
    """Step of a Composite: its inner graph, over the elements."""
    from pytensor_stabilize.graphs.exact.program import Program

    inner = Program.of_inner(op)
    return lambda *values: inner.run(values)


@register(ScalarLoop)
def scalar_loop(op: Op, node: Apply) -> Step:
    """Refuse the series by which PyTensor approximates some derivatives."""
    name = getattr(op, "name", None) or type(op).__name__
    raise UnsupportedOp(
        f"truth() does not follow the ScalarLoop {name!r}: PyTensor approximates the derivative of "
        "gammainc, gammaincc, betainc or hyp2f1 by a truncated series there, so its exact value "
        "is not the derivative. Leave that parameter out of wrt=, or state the derivative yourself."
    )
