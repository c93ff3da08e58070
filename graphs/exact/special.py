"""Special functions of PyTensor's scalar module on balls.

Arb's algorithms take the time they need: minutes, for some arguments that are huge or at
thousands of bits.  `limited` keeps each function where it comes back at once, and beyond that the
value is `UNKNOWN`.
"""

from collections.abc import Callable
from math import inf

import pytensor.scalar.math as psm
from flint import acb, arb, ctx

from pytensor_stabilize.graphs.exact.arithmetic import Scalar, nothing_known
from pytensor_stabilize.graphs.exact.balls import ONE, POS_INF, UNDEFINED, UNKNOWN, ZERO
from pytensor_stabilize.graphs.exact.inverses import inverse
from pytensor_stabilize.graphs.exact.scalars import BY_NAME, SCALARS, real_function

# What a function of several arguments is where it has a limit or no value; None elsewhere.
Special = Callable[..., arb | None]


def limited(function: Scalar, bits: int, parameters: float = inf, last: float = inf) -> Scalar:
    """A function that is computed to some number of bits only, of arguments of some size.

    Parameters
    ----------
    function
        Computes it on balls.
    bits
        Largest precision to compute at.
    parameters, last
        Largest sizes of the arguments before the last one, and of the last one.
    """

    def evaluate(*arguments: arb) -> arb:
        *first, final = arguments
        if not abs(final) <= last or not all(abs(a) <= parameters for a in first):
            return UNKNOWN
        with ctx.workprec(min(ctx.prec, bits)):
            return function(*arguments)

    return evaluate


def several(function: Scalar, special: Special = lambda *_: None) -> Scalar:
    """A function of several arguments; of an infinite one only `special` knows the value."""

    def evaluate(*arguments: arb) -> arb:
        if (nothing := nothing_known(*arguments)) is not None:
            return nothing
        if (known := special(*arguments)) is not None:
            return known
        if not all(a.is_finite() for a in arguments):
            return UNDEFINED
        y = function(*arguments)
        return y if y.is_finite() else UNKNOWN

    return evaluate


def _is_pole(x: arb) -> bool:
    return x.is_exact() and x <= 0 and x.is_integer()


def _with_poles(function: Scalar, at_pole: arb = UNDEFINED, at_hi: float = inf) -> Scalar:
    """A function of the gamma family: poles at 0, -1, -2 and so on."""
    elsewhere = real_function(function, at_hi=at_hi)
    return lambda x: at_pole if _is_pole(x) else elsewhere(x)


def _two_sqrt(x: arb) -> arb:
    return x * arb(2).sqrt()


def _erfcx(x: arb) -> arb:
    # By the confluent function U, in which nothing overflows (DLMF 7.11.5 and 13.2).
    if x > 1:
        return (x * x).hypgeom_u(arb(0.5), arb(0.5)) / arb.const_sqrt_pi()
    return (x * x).exp() * x.erfc()


def _ndtri_exp(x: arb) -> arb:
    if x > -0.5:
        return _two_sqrt((-2 * x.expm1()).erfcinv())
    return -_two_sqrt((2 * x.exp()).erfcinv())


def _owens_t(h: arb, a: arb) -> arb:
    """Owen's T (Owen 1956), with |a| <= 1 in the integral by his relation 2.3."""
    if a < 0:
        return -_owens_t(h, -a)
    if not a > 1:
        return _owens_integral(h, a)
    p, q = ((abs(h) * s / arb(2).sqrt()).erfc() for s in (ONE, a))
    return (p + q - p * q) / 4 - _owens_integral(h * a, 1 / a)


def _owens_integral(h: arb, a: arb) -> arb:
    # exp(-h**2 / 2) is in front, for else it would be lost among the absolute errors.
    half, slope = -h * h / 2, a * a

    def integrand(t: acb, _analytic: bool) -> acb:
        square = slope * t * t
        return (half * square).exp() / (1 + square)

    integral = acb.integral(integrand, 0, 1, eval_limit=20 * ctx.prec).real
    return a * half.exp() * integral / (2 * arb.pi())


