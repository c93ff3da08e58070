"""`truth` of the log density of PyMC models, and of its gradient."""

import warnings

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import Mode

from pytensor_stabilize.graphs import truth


def mixture():
    components = [pm.Normal.dist(-1, 1), pm.Normal.dist(2, 0.5)]
    pm.Mixture("o", w=pm.Dirichlet("w", [1.0, 2.0]), comp_dists=components, observed=DATA)


def lkj():
    factor, _, _ = pm.LKJCholeskyCov("c", n=2, eta=2, sd_dist=pm.Exponential.dist(1.0))
    pm.MvNormal("o", mu=pm.Normal("mu", shape=2), chol=factor, observed=np.ones((3, 2)) / 3)


def latent_gp():
    covariance = pm.Gamma("l", 2, 1) * pm.gp.cov.ExpQuad(1, ls=0.7)
    prior = pm.gp.Latent(cov_func=covariance).prior("f", X=np.linspace(0, 1, 4)[:, None])
    pm.Poisson("o", pt.exp(prior), observed=[0, 2, 1, 3])


def ordered(family, **link):
    cuts = pm.Normal("cuts", shape=2, initval=[-1.0, 1.0], transform=ORDERED)
    family("o", eta=pm.Normal("eta"), cutpoints=cuts, observed=[0, 1, 2, 1], **link)


ORDERED = pm.distributions.transforms.ordered
DATA, COUNTS, SHARES = [0.4, -1.3, 2.2], [0, 3, 1, 7], [0.2, 0.9, 0.55]
WEIGHTS = np.array([0.2, 0.5, 0.3])


def real():
    return pm.Normal("mu", 0.3, 2)


def size():
    return pm.HalfNormal("sigma", 1.5)


MODELS = {
    "Normal": lambda: pm.Normal("o", real(), size(), observed=DATA),
    "StudentT": lambda: pm.StudentT("o", nu=3, mu=real(), sigma=size(), observed=DATA),
    "Cauchy": lambda: pm.Cauchy("o", real(), pm.HalfCauchy("sigma", 1), observed=DATA),
    "Beta": lambda: pm.Beta("o", size(), pm.Gamma("b", 2, 1), observed=SHARES),
    "Gamma": lambda: pm.Gamma("o", size(), pm.InverseGamma("b", 2, 1), observed=SHARES),
    "Exponential": lambda: pm.Exponential("o", pm.Exponential("r", 2), observed=SHARES),
    "Laplace": lambda: pm.Laplace("o", real(), size(), observed=DATA),
    "Logistic": lambda: pm.Logistic("o", real(), size(), observed=DATA),
    "LogNormal": lambda: pm.LogNormal("o", real(), size(), observed=SHARES),
    "VonMises": lambda: pm.VonMises("o", real(), size(), observed=DATA),
    "Weibull": lambda: pm.Weibull("o", size(), pm.HalfNormal("b"), observed=SHARES),
    "Kumaraswamy": lambda: pm.Kumaraswamy("o", size(), 2.5, observed=SHARES),
    "SkewNormal": lambda: pm.SkewNormal("o", mu=real(), sigma=size(), alpha=2, observed=DATA),
    "ExGaussian": lambda: pm.ExGaussian("o", real(), size(), nu=0.7, observed=DATA),
    "Wald": lambda: pm.Wald("o", size(), 1.5, observed=SHARES),
    "Pareto": lambda: pm.Pareto("o", size(), 0.1, observed=SHARES),
    "Rice": lambda: pm.Rice("o", nu=1.2, sigma=size(), observed=SHARES),
    "Bernoulli": lambda: pm.Bernoulli("o", logit_p=real(), observed=[0, 1, 1]),
    "Binomial": lambda: pm.Binomial("o", 9, pm.Beta("p", 2, 3), observed=COUNTS),
    "BetaBinomial": lambda: pm.BetaBinomial("o", size(), 2.0, 9, observed=COUNTS),
    "Poisson": lambda: pm.Poisson("o", pm.Gamma("rate", 2, 1), observed=COUNTS),
    "NegativeBinomial": lambda: pm.NegativeBinomial("o", mu=size(), alpha=1.4, observed=COUNTS),
    "ZeroInflatedPoisson": lambda: pm.ZeroInflatedPoisson("o", 0.4, size(), observed=COUNTS),
    "HurdlePoisson": lambda: pm.HurdlePoisson("o", 0.4, size(), observed=COUNTS),
    "HurdleGamma": lambda: pm.HurdleGamma("o", 0.4, size(), 1.3, observed=[0.0, 0.4, 2.0]),
    "OrderedLogistic": lambda: ordered(pm.OrderedLogistic),
    "OrderedProbit": lambda: ordered(pm.OrderedProbit, sigma=1.2),
    "Categorical": lambda: pm.Categorical("o", p=pm.Dirichlet("p", WEIGHTS), observed=[0, 2, 2]),
    "Multinomial": lambda: pm.Multinomial("o", 6, pm.Dirichlet("p", WEIGHTS), observed=[1, 3, 2]),
    "Dirichlet": lambda: pm.Dirichlet("o", a=size() * WEIGHTS, observed=WEIGHTS),
    "LKJCholeskyCov": lkj,
    "Mixture": mixture,
    "GaussianRandomWalk": lambda: pm.GaussianRandomWalk(
        "o", sigma=size(), init_dist=pm.Normal.dist(0, 1), steps=3
    ),
    "AR": lambda: pm.AR("o", [0.3, -0.2], sigma=size(), init_dist=pm.Normal.dist(), steps=4),
    "Truncated": lambda: pm.Truncated(
        "o", pm.Normal.dist(real(), size()), lower=-2, upper=3, observed=DATA
    ),
    "Censored": lambda: pm.Censored(
        "o", pm.Normal.dist(real(), size()), lower=-1, upper=2, observed=[-1, 0.3, 2]
    ),
    "Deterministic": lambda: pm.Normal(
        "o", pm.Deterministic("d", pm.math.exp(real()) + 1), size(), observed=DATA
    ),
    "GP": latent_gp,
}


def in_python(outputs, inputs, values):
    with pytensor.config.change_flags(linker="py", cxx=""), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # The rewrite fails on the gradient of Rice.
        mode = Mode("py", "fast_compile").excluding("local_sign_div")
        return pytensor.function(inputs, outputs, mode=mode, on_unused_input="ignore")(*values)


@pytest.mark.parametrize("name", MODELS)
def test_pymc_models(name):
    # Else PyTensor makes 1.5 a float32 and computes log(1.5) to 8 digits; truth has all of them.
    in_float64 = pytensor.config.change_flags(cast_policy="numpy+floatX")
    with in_float64, pm.Model() as model:
        MODELS[name]()
    point = model.initial_point(random_seed=1)
    inputs = model.value_vars
    # Away from 0, where much would be right by symmetry.
    values = [
        point[i.name] + 0.1 * np.cos(np.arange(point[i.name].size)).reshape(point[i.name].shape)
        for i in inputs
    ]
    with pytensor.config.change_flags(cast_policy="numpy+floatX"):
        outputs = [model.logp(), model.dlogp()]
    found = truth(outputs, dict(zip(inputs, values, strict=True)))
    for ours, theirs in zip(found, in_python(outputs, inputs, values), strict=True):
        assert ours.decided.all()
        np.testing.assert_allclose(ours.value, theirs, rtol=1e-9, atol=1e-12)
