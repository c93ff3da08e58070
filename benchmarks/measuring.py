"""Exact values of a graph at points, and the worst error of a function against them.

The metric of `spellings.py` and `accuracy.py`: ulps of the exact value.  Near an ordinary zero,
where the function changes sign close by, the rounding of an argument alone costs more than that:
there it is ulps of `max(|f|, sum |x_i df/dx_i|)`, the lenient scale.
"""

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from pytensor_stabilize.graphs import Truth, ulp_error
from pytensor_stabilize.graphs.truth import Evaluator
from pytensor_stabilize.graphs.ulps import spacing

MAX_BITS = 2048
Point = Sequence[np.ndarray]  # of one-dimensional arrays, one an input


@dataclass(frozen=True)
class Exact:
    """Exact values at points, which stand along the first axis of two.

    Attributes
    ----------
    value
        Correctly rounded.
    known
        Where the value is finite and decided.
    offset
        By how many ulps `value` lies above the exact one.
    strict, lenient
        Absolute values of which an ulp is an ulp of the error; see above.
    """

    value: np.ndarray
    known: np.ndarray
    offset: np.ndarray
    strict: np.ndarray
    lenient: np.ndarray


@dataclass(frozen=True)
class Errors:
    """Errors of a quantity at each point, in ulps of both scales; 0 where nothing is known."""

    strict: np.ndarray
    lenient: np.ndarray

    @property
    def worst(self) -> tuple[int, float]:
        """The point of the largest error, and the error."""
        row = int(np.argmax(self.strict.max(axis=1)))
        return row, float(self.strict[row].max())


def only(errors: Errors | str, points: Sequence[Point], most: float) -> Errors | str:
    """The errors where no input is larger, nor smaller than 1e-6 but 0."""
    if isinstance(errors, str) or most == np.inf:
        return errors
    sizes = [np.abs(np.concatenate([np.ravel(column) for column in p])) for p in points]
    counted = [((s <= most) & ((s >= 1e-6) | (s == 0))).all() for s in sizes]
    strict, lenient = (
        np.where(np.array(counted)[:, None], e, 0.0) for e in (errors.strict, errors.lenient)
    )
    return Errors(strict, lenient)


