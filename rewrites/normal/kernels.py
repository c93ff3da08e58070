"""Scalar kernels of the normal family, in float64: for numba, and for Python itself.

Every function of one argument rests on one polynomial, the *excess*

    d(u) = exp(-u**2) 2 / sqrt(pi) / erfc(u) - 2 u          (u >= 0)

which is positive and neither overflows nor cancels, so that ``erfcx(u) = 2 / sqrt(pi) / (2 u + d)``
and all derivatives of ``log(erfc(u))`` are sums of positive terms.  An argument is ``k * x`` with a
constant ``k = hi + lo`` and stands as an unevaluated sum ``h + l``: the rounding of ``k * x`` alone
would cost ``2 u**2`` ulps of ``erfc(u)``.

The compensated steps must not be reassociated: each function is compiled with its own flags.
"""

import math

from numba.extending import register_jitable

from pytensor_stabilize.rewrites.normal.coefficients import EXCESS, NODES, SECOND, SLOPE

TWO_BY_SQRT_PI = 2 / math.sqrt(math.pi)
SQRT_PI_BY_TWO = math.sqrt(math.pi) / 2
LOG_SQRT_PI = math.log(math.pi) / 2
# Where the interval is short in this sense the integral is summed over Gauss's nodes, whose
# error is below 1e-17; beyond it the difference of the tails loses less than two bits.
SHORT = 2.0
# Products are split into high and low halves below this: it must not overflow.
LARGE = 1e100

strict = register_jitable(fastmath=False, error_model="numpy")


@strict
def two_product(a, b):
    """Return ``(p, e)`` with ``p + e == a * b`` exactly (Dekker 1971)."""
    p = a * b
    if not (abs(a) < LARGE and abs(b) < LARGE):
        return p, 0.0
    t = 134217729.0 * a
    a_high = t - (t - a)
    a_low = a - a_high
    t = 134217729.0 * b
    b_high = t - (t - b)
    b_low = b - b_high
    return p, ((a_high * b_high - p) + a_high * b_low + a_low * b_high) + a_low * b_low


@strict
def scaled(x, hi, lo):
    """``(hi + lo) * x`` as ``h + l``."""
    h, low = two_product(x, hi)
    return (h, low + x * lo) if abs(h) < LARGE else (h, 0.0)


@strict
def square(h, low):
    """``(h + low)**2`` as a sum of two."""
    p, e = two_product(h, h)
    return p, e + 2.0 * h * low


@strict
def exp_minus_square(h, low):
    """``exp(-(h + low)**2)``."""
    if abs(h) > 28.0:
        return 0.0
    p, e = square(h, low)
    return math.exp(-p) * (1.0 - e)


@strict
def exp_minus_gap(h, h_low, low, low_low):
    """``exp(low**2 - h**2)`` for ``h >= low >= 0``, without the rounding of the squares."""
    if h - low > 750.0 or h > LARGE:
        return 0.0
    p, e = square(h, h_low)
    q, f = square(low, low_low)
    gap = p - q
    return math.exp(-gap) * (1.0 - (((p - gap) - q) + (e - f)))


@strict
def excess(u):
    """``d(u)`` for ``u >= 0``."""
    if u > 1e9:
        return 1.0 / u
    t = (u - 3.0) / (u + 3.0)
    total = 0.0
    for c in EXCESS:
        total = total * t + c
    return total / (u + 0.5)


@strict
def second(u):
    """``1 - u d(u)`` for ``u >= 0``."""
    if u > 1e9:
        return 1.0 / u / u
    t = (u - 3.0) / (u + 3.0)
    total = 0.0
    for c in SECOND:
        total = total * t + c
    return total / (u + 1.0) / (u + 1.0)


@strict
def slope_of(u):
    """``2 - 2 / sqrt(pi) r(u) d(u)`` for ``u >= 0``."""
    if u > 1e9:
        return 1.0 / u / u
    t = (u - 3.0) / (u + 3.0)
    total = 0.0
    for c in SLOPE:
        total = total * t + c
    return total / (u + 1.0) / (u + 1.0)


@strict
def scaled_tail(u):
    """``exp(u**2) erfc(u)`` for ``u >= 0``."""
    return TWO_BY_SQRT_PI / (2.0 * u + excess(u))


