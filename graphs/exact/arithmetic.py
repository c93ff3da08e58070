"""Arithmetic, order and rounding on balls, with the values that stand for no number.

Every function here returns a ball that holds the exact result for every choice of numbers in its
arguments.  What is `UNKNOWN` may turn out to be undefined at more bits, so nothing that depends
on it is known either: no function makes a finite ball of it.

Two arguments that are the same object are the same number, whatever it is: a maximum equals the
element it was taken from, also while both are known to some bits only.
"""

from collections.abc import Callable
from functools import reduce
from operator import and_, or_, xor

from flint import arb

from pytensor_stabilize.graphs.exact.balls import (
    EITHER,
    NEG_INF,
    ONE,
    POS_INF,
    STRUCTURAL_ZERO,
    UNDEFINED,
    UNKNOWN,
    ZERO,
    integer,
    is_unknown,
)

Scalar = Callable[..., arb]
# Beyond this exponent a power is computed by way of logarithms.
_LARGE = 1 << 62


def nothing_known(*arguments: arb) -> arb | None:
    """What follows of arguments that are no numbers: undefined, unknown, or None for nothing."""
    if any(a.is_nan() for a in arguments):
        return UNDEFINED
    return UNKNOWN if any(map(is_unknown, arguments)) else None


def same(a: arb, b: arb) -> bool:
    """Whether two are one number because they are one object."""
    # `EITHER` stands for many conditions, and of an infinity the difference is undefined.
    return a is b and a is not EITHER and a.is_finite()


def add(a: arb, b: arb) -> arb:
    """Sum of two."""
    # What annihilates is neutral here, and stays recognisable.
    if a is STRUCTURAL_ZERO:
        return b
    if b is STRUCTURAL_ZERO:
        return a
    y = a + b
    if y.is_finite():
        return y
    if (nothing := nothing_known(a, b)) is not None:
        return nothing
    if a.is_finite() or b.is_finite():
        return b if a.is_finite() else a
    return a if a == b else UNDEFINED


def subtract(a: arb, b: arb) -> arb:
    """Difference."""
    if a is b and b is not STRUCTURAL_ZERO and same(a, b):
        return ZERO
    return add(a, negate(b))


def negate(a: arb) -> arb:
    """Negative."""
    return a if a is STRUCTURAL_ZERO else -a


def multiply(a: arb, b: arb) -> arb:
    """Product of two."""
    if a is STRUCTURAL_ZERO or b is STRUCTURAL_ZERO:
        return STRUCTURAL_ZERO
    y = a * b
    if y.is_finite():
        return y
    if (nothing := nothing_known(a, b)) is not None:
        return nothing
    if a.is_zero() or b.is_zero():
        # An infinity times zero is undefined at any precision.
        return UNDEFINED
    if _may_vanish(a) or _may_vanish(b):
        return UNKNOWN
    return POS_INF if (a > 0) == (b > 0) else NEG_INF


def _may_vanish(a: arb) -> bool:
    return not a > 0 and not a < 0


def divide(a: arb, b: arb) -> arb:
    """Quotient; undefined at a zero of the denominator, because zeros have no sign here."""
    if a is STRUCTURAL_ZERO:
        return a
    y = a / b
    if y.is_finite() and a.is_finite():
        return y
    return multiply(a, reciprocal(b))


def reciprocal(x: arb) -> arb:
    """``1 / x``, undefined at 0."""
    y = 1 / x
    if y.is_finite():
        return y
    return UNDEFINED if x.is_nan() or x.is_zero() else UNKNOWN


def square(a: arb) -> arb:
    """Square, which of a ball around 0 is not negative."""
    if a.is_finite() and a is not STRUCTURAL_ZERO:
        y = a**2
        if y.is_finite():
            return y
    # Arb's power of a ball around 0 is nan.
    return multiply(a, a)


def sign(x: arb) -> arb:
    """-1, 0 or 1."""
    if x.is_zero():
        return ZERO
    if x > 0:
        return ONE
    return -ONE if x < 0 else arb(0, 1) if x.is_finite() else x


def absolute(x: arb) -> arb:
    """Absolute value."""
    return x if x is STRUCTURAL_ZERO else abs(x)


