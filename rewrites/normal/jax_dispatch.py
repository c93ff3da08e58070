"""JAX dispatch of the normal family: the kernels of `kernels` without branches.

Each has its derivative in closed form, so that JAX differentiates no unselected branch.
"""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import erf, erfc

from pytensor_stabilize.rewrites.internals.jax import jax_funcify
from pytensor_stabilize.rewrites.matching import exact_constant
from pytensor_stabilize.rewrites.normal import ops
from pytensor_stabilize.rewrites.normal.coefficients import EXCESS, NODES, SECOND, SLOPE

C = ops.C
# By the dtype that is computed in: what has a square with digits below it; the integer of that
# width; and half the bits of the significand.  Without jax_enable_x64, JAX has no float64.
LARGE = {"float64": 1e100, "float32": 1e15}
HALVES = {"float64": (jnp.int64, 27), "float32": (jnp.int32, 12)}


def is_large(h):
    return h > LARGE[h.dtype.name]


def two_product(a, b):
    # The halves are cut out of the bits: XLA may contract the products of Dekker's splitting.
    integer, bits = HALVES[a.dtype.name]
    p = a * b
    a_high, b_high = (
        lax.bitcast_convert_type(lax.bitcast_convert_type(v, integer) & -(1 << bits), v.dtype)
        for v in (a, b)
    )
    a_low, b_low = a - a_high, b - b_high
    e = ((a_high * b_high - p) + a_high * b_low + a_low * b_high) + a_low * b_low
    return p, jnp.where(is_large(jnp.abs(a)) | is_large(jnp.abs(b)), 0.0, e)


def scaled(x, hi, lo):
    h, low = two_product(x, hi + 0.0 * jnp.where(jnp.isfinite(x), x, 0.0))
    return h, jnp.where(is_large(jnp.abs(h)), 0.0, low + x * lo)


def square(h, low):
    p, e = two_product(h, h)
    return p, e + 2.0 * jnp.where(is_large(jnp.abs(h)), 0.0, h) * low


def exp_minus_square(h, low):
    p, e = square(h, low)
    return jnp.where(jnp.abs(h) > 28.0, 0.0, jnp.exp(-p) * (1.0 - e))


def exp_minus_gap(high, low):
    (p, e), (q, f) = square(*high), square(*low)
    gap = p - q
    value = jnp.exp(-gap) * (1.0 - (((p - gap) - q) + (e - f)))
    return jnp.where((high[0] - low[0] > 750.0) | is_large(high[0]), 0.0, value)


def polynomial(coefficients, u):
    t = (u - 3.0) / (u + 3.0)
    total = jnp.zeros_like(u)
    for c in coefficients:
        total = total * t + c
    return total


def excess(u):
    return jnp.where(u > 1e9, 1.0 / u, polynomial(EXCESS, u) / (u + 0.5))


def second(u):
    return jnp.where(u > 1e9, 1.0 / u / u, polynomial(SECOND, u) / (u + 1.0) / (u + 1.0))


def slope_of(u):
    return jnp.where(u > 1e9, 1.0 / u / u, polynomial(SLOPE, u) / (u + 1.0) / (u + 1.0))


def scaled_tail(u):
    return C / (2.0 * u + excess(u))


def tail(h, low):
    # XLA's erfc keeps fewer digits in the tail than its exp.
    right = exp_minus_square(h, low) * scaled_tail(jnp.abs(h))
    return jnp.where(h > 0.5, right, erfc(h) - C * jnp.exp(-h * h) * low)


def log_tail(h, low, factor):
    p, e = square(h, low)
    return jnp.where(is_large(h), -h * h, jnp.log(factor * scaled_tail(h)) - e - p)


def erfc_scaled(x, hi, lo):
    return tail(*scaled(x, hi, lo))


def log_erfc(x, hi, lo):
    h, low = scaled(x, hi, lo)
    return jnp.where(h < 0.5, jnp.log1p(-erf(h)), log_tail(h, low, 1.0))


def log_half_erfc(x, hi, lo):
    h, low = scaled(x, hi, lo)
    near = jnp.where(h < 0.0, jnp.log1p(-0.5 * tail(-h, -low)), jnp.log(0.5 * erfc(h)))
    return jnp.where(h < 0.5, near, log_tail(h, low, 0.5))


def log_erfcx(x, hi, lo):
    h, _ = scaled(x, hi, lo)
    right = jnp.where(is_large(h), -jnp.log(h) - math.log(math.pi) / 2, jnp.log(scaled_tail(h)))
    return jnp.where(h < 0.5, jnp.log1p(-erf(h)) + h * h, right)


