"""What the functions take: real dense tensors, and a plain message where it is something else."""

from numbers import Real
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.scalar import upcast
from pytensor.tensor.type import DenseTensorType
from pytensor.tensor.variable import TensorVariable

from pytensor_stabilize.rewrites.checks import shown


def real_tensors(function: str, **arguments: object) -> list[TensorVariable]:
    """Make the arguments of a function real tensors of one float dtype.

    Integers and booleans give the float dtype that PyTensor's sigmoid gives.  A Python number
    has no dtype of its own: it takes that of the other arguments, floatX if there is none.

    Raises
    ------
    TypeError
        An argument is complex or sparse, or cannot be made a tensor.  The message names the
        function, the argument and what it was.
    ValueError
        Their shapes do not broadcast.
    """
    tensors = {
        name: as_real_tensor(function, name, value)
        for name, value in arguments.items()
        if not is_number(value)
    }
    dtypes = [pt.sigmoid(tensor).type.dtype for tensor in tensors.values()]
    dtype = upcast(*dtypes) if dtypes else pytensor.config.floatX
    for name, value in arguments.items():
        if name not in tensors:
            try:
                number = np.asarray(value, dtype=dtype)
            except OverflowError as error:
                raise TypeError(
                    f"{accepted(function, name)}; {shown(value)} is beyond the floats."
                ) from error
            tensors[name] = pt.as_tensor_variable(number)
    found = [pt.cast(tensors[name], dtype) for name in arguments]
    check_broadcast(function, dict(zip(arguments, found, strict=True)))
    return found


def check_broadcast(function: str, tensors: dict[str, TensorVariable]) -> None:
    """Refuse static shapes that no broadcasting makes one.

    Raises
    ------
    ValueError
        Two lengths of one axis are known, differ, and neither is 1.
    """
    shapes = [tensor.type.shape for tensor in tensors.values()]
    for axis in range(1, max(map(len, shapes)) + 1):
        lengths = {shape[-axis] for shape in shapes if len(shape) >= axis}
        if len(lengths - {1, None}) > 1:
            given = ", ".join(f"{name} {tensor.type.shape}" for name, tensor in tensors.items())
            raise ValueError(f"{function} takes tensors that broadcast; the shapes are {given}.")


def accepted(function: str, name: str) -> str:
    """How a message about an argument begins."""
    return f"{function} takes for {name!r} what PyTensor takes as a dense tensor of real numbers"


def real_tensor(function: str, x: object) -> TensorVariable:
    """As `real_tensors`, of a function whose only tensor is called `x`."""
    (tensor,) = real_tensors(function, x=x)
    return tensor


def as_real_tensor(function: str, name: str, value: Any) -> TensorVariable:
    """Make one argument a dense real tensor, of the dtype that it has."""
    what = f"got {shown(value)} of type {type(value).__name__}"
    begin = accepted(function, name)
    try:
        # PyTensor refuses a lone True, which it takes for a slip.
        tensor = pt.as_tensor_variable(np.asarray(value) if isinstance(value, bool) else value)
    except (TypeError, NotImplementedError, ValueError, OverflowError) as error:
        raise TypeError(f"{begin}; {what}.") from error
    if not isinstance(tensor.type, DenseTensorType):
        raise TypeError(f"{begin}; {what}, which is {tensor.type}. Make it dense first.")
    if np.dtype(tensor.type.dtype).kind not in "biuf":
        raise TypeError(
            f"{begin}: floats, integers or booleans; {what}, of dtype {tensor.type.dtype}."
        )
    return tensor


def is_number(value: object) -> bool:
    """Whether it is a Python number; NumPy's have a dtype, so they count as tensors."""
    return isinstance(value, Real) and not isinstance(value, bool | np.generic)


def constant(value: float, like: TensorVariable) -> np.ndarray:
    """A number in the dtype of `like`: with a plain 0.1, PyTensor goes from float32 to float64."""
    return np.asarray(value, dtype=like.type.dtype)


# A bounded argument keeps infinity times zero out of a product.  These select and do not clip:
# the pullback of a select drops what the other branch has, be it nan, where those of clip and
# maximum multiply by a boolean, over which PyTensor's local_greedy_distributor stumbles.  nan,
# which compares as false, comes through.


def at_least(x: TensorVariable, bound: float) -> TensorVariable:
    """The larger of `x` and `bound`."""
    limit = constant(bound, x)
    return pt.switch(pt.lt(x, limit), limit, x)


def at_most(x: TensorVariable, bound: float) -> TensorVariable:
    """The smaller of `x` and `bound`."""
    limit = constant(bound, x)
    return pt.switch(pt.gt(x, limit), limit, x)


def difference(a: TensorVariable, b: TensorVariable) -> TensorVariable:
    """``a - b``, and 0 where both are the same infinity."""
    same = pt.and_(pt.eq(a, b), pt.isinf(a))
    return pt.switch(same, constant(0, a), a - b)