def surely(condition: arb) -> bool:
    """Whether a condition holds; of a ball ``!=`` would ask whether it surely does not."""
    return bool(condition == 1)


def compare(less: bool, or_equal: bool) -> Scalar:
    """An order relation; `EITHER` where the balls overlap."""

    def evaluate(a: arb, b: arb) -> arb:
        if not less:
            a, b = b, a
        yes, no = (a <= b, a > b) if or_equal else (a < b, a >= b)
        if a.is_finite() and b.is_finite():
            if a is b and same(a, b):
                yes, no = or_equal, not or_equal
            return ONE if yes else STRUCTURAL_ZERO if no else EITHER
        if (nothing := nothing_known(a, b)) is not None:
            return nothing
        return ONE if yes else STRUCTURAL_ZERO

    return evaluate


def equal(a: arb, b: arb) -> arb:
    """Whether two are the same number; `EITHER` for balls that overlap."""
    if a is b and same(a, b):
        return ONE
    if not (a.is_finite() and b.is_finite()) and (nothing := nothing_known(a, b)) is not None:
        return nothing
    return ONE if a == b else STRUCTURAL_ZERO if a != b else EITHER


def unequal(a: arb, b: arb) -> arb:
    """Whether two are different numbers."""
    return invert(equal(a, b))


def switch(c: arb, a: arb, b: arb) -> arb:
    """The branch that is selected, and only that."""
    if c is STRUCTURAL_ZERO or c.is_zero():
        return b
    if c > 0 or c < 0:
        return a
    if not c.is_finite():
        return c
    if a is b or (a.is_exact() and a == b):
        return a
    return a.union(b) if a.is_finite() and b.is_finite() else UNKNOWN


def maximum(a: arb, b: arb) -> arb:
    """The larger of two; undefined if one is."""
    if a.is_finite() and b.is_finite():
        return a if a >= b or a is b else b if a < b else a.max(b)
    if (nothing := nothing_known(a, b)) is not None:
        return nothing
    return a if a >= b else b


def minimum(a: arb, b: arb) -> arb:
    """The smaller of two; undefined if one is."""
    if a.is_finite() and b.is_finite():
        return a if a <= b or a is b else b if a > b else a.min(b)
    if (nothing := nothing_known(a, b)) is not None:
        return nothing
    return a if a <= b else b


def clip(x: arb, lo: arb, hi: arb) -> arb:
    """``x`` moved into [lo, hi]."""
    return minimum(maximum(x, lo), hi)


def is_nan(x: arb) -> arb:
    """Whether it is undefined."""
    return ONE if x.is_nan() else EITHER if is_unknown(x) else STRUCTURAL_ZERO


def is_inf(x: arb) -> arb:
    """Whether it is infinite: the exact value, not a float that has overflowed."""
    if is_unknown(x):
        return EITHER
    return STRUCTURAL_ZERO if x.is_finite() or x.is_nan() else ONE


def conjunction(*conditions: arb) -> arb:
    """Whether all hold."""
    if any(c.is_zero() for c in conditions):
        return STRUCTURAL_ZERO
    if all(c == 1 for c in conditions):
        return ONE
    nothing = nothing_known(*conditions)
    return EITHER if nothing is None else nothing


def disjunction(*conditions: arb) -> arb:
    """Whether one holds."""
    return invert(conjunction(*map(invert, conditions)))


def exclusive(*conditions: arb) -> arb:
    """Whether an odd number holds."""
    return reduce(unequal, conditions)


def invert(c: arb) -> arb:
    """Whether it does not hold."""
    return ONE if c.is_zero() else STRUCTURAL_ZERO if c == 1 else c


def bitwise(function: Callable[..., int]) -> Scalar:
    """An operation on the bits of integers, known if they are."""

    def evaluate(*values: arb) -> arb:
        if all(v.is_exact() and v.is_integer() for v in values):
            return arb(reduce(function, [integer(v) for v in values]))
        return UNKNOWN

    return evaluate


BITS = {"AND": bitwise(and_), "OR": bitwise(or_), "XOR": bitwise(xor), "Invert": lambda a: -1 - a}


