"""From a ball to the one float that is nearest to everything in it."""

import numpy as np
from flint import arb

from pytensor_stabilize.graphs.exact.balls import integer, is_unknown
from pytensor_stabilize.graphs.ulps import spacing

DECIDED, UNDEFINED_POINT, UNDECIDED = 0, 1, 2


# By how much the offset from the exact value may be wrong, in ulps, unless bits run out.
_OFFSET_BITS = 8


def round_balls(balls: np.ndarray, dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Correctly rounded floats of an array of balls, as far as the balls decide them.

    Parameters
    ----------
    balls
        Object array of `flint.arb`.
    dtype
        "float64", "float32" or "float16".

    Returns
    -------
    values : ndarray of `dtype`, of the shape of `balls`
        Rounded to nearest, ties to even, with gradual underflow; nan where nothing is decided.
    status : ndarray of int8
        `DECIDED`, `UNDEFINED_POINT` or `UNDECIDED` for each element.
    rough : ndarray of bool
        Where the float is decided, but not its distance from the exact value.
    """
    flat = balls.ravel().tolist()
    # At most 53 bits survive: python-flint rounds a midpoint to nearest, subnormals too.
    lower = np.array([float(ball.lower()) for ball in flat])
    upper = np.array([float(ball.upper()) for ball in flat])
    accuracy = np.array([ball.rel_accuracy_bits() for ball in flat])
    lower_narrow, upper_narrow = narrow(lower, dtype), narrow(upper, dtype)
    status = np.where(lower_narrow == upper_narrow, DECIDED, UNDECIDED).astype(np.int8)
    values = np.where(status == DECIDED, lower_narrow, np.asarray(np.nan, dtype))
    if dtype != "float64":
        # A float64 that is a tie of the narrower dtype may have been rounded to it.
        ties = {*np.flatnonzero(near_tie(lower, dtype)), *np.flatnonzero(near_tie(upper, dtype))}
        for i in ties:
            values[i], status[i] = _round_near_tie(flat[i], dtype)
    for i in np.flatnonzero((status == UNDECIDED) | ~np.isfinite(values)):
        if flat[i].is_nan():
            values[i], status[i] = np.nan, UNDEFINED_POINT
        elif is_unknown(flat[i]):
            values[i], status[i] = np.nan, UNDECIDED
    # A ball around 0 has no sign, and no more has a zero here.
    values[values == 0] = 0
    needed = np.finfo(dtype).nmant + 1 + _OFFSET_BITS
    rough = (accuracy < needed) & (status == DECIDED) & np.isfinite(values) & (values != 0)
    shape = balls.shape
    return values.astype(dtype).reshape(shape), status.reshape(shape), rough.reshape(shape)


def round_integers(balls: np.ndarray, dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The integers or conditions that an array of balls holds, as far as they are decided.

    Parameters
    ----------
    balls
        Object array of `flint.arb`.
    dtype
        Of the integers.

    Returns
    -------
    values, status, rough
        As of `round_balls`, with 0 where nothing is decided.
    """
    flat = balls.ravel().tolist()
    known = [ball.is_exact() and ball.is_finite() for ball in flat]
    pairs = zip(flat, known, strict=True)
    numbers = [integer(ball) if good else 0 for ball, good in pairs]
    undefined = np.array([ball.is_nan() for ball in flat], dtype=bool)
    status = np.where(known, DECIDED, np.where(undefined, UNDEFINED_POINT, UNDECIDED))
    values = np.array(numbers, dtype=dtype).reshape(balls.shape)
    return values, status.astype(np.int8).reshape(balls.shape), np.zeros(balls.shape, dtype=bool)


def offsets(balls: np.ndarray, rounded: np.ndarray) -> np.ndarray:
    """Rounded minus exact, in ulps."""
    units = spacing(rounded).ravel().tolist()
    finite = np.isfinite(rounded).ravel().tolist()
    columns = zip(balls.ravel().tolist(), rounded.ravel().tolist(), units, finite, strict=True)
    found = [
        float(((value - ball) / unit).mid()) if good else 0.0 for ball, value, unit, good in columns
    ]
    return np.array(found).reshape(balls.shape)


def narrow(values: np.ndarray, dtype: str) -> np.ndarray:
    """Round float64 to `dtype` without a warning where that is infinite."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return values.astype(dtype)


def near_tie(values: np.ndarray, dtype: str) -> np.ndarray:
    """Where the neighbours of a float64 round to different floats of `dtype`."""
    below = narrow(np.nextafter(values, -np.inf), dtype)
    return (below != narrow(np.nextafter(values, np.inf), dtype)) & np.isfinite(values)


def _round_near_tie(ball: arb, dtype: str) -> tuple[float, int]:
    """Decide by exact comparison with the tie, which is a float64."""
    middle = float(ball.mid())
    below, above = (
        narrow(np.nextafter(np.float64(middle), side), dtype) for side in (-np.inf, np.inf)
    )
    if below == above:
        return np.nan, UNDECIDED
    tie = _midpoint(float(below), float(above), dtype)
    if ball < tie:
        return float(below), DECIDED
    if ball > tie:
        return float(above), DECIDED
    if ball.is_exact():
        return float(narrow(np.asarray(tie), dtype)), DECIDED
    return np.nan, UNDECIDED


def _midpoint(below: float, above: float, dtype: str) -> float:
    # Beyond the largest float the next one would be one spacing further.
    largest = float(np.finfo(dtype).max)
    # NumPy's spacing of it is infinite.
    step = largest - float(np.nextafter(np.asarray(largest, dtype), np.asarray(0, dtype)))
    below, above = max(below, -largest - step), min(above, largest + step)
    return (below + above) / 2
