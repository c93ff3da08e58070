"""Every scalar op of `truth` against mpmath, to 100 bits and at the ends of its domain."""

import itertools
import math
import time

import mpmath
import numpy as np
import pytensor.scalar.basic as ps
import pytensor.scalar.math as psm
import pytest
from flint import arb, ctx
from mpmath import mp
from pymc.distributions import dist_math
from pytensor.tensor.math import MulWithoutZeros

from pytensor_stabilize.graphs.exact import special  # noqa: F401 (registers)
from pytensor_stabilize.graphs.exact.balls import UNDEFINED, UNKNOWN, is_unknown
from pytensor_stabilize.graphs.exact.scalars import SCALARS, scalar_function
from pytensor_stabilize.rewrites.branch_free import ops as branch_free
from pytensor_stabilize.rewrites.normal.ops import NormalOp

COUNT = 120
inf, nan = math.inf, math.nan
rng = np.random.default_rng(20240)


def spread(low, high, count=COUNT):
    """Numbers of any size between two powers of 10."""
    return 10.0 ** rng.uniform(low, high, count)


def signed(values):
    return np.concatenate([values, -values])


anything = [*signed(spread(-300, 300)), *rng.normal(0, 3, COUNT), 1.0, -1.0, 5e-324, -1e300]
positive = [*spread(-300, 300, 2 * COUNT), *rng.uniform(0, 5, COUNT), 1.0, 5e-324, 1e300]
moderate = [*signed(spread(-300, 2.8)), *rng.normal(0, 10, COUNT), 1.0, -1.0]
ends = 1 - 2.0 ** -rng.integers(1, 54, COUNT)
within = [*signed(ends), *signed(spread(-300, -0.01)), 2.0**-1074]
from_one = [*(1 + spread(-15, 300)), np.nextafter(1, 2), 1e300]
above_minus_one = [*spread(-300, 300), *-spread(-300, -0.01), *-ends]
negative = [*-spread(-300, 3), -1e-300, -0.5, -1.0, np.log(0.5), -700.0]
small = [*signed(spread(-300, 1.3)), *rng.uniform(-20, 20, COUNT)]
off_poles = [x for x in small if x > 0 or x != round(x)]
halves = [*(rng.integers(-9, 9, 40) + 0.5), *rng.normal(0, 1e4, COUNT), 1e300, -1e300, 0.0, 3.0]


def sigmoid(x):
    return 1 / (1 + mp.exp(-x))


def softplus(x):
    return mp.log1p(mp.exp(x))


def log1mexp(x):
    return mp.log1p(-mp.exp(x)) if x < -1 else mp.log(-mp.expm1(x))


def erfcinv(x):
    with mp.workprec(1600):
        return mp.erfinv(1 - x)


def ndtri_exp(x):
    with mp.workprec(1600):
        return mp.sqrt(2) * mp.erfinv(2 * mp.exp(x) - 1)


def round_half_away(x):
    return mp.sign(x) * mp.floor(abs(x) + 0.5)


def truncated(x):
    return mp.sign(x) * mp.floor(abs(x))


def owens_t(h, a):
    def integrand(t):
        return mp.exp(-h * h * (1 + t * t) / 2) / (1 + t * t)

    return mp.quad(integrand, mp.linspace(0, a, 9)) / (2 * mp.pi)