def _log_gamma(x: arb) -> arb:
    # PyTensor's gammaln is the logarithm of the absolute value, real for negative x too.
    return x.lgamma() if x > 0 else abs(x.gamma()).log()


def _trigamma(x: arb) -> arb:
    if x < 0:
        # Reflection: Arb's zeta function takes long far to the left.
        return (arb.pi() / arb.sin_pi(x)) ** 2 - _trigamma(1 - x)
    return acb(x).polygamma(acb(1)).real


def _polygamma(n: arb, x: arb) -> arb:
    if not (n.is_exact() and x > -100):
        return UNKNOWN
    if n.is_zero():
        return x.digamma()
    return _trigamma(x) if n == 1 else acb(x).polygamma(acb(n)).real


def _polygamma_special(n: arb, x: arb) -> arb | None:
    bad = n < 0 or (n.is_exact() and not n.is_integer()) or _is_pole(x)
    return UNDEFINED if bad else None


def _gamma_special(at_zero: arb, at_inf: arb) -> Special:
    def special(k: arb, x: arb) -> arb | None:
        if k <= 0 or x < 0:
            return UNDEFINED
        if not (k > 0 and x >= 0):
            return UNKNOWN
        if x.is_zero() and k.is_finite():
            return at_zero
        return at_inf if x == POS_INF and k.is_finite() else None

    return special


def _gammainc(k: arb, x: arb) -> arb:
    if x.is_zero():
        return x
    if not k > 40:
        return x.gamma_lower(k, regularized=1)
    # Arb's series for P needs seconds for a large k, that for Q does not.
    middle = x.mid() if x.mid() > 0 else x.upper()
    size = float((k * middle.log() - middle - (k + 1).lgamma()).mid()) if x < k else 0.0
    with ctx.workprec(ctx.prec + min(int(max(-size, 0) * 1.45), 4096)):
        return 1 - x.gamma_upper(k, regularized=1)


def _gammaincc(k: arb, x: arb) -> arb:
    return x.gamma_upper(k, regularized=1)


def _gamma_density(k: arb, x: arb) -> arb:
    return ((k - 1) * x.log() - x - k.lgamma()).exp()


def _betainc_special(a: arb, b: arb, x: arb) -> arb | None:
    if a <= 0 or b <= 0 or x < 0 or x > 1:
        return UNDEFINED
    if not (a > 0 and b > 0 and x >= 0 and x <= 1):
        return UNKNOWN
    return x if (x.is_zero() or x == 1) and a.is_finite() and b.is_finite() else None


def _betainc(a: arb, b: arb, x: arb) -> arb:
    # Beyond the mean the other tail is the one that Arb computes quickly.
    if x * (a + b) > a:
        return 1 - (1 - x).beta_lower(b, a, regularized=1)
    return x.beta_lower(a, b, regularized=1)


def _beta_density(a: arb, b: arb, x: arb) -> arb:
    log_beta = a.lgamma() + b.lgamma() - (a + b).lgamma()
    return ((a - 1) * x.log() + (b - 1) * (-x).log1p() - log_beta).exp()


def _inverse_special(at_zero: arb, at_one: arb) -> Special:
    def special(*arguments: arb) -> arb | None:
        *parameters, p = arguments
        if any(k <= 0 for k in parameters) or p < 0 or p > 1:
            return UNDEFINED
        if not (all(k > 0 for k in parameters) and p >= 0 and p <= 1):
            return UNKNOWN
        return at_zero if p.is_zero() else at_one if p == 1 else None

    return special


def _scipy(name: str) -> Callable[..., float]:
    def guess(*arguments: float) -> float:
        import scipy.special

        return float(getattr(scipy.special, name)(*arguments))

    return guess


_gammaincinv = inverse(_gammainc, _gamma_density, _scipy("gammaincinv"), inf)
# Q decreases: -Q(k, x) = -p.
_gammainccinv = inverse(
    lambda k, x: -_gammaincc(k, x),
    _gamma_density,
    lambda k, p: _scipy("gammainccinv")(k, -p),
    inf,
)
_betaincinv = inverse(_betainc, _beta_density, _scipy("betaincinv"), 1.0)