def ratio_of(h, low):
    left = exp_minus_square(h, low) / erfc(h)
    return jnp.where(h < 0.5, left, (2.0 * h + (excess(h) + 2.0 * low)) / C)


def erfc_ratio(x, hi, lo):
    return ratio_of(*scaled(x, hi, lo))


def excess_of(h, low):
    return jnp.where(h < 0.0, C * ratio_of(h, low) - 2.0 * h, excess(h))


def erfc_excess(x, hi, lo):
    return excess_of(*scaled(x, hi, lo))


def erfc_second(x, hi, lo):
    h, low = scaled(x, hi, lo)
    return jnp.where(h < 0.0, 1.0 - h * excess_of(h, low), second(h))


def erfc_slope(x, hi, lo):
    h, low = scaled(x, hi, lo)
    slope = C * ratio_of(h, low)
    left = jnp.where(slope > 0.0, 2.0 - slope * (slope - 2.0 * h), 2.0)
    return jnp.where(h < 0.0, left, slope_of(h))


def erfc_curvature(x, hi, lo):
    h, low = scaled(x, hi, lo)
    slope = C * ratio_of(h, low)
    left = jnp.where(slope > 0.0, slope * (slope - 2.0 * h), 0.0)
    return jnp.where(h < 0.0, left, 2.0 - slope_of(h))


def scaled_difference(low, high, delta):
    q = delta * (low + high)
    total = jnp.zeros_like(q)
    for node, weight in NODES:
        s = delta * node
        total = total + weight * jnp.exp(-s * (2.0 * low + s))
    far = scaled_tail(low) - jnp.exp(-q) * scaled_tail(high)
    return jnp.where(q >= 2.0, far, C * delta * total)


def interval(a, b, hi, lo):
    a, b = jnp.broadcast_arrays(a, b)
    sign = jnp.where(a < b, -1.0, 1.0)
    high, low = jnp.where(a < b, b, a), jnp.where(a < b, a, b)
    mirror = jnp.where(high + low < 0.0, -1.0, 1.0)
    high, low = jnp.where(mirror < 0.0, -low, high), jnp.where(mirror < 0.0, -high, low)
    gap = high - low
    delta = jnp.where(is_large(gap), gap * hi, gap * hi + gap * lo)
    return sign, mirror, scaled(high, hi, lo), scaled(low, hi, lo), delta


def erf_difference(a, b, hi, lo):
    sign, _, (uh, _), ul, delta = interval(a, b, hi, lo)
    near = exp_minus_square(*ul) * scaled_difference(ul[0], uh, delta)
    right = jnp.where(delta * (uh + ul[0]) > 40.0, tail(*ul), near)
    return jnp.where(a == b, 0.0, sign * jnp.where(ul[0] > 0.0, right, erf(uh) + erf(-ul[0])))


def log_half_erf_difference(a, b, hi, lo):
    _, _, (uh, uh_low), (ul, ul_low), delta = interval(a, b, hi, lo)
    half = 0.5 * (erf(uh) + erf(-ul))
    large = jnp.log1p(-0.5 * (tail(uh, uh_low) + tail(-ul, -ul_low)))
    p, e = square(ul, ul_low)
    right = jnp.log(0.5 * scaled_difference(ul, uh, delta)) - e - p
    both = jnp.where(half < 0.5, jnp.log(half), large)
    value = jnp.where(ul > 0.0, right, both)
    return jnp.where(a == b, -jnp.inf, jnp.where(a < b, jnp.nan, value))


def log_erf_difference(a, b, hi, lo):
    _, _, (uh, uh_low), (ul, ul_low), delta = interval(a, b, hi, lo)
    total = erf(uh) - erf(ul)
    p, e = square(ul, ul_low)
    right = jnp.log(scaled_difference(ul, uh, delta)) - e - p
    small = jnp.where(ul > 0.0, right, jnp.log(total))
    value = jnp.where(total >= 0.5, jnp.log1p(-(erf(ul) + tail(uh, uh_low))), small)
    return jnp.where(a == b, -jnp.inf, jnp.where(a < b, jnp.nan, value))


def erf_difference_ratio(a, b, hi, lo):
    sign, mirror, uh, ul, delta = interval(a, b, hi, lo)
    at_high = sign * mirror > 0.0
    end = (jnp.where(at_high, h, low) for h, low in zip(uh, ul, strict=True))
    both = exp_minus_square(*end) / (erf(uh[0]) + erf(-ul[0]))
    top = jnp.where(at_high, exp_minus_gap(uh, ul), 1.0)
    right = top / scaled_difference(ul[0], uh[0], delta)
    equal = jnp.where(exp_minus_square(*scaled(a, hi, lo)) > 0.0, jnp.inf, jnp.nan)
    return jnp.where(a == b, equal, sign * jnp.where(ul[0] > 0.0, right, both))