UNARY = {
    ps.Neg: (lambda x: -x, anything),
    ps.Reciprocal: (lambda x: 1 / x, anything),
    ps.Sqr: (lambda x: x * x, anything),
    ps.Abs: (abs, anything),
    ps.Sign: (mp.sign, anything),
    ps.Identity: (lambda x: x, anything),
    ps.Floor: (mp.floor, halves),
    ps.Ceil: (mp.ceil, halves),
    ps.Trunc: (truncated, halves),
    ps.RoundHalfToEven: (mp.nint, halves),
    ps.RoundHalfAwayFromZero: (round_half_away, halves),
    ps.Exp: (mp.exp, moderate),
    ps.Exp2: (lambda x: mp.mpf(2) ** x, moderate),
    ps.Expm1: (mp.expm1, moderate),
    ps.Log: (mp.log, positive),
    ps.Log2: (lambda x: mp.log(x) / mp.log(2), positive),
    ps.Log10: (mp.log10, positive),
    ps.Log1p: (mp.log1p, above_minus_one),
    ps.Sqrt: (mp.sqrt, positive),
    ps.Cos: (mp.cos, anything),
    ps.Sin: (mp.sin, anything),
    ps.Tan: (mp.tan, anything),
    ps.ArcCos: (mp.acos, within),
    ps.ArcSin: (mp.asin, within),
    ps.ArcTan: (mp.atan, anything),
    ps.Cosh: (mp.cosh, moderate),
    ps.Sinh: (mp.sinh, moderate),
    ps.Tanh: (mp.tanh, moderate),
    ps.ArcCosh: (mp.acosh, from_one),
    ps.ArcSinh: (mp.asinh, anything),
    ps.ArcTanh: (mp.atanh, within),
    psm.Sigmoid: (sigmoid, moderate),
    branch_free.WholeSigmoid: (sigmoid, moderate),
    psm.Softplus: (softplus, moderate),
    branch_free.WholeSoftplus: (softplus, moderate),
    branch_free.WholeTanh: (mp.tanh, moderate),
    branch_free.ExpMinusAbs: (lambda x: mp.exp(-abs(x)), moderate),
    branch_free.Log1pOfUnit: (mp.log1p, [x for x in positive if x <= 1]),
    branch_free.DensityFromExp: (lambda e: e / (1 + e) ** 2, [x for x in positive if x <= 1]),
    psm.Log1mexp: (log1mexp, negative),
    psm.Erf: (mp.erf, small),
    psm.Erfc: (mp.erfc, small),
    psm.Erfcx: (lambda x: mp.exp(x * x) * mp.erfc(x), small),
    psm.Erfinv: (mp.erfinv, [x for x in within if abs(x) > 1e-200]),
    psm.Erfcinv: (erfcinv, [*spread(-300, 0, 30), *(2 - spread(-15, 0, 30)), 1e-300]),
    psm.NdtriExp: (ndtri_exp, [x for x in negative if -600 < x < -1e-250][::3]),
    psm.Gamma: (mp.gamma, off_poles),
    psm.GammaLn: (lambda x: mp.log(abs(mp.gamma(x))), off_poles),
    psm.Psi: (mp.digamma, off_poles),
    psm.TriGamma: (lambda x: mp.psi(1, x), off_poles),
    psm.J0: (lambda x: mp.besselj(0, x), small),
    psm.J1: (lambda x: mp.besselj(1, x), small),
    psm.I0: (lambda x: mp.besseli(0, x), small),
    psm.I1: (lambda x: mp.besseli(1, x), small),
    dist_math.I0e: (lambda x: mp.besseli(0, x) * mp.exp(-abs(x)), small),
    dist_math.I1e: (lambda x: mp.besseli(1, x) * mp.exp(-abs(x)), small),
}


def pairs(*columns, count=COUNT):
    """Random rows of numbers from the columns."""
    return list(zip(*(rng.choice(c, count) for c in columns), strict=True))


some = [*spread(-3, 2, 40), 1.0, 0.5, 2.0, 10.0]
chance = [*rng.uniform(0, 1, 40), *spread(-20, -1, 20), *(1 - spread(-12, -1, 20))]
orders = [0.0, 1.0, 2.0, 0.5, 3.7]

