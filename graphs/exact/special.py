"""Special functions of PyTensor's scalar module on balls."""

from collections.abc import Callable
from math import inf

import pytensor.scalar.math as psm
from flint import acb, arb, ctx

from pytensor_stabilize.graphs.exact.balls import UNDEFINED, UNKNOWN, ZERO
from pytensor_stabilize.graphs.exact.scalars import SCALARS, Scalar, exp, real_function


def _two_sqrt(x: arb) -> arb:
    return x * arb(2).sqrt()


def _with_poles(function: Scalar, at_pole: arb = UNDEFINED, at_hi: float = inf) -> Scalar:
    """A function of the gamma family: poles at 0, -1, -2 and so on."""
    elsewhere = real_function(function, at_hi=at_hi)

    def evaluate(x: arb) -> arb:
        if x.is_exact() and x.is_finite() and x <= 0 and x.is_integer():
            return at_pole
        return elsewhere(x)

    return evaluate


def _of_real_arguments(function: Scalar) -> Scalar:
    """A function of several arguments, unknown where Arb gives no finite ball.

    Undefined if an argument is undefined or infinite, and unknown at Arb's own poles.
    """

    def evaluate(*arguments: arb) -> arb:
        y = function(*arguments)
        if y.is_finite():
            return y
        exact = all(a.is_exact() for a in arguments)
        undefined = any(a.is_nan() for a in arguments)
        infinite = exact and not all(a.is_finite() for a in arguments)
        return UNDEFINED if undefined or infinite else UNKNOWN

    return evaluate


def _within(inside: Callable[..., tuple[bool, bool]], function: Scalar) -> Scalar:
    """A function with a domain: `inside` says whether the arguments are surely in, surely out."""
    known = _of_real_arguments(function)

    def evaluate(*arguments: arb) -> arb:
        surely_in, surely_out = inside(*arguments)
        if surely_in:
            return known(*arguments)
        if surely_out or any(a.is_nan() for a in arguments):
            return UNDEFINED
        return UNKNOWN

    return evaluate


def _log_gamma(x: arb) -> arb:
    # PyTensor's gammaln is the logarithm of the absolute value, real for negative x too.
    return x.lgamma() if x > 0 else abs(x.gamma()).log()


def _polygamma(n: arb, x: arb) -> arb:
    return acb(x).polygamma(acb(n)).real


def _erfcx(x: arb) -> arb:
    return (x * x).exp() * x.erfc()


def _owens_t(h: arb, a: arb) -> arb:
    """Owen's T by rigorous integration of its definition (Owen 1956, eq. 2.1)."""
    if h.is_zero():
        return a.atan() / (2 * arb.pi())
    half = -h * h / 2

    def integrand(t: acb, _analytic: bool) -> acb:
        square = 1 + t * t
        return (half * square).exp() / square

    return acb.integral(integrand, 0, acb(a)).real / (2 * arb.pi())


def _positive_and_not_negative(k: arb, x: arb) -> tuple[bool, bool]:
    return k > 0 and x >= 0, k <= 0 or x < 0


def _beta_domain(a: arb, b: arb, x: arb) -> tuple[bool, bool]:
    return a > 0 and b > 0 and x >= 0 and x <= 1, a <= 0 or b <= 0 or x < 0 or x > 1


def _betainc(a: arb, b: arb, x: arb) -> arb:
    if x.is_zero() or x == 1:
        return x
    return x.beta_lower(a, b, regularized=1)


def _gammainc(k: arb, x: arb) -> arb:
    return x if x.is_zero() else x.gamma_lower(k, regularized=1)


def _gammaincc(k: arb, x: arb) -> arb:
    return x.gamma_upper(k, regularized=1)


def _ive(v: arb, x: arb) -> arb:
    return (-abs(x)).exp() * x.bessel_i(v)


