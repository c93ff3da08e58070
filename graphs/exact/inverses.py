"""Inverses of increasing functions for which Arb has none."""

from collections.abc import Callable
from math import isfinite

from flint import arb

from pytensor_stabilize.graphs.exact.arithmetic import Scalar
from pytensor_stabilize.graphs.exact.balls import UNKNOWN

# Relative half widths of the bracket around SciPy's guess, which is good for many digits, or few.
_WIDTHS = (2.0**-40, 2.0**-20, 2.0**-6)
_STEPS = 20


def inverse(
    function: Scalar, derivative: Scalar, guess: Callable[..., float], highest: float
) -> Scalar:
    """The solution t > 0 of ``function(*parameters, t) = p``.

    The function increases, so the solution is between two numbers at which the function is
    surely below and surely above p.  Newton's method on intervals (Moore, Kearfott and Cloud
    2009, "Introduction to Interval Analysis", chapter 8) makes the interval small and never
    loses the solution: by the mean value theorem it is in ``m - (f(m) - p) / f'(interval)`` for
    every m of the interval.

    Parameters
    ----------
    function, derivative
        On balls: the parameters, then t.
    guess
        Approximates the solution: takes floats, the parameters and p.
    highest
        End of the function's domain.
    """

    def evaluate(*arguments: arb) -> arb:
        *parameters, p = arguments
        start = guess(*(float(a.mid()) for a in arguments))
        interval = _bracket(lambda t: function(*parameters, t) - p, start, highest)
        if interval is None:
            return UNKNOWN
        for _ in range(_STEPS):
            middle = interval.mid()
            slope = derivative(*parameters, interval)
            step = (function(*parameters, middle) - p) / slope
            if not step.is_finite():
                break
            smaller = interval.intersection(middle - step)
            if not smaller.rad() < interval.rad() / 2:
                break
            interval = smaller
        return interval

    return evaluate


def _bracket(difference: Callable[[arb], arb], start: float, highest: float) -> arb | None:
    """A ball around `start` at whose ends the difference has opposite signs."""
    if not isfinite(start) or not 0 < start < highest:
        return None
    for width in _WIDTHS:
        ball = arb(start) * arb(1, width)
        lower, upper = ball.lower(), ball.upper()
        if upper < highest and difference(lower) < 0 and difference(upper) > 0:
            return ball
    return None
