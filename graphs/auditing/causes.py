"""Why an operation in floats is far from the exact one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pytensor.graph.basic import Apply
from pytensor.scalar.basic import Add, ScalarOp, Sub
from pytensor.tensor.elemwise import CAReduce, Elemwise
from pytensor.tensor.extra_ops import CumOp
from pytensor.tensor.math import Dot

from pytensor_stabilize.graphs.truth import Truth
from pytensor_stabilize.graphs.ulps import ulp_error
from pytensor_stabilize.rewrites.describe import describe

# Errors below this are what chains of a dozen correct operations add up to.
NOTABLE_ULPS = 32.0
# A sum cancels if a term is this many times as large as the sum.
_LEFT = 4.0


def find_cause(
    node: Apply,
    result: Any,
    on_rounded: Truth,
    truth: Truth,
    inputs: Sequence[Truth | None],
    element: tuple[int, ...],
) -> tuple[str, str]:
    """Name the cause of a node's local error, and the numbers behind it.

    Parameters
    ----------
    node
        The node.
    result
        What its float operation gives for correctly rounded inputs.
    on_rounded
        The exact result for the same rounded inputs, at the element.
    truth
        The exact result for the exact inputs.
    inputs
        Truth of each input that is real.
    element
        Index of the element that is asked about.

    Returns
    -------
    cause, detail
        See `NodeError`.
    """
    for variable, known in zip(node.inputs, inputs, strict=True):
        if known is None:
            continue
        exact, rounded = _out_of_range(node, known, element)
        if exact is not None:
            kind = "overflow" if np.isinf(rounded) else "underflow"
            formula = describe(variable, depth=3)
            limit = "too large" if np.isinf(rounded) else "too small"
            return kind, f"{formula} = {exact} is {limit} for {known.value.dtype}"
    for variable, known in zip(node.inputs, inputs, strict=True):
        if known is None or known.value.dtype.itemsize >= truth.value.dtype.itemsize:
            continue
        if np.any(entries(node, known.offset, element)):
            return "narrow dtype", f"{describe(variable, depth=3)} is a {known.value.dtype}"
    if _adds(node):
        largest = _largest_term(node, inputs, element)
        left = abs(float(truth.value[element]))
        if largest < _LEFT * left:
            return "accumulated rounding", "many terms, none of which is much larger than the sum"
        return "cancellation", f"terms up to {largest:.3g} leave {left:.3g}"
    found = np.asarray(result)[element]
    own = float(ulp_error(found, on_rounded))
    if not own <= NOTABLE_ULPS:
        value, exact_value = float(found), float(on_rounded.value)
        if np.isinf(value):
            return "overflow", f"the operation gives {value} for {exact_value}"
        if value == 0 and abs(exact_value) < np.finfo(truth.value.dtype).tiny:
            return "underflow", f"the operation gives 0 for {exact_value}"
        if not abs(value) > 0:
            return "inaccurate operation", f"it gives {value} for {exact_value}"
        return "inaccurate operation", f"{own:.2g} ulp from the result for the same floats"
    return "amplified rounding", _rounded_arguments(node, inputs, element)


def _rounded_arguments(
    node: Apply, inputs: Sequence[Truth | None], element: tuple[int, ...]
) -> str:
    """The inputs whose rounding the operation magnifies."""
    found = []
    for variable, truth in zip(node.inputs, inputs, strict=True):
        if truth is None or np.size(entries(node, truth.value, element)) != 1:
            continue
        if np.all(entries(node, truth.offset, element)):
            value = float(np.ravel(entries(node, truth.value, element))[0])
            found.append(f"{describe(variable, depth=3)} is rounded to {value!r}")
    return ", ".join(found) or "a rounding of its arguments is magnified"


def _adds(node: Apply) -> bool:
    op = node.op
    if isinstance(op, Elemwise | ScalarOp):
        return isinstance(getattr(op, "scalar_op", op), Add | Sub)
    return adds_many(node)


def adds_many(node: Apply) -> bool:
    """Whether a node is a sum over elements."""
    op = node.op
    if isinstance(op, CAReduce):
        return isinstance(op.scalar_op, Add)
    return isinstance(op, Dot) or (isinstance(op, CumOp) and op.mode == "add")


def entries(node: Apply, array: np.ndarray, element: tuple[int, ...]) -> np.ndarray:
    """The entries of an input that an element of the output is computed from."""
    if not isinstance(node.op, Elemwise):
        return array
    index = tuple(0 if n == 1 else i for i, n in zip(element, array.shape, strict=True))
    return array[index]


def _out_of_range(node: Apply, truth: Truth, element: tuple[int, ...]) -> tuple[Any, float]:
    """Exact and rounded value of an input that the floats cannot hold, or None."""
    values = np.atleast_1d(entries(node, truth.value, element)).ravel()
    assert truth.balls is not None
    balls = np.atleast_1d(np.asarray(entries(node, truth.balls, element), dtype=object)).ravel()
    tiny = np.finfo(truth.value.dtype).tiny
    for value, ball in zip(values.tolist(), balls.tolist(), strict=True):
        if not ball.is_finite():
            continue
        if np.isinf(value) or (abs(value) < tiny and not ball.is_zero()):
            exact = ball.str(3, radius=False)
            # An input that is exactly a subnormal float has lost nothing.
            if np.isinf(value) or ball != value:
                return exact, value
    return None, 0.0


def _largest_term(node: Apply, inputs: Sequence[Truth | None], element: tuple[int, ...]) -> float:
    terms = [abs(entries(node, t.value, element)) for t in inputs if t is not None]
    return max((float(np.max(term)) for term in terms if np.size(term)), default=np.nan)