SEVERAL = {
    ps.Add: (lambda a, b: a + b, pairs(anything, anything)),
    ps.Sub: (lambda a, b: a - b, pairs(anything, anything)),
    ps.Mul: (lambda a, b: a * b, pairs(anything, anything)),
    ps.TrueDiv: (lambda a, b: a / b, pairs(anything, anything)),
    ps.Pow: (mp.power, [*pairs(positive, moderate), *pairs(moderate, [-3.0, 0.0, 1.0, 2.0, 7.0])]),
    ps.IntDiv: (lambda a, b: mp.floor(a / b), pairs(moderate, moderate)),
    ps.Mod: (lambda a, b: a - b * mp.floor(a / b), pairs(moderate, moderate)),
    ps.ArcTan2: (mp.atan2, pairs(anything, anything)),
    ps.Maximum: (max, pairs(anything, anything)),
    ps.Minimum: (min, pairs(anything, anything)),
    ps.ScalarMaximum: (max, pairs(anything, anything)),
    ps.ScalarMinimum: (min, pairs(anything, anything)),
    ps.Clip: (lambda x, a, b: min(max(x, a), b), pairs(moderate, [-2.0, -1e-9], [0.5, 1e9])),
    ps.Second: (lambda a, b: b, pairs(anything, anything)),
    ps.Switch: (lambda c, a, b: a if c else b, pairs([0.0, 1.0, -2.0], anything, anything)),
    branch_free.SigmoidFromExp: (
        lambda x, e: (e if x < 0 else 1) / (1 + e),
        pairs(moderate, chance),
    ),
    branch_free.SigmoidOfMinusFromExp: (
        lambda x, e: (e if x > 0 else 1) / (1 + e),
        pairs(moderate, chance),
    ),
    branch_free.SoftplusOfMinusFromLog: (lambda x, log: max(-x, 0) + log, pairs(moderate, chance)),
    branch_free.SoftplusFromLog: (lambda x, log: max(x, 0) + log, pairs(moderate, chance)),
    branch_free.TanhFromExp: (
        lambda x, e: mp.sign(x) * (1 - e) / (1 + e),
        pairs(moderate, chance),
    ),
    psm.PolyGamma: (mp.psi, pairs([0.0, 1.0, 2.0, 5.0], [*some, -0.3, -2.7], count=60)),
    psm.Owens_t: (owens_t, pairs([0.0, 0.3, -1.2, 3.0], [-2.5, -0.5, 1e-9, 0.7, 1.0], count=20)),
    psm.GammaInc: (lambda k, x: mp.gammainc(k, 0, x, regularized=True), pairs(some, some)),
    psm.GammaIncC: (lambda k, x: mp.gammainc(k, x, mp.inf, regularized=True), pairs(some, some)),
    psm.BetaInc: (
        lambda a, b, x: mp.betainc(a, b, 0, x, regularized=True),
        pairs(spread(-2, 1.3, 40), spread(-2, 1.3, 40), chance),
    ),
    psm.Hyp2F1: (mp.hyp2f1, pairs([0.5, 2.0, -3.0], [1.5, -0.2], [0.7, 4.0], chance, count=60)),
    psm.Jv: (mp.besselj, pairs(orders, spread(-5, 2, 40))),
    psm.Ive: (lambda v, x: mp.besseli(v, x) * mp.exp(-x), pairs(orders, spread(-5, 2, 40))),
    psm.Kve: (lambda v, x: mp.besselk(v, x) * mp.exp(x), pairs(orders, spread(-5, 2, 40))),
}

large = pairs([50.5, 300.0, 1000.0], [20.0, 290.0, 1000.0, 1500.0], count=20)
for op in (psm.GammaInc, psm.GammaIncC):
    SEVERAL[op][1].extend(large)

# The inverses: the function whose solution they are, in its last argument.
INVERSES = {
    psm.GammaIncInv: psm.GammaInc,
    psm.GammaIncCInv: psm.GammaIncC,
    psm.BetaIncInv: psm.BetaInc,
}
# These are not functions of real numbers: see the tests of conditions below.
CONDITIONS = {
    *(ps.LT, ps.LE, ps.GT, ps.GE, ps.EQ, ps.NEQ, ps.IsNan, ps.IsInf),
    *(ps.AND, ps.OR, ps.XOR, ps.Invert),
}
TABLE = {
    **{op: (f, [(x,) for x in points]) for op, (f, points) in UNARY.items()},
    **SEVERAL,
}


def to_mp(x):
    mantissa, exponent = x.man_exp()
    return mp.ldexp(mp.mpf(int(mantissa)), int(exponent))


def to_arb(x):
    """An mpmath number as an exact ball."""
    with ctx.workprec(4000):
        return arb(int(x.man)) * arb(2) ** int(x.exp) if x else arb(0)


def function_of(op):
    return scalar_function(op.__new__(op))


def test_every_op_is_in_a_table():
    elsewhere = {*branch_free.KernelOp.__subclasses__(), dist_math.I0e, dist_math.I1e}
    # The gradient of Prod reduces with it: see the tests of tensors.
    assert {*TABLE, *INVERSES, *CONDITIONS} - elsewhere == {*SCALARS} - {MulWithoutZeros, *OURS}


OURS = [op for op in SCALARS if issubclass(op, NormalOp)]


@pytest.mark.parametrize("op", OURS, ids=lambda op: op.__name__)
def test_our_own_ops_agree_with_their_kernels(op):
    """The kernels are measured against series of their own in test_normal.py."""
    pairs = [(0.3, -0.2), (2.5, 1.5), (-1.25, -3.0), (6.0, 5.5)]
    for pair in pairs:
        arguments = [*pair[: op.nin - 2], 0.75, 0.0]
        found = scalar_function(op())(*map(arb, arguments))
        assert float(op().impl(*arguments)) == pytest.approx(float(found), rel=1e-13)


