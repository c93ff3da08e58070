"""Which switch holds on which of PyMC's paths; variational inference; samplers of others."""

import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pymc as pm
import pytest
from helpers import run_python
from pymc_paths import PATHS, fired
from pytensor.compile.mode import get_default_mode

import pytensor_stabilize

# PyMC's pre-gradient pass asks the database and no mode; nutpie and PyMC's JAX functions take none.
OBEY_A_MODE = {"compile_logp", "fit"}
RULE = "log1p_minus_sigmoid"
COLUMN = np.array([-60.0, -1, 0.5, 50, 12, -9])
LABELS = np.array([0.0, 0, 1, 1, 0, 1])


@pytest.mark.parametrize("path", PATHS)
def test_rules_run_on_every_path(path):
    assert RULE in fired(path)


@pytest.mark.parametrize("path", PATHS)
def test_our_switches_hold_on_every_path(path):
    with pytensor_stabilize.excluding("all"):
        assert fired(path) == []
    with pytensor_stabilize.only("one_minus_sigmoid"):
        assert set(fired(path)) <= {"one_minus_sigmoid"}
    with pytensor_stabilize.excluding(RULE):
        assert RULE not in fired(path)


@pytest.mark.parametrize("path", PATHS)
def test_a_mode_holds_where_pymc_asks_it(path):
    mode = get_default_mode().excluding("pytensor_stabilize")
    assert (fired(path, mode) == []) == (path in OBEY_A_MODE)


def in_a_process(**environment: str) -> dict[str, list[str]]:
    code = (
        f"import sys, runpy; sys.path[:0] = {sys.path!r}; sys.argv = ['pymc_paths']; "
        "runpy.run_module('pymc_paths', run_name='__main__')"
    )
    result: subprocess.CompletedProcess[str] = run_python(code, **environment)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_the_environment_variable_holds_on_every_path():
    found = in_a_process(PYTENSOR_STABILIZE_EXCLUDING="all")
    assert found == {path: [] for path in PATHS}


def test_the_config_flag_holds_where_a_mode_does(monkeypatch):
    # What the tests themselves were started with stays.

    flags = os.environ.get("PYTENSOR_FLAGS", "")
    found = in_a_process(
        PYTENSOR_FLAGS=f"{flags},optimizer_excluding=pytensor_stabilize".strip(",")
    )
    assert {path for path, rules in found.items() if not rules} == OBEY_A_MODE


def regression(column=COLUMN, labels=LABELS) -> pm.Model:
    """A raw column, and a guessing rate: 1 - p is 0 from 37 on without our rules."""
    with pm.Model() as model:
        p = 0.25 + 0.75 * pm.math.sigmoid(pm.Normal("b", 0, 3) * column)
        pm.Bernoulli("y", p=p, observed=labels)
    return model


def exact_moments(column=COLUMN, labels=LABELS) -> tuple[float, float]:
    """Mean and standard deviation of the posterior, on a grid."""
    grid = np.linspace(-15, 15, 60001)
    eta = grid[:, None] * column
    hit = np.logaddexp(np.log(0.25), np.log(0.75) - np.logaddexp(0, -eta))
    miss = np.log(0.75) - np.logaddexp(0, eta)
    logp = -0.5 * (grid / 3) ** 2 + np.where(labels, hit, miss).sum(1)
    weights = np.exp(logp - logp.max())
    weights /= weights.sum()
    mean = float((grid * weights).sum())
    return mean, float(np.sqrt(((grid - mean) ** 2 * weights).sum()))


def variational_mean() -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        approximation = pm.fit(
            4000,
            model=regression(),
            progressbar=False,
            random_seed=1,
            obj_optimizer=pm.adam(learning_rate=0.02),
        )
    return float(approximation.mean.eval()[0])


def test_variational_inference_is_as_good():
    """`pm.fit` differentiates the logp as it was written, and rewrites only then."""
    mean, spread = exact_moments()
    # The best normal distribution for a skew posterior has another mean.
    assert abs(variational_mean() - mean) < spread
    with pytensor_stabilize.excluding("all"), pytest.raises(FloatingPointError, match="NaN"):
        variational_mean()


def assert_good(draws, moments: tuple[float, float]) -> None:
    mean, spread = moments
    found = draws.posterior.b.values
    assert int(draws.sample_stats.diverging.sum()) < 0.05 * found.size
    assert abs(found.mean() - mean) < 0.5 * spread
    assert 0.6 < found.std() / spread < 1.5


@pytest.mark.parametrize("sampler", ["numpyro", "blackjax"])
def test_samplers_of_jax(sampler):
    """PyMC starts them where logp is finite; the gradient there is nan without our rules."""
    pytest.importorskip(sampler)
    column = np.append(COLUMN, 900.0)

    def draws():
        with warnings.catch_warnings(), regression(column, np.append(LABELS, 1)):
            warnings.simplefilter("ignore")
            return pm.sample(
                300,
                tune=300,
                chains=1,
                random_seed=1,
                nuts_sampler=sampler,
                progressbar=False,
                compute_convergence_checks=False,
            )

    assert_good(draws(), exact_moments(column, np.append(LABELS, 1)))
    with pytensor_stabilize.excluding("all"):
        assert np.unique(draws().posterior.b).size == 1


def test_nutpie_samples():
    nutpie = pytest.importorskip("nutpie")
    compiled = nutpie.compile_pymc_model(regression())
    assert_good(
        nutpie.sample(compiled, draws=300, tune=300, chains=1, seed=1, progress_bar=False),
        exact_moments(),
    )
