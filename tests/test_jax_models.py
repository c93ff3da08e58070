"""What numpyro and blackjax differentiate: PyMC's jaxified logp, its gradient taken by JAX."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from model_errors import settings
from pymc.distributions.transforms import log as log_transform

import pytensor_stabilize
from pytensor_stabilize.graphs.truth import Evaluator

jax = pytest.importorskip("jax")
from pymc.sampling.jax import get_jaxified_logp  # noqa: E402

COLUMN = np.array([-800.0, -35.0, -1.0, 0.5, 40.0, 750.0])


def column() -> np.ndarray:
    return COLUMN.astype(pytensor.config.floatX)


def logistic_regression():
    """A raw column, that takes the linear predictor to 800."""
    b = pm.Flat("b")
    pm.Bernoulli("y", logit_p=b * column(), observed=[0, 1, 0, 1, 0, 1])


def logistic_regression_p():
    pm.Bernoulli("y", p=pm.math.sigmoid(pm.Flat("b") * column()), observed=[0, 1, 0, 1, 0, 1])


def cross_entropy():
    s, y = pm.math.sigmoid(pm.Flat("b") * column()), np.array([0.0, 1, 0, 1, 0, 1])
    pm.Potential("y", (y * pt.log(s) + (1 - y) * pt.log1p(-s)).sum())


def censored():
    y = pm.Normal.dist(pm.Flat("mu"), pm.Flat("sd", transform=log_transform, initval=1.0))
    pm.Censored("y", y, lower=-1, upper=2, observed=[-1.0, 0.3, 2.0])


def truncated():
    y = pm.Normal.dist(pm.Flat("mu"), pm.Flat("sd", transform=log_transform, initval=1.0))
    pm.Truncated("y", y, lower=-1, upper=2, observed=[-0.5, 0.3, 1.5])


def truncated_on_one_side():
    y = pm.Normal.dist(pm.Flat("mu"), pm.Flat("sd", transform=log_transform, initval=1.0))
    pm.Truncated("y", y, lower=0, observed=[0.3, 1.5])


def ordered_probit():
    cutpoints = np.array([-1.0, 0.5, 2.0])
    pm.OrderedProbit("y", eta=pm.Flat("eta", shape=4), cutpoints=cutpoints, observed=[0, 1, 2, 3])


def ordered_logistic():
    cutpoints = np.array([-1.0, 0.5, 2.0])
    pm.OrderedLogistic("y", eta=pm.Flat("eta", shape=4), cutpoints=cutpoints, observed=[0, 1, 2, 3])


def skew_normal():
    pm.SkewNormal("y", mu=pm.Flat("mu"), sigma=1, alpha=2, observed=[-0.4, 0.3])


def probit():
    pm.Bernoulli("y", p=pm.math.invprobit(pm.Flat("eta", shape=2)), observed=[0, 1])


def mixture():
    s = pm.math.sigmoid(pm.Flat("eta"))
    parts = [pm.Normal.dist(0, 1), pm.Normal.dist(40, 1)]
    pm.Mixture("y", w=pt.stack([s, 1 - s]), comp_dists=parts, observed=39.0)


def beta_prior():
    pm.Beta("p", 3, 0.1)


# The first value variable at these; the others at 0.
CASES = [
    (logistic_regression, (-1.0, -0.1, 0.0, 0.3, 1.0)),
    (logistic_regression_p, (-1.0, -0.1, 0.0, 0.3, 0.95)),
    (cross_entropy, (-1.0, -0.1, 0.0, 0.3, 0.95)),
    (censored, (-40.0, -10.0, 0.0, 10.0, 40.0)),
    (truncated, (-30.0, -10.0, 0.0, 10.0, 30.0)),
    (truncated_on_one_side, (-40.0, -10.0, 0.0, 10.0, 40.0)),
    (ordered_probit, (-30.0, -10.0, 0.0, 10.0, 30.0)),
    (ordered_logistic, (-700.0, -40.0, 0.0, 40.0, 700.0)),
    (skew_normal, (-10.0, 0.0, 10.0, 30.0)),
    (probit, (-30.0, -10.0, 0.0, 10.0, 30.0)),
    (mixture, (-60.0, 0.0, 20.0, 40.0, 100.0)),
    (beta_prior, (-100.0, 0.0, 40.0, 300.0)),
]


RIGHT_WITHOUT_US = {"float64": (beta_prior,), "float32": ()}
# Where the branches of PyMC's own formula that are not taken are still finite: erfcx(-z) is
# infinite from z = 9.4 on in float32 (26.6 in float64), and JAX multiplies it by 0.
NEARER = {(truncated, "float32"): (-10.0, -5.0, 0.0, 5.0, 10.0)}
# Relative, and of what XLA flushes to 0.
TOLERANCE = {"float64": (1e-9, 1e-300), "float32": (2e-5, 1e-36)}


def value_and_gradients(build):
    """The model, and JAX's value and gradient of its logp, of a list of arrays."""
    with pm.Model() as model:
        build()
    compiled = get_jaxified_logp(model, negative_logp=True)
    return model, jax.jit(jax.value_and_grad(compiled))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("build", "at"), CASES, ids=[build.__name__ for build, _ in CASES])
def test_jax_gradients(build, at, dtype):
    relative, absolute = TOLERANCE[dtype]
    with settings(dtype):
        model, ours = value_and_gradients(build)
        with pytensor_stabilize.excluding("all"):
            _, stock = value_and_gradients(build)
        start = model.initial_point()
        logp = model.logp()
        wrt = list(model.continuous_value_vars)
        evaluator = Evaluator([logp, *pytensor.grad(logp, wrt)], wrt)
    stock_is_finite = True
    for first in NEARER.get((build, dtype), at):
        point = [np.zeros_like(start[v.name]) for v in wrt]
        point = [v.astype(dtype) for v in point]
        point[0] = np.full_like(point[0], first)
        value, slopes = ours(point)
        for got, truth in zip([value, *slopes], evaluator(point), strict=True):
            assert truth.decided.all()
            np.testing.assert_allclose(got, truth.value, rtol=relative, atol=absolute)
        stock_is_finite &= all(np.isfinite(slope).all() for slope in stock(point)[1])
    assert stock_is_finite == (build in RIGHT_WITHOUT_US[dtype])