def _hyp2f1_special(a: arb, b: arb, c: arb, z: arb) -> arb | None:
    # Beyond 1 the function is complex, and at 1 it may be infinite.
    return UNDEFINED if z > 1 or _is_pole(c) else None


def _bessel_special(v: arb, x: arb) -> arb | None:
    # Of a negative number and an order that is no integer the function is complex.
    return UNDEFINED if x < 0 and v.is_exact() and not v.is_integer() else None


def _kve_special(v: arb, x: arb) -> arb | None:
    return UNDEFINED if x <= 0 else None if x > 0 else UNKNOWN


def _scaled_i(v: arb, x: arb) -> arb:
    return (-abs(x)).exp() * x.bessel_i(v)


def _scaled(order: int) -> Scalar:
    return real_function(lambda x: _scaled_i(arb(order), x), at_lo=0, at_hi=0)


_BITS, _ORDER = 1024, 1e4
# Precision, parameters and argument of the incomplete functions and their inverses.
_INCOMPLETE = (512, 1e5, 1e6)
_BETA = (256, 1e4, 1e4)

SPECIAL: dict[type, Scalar] = {
    psm.Erf: real_function(arb.erf, at_lo=-1, at_hi=1),
    psm.Erfc: real_function(arb.erfc, at_lo=2, at_hi=0),
    psm.Erfcx: real_function(_erfcx, at_lo=inf, at_hi=0),
    psm.Erfinv: real_function(arb.erfinv, -1, 1, -inf, inf),
    psm.Erfcinv: real_function(arb.erfcinv, 0, 2, inf, -inf),
    psm.NdtriExp: real_function(_ndtri_exp, hi=0, at_lo=-inf, at_hi=inf),
    psm.Owens_t: several(limited(_owens_t, 512)),
    psm.Gamma: _with_poles(arb.gamma),
    # log|gamma| has the limit +inf at the poles, and PyTensor returns it.
    psm.GammaLn: _with_poles(_log_gamma, at_pole=POS_INF),
    psm.Psi: _with_poles(arb.digamma),
    psm.TriGamma: _with_poles(_trigamma, at_hi=0),
    psm.PolyGamma: several(limited(_polygamma, _BITS, 100), _polygamma_special),
    psm.GammaInc: several(limited(_gammainc, *_INCOMPLETE), _gamma_special(ZERO, ONE)),
    psm.GammaIncC: several(limited(_gammaincc, *_INCOMPLETE), _gamma_special(ONE, ZERO)),
    psm.GammaIncInv: several(limited(_gammaincinv, *_INCOMPLETE), _inverse_special(ZERO, POS_INF)),
    psm.GammaIncCInv: several(
        limited(lambda k, p: _gammainccinv(k, -p), *_INCOMPLETE),
        _inverse_special(POS_INF, ZERO),
    ),
    psm.BetaInc: several(limited(_betainc, *_BETA), _betainc_special),
    psm.BetaIncInv: several(limited(_betaincinv, *_BETA), _inverse_special(ZERO, ONE)),
    psm.Hyp2F1: several(
        limited(lambda a, b, c, z: z.hypgeom_2f1(a, b, c), *_BETA), _hyp2f1_special
    ),
    psm.J0: real_function(lambda x: x.bessel_j(0), at_lo=0, at_hi=0),
    psm.J1: real_function(lambda x: x.bessel_j(1), at_lo=0, at_hi=0),
    psm.Jv: several(limited(lambda v, x: x.bessel_j(v), _BITS, _ORDER), _bessel_special),
    psm.I0: real_function(lambda x: x.bessel_i(0), at_lo=inf, at_hi=inf),
    psm.I1: real_function(lambda x: x.bessel_i(1), at_lo=-inf, at_hi=inf),
    psm.Ive: several(limited(_scaled_i, _BITS, _ORDER), _bessel_special),
    psm.Kve: several(limited(lambda v, x: x.bessel_k(v) * x.exp(), _BITS, _ORDER), _kve_special),
}

SCALARS.update(SPECIAL)
BY_NAME.update(
    {"pymc.distributions.dist_math.I0e": _scaled(0), "pymc.distributions.dist_math.I1e": _scaled(1)}
)