def _inverse(function: Callable[..., arb], guess: Callable[..., float]) -> Scalar:
    """The solution t of ``function(*parameters, t) = p`` for an increasing function.

    Arb has no inverse of these.  Bisection on exact numbers from a float guess: each end is
    known by the sign of a ball, so the interval holds the solution.
    """

    def evaluate(*arguments: arb) -> arb:
        *parameters, p = arguments
        if not all(a.is_exact() for a in arguments):
            return UNKNOWN
        start = guess(*(float(a) for a in arguments))
        if start != start or start in (inf, -inf):
            return UNDEFINED
        lo, hi = arb(start) * (1 - arb(2) ** -20), arb(start) * (1 + arb(2) ** -20)
        lo, hi = lo.mid(), hi.mid()
        if start == 0 or not function(*parameters, lo) < p or not function(*parameters, hi) > p:
            return ZERO if p.is_zero() else UNKNOWN
        for _ in range(ctx.prec):
            middle = ((lo + hi) / 2).mid()
            value = function(*parameters, middle)
            if value < p:
                lo = middle
            elif value > p:
                hi = middle
            else:
                break
        return lo.union(hi)

    return evaluate


def _scipy(name: str) -> Callable[..., float]:
    def guess(*arguments: float) -> float:
        import scipy.special

        return float(getattr(scipy.special, name)(*arguments))

    return guess


_gammaincc_inverse = _inverse(
    lambda k, x: -_gammaincc(k, x), lambda k, p: _scipy("gammainccinv")(k, -p)
)

SPECIAL: dict[type, Scalar] = {
    psm.Erf: real_function(arb.erf, at_lo=-1, at_hi=1),
    psm.Erfc: real_function(arb.erfc, at_lo=2, at_hi=0),
    psm.Erfcx: real_function(_erfcx, at_lo=inf, at_hi=0),
    psm.Erfinv: real_function(arb.erfinv, -1, 1, -inf, inf),
    psm.Erfcinv: real_function(arb.erfcinv, 0, 2, inf, -inf),
    psm.NdtriExp: real_function(
        lambda x: -_two_sqrt((2 * x.exp()).erfcinv()), hi=0, at_lo=-inf, at_hi=inf
    ),
    psm.Owens_t: _of_real_arguments(_owens_t),
    psm.Gamma: _with_poles(arb.gamma),
    # log|gamma| has the limit +inf at the poles, and PyTensor returns it.
    psm.GammaLn: _with_poles(_log_gamma, at_pole=arb.pos_inf()),
    psm.Psi: _with_poles(arb.digamma),
    psm.TriGamma: _with_poles(lambda x: _polygamma(arb(1), x), at_hi=0),
    psm.PolyGamma: _of_real_arguments(_polygamma),
    psm.GammaInc: _within(_positive_and_not_negative, _gammainc),
    psm.GammaIncC: _within(_positive_and_not_negative, _gammaincc),
    psm.GammaIncInv: _inverse(_gammainc, _scipy("gammaincinv")),
    # Q decreases: -Q(k, x) = -p.
    psm.GammaIncCInv: lambda k, p: _gammaincc_inverse(k, -p),
    psm.BetaInc: _within(_beta_domain, _betainc),
    psm.BetaIncInv: _inverse(_betainc, _scipy("betaincinv")),
    psm.Hyp2F1: _of_real_arguments(lambda a, b, c, z: z.hypgeom_2f1(a, b, c)),
    psm.J0: real_function(lambda x: x.bessel_j(0), at_lo=0, at_hi=0),
    psm.J1: real_function(lambda x: x.bessel_j(1), at_lo=0, at_hi=0),
    psm.Jv: _of_real_arguments(lambda v, x: x.bessel_j(v)),
    psm.I0: real_function(lambda x: x.bessel_i(0), at_lo=inf, at_hi=inf),
    psm.I1: real_function(lambda x: x.bessel_i(1), at_lo=-inf, at_hi=inf),
    psm.Ive: _of_real_arguments(_ive),
    psm.Kve: _within(lambda v, x: (x > 0, x <= 0), lambda v, x: x.bessel_k(v) * exp(x)),
}

SCALARS.update(SPECIAL)