@pytest.mark.parametrize("op", TABLE, ids=lambda op: op.__name__)
def test_ball_holds_what_mpmath_finds(op):
    reference, points = TABLE[op]
    function = function_of(op)
    for point in points:
        point = [float(x) for x in point]
        with mp.workprec(2200 if op in (ps.IntDiv, ps.Mod, ps.Sub, ps.Add) else 400):
            expected = mp.mpf(mpmath.re(reference(*map(mp.mpf, point))))
            bits = 128
            while True:
                with ctx.workprec(bits):
                    ball = function(*map(arb, point))
                if ball.is_finite() and (ball.is_exact() or ball.rel_accuracy_bits() >= 100):
                    break
                assert bits < 4096, (point, ball)
                bits *= 2
            distance = abs(to_mp(ball.mid()) - expected)
            # Half of mpmath's bits may be gone where it subtracts.
            assert distance <= to_mp(ball.rad()) + abs(expected) * mp.mpf(2) ** -200, (point, ball)


@pytest.mark.parametrize("op", INVERSES, ids=lambda op: op.__name__)
def test_inverse_finds_what_the_function_was_given(op):
    reference, points = SEVERAL[INVERSES[op]]
    function, found = function_of(op), 0
    for point in points[:60]:
        *parameters, t = [float(x) for x in point]
        with mp.workprec(400):
            p = reference(*map(mp.mpf, (*parameters, t)))
        # Where p is flat a float of it tells little of t.
        if not 1e-250 < p < 1 - mp.mpf(10) ** -10:
            continue
        with ctx.workprec(192):
            ball = function(*map(arb, parameters), to_arb(p))
        if ball.is_finite():
            found += 1
            with mp.workprec(400):
                assert abs(to_mp(ball.mid()) - t) <= to_mp(ball.rad()) + t * mp.mpf(2) ** -150
                assert ball.rel_accuracy_bits() > 80, (point, ball)
    assert found > 20


@pytest.mark.parametrize("op", [*TABLE, *INVERSES], ids=lambda op: op.__name__)
def test_nothing_follows_of_nothing(op):
    """What is unknown may be undefined: no function makes a finite ball of it."""
    function, count = function_of(op), len(TABLE.get(op, (0, [(0, 0, 0)]))[1][0])
    if op in (psm.GammaIncInv, psm.GammaIncCInv):
        count = 2
    # What fills or is not selected does not count.
    for position in {ps.Switch: [0, 1], ps.Second: [1]}.get(op, range(count)):
        point = [arb(0.5)] * count
        for value in (UNKNOWN, UNDEFINED):
            point[position] = value
            assert not function(*point).is_finite()


# At each point exact numbers, then balls around them that hold the value at every number inside.
WIDE = [-2.5, -1.0, -0.3, 0.0, 0.2, 0.5, 1.0, 2.5]


@pytest.mark.parametrize("op", TABLE, ids=lambda op: op.__name__)
def test_a_wide_ball_holds_the_values_inside(op):
    function = function_of(op)
    count = len(TABLE[op][1][0])
    points = list(itertools.product(WIDE, repeat=count))
    rng.shuffle(points)
    for point in points[:40]:
        for radius in (2.0**-30, 0.5):
            with ctx.workprec(128):
                ball = function(*(arb(x, radius) for x in point))
            for side in (-1, -0.4, 0, 1):
                with ctx.workprec(128):
                    inside = function(*(arb(x + side * radius) for x in point))
                if not inside.is_finite():
                    assert not ball.is_finite(), (point, side, ball)
                else:
                    # Nor does it say that there is no value where there is one.
                    assert not ball.is_nan(), (point, side)
                    assert is_unknown(ball) or ball.overlaps(inside), (point, side, ball, inside)


LARGE = [1e300, -1e300, 1e15, -1e15 - 0.5, 1e6 + 0.3, 300.7, -300.7, 0.5, -0.5, 1e-300, 0.0, 1.0]


@pytest.mark.parametrize("op", [*TABLE, *INVERSES], ids=lambda op: op.__name__)
def test_no_argument_takes_long(op):
    function = function_of(op)
    count = len(TABLE.get(op, (0, [(0,) * (3 if op is psm.BetaIncInv else 2)]))[1][0])
    points = list(itertools.product(LARGE, repeat=count))
    rng.shuffle(points)
    begin = time.perf_counter()
    for point in points[:12]:
        for bits in (128, 4096):
            start = time.perf_counter()
            with ctx.workprec(bits):
                function(*map(arb, point))
            assert time.perf_counter() - start < 3, (point, bits)
        if time.perf_counter() - begin > 2:
            break