def stepwise(function: Scalar) -> Scalar:
    """A function with jumps, which keeps infinities and integers."""

    def evaluate(x: arb) -> arb:
        if not x.is_finite() or (x.is_exact() and x.is_integer()):
            return x
        return function(x)

    return evaluate


floor = stepwise(arb.floor)


def _trunc(x: arb) -> arb:
    return x.floor() if x >= 0 else x.ceil() if x < 0 else x.floor().union(x.ceil())


trunc = stepwise(_trunc)


def _round_half_to_even(x: arb) -> arb:
    down, up = (x - 0.5).ceil(), (x + 0.5).floor()
    if down.is_exact() and up.is_exact() and down == up:
        return up
    if x.is_exact() and x - x.floor() == 0.5:
        return 2 * (up / 2).floor()
    # A ball that touches a tie may go either way.
    return down.union(up)


round_half_to_even = stepwise(_round_half_to_even)


def _round_half_away(x: arb) -> arb:
    if x >= 0:
        return (x + 0.5).floor()
    return (x - 0.5).ceil() if x < 0 else (x + 0.5).floor().union((x - 0.5).ceil())


round_half_away = stepwise(_round_half_away)


def floor_divide(a: arb, b: arb) -> arb:
    """``floor(a / b)``."""
    return floor(divide(a, b))


def modulo(a: arb, b: arb) -> arb:
    """Remainder with the sign of the divisor, as in Python."""
    return subtract(a, multiply(floor_divide(a, b), b))


def power(a: arb, b: arb) -> arb:
    """``a ** b`` with the limits of IEEE 754, undefined at 1 ** inf and for a < 0 at inf."""
    finite = a.is_finite() and b.is_finite()
    if not finite and (nothing := nothing_known(a, b)) is not None:
        return nothing
    if b.is_exact() and b.is_integer():
        return _integer_power(a, b)
    if a < 0:
        # A ball of exponents may hold an integer, for which the power exists.
        return UNKNOWN if b.is_finite() and b.contains_integer() else UNDEFINED
    if a.is_zero():
        return a if b > 0 else UNDEFINED if b < 0 else UNKNOWN
    if finite:
        y = a**b
        if y.is_finite():
            return y
    return _by_logarithm(a, b)


def _by_logarithm(a: arb, b: arb) -> arb:
    if not a.is_finite():
        logarithm = POS_INF
    else:
        logarithm = a.log()
        if not logarithm.is_finite():
            return UNKNOWN
    exponent = multiply(b, logarithm)
    if exponent.is_finite():
        y = exponent.exp()
        return y if y.is_finite() else UNKNOWN
    if not exponent.is_exact():
        return UNDEFINED if exponent.is_nan() else UNKNOWN
    return POS_INF if exponent > 0 else ZERO


def _integer_power(a: arb, b: arb) -> arb:
    if b.is_zero():
        return ONE
    if b < 0:
        return reciprocal(_integer_power(a, -b))
    if a is STRUCTURAL_ZERO or a.is_zero():
        return a
    even = (b / 2).is_integer()
    if a.is_finite():
        if b < _LARGE:
            y = a ** integer(b)
            if y.is_finite():
                return y
            # Arb's power of a ball around 0 is nan.
            bound = abs(a).upper() ** integer(b)
            return (-bound).union(bound) if bound.is_finite() else UNKNOWN
        if _may_vanish(a):
            return UNKNOWN
        size = _by_logarithm(abs(a), b)
        return size if even or a > 0 else -size
    return POS_INF if even or a > 0 else NEG_INF


def atan2(y: arb, x: arb) -> arb:
    """Angle of the point (x, y), that of +0 for a zero; undefined where both are infinite."""
    if (nothing := nothing_known(y, x)) is not None:
        return nothing
    if y.is_finite() and x.is_finite():
        return arb.atan2(y, x)
    if y.is_finite():
        return ZERO if x > 0 else arb.atan2(y, -ONE) if y.is_zero() else sign(y) * arb.pi()
    return sign(y) * arb.pi() / 2 if x.is_finite() else UNDEFINED
