"""JAX differentiates what was compiled for it: `jax.grad` keeps its digits and is never nan."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

import pytensor_stabilize
from pytensor_stabilize.graphs import explain, op_counts, truth, ulp_error
from pytensor_stabilize.rewrites import functions

jax = pytest.importorskip("jax")

POINTS = np.array([0.0, 3e-5, -3e-5, 0.3, -0.3, 9, -9, 17, -17, 40, -40, 100, -100, 800, -800])
BELOW = -np.abs(POINTS[1:])

# Function and points; JAX's products of the slopes of the parts are within 5 ulps of the
# truth, and the sums of products that it makes of their slopes within 8.
CASES = {
    "sigmoid": (pt.sigmoid, POINTS),
    "1 - sigmoid": (lambda x: 1 - pt.sigmoid(x), POINTS),
    "log_sigmoid": (functions.log_sigmoid, POINTS),
    "log(1 - sigmoid)": (lambda x: pt.log(1 - pt.sigmoid(x)), POINTS),
    "softplus": (functions.softplus, POINTS),
    "log(1 + exp)": (lambda x: pt.log(1 + pt.exp(x)), POINTS),
    "tanh": (pt.tanh, POINTS),
    "silu": (functions.silu, POINTS),
    "logcosh": (functions.logcosh, POINTS),
    "exp / (1 + exp)": (lambda x: pt.exp(x) / (1 + pt.exp(x)), POINTS),
    "log1mexp": (functions.log1mexp, np.append(BELOW, -1e-17)),
    "logexpm1": (functions.logexpm1, -BELOW),
    "sinh": (pt.sinh, POINTS[:-2]),
    "cosh": (pt.cosh, POINTS[:-2]),
    "log(1 - sigmoid ** 2)": (lambda x: pt.log(1 - pt.sigmoid(x) ** 2), POINTS),
}


def for_jax(function, dtype="float64"):
    x = pt.scalar("x", dtype=dtype)
    compiled = pytensor.function([x], function(x), mode="JAX").vm.jit_fn
    return lambda value: compiled(value)[0]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES)
def test_slopes(case, dtype):
    function, at = CASES[case]
    at = at.astype(dtype)
    slope = jax.grad(for_jax(function, dtype))
    x = pt.vector("x", dtype=dtype)
    # PyTensor's pullback of a switch has the dtype floatX.
    with pytensor.config.change_flags(floatX=dtype):
        exact = [pt.grad(function(x).sum(), x)]
        exact.append(pt.grad(exact[0].sum(), x))
    derivatives = zip((slope, jax.grad(slope)), truth(exact, {x: at}), (5, 8), strict=True)
    for by_jax, wanted, promise in derivatives:
        values = np.asarray(jax.jit(jax.vmap(by_jax))(at))
        # XLA flushes subnormal numbers to 0.
        normal = np.abs(wanted.value) >= np.finfo(dtype).tiny
        assert np.where(normal, ulp_error(values, wanted), 0).max() <= promise
        assert np.abs(values[~normal]).max(initial=0) < np.finfo(dtype).tiny


def test_slopes_of_the_normal_distribution_are_finite():
    for function in (functions.std_normal_cdf, functions.std_normal_lcdf):
        slope = jax.grad(for_jax(function))
        for order in (slope, jax.grad(slope)):
            assert np.isfinite(jax.vmap(order)(POINTS)).all()


def test_values_of_hyperbolic_functions():
    """XLA's own are 500 ulps from sinh at 700, and 6 from tanh at 19."""
    x = pt.dvector("x")
    at = np.r_[np.linspace(-710, 710, 999), np.linspace(-30, 30, 999)]
    graphs = [pt.sinh(x), pt.cosh(x), pt.tanh(x)]
    values = pytensor.function([x], graphs, mode="JAX")(at)
    for value, exact in zip(values, truth(graphs, {x: at}), strict=True):
        assert ulp_error(np.asarray(value), exact).max() <= 4


def test_the_normal_family_where_jax_has_no_float64():
    x = pt.fvector("x")
    at = np.linspace(-12, 12, 97, dtype="float32")
    with jax.enable_x64(False), pytensor.config.change_flags(floatX="float32"):
        graphs = [functions.std_normal_cdf(x), functions.std_normal_lcdf(x)]
        graphs.append(pt.grad(graphs[1].sum(), x))
        values = pytensor.function([x], graphs, mode="JAX")(at)
    for value, exact in zip(values, truth(graphs, {x: at}), strict=True):
        assert ulp_error(np.asarray(value), exact).max() <= 4


def test_limits_and_nan():
    for function, wanted in {
        pt.sigmoid: (0, 0, 0.0, 0.0),
        functions.softplus: (0, np.inf, 0, 1),
        pt.tanh: (-1, 1, 0, 0),
    }.items():
        by_jax = for_jax(function)
        ends = [by_jax(end) for end in (-np.inf, np.inf)]
        slopes = [jax.grad(by_jax)(end) for end in (-np.inf, np.inf)]
        if function is pt.sigmoid:
            ends[1] -= 1
        np.testing.assert_array_equal([*ends, *slopes], wanted)
        assert np.isnan(by_jax(np.nan))


def test_the_density_is_one_function():
    x = pt.dvector("x")
    s = pt.sigmoid(x)
    function = pytensor.function([x], [s * (1 - s) * x], mode="JAX")
    assert op_counts(function) == {"logistic_density": 1, "mul": 1}
    slopes = jax.jacobian(lambda v: function.vm.jit_fn(v)[0])(np.array([0.0, 1.0]))
    np.testing.assert_allclose(np.diag(slopes), [0.25, 0.10575418556853344], rtol=1e-15)


def test_it_is_a_rule_with_a_switch():
    x = pt.dvector("x")
    assert explain(pt.sigmoid(x), mode="JAX").fired == {"slopes_for_jax": 1}
    with pytensor_stabilize.excluding("slopes_for_jax"):
        off = pytensor.function([x], pt.sigmoid(x), mode="JAX")
    assert type(off.maker.fgraph.outputs[0].owner.op.scalar_op) is type(pt.sigmoid.scalar_op)
    assert "slopes_for_jax" not in explain(pt.sigmoid(x), mode="CVM").fired


def test_inside_scan():
    xs = pt.dvector("xs")
    scanned = pytensor.scan(lambda v: pt.softplus(v), sequences=[xs], return_updates=False)
    compiled = pytensor.function([xs], scanned.sum(), mode="JAX").vm.jit_fn
    np.testing.assert_array_equal(
        jax.grad(lambda v: compiled(v)[0])(np.array([-800.0, 800])), [0, 1]
    )
