"""The numbers that truth is computed with, and what stands for no number.

A ball is a `flint.arb`: a midpoint and a radius that hold the exact value between them.  Five
values have a meaning of their own:

- `STRUCTURAL_ZERO`, recognised by identity: a zero of a constant, an integer or a condition.  It
  annihilates what it multiplies, also a pole: the gradient of the branch that a switch did not
  select is ``0 * f'(x)``, and that is 0 where ``f'(x)`` does not exist.  PyTensor's own
  rewrites drop such a factor as well.
- `UNDEFINED` (nan): there is no real value, as for log(-1), 1/0 or inf - inf.
- `UNKNOWN` (a ball of infinite radius): not known at this precision.
- plus and minus infinity, exact: log(0) is -inf, and exp(-inf) is 0 again.

A ball has no signed zero: -0.0 and 0.0 are the same number.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from flint import arb

STRUCTURAL_ZERO = arb(0)
UNDEFINED = arb.nan()
UNKNOWN = arb(0, float("inf"))
POS_INF, NEG_INF = arb.pos_inf(), arb.neg_inf()
ZERO, ONE = arb(0), arb(1)
# A condition that cannot be decided is 0 or 1.
EITHER = arb(0.5, 0.5)


def is_unknown(x: arb) -> bool:
    """Whether a ball says nothing at this precision."""
    return not x.is_finite() and not x.is_exact() and not x.is_nan()


def has_balls(value: Any) -> bool:
    """Whether a value is made of balls, and not what PyTensor itself would compute."""
    return isinstance(value, arb) or (isinstance(value, np.ndarray) and value.dtype.kind == "O")


def object_array(balls: Iterable[Any], shape: tuple[int, ...]) -> np.ndarray:
    """Array of balls; one cannot ask NumPy to guess that a ball is an element."""
    size = int(np.prod(shape, dtype=int))
    return np.fromiter(balls, dtype=object, count=size).reshape(shape)


def balls_of(array: np.ndarray, structural: bool) -> Any:
    """Exact balls of an array of numbers; a 0-d array becomes one ball.

    Parameters
    ----------
    array
        Of a real dtype.
    structural
        Whether its zeros annihilate: those of constants, integers and conditions do, those of
        inputs do not.
    """
    zero = STRUCTURAL_ZERO if structural else ZERO
    if array.dtype.kind in "bui":
        make = [arb(int(v)) if v else zero for v in array.ravel().tolist()]
    else:
        # tolist() turns float16 and float32 into Python floats, which is exact.
        make = [arb(v) if v else zero for v in array.ravel().tolist()]
    return make[0] if array.ndim == 0 else object_array(make, array.shape)


def real(value: Any) -> Any:
    """A value as a ball or an array of balls, whatever it was computed as."""
    if isinstance(value, arb):
        return value
    if isinstance(value, np.ndarray) and value.dtype == object:
        return value if value.ndim else value.item()
    # What is not made of balls does not depend on a real input: an integer or a condition.
    return balls_of(np.asarray(value), structural=True)


def as_array(value: Any) -> np.ndarray:
    """A value as an object array of balls, of 0 dimensions for one ball."""
    value = real(value)
    if isinstance(value, np.ndarray):
        return value
    array = np.empty((), dtype=object)
    array[()] = value
    return array


def from_array(array: np.ndarray) -> Any:
    """The inverse of `as_array`: an array of no dimensions becomes what it holds."""
    return array if array.ndim else array.item()


def shape_of(value: Any) -> tuple[int, ...]:
    """Shape of a value; one ball has none."""
    return () if isinstance(value, arb) else np.shape(value)


def condition(value: Any, dtype: str = "bool") -> Any:
    """Integers or conditions as a typed array if all are decided, else as balls.

    Parameters
    ----------
    value
        A ball, or an array of balls, which are exact integers where they are decided.
    dtype
        The discrete dtype of the result, in which integers wrap around as they do in NumPy.
    """
    array = as_array(value)
    flat = array.ravel().tolist()
    if all(ball.is_exact() and ball.is_finite() for ball in flat):
        numbers = [wrapped(integer(ball), dtype) for ball in flat]
        return np.array(numbers, dtype=dtype).reshape(array.shape)
    return from_array(object_array([_discrete_ball(ball, dtype) for ball in flat], array.shape))


def integer(ball: arb) -> int:
    """The integer that an exact ball is."""
    found = ball.unique_fmpz()
    if found is None:
        raise ValueError(f"{ball} is no integer.")
    return int(found)


def integer_range(dtype: str) -> tuple[int, int]:
    """Smallest and largest number of a discrete dtype."""
    if dtype == "bool":
        return 0, 1
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def wrapped(number: int, dtype: str) -> int:
    """An integer as a discrete dtype holds it."""
    if dtype == "bool":
        return int(number != 0)
    low, high = integer_range(dtype)
    return (number - low) % (high - low + 1) + low


def _discrete_ball(ball: arb, dtype: str) -> arb:
    if not ball.is_finite():
        return ball
    if ball.is_exact():
        # A zero of a condition annihilates, also beside others that are not decided.
        number = wrapped(integer(ball), dtype)
        return arb(number) if number else STRUCTURAL_ZERO
    low, high = integer_range(dtype)
    # The number is an integer, so what a radius that was rounded up adds at the ends is nothing.
    return ball if ball > low - 1 and ball < high + 1 else UNKNOWN