@strict
def tail(h, low):
    """``erfc(h + low)``."""
    if abs(h) > 28.0:
        return math.erfc(h)
    return math.erfc(h) - TWO_BY_SQRT_PI * math.exp(-h * h) * low


@strict
def erfc_scaled(x, hi, lo):
    h, low = scaled(x, hi, lo)
    return tail(h, low)


@strict
def log_erfc(x, hi, lo):
    h, low = scaled(x, hi, lo)
    if h < 0.5:
        return math.log1p(-math.erf(h))
    if h > LARGE:
        return -h * h
    p, e = square(h, low)
    return math.log(scaled_tail(h)) - e - p


@strict
def log_half_erfc(x, hi, lo):
    h, low = scaled(x, hi, lo)
    if h < 0.0:
        return math.log1p(-0.5 * tail(-h, -low))
    if h < 0.5:
        return math.log(0.5 * math.erfc(h))
    if h > LARGE:
        return -h * h
    p, e = square(h, low)
    return math.log(0.5 * scaled_tail(h)) - e - p


@strict
def log_erfcx(x, hi, lo):
    h, _ = scaled(x, hi, lo)
    if h < 0.5:
        return math.log1p(-math.erf(h)) + h * h
    if h > LARGE:
        return -math.log(h) - LOG_SQRT_PI
    return math.log(scaled_tail(h))


@strict
def ratio_of(h, low):
    if h < 0.5:
        return exp_minus_square(h, low) / math.erfc(h)
    return SQRT_PI_BY_TWO * (2.0 * h + (excess(h) + 2.0 * low))


@strict
def erfc_ratio(x, hi, lo):
    """``exp(-u**2) / erfc(u)``."""
    h, low = scaled(x, hi, lo)
    return ratio_of(h, low)


@strict
def erfc_excess(x, hi, lo):
    """``2 / sqrt(pi) exp(-u**2) / erfc(u) - 2 u``."""
    h, low = scaled(x, hi, lo)
    if h >= 0.0:
        return excess(h)
    return TWO_BY_SQRT_PI * ratio_of(h, low) - 2.0 * h


@strict
def erfc_second(x, hi, lo):
    """``1 - u d(u)``."""
    h, low = scaled(x, hi, lo)
    if h >= 0.0:
        return second(h)
    return 1.0 - h * (TWO_BY_SQRT_PI * ratio_of(h, low) - 2.0 * h)


@strict
def erfc_slope(x, hi, lo):
    """``2 - 2 / sqrt(pi) r(u) d(u)``, minus the slope of d."""
    h, low = scaled(x, hi, lo)
    if h >= 0.0:
        return slope_of(h)
    slope = TWO_BY_SQRT_PI * ratio_of(h, low)
    return 2.0 - slope * (slope - 2.0 * h) if slope > 0.0 else 2.0 + slope


@strict
def erfc_curvature(x, hi, lo):
    """``2 / sqrt(pi) r(u) d(u)``, minus the second derivative of log(erfc(u))."""
    h, low = scaled(x, hi, lo)
    if h >= 0.0:
        # The rounding of what is below 0.73 counts less.
        return 2.0 - slope_of(h)
    slope = TWO_BY_SQRT_PI * ratio_of(h, low)
    return slope * (slope - 2.0 * h) if slope > 0.0 else slope


@strict
def scaled_difference(low, high, delta):
    """``exp(low**2) (erfc(low) - erfc(high))`` for ``0 < low <= high``, ``delta = high - low``."""
    if delta * (low + high) >= SHORT:
        return scaled_tail(low) - math.exp(-delta * (low + high)) * scaled_tail(high)
    total = 0.0
    for node, weight in NODES:
        s = delta * node
        total += weight * math.exp(-s * (2.0 * low + s))
    return TWO_BY_SQRT_PI * delta * total


@strict
def ordered(a, b):
    """Return ``(sign, mirror, high, low)`` with ``high >= low`` and ``high + low >= 0``.

    ``erf(a) - erf(b) = sign * (erf(high) - erf(low))``; `mirror` is -1 if both were negated.
    """
    sign = 1.0
    if a < b:
        sign = -1.0
        a, b = b, a
    if a + b < 0.0:
        return sign, -1.0, -b, -a
    return sign, 1.0, a, b


