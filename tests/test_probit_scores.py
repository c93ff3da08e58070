"""Densities over tails as they are written by hand: inverse Mills ratios and probit scores."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, fired_again, linker, ulps

import pytensor_stabilize
from pytensor_stabilize.graphs import explain, truth

x, y = pt.dvectors("x", "y")
ROOT = np.sqrt(2.0)
density = pt.exp(-(x**2) / 2)
TAILS = {
    "erfc": lambda v: 0.5 * pt.erfc(-v / ROOT),
    "erf": lambda v: (1 + pt.erf(v / ROOT)) / 2,
}
SIZES = [0.01, 0.7, 3.0, 8.0, 20.0, 37.0]
SCORES = {
    "a product below": lambda p: (y - p) * density / (p * (1 - p)),
    "its negative": lambda p: (p - y) * density / (p * (1 - p)),
    "with the constant": lambda p: (y - p) / (p * (1 - p)) * density / np.sqrt(2 * np.pi),
    "two terms": lambda p: y * density / p - (1 - y) * density / (1 - p),
}


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("name", ["cvm", "numba"])
def test_the_density_is_that_of_the_user(name, tail):
    """Where the tail is close to 1: 1 / sqrt(2) is rounded in the tail, x**2 / 2 is not."""
    p = TAILS[tail](x)
    points = np.array([*SIZES, -0.3])
    exact = truth(density / p, {x: points})
    with linker(name) as mode:
        assert ulps(pytensor.function([x], density / p, mode=mode)(points), exact).max() <= 2


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("form", SCORES)
@pytest.mark.parametrize("name", ["cvm", "numba"])
def test_probit_scores(name, form, tail):
    """A label that the prediction agrees with; one that it does not, whose ratio is near x."""
    value = SCORES[form](TAILS[tail](x))
    sign = -1 if form == "its negative" else 1
    points = np.array([*SIZES, *(-s for s in SIZES)])
    with linker(name) as mode:
        function = pytensor.function([x, y], value, mode=mode)
        for label in (np.ones_like(points), np.zeros_like(points)):
            found = function(points, label)
            assert np.isfinite(found).all()
            agrees = (points > 0) == (label > 0)
            columns = {x: points[agrees], y: label[agrees]}
            assert ulps(found[agrees], truth(value, columns)).max() <= 8
            # The rounded 1 / sqrt(2) costs the graph x**2 ulps here, not the function.
            scale = 1 if form == "with the constant" else np.sqrt(2 * np.pi)
            exact = _mills(np.abs(points[~agrees])) * scale * sign * np.sign(-points[~agrees])
            np.testing.assert_allclose(found[~agrees], exact, rtol=4e-15)


def _mills(size):
    """``phi(x) / Phi(-x)``, by SciPy's scaled function."""
    special = pytest.importorskip("scipy.special")
    return np.sqrt(2 / np.pi) / special.erfcx(size / ROOT)


@pytest.mark.parametrize("form", SCORES)
def test_a_second_pass_finds_nothing(form):
    value = SCORES[form](TAILS["erfc"](x))
    assert not fired_again(compile_rewritten([x, y], value).maker.fgraph)


def test_stock_has_nan():
    value = SCORES["a product below"](TAILS["erfc"](x))
    with pytensor_stabilize.excluding("all"), np.errstate(all="ignore"):
        function = pytensor.function([x, y], value, mode="CVM")
        assert np.isnan(function(np.array([20.0]), np.array([1.0]))).all()


@pytest.mark.parametrize(
    "value",
    [
        (y - TAILS["erfc"](x)) * pt.exp(-(x**2)) / (1 - TAILS["erfc"](x)),
        (y - TAILS["erfc"](x)) * pt.exp(x**2 / 2) / (1 - TAILS["erfc"](x)),
    ],
    ids=str,
)
def test_other_exponents_are_left(value):
    assert "exp_over_erfc" not in explain([value]).fired