def erf_difference_excess(a, b, hi, lo):
    sign, mirror, (uh, _), (ul, _), delta = interval(a, b, hi, lo)
    plain = C * erf_difference_ratio(a, b, hi, lo) + 2.0 * scaled(a, hi, lo)[0]
    near = excess(ul) * scaled_tail(ul)
    far = 2.0 * ul * jnp.exp(-delta * (uh + ul)) * scaled_tail(uh)
    right = -mirror * (near + far) / scaled_difference(ul, uh, delta)
    return jnp.where((sign * mirror > 0.0) | (a == b) | ~(ul > 0.0), plain, right)


def with_slopes(kernel, slopes):
    """`kernel` as a function whose derivatives by its arguments JAX takes from `slopes`."""
    function = jax.custom_jvp(kernel)

    def jvp(primals, tangents):
        *_, hi, lo = primals
        value = function(*primals)
        total = 0.0
        for slope, tangent in zip(slopes(hi + lo, value, *primals), tangents, strict=False):
            total = total + slope * tangent
        return value, total

    function.defjvp(jvp)
    return function


def _exp_slope(k, x):
    return C * k * jnp.exp(-jnp.square(k * x))


def _pair(a, b, hi, lo):
    return KERNELS["erf_difference_ratio"](a, b, hi, lo), KERNELS["erf_difference_ratio"](
        b, a, hi, lo
    )


def _difference_ratio_slopes(k, r, *z):
    own, other = _pair(*z)
    return -k * own * KERNELS["erf_difference_excess"](*z), -C * k * own * other


def _difference_excess_slopes(k, d, *z):
    own, other = _pair(*z)
    return k * (2.0 - C * own * d), -C * C * k * own * other


def _log_slope(k, value, *z):
    return (-C * k * KERNELS["erfc_ratio"](*z),)


def _second_slope(k, w, x, hi, lo):
    d, s = (KERNELS[name](x, hi, lo) for name in ("erfc_excess", "erfc_slope"))
    return (-k * (d - k * x * s),)


def _slope_slope(k, s, *z):
    return (k * C * KERNELS["erfc_ratio"](*z) * (s - jnp.square(KERNELS["erfc_excess"](*z))),)


def _curvature_slope(k, q, *z):
    r, d, s = (KERNELS[name](*z) for name in ("erfc_ratio", "erfc_excess", "erfc_slope"))
    return (k * C * r * (jnp.square(d) - s),)


KERNELS: dict[str, Callable[..., Any]] = {
    kernel.__name__: with_slopes(kernel, slopes)
    for kernel, slopes in (
        (erfc_scaled, lambda k, v, x, hi, lo: (-_exp_slope(k, x),)),
        (log_erfc, _log_slope),
        (log_half_erfc, _log_slope),
        (log_erfcx, lambda k, v, *z: (-k * KERNELS["erfc_excess"](*z),)),
        (erfc_ratio, lambda k, r, *z: (k * r * KERNELS["erfc_excess"](*z),)),
        (erfc_excess, lambda k, d, *z: (-k * KERNELS["erfc_slope"](*z),)),
        (erfc_slope, _slope_slope),
        (erfc_curvature, _curvature_slope),
        (erfc_second, _second_slope),
        (erf_difference, lambda k, v, a, b, *_: (_exp_slope(k, a), -_exp_slope(k, b))),
        (log_erf_difference, lambda k, v, *z: [C * k * ratio for ratio in _pair(*z)]),
        (log_half_erf_difference, lambda k, v, *z: [C * k * ratio for ratio in _pair(*z)]),
        (erf_difference_ratio, _difference_ratio_slopes),
        (erf_difference_excess, _difference_excess_slopes),
    )
}


@jax_funcify.register(ops.NormalOp)
def funcify(op, node=None, **kwargs):
    kernel = KERNELS[op.kernel]
    # Of the graph's constants: on their way into JAX without float64 they would be rounded.
    scale = [k for v in node.inputs[-2:] if (k := exact_constant(v)) is not None] if node else []

    def normal_kernel(*arguments):
        dtype = jnp.result_type(*arguments[:-2])
        wide = np.float64 if jax.config.jax_enable_x64 else np.float32
        values = [jnp.asarray(v, dtype=wide) for v in arguments]
        if len(scale) == 2:
            exact = sum(scale, Fraction(0))
            hi = wide(float(exact))
            lo = wide(float(exact - Fraction(float(hi))))
            values[-2:] = [jnp.asarray(hi), jnp.asarray(lo)]
        return kernel(*values).astype(dtype)

    return normal_kernel
