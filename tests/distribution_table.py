"""Every distribution of PyMC with free parameters, at typical and at far values.

A case builds one distribution of value variables, and says where it is looked at: rows of the
value and the parameters in the order of the arguments.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pymc as pm
import pytensor.tensor as pt

Row = tuple

LEFT_OUT = {
    "Flat": "has no density",
    "HalfFlat": "has no density",
    "DiracDelta": "has no density",
    "Simulator": "has no density",
    "EulerMaruyama": "is made of others",
    "RandomWalk": "is made of others",
    "CAR": "eigenvalues, of which `truth` knows nothing",
    "KroneckerNormal": "eigenvalues, of which `truth` knows nothing",
    "Interpolated": "a spline by SciPy",
    "LKJCorr": "a density of whole matrices, without a function of ours",
    "PolyaGamma": "an op of PyMC's own, of which `truth` knows nothing",
    "Lognormal": "the old name of LogNormal",
}


@dataclass(frozen=True)
class Case:
    """A distribution, made of its parameters, and rows of (value, *parameters)."""

    name: str
    make: Callable
    rows: tuple[Row, ...]
    discrete: bool = False


def case(make, *rows: Row, name: str = "", discrete: bool = False) -> Case:
    return Case(name or make.__name__, make.dist if hasattr(make, "dist") else make, rows, discrete)


def count(make, *rows: Row, name: str = "") -> Case:
    return case(make, *rows, name=name, discrete=True)


def named(make, names: str, *rows: Row) -> Case:
    """A distribution that takes its parameters by name."""

    def build(*parameters):
        return make.dist(**dict(zip(names.split(), parameters, strict=True)))

    return Case(make.__name__, build, rows)


def vector(*values: float) -> np.ndarray:
    return np.array(values)


LOCATED = ((0.3, -0.5, 1.5), (-40.0, 2.0, 0.7), (1e4, 0.0, 1e-2), (1e-9, 0.0, 300.0))
POSITIVE = ((0.7, 1.5, 2.5), (40.0, 0.3, 2.0), (1e-6, 3.0, 0.1), (300.0, 5.0, 30.0))
EYE = np.array([[1.5, 0.4], [0.4, 0.8]])
TABLE = np.linspace(-3, 3, 7)

CASES = [
    case(pm.Normal, *LOCATED),
    case(pm.Laplace, *LOCATED),
    case(pm.Cauchy, *LOCATED),
    case(pm.Gumbel, *LOCATED[:2], (-300.0, 0.0, 2.0), (600.0, 0.0, 1.0)),
    case(pm.Logistic, *LOCATED, (800.0, 0.0, 1.0), (-800.0, 0.0, 1.0)),
    case(pm.Moyal, *LOCATED[:2], (300.0, 0.0, 1.0)),
    named(
        pm.StudentT,
        "nu mu sigma",
        (0.3, 3.0, -0.5, 1.5),
        (1e4, 2.0, 0.0, 1e-2),
        (5.0, 1e6, 0.0, 1.0),
    ),
    named(pm.SkewStudentT, "a b mu sigma", (0.3, 3.0, 2.0, -0.5, 1.5), (40.0, 2.5, 1.5, 0.0, 1.0)),
    case(pm.AsymmetricLaplace, (0.3, 1.2, -0.5, 1.5), (-40.0, 0.3, 0.0, 2.0)),
    named(
        pm.SkewNormal,
        "mu sigma alpha",
        (0.3, -0.5, 1.5, 2.0),
        (-12.0, 0.0, 1.0, 3.0),
        (-40.0, 0.0, 1.0, 2.0),
    ),
    named(
        pm.ExGaussian,
        "mu sigma nu",
        (0.3, -0.5, 1.5, 0.7),
        (-20.0, 0.0, 1.0, 2.0),
        (60.0, 0.0, 1.0, 2.0),
    ),
    case(pm.VonMises, (0.3, -0.5, 1.5), (3.0, 0.0, 300.0), (-2.0, 1.0, 1e-3)),
    case(pm.LogitNormal, (0.3, -0.5, 1.5), (1 - 2.0**-50, 0.0, 1.0), (1e-30, 0.0, 9.0)),
    named(
        pm.TruncatedNormal,
        "mu sigma lower upper",
        (0.3, -0.5, 1.5, -1.0, 2.0),
        (9.5, 0.0, 1.0, 9.0, 30.0),
    ),
    case(
        lambda mu, s: pm.Truncated.dist(pm.Normal.dist(mu, s), 0, 3),
        (0.3, -0.5, 1.5),
        (0.3, -10.0, 1.0),
        (2.9, 30.0, 1.0),
        name="Truncated",
    ),
    case(
        lambda mu, s: pm.Truncated.dist(pm.Logistic.dist(mu, s), 0, 3),
        (0.3, -0.5, 1.5),
        (0.3, -30.0, 1.0),
        name="Truncated Logistic",
    ),
    case(
        lambda mu, s: pm.Censored.dist(pm.Normal.dist(mu, s), 0, 3),
        (0.0, -0.5, 1.5),
        (0.3, -0.5, 1.5),
        (3.0, -10.0, 1.0),
        (0.0, 40.0, 1.0),
        name="Censored",
    ),
    case(pm.Uniform, (0.3, -1.0, 2.0), (0.3, -1e6, 1e6)),
    case(lambda lo, hi: pm.Triangular.dist(lo, hi, 0.25), (0.3, -1.0, 2.0), name="Triangular"),
    case(pm.Exponential, (0.7, 1.5), (300.0, 4.0), (1e-9, 1e-3)),
    case(pm.HalfNormal, (0.7, 1.5), (40.0, 1.0), (1e-9, 1e3)),
    case(pm.HalfCauchy, (0.7, 1.5), (1e9, 1.0), (1e-9, 1e3)),
    named(pm.HalfStudentT, "nu sigma", (0.7, 3.0, 1.5), (1e5, 2.0, 1.0)),
    case(pm.ChiSquared, (0.7, 3.0), (300.0, 4.0)),
    case(pm.Gamma, *POSITIVE),
    case(pm.InverseGamma, *POSITIVE[:2], (300.0, 5.0, 30.0)),
    case(pm.LogNormal, *POSITIVE),
    case(pm.Weibull, *POSITIVE[:3], (30.0, 5.0, 12.0)),
    case(pm.Wald, (0.7, 1.5, 2.5), (40.0, 0.3, 2.0)),
    case(pm.Pareto, (3.0, 1.5, 2.5), (400.0, 0.3, 2.0)),
    case(lambda nu, s: pm.Rice.dist(nu, s), (0.7, 1.5, 2.5), (20.0, 1.0, 2.0), name="Rice"),
    case(pm.Beta, (0.3, 1.5, 2.5), (1e-20, 0.5, 4.0), (1 - 2.0**-50, 3.0, 0.1)),
    case(pm.Kumaraswamy, (0.3, 1.5, 2.5), (1e-20, 0.5, 4.0), (1 - 2.0**-50, 3.0, 0.1)),
    case(
        lambda mu: pm.Mixture.dist([0.25, 0.75], [pm.Normal.dist(mu, 1), pm.Normal.dist(9, 1)]),
        (0.3, -0.5),
        (-50.0, 3.0),
        name="Mixture",
    ),
    case(
        lambda mu: pm.NormalMixture.dist([0.25, 0.75], [mu, mu + 4], [1, 2]),
        (0.3, -0.5),
        (60.0, 3.0),
        name="NormalMixture",
    ),
    case(
        lambda psi, a: pm.HurdleGamma.dist(psi, alpha=a, beta=2.0),
        (0.0, 0.3, 1.5),
        (40.0, 1e-9, 2.0),
        name="HurdleGamma",
    ),
    case(
        lambda psi, mu: pm.HurdleLogNormal.dist(psi, mu=mu, sigma=2.0),
        (0.0, 0.3, 1.5),
        (40.0, 1e-9, 2.0),
        name="HurdleLogNormal",
    ),
    count(pm.Bernoulli, (1, 0.3), (0, 1e-20), (0, 1 - 2.0**-50)),
    count(
        lambda eta: pm.Bernoulli.dist(logit_p=eta),
        (1, 0.3),
        (0, 800.0),
        (1, -800.0),
        name="Bernoulli logit_p",
    ),
    count(
        lambda p: pm.Binomial.dist(7, p), (3, 0.3), (7, 1e-20), (0, 1 - 2.0**-50), name="Binomial"
    ),
    count(
        lambda eta: pm.Binomial.dist(7, logit_p=eta),
        (3, 0.3),
        (7, -40.0),
        (3, 700.0),
        name="Binomial logit_p",
    ),
    count(
        lambda a, b: pm.BetaBinomial.dist(a, b, 7),
        (3, 0.3, 2.0),
        (7, 1e-3, 40.0),
        name="BetaBinomial",
    ),
    count(pm.Poisson, (3, 2.5), (0, 1e-9), (200, 3.0)),
    count(pm.NegativeBinomial, (3, 2.5, 1.2), (0, 1e-9, 3.0), (200, 3.0, 30.0)),
    count(pm.Geometric, (3, 0.3), (40, 1e-20), (2, 1 - 2.0**-50)),
    count(pm.DiscreteWeibull, (3, 0.5, 1.2), (0, 0.9, 0.3), (30, 0.9, 2.0)),
    count(
        lambda psi, mu: pm.ZeroInflatedPoisson.dist(psi, mu),
        (0, 0.3, 2.0),
        (5, 1e-9, 2.0),
        (0, 1 - 2.0**-50, 40.0),
        name="ZeroInflatedPoisson",
    ),
    count(
        lambda psi, p: pm.ZeroInflatedBinomial.dist(psi, 5, p),
        (0, 0.3, 0.2),
        (5, 1e-9, 0.9),
        (0, 1 - 2.0**-50, 0.9),
        name="ZeroInflatedBinomial",
    ),
    count(
        lambda psi, mu: pm.ZeroInflatedNegativeBinomial.dist(psi, mu, 1.5),
        (0, 0.3, 2.0),
        (5, 1e-9, 2.0),
        name="ZeroInflatedNegativeBinomial",
    ),
    count(
        lambda psi, mu: pm.HurdlePoisson.dist(psi, mu),
        (0, 0.3, 2.0),
        (5, 1e-9, 1e-9),
        name="HurdlePoisson",
    ),
    count(
        lambda psi, mu: pm.HurdleNegativeBinomial.dist(psi, mu, 1.5),
        (0, 0.3, 2.0),
        (5, 1e-9, 2.0),
        name="HurdleNegativeBinomial",
    ),
    count(
        lambda eta: pm.OrderedLogistic.dist(eta=eta, cutpoints=[-1.0, 0.5, 2.0]),
        (1, 0.3),
        (0, 40.0),
        (3, -40.0),
        (2, -400.0),
        name="OrderedLogistic",
    ),
    count(
        lambda eta: pm.OrderedProbit.dist(eta=eta, cutpoints=[-1.0, 0.5, 2.0]),
        (1, 0.3),
        (0, 20.0),
        (3, -20.0),
        (2, -30.0),
        name="OrderedProbit",
    ),
    count(
        lambda a: pm.Categorical.dist(pt.special.softmax(a)),
        (1, vector(0.3, -1, 2)),
        (0, vector(-60, 0, 40)),
        name="Categorical",
    ),
    count(
        lambda a: pm.Multinomial.dist(6, pt.special.softmax(a)),
        (np.array([1, 3, 2]), vector(0.3, -1, 2)),
        (np.array([1, 3, 2]), vector(-60, 0, 40)),
        name="Multinomial",
    ),
    count(
        lambda a: pm.DirichletMultinomial.dist(6, pt.exp(a)),
        (np.array([1, 3, 2]), vector(0.3, -1, 2)),
        (np.array([1, 3, 2]), vector(-20, 0, 10)),
        name="DirichletMultinomial",
    ),
    case(
        lambda a: pm.Dirichlet.dist(pt.exp(a)),
        (vector(0.2, 0.5, 0.3), vector(0.3, -1, 2)),
        (vector(1e-20, 0.5, 0.5), vector(-5, 0, 4)),
        name="Dirichlet",
    ),
    case(
        lambda a: pm.StickBreakingWeights.dist(pt.exp(a), 2),
        (vector(0.2, 0.5, 0.3), 0.3),
        (vector(0.999, 0.0009, 0.0001), -4.0),
        name="StickBreakingWeights",
    ),
    case(
        lambda mu: pm.MvNormal.dist(mu, cov=EYE),
        (vector(0.3, -2), vector(1, 1.5)),
        (vector(100, -200), vector(1, 1.5)),
        name="MvNormal",
    ),
    case(
        lambda mu: pm.MvStudentT.dist(nu=3, mu=mu, scale=EYE),
        (vector(0.3, -2), vector(1, 1.5)),
        (vector(1e4, -200), vector(1, 1.5)),
        name="MvStudentT",
    ),
    case(
        lambda s: pm.GaussianRandomWalk.dist(0.1, s, init_dist=pm.Normal.dist(), steps=3),
        (vector(0.3, 1, -2, 40), 1.5),
        name="GaussianRandomWalk",
    ),
    case(
        lambda r, s: pm.AR.dist(rho=r, sigma=s, init_dist=pm.Normal.dist(), steps=3),
        (vector(0.3, 1, -2, 40), vector(0.4), 1.5),
        name="AR",
    ),
    case(
        lambda w, a, b: pm.GARCH11.dist(w, a, b, 1.0, steps=3),
        (vector(0.3, 1, -2, 9), 0.5, 0.3, 0.2),
        name="GARCH11",
    ),
    case(
        lambda s: pm.ZeroSumNormal.dist(s, shape=3),
        (vector(0.3, 1, -1.3), 1.5),
        (vector(30, 100, -130), 1e-2),
        name="ZeroSumNormal",
    ),
    case(
        lambda s: pm.ICAR.dist(np.array([[0, 1], [1, 0]]), s), (vector(0.3, -2), 1.5), name="ICAR"
    ),
    count(lambda: pm.DiscreteUniform.dist(0, 10), (3,), (0,), name="DiscreteUniform"),
    count(lambda: pm.HyperGeometric.dist(50, 10, 7), (2,), (7,), name="HyperGeometric"),
    case(
        lambda scale: pm.MatrixNormal.dist(
            mu=np.zeros((2, 2)), rowcov=EYE * scale, colcov=EYE, shape=(2, 2)
        ),
        (np.array([[0.3, -0.2], [1.0, 0.4]]), 1.5),
        (np.array([[30.0, -20.0], [1.0, 40.0]]), 0.01),
        name="MatrixNormal",
    ),
    case(
        lambda nu: pm.Wishart.dist(nu=nu, V=EYE, shape=(2, 2)),
        (EYE, 4.0),
        (EYE * 100, 30.0),
        name="Wishart",
    ),
]
