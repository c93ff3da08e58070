"""The kernels, written once for all compilers: without branches and calls, so that they vectorise.

A kernel is a function of a backend and of its values; the backend writes LLVM's instructions or C
(`numba_dispatch`, `c_code`).  Products and sums may be fused or not: nothing rests on either.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pytensor_stabilize.rewrites.branch_free.coefficients import EXP, EXPM1, LOG1P, LOG2


class Backend[T](Protocol):
    """Writes instructions for values of one dtype."""

    dtype: str

    def constant(self, number: float) -> T: ...
    def add(self, a: T, b: T) -> T: ...
    def sub(self, a: T, b: T) -> T: ...
    def mul(self, a: T, b: T) -> T: ...
    def div(self, a: T, b: T) -> T: ...
    def negative(self, a: T) -> T: ...
    def abs(self, a: T) -> T: ...
    def copysign(self, size: T, sign: T) -> T: ...

    def multiply_add(self, a: T, b: T, c: T) -> T:
        """``a * b + c``, rounded once or twice."""

    def choose_below(self, a: T, b: T, yes: T, no: T) -> T:
        """``yes`` where ``a < b``, else ``no``; also where an argument is nan."""

    def exponent(self, a: T) -> T:
        """The float whose sign and exponent are the last bits of `a`, and whose mantissa is 0."""

    def split(self, a: T) -> tuple[T, T]:
        """k and m, with ``a = 2**k m``, m in [2/3, 4/3), for a normal positive number."""


@dataclass(frozen=True)
class Format:
    """What the kernels need to know of a binary float format.

    Attributes
    ----------
    digits
        Bits of the mantissa, without the hidden one.
    bias
        Of the exponent.
    vanishes
        ``exp(-t)`` rounds to 0 before this, and here n is -bias - lift: the bits of the exponent
        are 0, and so is the product.  One that underflows to 0 takes several times as long.
    lift
        ``2**(n + lift)`` is a normal number for all n that occur before.
    """

    digits: int
    bias: int
    vanishes: float
    lift: int


FORMATS = {
    "float64": Format(52, 1023, 750.75, 60),
    "float32": Format(23, 127, 108.75, 30),
}
LOG2_OF_E = 1.4426950408889634


def reduced[T](do: Backend[T], x: T, shifter: T) -> tuple[T, T, T]:
    """n and the parts of r, with ``x = n log(2) + r`` and n the nearest integer to x / log(2).

    The sum with `shifter`, 1.5 * 2**digits and what is to be added to n, rounds to an integer and
    leaves it in the last bits; n is returned like that.
    """
    high, low = LOG2[do.dtype]
    shifted = do.multiply_add(x, do.constant(LOG2_OF_E), shifter)
    n = do.sub(shifted, shifter)
    # n * high is exact, and so is its sum with x.
    leading = do.multiply_add(n, do.constant(-high), x)
    trailing = do.mul(n, do.constant(low))
    r = do.sub(leading, trailing)
    return shifted, r, do.sub(do.sub(leading, r), trailing)


def exp_series[T](do: Backend[T], r: T, start: T) -> T:
    """``start + exp(r) - 1 - r``."""
    *higher, half = EXP[do.dtype]
    square = do.mul(r, r)
    total = do.multiply_add(square, do.constant(half), start)
    return do.multiply_add(do.mul(square, r), polynomial(do, higher, r, square), total)


def exp_minus_abs[T](do: Backend[T], x: T) -> T:
    """``exp(-|x|)``: 2**n exp(r), with n the nearest integer to ``-|x| / log(2)``.

    r and the leading sum 1 + r are carried in two parts each: 0.59 ulp in place of 0.75.
    """
    form = FORMATS[do.dtype]
    # Infinity would make inf - inf.  What is nan stays nan: the comparison is false.
    size, limit = do.abs(x), do.constant(form.vanishes)
    size = do.choose_below(limit, size, limit, size)
    # With the exponent's bias and a lift, with which 2**n is always a normal number.
    shifter = do.constant(1.5 * 2.0**form.digits + form.bias + form.lift)
    shifted, r, r_rest = reduced(do, do.negative(size), shifter)
    one = do.constant(1.0)
    total = do.add(one, r)
    rest = exp_series(do, r, do.multiply_add(r_rest, total, do.add(do.sub(one, total), r)))
    lifted = do.mul(do.add(total, rest), do.exponent(shifted))
    return do.mul(lifted, do.constant(2.0**-form.lift))


def log1p_of_unit[T](do: Backend[T], e: T) -> T:
    """``log(1 + e)`` for e in [0, 1]: with u = e, or log(2) + log(1 + u) with u = (e - 1) / 2."""
    half, zero, one = do.constant(0.5), do.constant(0.0), do.constant(1.0)
    high, low = LOG2[do.dtype]
    u = do.choose_below(e, half, e, do.mul(do.sub(e, one), half))
    base = do.choose_below(e, half, zero, do.constant(high))
    base_rest = do.choose_below(e, half, zero, do.constant(low))
    return log1p_in_parts(do, base, base_rest, u)


def log1p_in_parts[T](do: Backend[T], base: T, base_rest: T, u: T) -> T:
    """``base + log(1 + u)`` for u in [-1/3, 1/2], and base 0 or larger than u, in two parts.

    ``log(1 + u) = 2 atanh(s)``, ``s = u / (2 + u)``, as u minus a small rest.
    """
    half = do.constant(0.5)
    s = do.div(u, do.add(do.constant(2.0), u))
    z = do.mul(s, s)
    half_square = do.mul(do.mul(half, u), u)
    series = polynomial(do, LOG1P[do.dtype], z, do.mul(z, z))
    tail = do.mul(s, do.multiply_add(z, series, half_square))
    minus = do.multiply_add(do.mul(half, u), u, do.negative(tail))
    total = do.add(base, u)
    rest = do.add(do.add(do.sub(base, total), u), base_rest)
    return do.add(total, do.sub(rest, minus))


def sigmoid_from_exp[T](do: Backend[T], x: T, e: T) -> T:
    """``sigmoid(x)``, given ``e = exp(-|x|)``."""
    one = do.constant(1.0)
    return do.div(do.choose_below(x, do.constant(0.0), e, one), do.add(one, e))


def sigmoid_of_minus_from_exp[T](do: Backend[T], x: T, e: T) -> T:
    """``sigmoid(-x)``, given ``e = exp(-|x|)``."""
    one = do.constant(1.0)
    return do.div(do.choose_below(do.constant(0.0), x, e, one), do.add(one, e))


def density_from_exp[T](do: Backend[T], e: T) -> T:
    """``sigmoid(x) sigmoid(-x)``, given ``e = exp(-|x|)``."""
    # (1 + e)**2 with one rounding of its size and not two of 1 + e.
    square = do.multiply_add(e, do.add(do.constant(2.0), e), do.constant(1.0))
    quotient, quarter = do.div(e, square), do.constant(0.25)
    # Rounded, the quotient exceeds 1/4 at 9 % of the points near 0, and nothing else does.
    return do.choose_below(quarter, quotient, quarter, quotient)


def softplus_from_log[T](do: Backend[T], x: T, log: T) -> T:
    """``log(1 + exp(x))``, given ``log(1 + exp(-|x|))``."""
    zero = do.constant(0.0)
    return do.add(do.choose_below(x, zero, zero, x), log)


def softplus_of_minus_from_log[T](do: Backend[T], x: T, log: T) -> T:
    """``log(1 + exp(-x))``, given ``log(1 + exp(-|x|))``."""
    zero = do.constant(0.0)
    return do.add(do.choose_below(x, zero, do.negative(x), zero), log)


def tanh_from_exp[T](do: Backend[T], x: T, e: T) -> T:
    """``tanh(x / 2) = sign(x) (1 - e) / (1 + e)``, given ``e = exp(-|x|)``."""
    one, size = do.constant(1.0), do.abs(x)
    # 1 - exp(-t) near 0, by its own polynomial.
    square = do.mul(size, size)
    series = do.negative(polynomial(do, EXPM1[do.dtype], size, square))
    near = do.multiply_add(square, series, size)
    difference = do.choose_below(e, do.constant(0.5), do.sub(one, e), near)
    return do.copysign(do.div(difference, do.add(one, e)), x)


def whole_sigmoid[T](do: Backend[T], x: T) -> T:
    return sigmoid_from_exp(do, x, exp_minus_abs(do, x))


def whole_softplus[T](do: Backend[T], x: T) -> T:
    return softplus_from_log(do, x, log1p_of_unit(do, exp_minus_abs(do, x)))


def whole_tanh[T](do: Backend[T], x: T) -> T:
    twice = do.add(x, x)
    return tanh_from_exp(do, twice, exp_minus_abs(do, twice))


def polynomial[T](do: Backend[T], numbers: Sequence[float], x: T, square: T) -> T:
    """Two halves by Horner's rule in ``x**2``: they wait for their own results half as often."""
    coefficients = [do.constant(number) for number in numbers]
    odd, even = (coefficients[power % 2 - 2 :: -2][::-1] for power in (0, 1))
    return do.multiply_add(horner(do, odd, square), x, horner(do, even, square))


def horner[T](do: Backend[T], coefficients: Sequence[T], x: T) -> T:
    total, *others = coefficients
    for coefficient in others:
        total = do.multiply_add(total, x, coefficient)
    return total
