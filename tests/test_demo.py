"""The demo's claims: the optimiser fails on stock PyTensor and finds the optimum with the rules."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

EXAMPLE = Path(__file__).parents[1] / "examples" / "demo.py"


@pytest.fixture(scope="module")
def demo():
    spec = importlib.util.spec_from_file_location("demo", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_gradient_by_hand_is_the_gradient(demo):
    at = np.array([0.3, -0.02, 1.2])
    _, gradient = demo.negative_logp(at)
    steps = 1e-6 * np.eye(3)
    for step, slope in zip(steps, gradient, strict=True):
        difference = demo.negative_logp(at + step)[0] - demo.negative_logp(at - step)[0]
        assert difference / 2e-6 == pytest.approx(slope, rel=1e-5)


def test_the_model_is_the_one_by_hand(demo):
    model = demo.build_model()
    point = {"visits::a": 0.3, "visits::b": -0.02, "visits::mu_log__": 1.2}
    value, _ = demo.negative_logp(np.array([0.3, -0.02, 1.2]))
    assert float(model.compile_logp(jacobian=False)(point)) == pytest.approx(-value, rel=1e-10)


def test_find_map(demo):
    best = minimize(demo.negative_logp, [1.0, 0.0, 1.0], jac=True, method="BFGS")
    ours, verdict, _ = demo.find_map("ours")
    assert "success" in verdict
    assert demo.negative_logp(np.array(ours))[0] == pytest.approx(best.fun, abs=1e-2)
    stock, verdict, _ = demo.find_map("stock")
    assert "success" in verdict, "stock fails without saying so: that is the story"
    assert demo.negative_logp(np.array(stock))[0] > best.fun + 1000
