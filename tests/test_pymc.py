"""PyMC models: logp inference with our Sigmoid, mended gradients, switches, no regressions."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import run_python
from pytensor.compile.mode import get_default_mode

import pytensor_stabilize
from pytensor_stabilize import sigmoid, with_pullback
from pytensor_stabilize.graphs import debugprint, op_counts, report

INDEX = np.array([0, 1, 1])


def ordered_logistic():
    eta = pm.Flat("a")
    pm.OrderedLogistic(
        "y", eta=eta, cutpoints=np.array([0.0, 1.0, 2.0]), observed=2, compute_p=False
    )


def bernoulli_indexed():
    p = pm.math.sigmoid(pm.Flat("a", shape=2))[INDEX]
    pm.Bernoulli("y", p=p, observed=np.zeros(3))


def binomial_indexed():
    p = pm.math.sigmoid(pm.Flat("a", shape=2))[INDEX]
    pm.Binomial("y", n=3, p=p, observed=np.array([1, 0, 2]))


def log1p_of_minus_p():
    pm.Potential("y", pt.log1p(-pm.math.sigmoid(pm.Flat("a"))))


def three_parameter_item_response():
    pm.Bernoulli("y", p=0.2 + 0.8 * pm.math.sigmoid(pm.Flat("a")), observed=0)


def zero_inflated_poisson():
    psi = pm.math.sigmoid(pm.Flat("a"))
    pm.ZeroInflatedPoisson("y", psi=psi, mu=2.0, observed=np.array([0, 0, 1]))


def beta_prior():
    pm.Beta("a", 3, 0.1)


def mixture():
    p = pm.math.sigmoid(pm.Flat("a"))
    components = [pm.Normal.dist(0, 1), pm.Normal.dist(40, 1)]
    pm.Mixture("y", w=pt.stack([p, 1 - p]), comp_dists=components, observed=39.0)


def bernoulli():
    pm.Bernoulli("y", p=pm.math.sigmoid(pm.Flat("a")), observed=0)


def evaluate(build, eta, excluded=()):
    """logp and dlogp at `eta`, compiled by stock PyTensor if `excluded` is ("all",)."""
    from contextlib import nullcontext

    with pytensor_stabilize.excluding(*excluded) if excluded else nullcontext():
        with pm.Model() as model:
            build()
        point = {
            v.name: np.full(model.initial_point()[v.name].shape, eta) for v in model.value_vars
        }
        logp, dlogp = model.compile_logp(jacobian=False), model.compile_dlogp(jacobian=False)
        return float(logp(point)), np.atleast_1d(dlogp(point))


# dlogp with the rules.
CASES = [
    # What mending a numerator alone made worse than stock.
    (ordered_logistic, -34.0, [1.0]),
    (ordered_logistic, -30.0, [1.0]),
    (bernoulli_indexed, 36.0, [-1.0, -2.0]),
    (bernoulli_indexed, 37.0, [-1.0, -2.0]),
    (binomial_indexed, 36.0, [-2.0, -4.0]),
    (binomial_indexed, 37.0, [-2.0, -4.0]),
    (binomial_indexed, 300.0, [-2.0, -4.0]),
    (log1p_of_minus_p, 36.0, [-1.0]),
    (log1p_of_minus_p, 40.0, [-1.0]),
    (three_parameter_item_response, 34.0, [-1.0]),
    (three_parameter_item_response, 36.0, [-1.0]),
    (three_parameter_item_response, 100.0, [-1.0]),
    (ordered_logistic, -100.0, [1.0]),
    # What the two rewrites cure.
    (zero_inflated_poisson, 40.0, [-5.003759314e-17]),
    (beta_prior, 40.0, [0.9]),
    (mixture, 40.0, [-1.0]),
    (mixture, 30.0, [-1.0]),
    # What PyTensor rescues by itself.
    (bernoulli, 40.0, [-1.0]),
    (bernoulli, 800.0, [-1.0]),
]


@pytest.mark.parametrize(
    ("build", "eta", "true"), CASES, ids=[f"{build.__name__}-{eta:g}" for build, eta, _ in CASES]
)
def test_gradients_of_models(build, eta, true):
    logp, dlogp = evaluate(build, eta)
    stock_logp, _ = evaluate(build, eta, ("all",))
    np.testing.assert_allclose(dlogp, true, rtol=1e-8)
    assert np.isfinite(logp)
    if np.isfinite(stock_logp) and abs(eta) < 30:
        np.testing.assert_allclose(logp, stock_logp, rtol=1e-12)


def test_stock_fails_where_we_claim_a_cure():
    for build in (zero_inflated_poisson, beta_prior, mixture, bernoulli_indexed, log1p_of_minus_p):
        _, dlogp = evaluate(build, 40.0, ("all",))
        assert np.isnan(dlogp).all(), build.__name__


def test_float32():
    with pytensor.config.change_flags(floatX="float32"):
        for build, at, true in (
            (log1p_of_minus_p, 18.0, -1.0),
            (beta_prior, 18.0, 0.9),
            (bernoulli_indexed, 18.0, [-1.0, -2.0]),
        ):
            np.testing.assert_allclose(evaluate(build, at)[1], true, rtol=1e-5)
            assert np.isnan(evaluate(build, at, ("all",))[1]).all()


@pytest.mark.parametrize("pullback", ["naive", "stable"])
def test_logprob_inference_sees_through_our_sigmoid(pullback):
    value = pt.dscalar("value")
    ours = pm.logp(sigmoid(pm.Normal.dist(0.5, 2.0), pullback=pullback), value)
    theirs = pm.logp(pm.math.sigmoid(pm.Normal.dist(0.5, 2.0)), value)
    assert ours.eval({value: 0.3}) == pytest.approx(theirs.eval({value: 0.3}), rel=1e-14)
    with pytensor_stabilize.excluding("all"):
        again = pm.logp(sigmoid(pm.Normal.dist(0.5, 2.0), pullback=pullback), value)
        theirs = pm.logp(pm.math.sigmoid(pm.Normal.dist(0.5, 2.0)), value)
        assert again.eval({value: 0.3}) == pytest.approx(theirs.eval({value: 0.3}), rel=1e-14)


LATE_PYMC = """
import sys, pytensor.tensor as pt
import pytensor_stabilize
assert "pymc" not in sys.modules
x = pt.random.normal(0, 1)
p = pytensor_stabilize.sigmoid(x)
import pymc as pm, inspect
assert "logprob_rewrites_db" in inspect.getsource(sys.modules["pymc.logprob.rewriting"])
v = pt.dscalar()
print(float(pm.logp(p, v).eval({v: 0.5})))
"""


def test_pymc_may_be_imported_after_us():
    result = run_python(LATE_PYMC)
    assert float(result.stdout) == pytest.approx(np.log(4) - 0.5 * np.log(2 * np.pi)), result.stderr


def test_with_pullback_switches_a_model_that_others_wrote():
    with pm.Model() as model:
        a = pm.Flat("a")
        pm.Potential("y", pm.math.sigmoid(a))
    logp = with_pullback(model.logp(jacobian=False), "stable")
    (value,) = model.value_vars
    with pytensor_stabilize.excluding("all"):
        function = pytensor.function([value], pt.grad(logp, value))
        naive = pytensor.function([value], pt.grad(model.logp(jacobian=False), value))
    assert function(40.0) > 0
    assert naive(40.0) == 0


def test_report_of_a_model():
    with pm.Model(name="zip") as model:
        zero_inflated_poisson()
    found = report(model)
    assert found.fired["one_minus_sigmoid"] + found.fired["log1p_minus_sigmoid"] >= 1
    assert "zip" in str(found)
    assert "<table>" in found._repr_html_()
    assert all("test_pymc.py" in event.where for event in found.events if event.where)


def test_the_tools_take_what_pymc_compiles():
    with pm.Model() as model:
        log1p_of_minus_p()
    dlogp = model.compile_dlogp()
    assert op_counts(dlogp) == op_counts(dlogp.f)
    assert report(dlogp).events == report(dlogp.f).events
    assert debugprint(dlogp, file="str") == debugprint(dlogp.f, file="str")


def test_our_switch_reaches_where_a_mode_does_not():
    """PyMC's pre-gradient pass asks the database and no mode."""
    with pm.Model() as model:
        log1p_of_minus_p()
    mode = get_default_mode().excluding("pytensor_stabilize")
    dlogp = model.compile_fn(model.dlogp(), inputs=model.value_vars, mode=mode, point_fn=False)
    assert dlogp(40.0) == -1
    assert np.isnan(evaluate(log1p_of_minus_p, 40.0, ("all",))[1])
