"""How each op is computed on balls: one registered function an op.

A value is a ball (a real number or a real tensor without dimensions), an object array of balls (a
real tensor), or what PyTensor itself would compute, for whatever is discrete: integers, conditions,
shapes, slices.
"""

from collections.abc import Callable, Sequence
from typing import Any

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.scalar.basic import ScalarOp
from pytensor.tensor.random.op import RNGConsumerOp
from pytensor.tensor.random.type import RandomType

from pytensor_stabilize.graphs.exact.scalars import SCALARS
from pytensor_stabilize.rewrites.internals.conditional import IfElse as IfElse

# Takes the values of a node's inputs, returns the values of its outputs.
Step = Callable[..., Sequence[Any]]
Maker = Callable[[Op, Apply], Step]

RULES: dict[type, Maker] = {}


class UnsupportedOp(NotImplementedError):
    """Truth was asked of an op that it cannot compute; the message says what to do."""


class Undecided(ArithmeticError):
    """The shape or the choice of a value depends on a condition that no precision decides."""


def register(*op_types: type) -> Callable[[Maker], Maker]:
    """Register a function that makes the step of a node of one of these types.

    The function takes the op and the node, and returns a step: a function of the values of the
    inputs which returns the list of the values of the outputs.
    """

    def add(maker: Maker) -> Maker:
        RULES.update(dict.fromkeys(op_types, maker))
        return maker

    return add


def register_exact(op_type: type, function: Callable[..., Any]) -> None:
    """Teach `truth` an op.

    Parameters
    ----------
    op_type
        A class of scalar ops, or of any other ops.
    function
        For a scalar op: takes one `flint.arb` an input and returns one.  It must hold the exact
        result for every choice of numbers in its arguments.  For any other op: takes the op, the
        node and the values of the inputs, and returns the list of the values of the outputs;
        real tensors are object arrays of `flint.arb`, discrete ones NumPy arrays.

    Raises
    ------
    TypeError
        `op_type` is not a class of ops, or `function` cannot be called.
    """
    if not isinstance(op_type, type) or not issubclass(op_type, Op) or not callable(function):
        raise TypeError(
            "register_exact takes a class of PyTensor ops and a function, "
            f"got {op_type!r} and {function!r}."
        )
    if issubclass(op_type, ScalarOp):
        SCALARS[op_type] = function
    else:
        RULES[op_type] = lambda op, node: lambda *values: function(op, node, *values)


def maker_for(op: Op) -> Maker | None:
    """The registered maker for an op, by its class or the nearest one above it."""
    for cls in type(op).__mro__:
        if cls in RULES:
            return RULES[cls]
    return None


def refuse(node: Apply) -> None:
    """Raise for what has no real value: random draws and complex numbers."""
    if isinstance(node.op, RNGConsumerOp) or any(
        isinstance(v.type, RandomType) for v in node.inputs
    ):
        raise UnsupportedOp(
            f"truth() met the random variable {node.outputs[-1]} ({node.op}): a random draw has no "
            "exact value. Give a value in its place, as model.logp() does, or cut it out of the "
            "graph."
        )
    for variable in (*node.inputs, *node.outputs):
        refuse_complex(variable, str(node.op))


def refuse_complex(variable: Variable, where: str) -> None:
    """Raise for complex numbers, of which truth knows nothing."""
    if getattr(variable.type, "dtype", "").startswith("complex"):
        raise UnsupportedOp(
            f"truth() computes with real numbers; {where} has the complex type "
            f"{variable.type}. Split it into real and imaginary parts."
        )
