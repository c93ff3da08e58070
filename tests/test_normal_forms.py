"""The normal family: special values, forms that PyMC and others write, and what must not match."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import LINKERS, compile_rewritten, linker, second_pass, ulps
from pymc.distributions.dist_math import normal_lccdf, normal_lcdf
from pytensor.graph.rewriting.utils import rewrite_graph

import pytensor_stabilize
from pytensor_stabilize.graphs import explain, op_counts, same_graph, truth
from pytensor_stabilize.rewrites.normal.table import NORMAL

NAMES = {rule.name for rule in NORMAL}
ROOT = np.sqrt(2)


def phi(x):
    return 0.5 * pt.erfc(-x / ROOT)


def fired(*outputs):
    return NAMES & {name for name, count in explain(list(outputs)).fired.items() if count}


@pytest.mark.parametrize("how", LINKERS)
def test_special_values_of_one_argument(how):
    x = pt.dvector("x")
    outputs = [pt.log(phi(x)), pt.log1p(-phi(x)), pt.log(pt.erfc(x)), pt.log(pt.erfcx(x)), phi(x)]
    at = np.array([-np.inf, np.inf, np.nan, 0.0, 1e300, -1e300, 5e-324])
    with linker(how) as mode:
        values = pytensor.function([x], outputs, mode=mode)(at)
    half = np.log(0.5)
    expected = [
        [-np.inf, 0, np.nan, half, 0, -np.inf, half],
        [0, -np.inf, np.nan, half, -np.inf, 0, half],
        [np.log(2), -np.inf, np.nan, 0, -np.inf, np.log(2), 0],
        [np.inf, -np.inf, np.nan, 0, -np.log(1e300) - np.log(np.pi) / 2, np.inf, 0],
        [0, 1, np.nan, 0.5, 1, 0, 0.5],
    ]
    np.testing.assert_allclose(values, expected, rtol=1e-14, atol=1e-300)


@pytest.mark.parametrize("how", LINKERS)
def test_special_values_of_two_arguments(how):
    a, b = pt.dvectors("ab")
    log = pt.log(phi(a) - phi(b))
    outputs = [phi(a) - phi(b), log, *pytensor.grad(log.sum(), [a, b])]
    inf = np.inf
    at = [inf, inf, 2.0, -inf, inf, 3.0, -40.0], [-inf, inf, 2.0, -inf, 40.0, -inf, -41.0]
    with linker(how) as mode:
        value, log_value, da, db = pytensor.function([a, b], outputs, mode=mode)(*map(np.array, at))
    phi_3, phi_40 = 0.9986501019683699, 3.655893540915029e-350
    np.testing.assert_allclose(value, [1, 0, 0, 0, phi_40, phi_3, phi_40], rtol=1e-14, atol=1e-320)
    log_40 = -804.6084420137538
    np.testing.assert_allclose(
        log_value, [0, -inf, -inf, -inf, log_40, np.log(phi_3), log_40], rtol=1e-13
    )
    assert da[0] == db[0] == 0
    assert np.isfinite([*da[4:], *db[4:]]).all()


@pytest.mark.parametrize("how", LINKERS)
def test_far_out_the_second_derivative_is_a_reciprocal(how):
    """``C exp(-a**2) / (erf(b) - erf(a)) - 2 a -> 1 / a`` for b beyond a."""
    a, b = pt.dvectors("ab")
    ratio = 2 / np.sqrt(np.pi) * pt.exp(-a * a) / (pt.erf(a) - pt.erf(b))
    at = np.array([1e9, 1e17, 1e100])
    with linker(how) as mode:
        value = pytensor.function([a, b], ratio + 2 * a, mode=mode)(at, 2 * at)
    np.testing.assert_allclose(value, -1 / at, rtol=1e-15)


@pytest.mark.parametrize("how", LINKERS)
@pytest.mark.parametrize("function", [normal_lcdf, normal_lccdf])
def test_log_cdf_as_pymc_writes_it(function, how):
    x = pt.dvector("x")
    value = function(0.0, 1.0, x)
    gradient = pytensor.grad(value.sum(), x)
    at = np.array([-1e3, -60, -38.5, -10, -1.5, -1, 0, 0.5, 1, 3, 8, 37])
    with linker(how) as mode:
        results = pytensor.function([x], [value, gradient], mode=mode)(at)
    for result, graph in zip(results, (value, gradient), strict=True):
        assert ulps(result, truth(graph, {x: at})).max() <= 6


def test_pymc_differentiates_what_the_rules_leave():
    x = pt.dvector("x")
    value = rewrite_graph(normal_lcdf(0.0, 1.0, x), include=("canonicalize", "stabilize"))
    gradient = pytensor.grad(value.sum(), x)
    at = np.array([-1e3, -40.0, -1.0, 0.0, 30.0])
    exact = truth(pytensor.grad(normal_lcdf(0.0, 1.0, x).sum(), x), {x: at})
    assert ulps(pytensor.function([x], gradient)(at), exact).max() <= 6


@pytest.mark.parametrize("together", [False, True])
def test_the_second_derivative_of_log_phi_is_one_kernel(together):
    """As a product of two it was 5.8 ulp off in float64, for x = -743."""
    x = pt.dvector("x")
    first = pytensor.grad(pt.log(phi(x)).sum(), x)
    second = pytensor.grad(first.sum(), x)
    counts = op_counts(compile_rewritten([x], [first, second] if together else second))
    assert counts["erfc_curvature"] == 1
    assert "erfc_excess" not in counts
    assert counts.get("erfc_ratio", 0) == together


def test_sums_see_the_factors_of_a_curvature():
    x = pt.dvector("x")
    slope = 2 / np.sqrt(np.pi) * pt.exp(-x * x) / pt.erfc(x)
    curvature = slope * (slope - 2 * x)
    counts = op_counts(compile_rewritten([x], [curvature, 2 - curvature]))
    assert counts == {"erfc_curvature": 1, "erfc_slope": 1}


def test_square_root_of_a_float32_constant():
    """`pt.sqrt(2.0)` is float32: Phi(-5) was off by 4e-7."""
    x = pt.dvector("x")
    at = np.array([-30.0, -5.0, -1.0, 0.3, 5.0])
    value = pm.math.invprobit(x)
    assert ulps(pytensor.function([x], value)(at), truth(value, {x: at})).max() <= 4


def test_other_clients_do_not_matter():
    x = pt.dvector("x")
    p = phi(x)
    log = pt.log(p)
    gradient = pytensor.grad(log.sum(), x)
    second = pytensor.grad(gradient.sum(), x)
    at = np.array([-1e3, -60.0, -38.5, -5.0, 0.0, 3.0, 20.0])
    outputs = [log, gradient, second, p, 1 - p, pt.erfc(-x / ROOT), pt.exp(-x * x / 2)]
    together = pytensor.function([x], outputs)(at)
    for output, values in zip(outputs[:3], together, strict=False):
        np.testing.assert_allclose(values, pytensor.function([x], output)(at), rtol=2e-15)
        assert np.isfinite(values).all()


@pytest.mark.parametrize(
    "move", [lambda v: v[::2], lambda v: v[np.array([2, 0])], lambda v: v[:, None]]
)
def test_through_indexing(move):
    x = pt.dvector("x")
    counts = op_counts(compile_rewritten([x], pt.log(move(phi(x)))))
    assert counts.get("log_half_erfc") == 1, counts


def test_a_second_pass_changes_nothing():
    a, b = pt.dvectors("ab")
    log = pt.log(phi(a) - phi(b))
    outputs = [log, *pytensor.grad(log.sum(), [a, b]), pt.log(phi(a)), pytensor.grad(a.sum(), a)]
    once = compile_rewritten([a, b], outputs).maker.fgraph
    again = second_pass(once)
    assert same_graph(once, again)


def test_what_must_not_match():
    x, y = pt.dvectors("xy")
    z = pt.zvector("z")
    assert not fired(pt.log(pt.erfc(x) + 1e-3), pt.log(0.3 + pt.erf(x)), pt.log(2 - pt.erf(x)))
    assert not fired(pt.exp(-x * y) / pt.erfc(x), pt.exp(-2.1 * x * x) / pt.erfc(x))
    assert not fired(pt.exp(x * x) / pt.erfc(x), pt.exp(-x * x) / (pt.erfc(x) + y))
    assert not fired(pt.erf(x) - 2 * pt.erf(y), pt.erf(x) - pt.erf(y) + 0.5, pt.erf(2 * x))
    assert not fired(2 * x * pt.erfcx(x) - 1.12, x - pt.erfcx(x), x * y / 3)
    assert not fired(pt.log(z), z - z**2)
    assert not fired(x / pt.sqrt(2.0 * y), pt.log(-pt.erfc(x)))


def test_without_the_rules_the_same_graph_as_before():
    x = pt.dvector("x")
    with pytensor_stabilize.excluding("all"):
        counts = op_counts(compile_rewritten([x], pytensor.grad(pt.log(phi(x)).sum(), x)))
    assert "erfc_ratio" not in counts