@strict
def length(high, low, hi, lo):
    return (high - low) * hi + (high - low) * lo if high - low < LARGE else (high - low) * hi


@strict
def erf_difference(a, b, hi, lo):
    if a == b:
        return 0.0
    sign, _, high, low = ordered(a, b)
    uh, _ = scaled(high, hi, lo)
    ul, ul_low = scaled(low, hi, lo)
    if not ul > 0.0:
        return sign * (math.erf(uh) + math.erf(-ul))
    delta = length(high, low, hi, lo)
    if delta * (uh + ul) > 40.0:
        return sign * tail(ul, ul_low)
    return sign * exp_minus_square(ul, ul_low) * scaled_difference(ul, uh, delta)


@strict
def log_half_erf_difference(a, b, hi, lo):
    if a == b:
        return -math.inf
    if a < b:
        return math.nan
    _, _, high, low = ordered(a, b)
    uh, uh_low = scaled(high, hi, lo)
    ul, ul_low = scaled(low, hi, lo)
    if not ul > 0.0:
        half = 0.5 * (math.erf(uh) + math.erf(-ul))
        if half < 0.5:
            return -math.inf if half == 0.0 else math.log(half)
        return math.log1p(-0.5 * (tail(uh, uh_low) + tail(-ul, -ul_low)))
    p, e = square(ul, ul_low)
    half = 0.5 * scaled_difference(ul, uh, length(high, low, hi, lo))
    return (-math.inf if half == 0.0 else math.log(half)) - e - p


@strict
def log_erf_difference(a, b, hi, lo):
    if a == b:
        return -math.inf
    if a < b:
        return math.nan
    _, _, high, low = ordered(a, b)
    uh, uh_low = scaled(high, hi, lo)
    ul, ul_low = scaled(low, hi, lo)
    total = math.erf(uh) - math.erf(ul)
    if total >= 0.5:
        return math.log1p(-(math.erf(ul) + tail(uh, uh_low)))
    if not ul > 0.0:
        return -math.inf if total == 0.0 else math.log(total)
    p, e = square(ul, ul_low)
    scale = scaled_difference(ul, uh, length(high, low, hi, lo))
    return (-math.inf if scale == 0.0 else math.log(scale)) - e - p


@strict
def erf_difference_ratio(a, b, hi, lo):
    """``exp(-(k a)**2) / (erf(k a) - erf(k b))``."""
    if a == b:
        h, low = scaled(a, hi, lo)
        return math.inf if exp_minus_square(h, low) > 0.0 else math.nan
    sign, mirror, high, low = ordered(a, b)
    uh, uh_low = scaled(high, hi, lo)
    ul, ul_low = scaled(low, hi, lo)
    at_high = sign * mirror > 0.0
    if not ul > 0.0:
        total = math.erf(uh) + math.erf(-ul)
        top = exp_minus_square(uh, uh_low) if at_high else exp_minus_square(ul, ul_low)
        return sign * (top / total if total != 0.0 else math.inf)
    delta = length(high, low, hi, lo)
    total = scaled_difference(ul, uh, delta)
    top = exp_minus_gap(uh, uh_low, ul, ul_low) if at_high else 1.0
    return sign * (top / total if total != 0.0 else math.inf)


@strict
def erf_difference_excess(a, b, hi, lo):
    """``2 / sqrt(pi) exp(-(k a)**2) / (erf(k a) - erf(k b)) + 2 k a``."""
    sign, mirror, high, low = ordered(a, b)
    ul, _ = scaled(low, hi, lo)
    if sign * mirror > 0.0 or a == b or not ul > 0.0:
        ratio = erf_difference_ratio(a, b, hi, lo)
        return TWO_BY_SQRT_PI * ratio + 2.0 * scaled(a, hi, lo)[0]
    # At the lower end of an interval in the tail the two terms cancel; the sum is
    # -exp(ul**2) ((1 - ul h(ul)) + ...) with both terms of one sign.
    uh, _ = scaled(high, hi, lo)
    delta = length(high, low, hi, lo)
    total = scaled_difference(ul, uh, delta)
    near = excess(ul) * scaled_tail(ul)
    far = 2.0 * ul * math.exp(-delta * (uh + ul)) * scaled_tail(uh)
    return -mirror * ((near + far) / total if total != 0.0 else math.inf)
