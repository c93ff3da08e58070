"""Kernels of exp, expm1, log, log1p and log1mexp on the whole line, like those of `kernels`."""

from pytensor_stabilize.rewrites.branch_free.coefficients import LOG2
from pytensor_stabilize.rewrites.branch_free.kernels import (
    FORMATS,
    Backend,
    exp_series,
    log1p_in_parts,
    reduced,
)

INF, NAN = float("inf"), float("nan")
# exp(x) is infinite, and expm1(x) rounds to -1, from here on.
OVERFLOWS = {"float64": 710.0, "float32": 89.0}
LEAST = {"float64": -40.0, "float32": -20.0}


def at_least[T](do: Backend[T], x: T, limit: float) -> T:
    bound = do.constant(limit)
    return do.choose_below(x, bound, bound, x)


def at_most[T](do: Backend[T], x: T, limit: float) -> T:
    bound = do.constant(limit)
    return do.choose_below(bound, x, bound, x)


def itself_if_tiny[T](do: Backend[T], x: T, value: T) -> T:
    """Where f(x) rounds to x, x, with the sign of a zero: a part of it may be subnormal."""
    tiny = do.constant(2.0 ** -(FORMATS[do.dtype].digits + 2))
    return do.choose_below(do.abs(x), tiny, x, value)


def exp[T](do: Backend[T], x: T) -> T:
    """``exp(x)``, as in `kernels.exp_minus_abs`, with a lift of 2**n towards 1."""
    form = FORMATS[do.dtype]
    x = at_most(do, at_least(do, x, -form.vanishes), OVERFLOWS[do.dtype])
    zero, middle = do.constant(0.0), 1.5 * 2.0**form.digits + form.bias
    up, down = do.constant(middle + form.lift), do.constant(middle - form.lift)
    shifted, r, r_rest = reduced(do, x, do.choose_below(x, zero, up, down))
    one = do.constant(1.0)
    total = do.add(one, r)
    rest = exp_series(do, r, do.multiply_add(r_rest, total, do.add(do.sub(one, total), r)))
    lifted = do.mul(do.add(total, rest), do.exponent(shifted))
    back = do.choose_below(x, zero, do.constant(2.0**-form.lift), do.constant(2.0**form.lift))
    # LLVM moves a negation, with its fast-math flags, into the last factor, and then multiplies the
    # last two factors first, which overflows: -exp(88.53) was -inf.  It stops at an absolute value.
    return do.abs(do.mul(lifted, back))


def expm1[T](do: Backend[T], x: T) -> T:
    """``exp(x) - 1 = (2**n - 1) + 2**n r + 2**n (exp(r) - 1 - r)``.

    All of it halved: 2**n may overflow where the result does not.
    """
    form = FORMATS[do.dtype]
    inner = at_most(do, at_least(do, x, LEAST[do.dtype]), OVERFLOWS[do.dtype])
    shifter = do.constant(1.5 * 2.0**form.digits + form.bias - 1)
    shifted, r, r_rest = reduced(do, inner, shifter)
    power, half = do.exponent(shifted), do.constant(0.5)
    # Both are exact.
    base, linear = do.sub(power, half), do.mul(power, r)
    total = do.add(base, linear)
    series = exp_series(do, r, do.multiply_add(r_rest, r, r_rest))
    rest = do.multiply_add(power, series, do.add(do.sub(base, total), linear))
    return itself_if_tiny(do, x, do.mul(do.constant(2.0), do.add(total, rest)))


def normal_log_parts[T](do: Backend[T], v: T) -> tuple[T, T, T]:
    """Parts of log(2**k) and m - 1, with ``v = 2**k m``, m in [2/3, 4/3), for finite v > 0."""
    form = FORMATS[do.dtype]
    least = do.constant(2.0 ** (2 - form.bias))
    lift = form.digits + 2
    lifted = do.mul(v, do.constant(2.0**lift))
    k, m = do.split(do.choose_below(v, least, lifted, v))
    k = do.choose_below(v, least, do.sub(k, do.constant(float(lift))), k)
    high, low = LOG2[do.dtype]
    one = do.constant(1.0)
    return do.mul(k, do.constant(high)), do.mul(k, do.constant(low)), do.sub(m, one)


