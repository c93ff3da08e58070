"""audit_model: logp, gradient and rows of PyMC models."""

import numpy as np
import pymc as pm
import pytest

from pytensor_stabilize.graphs import audit_model

RNG = np.random.default_rng(0)
ETA = np.array([-3.0, 0.5, 2.0, 50.0, 1.0])


def guessing() -> pm.Model:
    """Item response with guessing: at eta = 50 the floats say that no failure is possible."""
    with pm.Model(name="test") as model:
        slope = pm.Normal("slope", 0, 10)
        p = 0.25 + 0.75 * pm.math.sigmoid(slope * ETA)
        pm.Bernoulli("y", p, observed=[0, 1, 1, 0, 0])
    return model


def beta_regression() -> pm.Model:
    """1 - mu is 0 at eta = 50, which PyMC takes for a violated bound."""
    with pm.Model() as model:
        phi = pm.HalfNormal("phi", 5)
        mu = pm.math.sigmoid(pm.Normal("slope", 0, 10) * ETA)
        pm.Beta("y", mu * phi, (1 - mu) * phi, observed=[0.1, 0.6, 0.8, 0.999, 0.7])
    return model


@pytest.fixture(scope="module")
def found():
    return audit_model(guessing(), point={"test::slope": 1.0})


def test_it_looks_at_logp_gradient_and_rows(found):
    assert [o.output for o in found.outputs if o.mode == "ours"] == [
        "logp",
        "d logp / d test::slope",
        "logp of test::y, by row",
    ]
    assert "at the point given" in str(found)


def test_it_finds_the_row_that_loses_digits(found):
    rows = found["logp of test::y, by row", "stock"]
    assert rows.errors.shape == (1, 5)
    assert rows.worst_element == (3,)
    assert rows.max_ulps == np.inf
    assert (np.delete(rows.errors[0], 3) < 32).all()


def test_it_names_the_line_and_the_element(found):
    node = found["logp", "stock"].blamed
    assert node is not None
    assert node.cause in ("cancellation", "amplified rounding")
    assert "test_audit_model.py" in node.where
    assert node.elements == (1, ((3,),))


def test_a_bound_that_only_the_floats_violate():
    found = audit_model(beta_regression(), {"slope": 1.0}, modes=["stock"])
    logp = found["logp", "stock"]
    assert logp.worst_actual == -np.inf
    assert np.isfinite(logp.worst_exact)
    assert logp.blamed.formula.startswith("1 - sigmoid")


def test_without_the_check_of_bounds():
    model = guessing()
    model.check_bounds = False
    assert audit_model(model, modes=["stock"]).outputs[0].measured == 1


def test_a_healthy_model_is_healthy():
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 1)
        pm.Normal("y", mu, 1, observed=[0.5, 1.5, -2.0])
    found = audit_model(model)
    assert found.max_ulps["stock"] < 32
    assert found.max_ulps["ours"] < 32
    assert "at the initial point" in found.note


def test_rows_are_sampled_and_it_says_so():
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 1)
        pm.Normal("y", mu, 1, observed=RNG.normal(size=500))
    found = audit_model(model, rows=40, modes=["ours"])
    assert "sampled 40 of 500 rows of y" in str(found)
    assert found["logp of y, by row", "ours"].errors.shape == (1, 40)


def transformed() -> pm.Model:
    with pm.Model() as model:
        low = pm.Normal("low", 0, 1)
        sigma = pm.HalfNormal("sigma", 1)
        pm.Uniform("u", low, low + 3)
        pm.Dirichlet("w", np.ones(3))
        pm.Normal("y", low, sigma, observed=[0.3, -0.2])
    return model


def test_along_a_posterior():
    model = transformed()
    with model:
        draws = pm.sample_prior_predictive(30, random_seed=1)
    found = audit_model(model, draws=draws.prior, n_draws=7, modes=["ours"])
    assert found.points == 7
    assert "at 7 of 30 draws" in str(found)
    # The value variables are the logarithm, the interval and the simplex transform of the draws.
    logp = found["logp", "ours"]
    sigma = draws.prior["sigma"].values.ravel()
    at = [float(row[found.inputs.index("sigma_log__")]) for row in logp.points.values]
    assert np.isin(np.round(np.exp(at), 12), np.round(sigma, 12)).all()
    assert logp.max_ulps < 200


def test_several_points():
    points = [{"mu": 0.0}, {"mu": 1.0}, {"mu": -2.0}]
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 1)
        pm.Normal("y", mu, 1, observed=[0.5])
    assert audit_model(model, point=points, modes=["ours"]).points == 3


def test_data_containers_keep_their_value():
    with pm.Model() as model:
        data = pm.Data("data", np.array([1.0, 2.0]))
        mu = pm.Normal("mu", 0, 1)
        pm.Normal("y", mu * data, 1, observed=np.array([1.0, 2.0]))
    assert audit_model(model, modes=["ours"]).max_ulps["ours"] < 32