class TooLong(BaseException):
    """Not an Exception, because PyTensor's rewriting goes on after those of a rule."""


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raise TooLong after so many seconds."""

    def stop(*_: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def derivative(graph: TensorVariable, variable: TensorVariable) -> TensorVariable:
    """Gradient of the sum."""
    return pt.grad(graph.sum(), variable, disconnected_inputs="ignore")


def exact_values(
    quantities: Mapping[str, TensorVariable],
    inputs: Sequence[TensorVariable],
    wrt: Sequence[TensorVariable],
    points: Sequence[Point],
    scales: bool = True,
) -> dict[str, Exact]:
    """Exact values of vectors that depend on their inputs element by element.

    Parameters
    ----------
    scales
        False for other graphs: then an error is always in ulps of the value.
    """
    results = Evaluator(list(quantities.values()), inputs).many(points, MAX_BITS)
    slopes = {name: [derivative(v, w) for w in wrt] for name, v in quantities.items() if scales}
    flat = [slope for row in slopes.values() for slope in row]
    gradients = iter(Evaluator(flat, inputs).many(points, MAX_BITS) if flat else ())
    exact, shape = {}, (len(points), -1)
    for (name, variable), result in zip(quantities.items(), results, strict=True):
        value = result.value.reshape(shape)
        known = result.decided.reshape(shape) & np.isfinite(value)
        strict = lenient = np.abs(value)
        if scales:
            rows = [next(gradients) for _ in wrt]
            numbers = [np.where(row.decided, row.value, 0).reshape(shape) for row in rows]
            lenient, near = scales_at(variable, inputs, wrt, points, value, numbers)
            strict = np.where(near, lenient, strict)
        exact[name] = Exact(value, known, result.offset.reshape(shape), strict, lenient)
    return exact


def scales_at(
    variable: TensorVariable,
    inputs: Sequence[TensorVariable],
    wrt: Sequence[TensorVariable],
    points: Sequence[Point],
    value: np.ndarray,
    gradients: Sequence[np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """The lenient scale, and where the function changes sign within two Newton steps.

    A change of sign where two arguments meet does not count: there a difference of functions
    can be computed without loss.
    """
    lenient = np.abs(value)
    near = np.zeros(value.shape, bool)
    evaluator = Evaluator([variable], inputs)
    indices = [inputs.index(w) for w in wrt]
    total = np.zeros(value.shape)
    for index, gradient in zip(indices, gradients, strict=True):
        old = np.array([point[index] for point in points]).reshape(value.shape)
        with np.errstate(all="ignore"):
            term = np.abs(old * gradient)
            step = value / gradient
            zero, beyond = old - step, (old - 2 * step).astype(old.dtype)
            total = total + term
        meets = np.zeros(value.shape, bool)
        for other in indices:
            if other != index:
                second = np.array([point[other] for point in points]).reshape(value.shape)
                with np.errstate(all="ignore"):
                    meets |= np.abs(zero - second) < 0.5 * np.abs(old - second)
        asked = np.nonzero(((term > np.abs(value)) & np.isfinite(beyond) & ~meets)[:, 0])[0]
        if not len(asked):
            continue
        moved = [
            [beyond[i] if k == index else column for k, column in enumerate(points[i])]
            for i in asked
        ]
        there = evaluator.many(moved, MAX_BITS)[0]
        sign = np.where(there.decided, np.sign(there.value), 0).reshape(len(asked), -1)
        near[asked] |= sign * np.sign(value[asked]) < 0
    return np.fmax(lenient, np.where(np.isfinite(total), total, 0)), near


def errors_of(value: np.ndarray, exact: Exact, flushes: bool = False) -> Errors:
    """Errors of computed values.

    Parameters
    ----------
    flushes
        Whether the backend may flush subnormal numbers to 0.
    """
    true, info = exact.value, np.finfo(exact.value.dtype)
    with np.errstate(all="ignore"):
        if true[exact.known].any():
            status = np.where(exact.known, 0, 2)
            error = ulp_error(value, Truth(true, status, exact.offset, 0))
        else:
            # Of what is 0 everywhere only the absolute error means something.
            error = np.where(np.isfinite(value), np.abs(value) / info.eps, np.inf)
        if flushes:
            error = np.where((np.abs(true) < info.tiny) & (np.abs(value) <= info.tiny), 0.0, error)
        errors = []
        for scale in (exact.strict, exact.lenient):
            unit = spacing(np.fmax(scale, np.abs(true)).astype(true.dtype))
            errors.append(np.where(exact.known, error * (spacing(true) / unit), 0.0))
    return Errors(*errors)


def allowances(exact: Exact, points: Sequence[Point]) -> np.ndarray:
    """Factors by which errors of 4 ulp are allowed to grow: 1 + |t| for results like exp(t).

    t is log|f|, but no more than the condition number allows beyond that of a product: `f = x`
    with x = 1e-300 is not of this form.  Where there is no condition number, it is the largest
    difference of inputs.
    """
    with np.errstate(all="ignore"):
        size = np.abs(np.log(np.abs(exact.value)))
        if exact.lenient is exact.strict:
            spread = [2 * np.max(np.abs(np.concatenate(point))) for point in points]
            bound = np.reshape(spread, (-1,) + (1,) * (size.ndim - 1))
        else:
            bound = exact.lenient / np.abs(exact.value) - 1
        factors = 1 + np.fmin(size, bound)
    return np.where(np.isfinite(factors), np.maximum(factors, 1), 1)


def text_of(point: Point) -> str:
    """A point as people write it; in full where two numbers would look alike."""
    numbers = [element for column in point for element in np.ravel(column)]
    short = [f"{number:.4g}" for number in numbers]
    alike = len(set(short)) < len(set(numbers))
    return ", ".join(map(str, numbers) if alike else short)


def condition(exact: Exact, row: int) -> float:
    """Condition number of the question at a point."""
    with np.errstate(all="ignore"):
        quotient = exact.lenient[row] / np.abs(exact.value[row])
    return float(np.nanmax(np.where(exact.value[row] == 0, 1.0, quotient)))