def with_limits[T](do: Backend[T], v: T, log: T) -> T:
    """The logarithm of v, also where v is not positive and finite."""
    zero, inf = do.constant(0.0), do.constant(INF)
    positive = do.choose_below(v, inf, log, v)
    # -inf at 0, and nan at nan.
    other = do.choose_below(v, zero, do.constant(NAN), do.sub(v, inf))
    return do.choose_below(zero, v, positive, other)


def log[T](do: Backend[T], x: T) -> T:
    """``log(x)``."""
    base, base_rest, u = normal_log_parts(do, x)
    return with_limits(do, x, log1p_in_parts(do, base, base_rest, u))


def log1p[T](do: Backend[T], x: T) -> T:
    """``log(1 + x)``: near 0 of x, elsewhere of 1 + x and what its rounding lost."""
    one, zero = do.constant(1.0), do.constant(0.0)
    v = do.add(one, x)
    lost_of_one, lost_of_x = do.add(do.sub(one, v), x), do.add(do.sub(x, v), one)
    lost = do.choose_below(one, x, lost_of_x, lost_of_one)
    base, base_rest, u = normal_log_parts(do, v)

    def near(yes: T, no: T) -> T:
        inner = do.choose_below(x, do.constant(0.5), yes, no)
        return do.choose_below(x, do.constant(-0.25), no, inner)

    base, u = near(zero, base), near(x, u)
    base_rest = near(zero, do.add(base_rest, do.div(lost, v)))
    value = with_limits(do, v, log1p_in_parts(do, base, base_rest, u))
    return itself_if_tiny(do, x, value)


def log1mexp[T](do: Backend[T], x: T) -> T:
    """``log(1 - exp(x))``, for x <= 0.

    Of 1 - e in two parts, or, where e = exp(x) is small, as log1p(-e) with e in two parts.
    """
    form = FORMATS[do.dtype]
    one, zero = do.constant(1.0), do.constant(0.0)
    inner = at_most(do, at_least(do, x, -form.vanishes), 0.0)
    shifter = do.constant(1.5 * 2.0**form.digits + form.bias + form.lift)
    shifted, r, r_rest = reduced(do, inner, shifter)
    lifted, back = do.exponent(shifted), do.constant(2.0**-form.lift)
    power = do.mul(lifted, back)
    total = do.add(one, r)
    series = exp_series(do, r, do.mul(r_rest, total))
    rest = do.add(series, do.add(do.sub(one, total), r))
    mantissa = do.add(total, rest)
    mantissa_rest = do.add(do.sub(total, mantissa), rest)
    e = do.mul(do.mul(lifted, mantissa), back)
    e_rest = do.mul(do.mul(lifted, mantissa_rest), back)

    base, linear = do.sub(one, power), do.mul(power, r)
    difference = do.sub(base, linear)
    rest = do.sub(do.sub(do.sub(base, difference), linear), do.mul(power, series))
    v = do.add(difference, rest)
    v_rest = do.add(do.sub(difference, v), rest)

    third = do.constant(1 / 3)
    log2_high, log2_low, u = normal_log_parts(do, v)
    u = do.choose_below(e, third, do.negative(e), u)
    base = do.choose_below(e, third, zero, log2_high)
    base_rest = do.choose_below(e, third, zero, log2_low)
    lost = do.choose_below(e, third, do.negative(e_rest), v_rest)
    base_rest = do.add(base_rest, do.div(lost, do.choose_below(e, third, do.sub(one, e), v)))
    value = log1p_in_parts(do, base, base_rest, u)
    at_end = do.choose_below(zero, x, do.constant(NAN), do.sub(x, do.constant(INF)))
    return do.choose_below(x, zero, value, at_end)


def strict_add[T](do: Backend[T], x: T, y: T) -> T:
    """``x + y``, which no compiler merges with what made x and y."""
    return do.add(x, y)


def strict_sub[T](do: Backend[T], x: T, y: T) -> T:
    return do.sub(x, y)
