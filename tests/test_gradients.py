"""Gradients of the family: one small graph from both pullbacks, right to the last digits."""

from functools import cache

import mpmath
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import LINKERS, compile_rewritten, exact_sigmoid, linker, points, rewritten, ulps

import pytensor_stabilize
from pytensor_stabilize import sigmoid
from pytensor_stabilize.graphs import op_counts, same_graph, truth

x, y = pt.dvectors("x", "y")

QUANTITIES = {
    "sigmoid": lambda s, x, y: s,
    "log(s)": lambda s, x, y: pt.log(s),
    "log(1 - s)": lambda s, x, y: pt.log(1 - s),
    "log1p(-s)": lambda s, x, y: pt.log1p(-s),
    "odds": lambda s, x, y: s / (1 - s),
    "inverse odds": lambda s, x, y: (1 - s) / s,
    "cross entropy": lambda s, x, y: -(y * pt.log(s) + (1 - y) * pt.log(1 - s)),
    "cross entropy, log1p": lambda s, x, y: -(y * pt.log(s) + (1 - y) * pt.log1p(-s)),
    "silu": lambda s, x, y: x * s,
}

# The operations of the smallest graph of each gradient; stock PyTensor reaches them on its best
# spelling where it is right at all.
SMALLEST = {
    "sigmoid": {"sigmoid": 2, "neg": 1, "mul": 1},
    "log(s)": {"sigmoid": 1, "neg": 1},
    "log(1 - s)": {"sigmoid": 1, "neg": 1},
    "log1p(-s)": {"sigmoid": 1, "neg": 1},
    "odds": {"exp": 1},
    "inverse odds": {"exp": 1, "neg": 2},
    "cross entropy": {"sigmoid": 2, "neg": 1, "mul": 2, "sub": 2},
    "cross entropy, log1p": {"sigmoid": 2, "neg": 1, "mul": 2, "sub": 2},
    "silu": {"sigmoid": 2, "neg": 1, "mul": 1, "add": 1},
}


def gradient(quantity: str, pullback: str):
    return pt.grad(QUANTITIES[quantity](sigmoid(x, pullback=pullback), x, y).sum(), x)


# PyTensor takes the common factor out of s + x s (1 - s) where the pullback is its own, and not
# out of s + x s sigmoid(-x); both are right to the last digits.
SAME = [quantity for quantity in QUANTITIES if quantity != "silu"]


@pytest.mark.parametrize("quantity", SAME)
def test_both_pullbacks_end_in_the_same_small_graph(quantity):
    naive, stable = (
        compile_rewritten([x, y], gradient(quantity, pullback)) for pullback in ("naive", "stable")
    )
    assert same_graph(naive, stable), f"{naive.maker.fgraph}\n{stable.maker.fgraph}"
    assert op_counts(naive) == SMALLEST[quantity]


@pytest.mark.parametrize("quantity", SAME)
def test_pytensors_own_sigmoid_ends_in_that_graph_too(quantity):
    own = compile_rewritten([x, y], pt.grad(QUANTITIES[quantity](pt.sigmoid(x), x, y).sum(), x))
    assert same_graph(own, compile_rewritten([x, y], gradient(quantity, "stable")))


@pytest.mark.parametrize("quantity", ["sigmoid", "log(1 - s)", "odds", "cross entropy", "silu"])
def test_without_stabilize_the_two_pullbacks_differ(quantity):
    mode = rewritten().excluding("stabilize")
    naive, stable = (
        compile_rewritten([x, y], gradient(quantity, pullback), mode)
        for pullback in ("naive", "stable")
    )
    assert not same_graph(naive, stable)


def test_how_the_two_pullbacks_differ_without_stabilize():
    """Each is wrong where the other is right: why there is a choice."""
    mode = rewritten().excluding("stabilize", "specialize")

    def value(quantity, pullback, at):
        function = compile_rewritten([x, y], gradient(quantity, pullback), mode)
        return function(np.array([at]), np.array([0.0]))[0]

    assert value("sigmoid", "naive", 40.0) == 0
    assert value("sigmoid", "stable", 40.0) == pytest.approx(exact_sigmoid(-40), rel=1e-14)
    # PyTensor cancels (1 - s) / (1 - s); it does not know that sigmoid(-x) is the same.
    assert value("log(1 - s)", "naive", 800.0) == -1
    assert np.isnan(value("log(1 - s)", "stable", 800.0))


# Sums of terms of both signs: the absolute terms, which the error of the sum is measured by.
SCALES = {
    "cross entropy": lambda u: pt.sigmoid(u) + pt.sigmoid(-u),
    "cross entropy, log1p": lambda u: pt.sigmoid(u) + pt.sigmoid(-u),
    "silu": lambda u: pt.sigmoid(u) * (1 + pt.abs(u) * pt.sigmoid(-u)),
}


@cache
def exact_gradient(quantity: str, label: float, dtype: str):
    """Points, the truth of a gradient there, and of its terms if they may cancel."""
    u = pt.vector("u", dtype=dtype)
    at = points(dtype, {"float64": 745.0, "float32": 103.0}[dtype])
    if quantity in SCALES:
        # Below this a term of the sum is a subnormal float, and the sum inherits its coarseness.
        at = at[np.abs(at) < {"float64": 700.0, "float32": 80.0}[dtype]]
    graph = QUANTITIES[quantity](pt.sigmoid(u), u, np.full_like(at, label))
    exact = truth(pt.grad(graph.sum(), u), {u: at})
    return at, exact, truth(SCALES[quantity](u), {u: at}) if quantity in SCALES else None


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", LINKERS)
def test_precision(name, dtype):
    """400 points a function against the exact value, alone and with value, sigmoid and Hessian."""
    # XLA flushes subnormals to zero and has its own exp, 1 ulp worse.
    bound = {"float64": 4.0, "float32": 5.0}[dtype]
    u, t = pt.vector("u", dtype=dtype), pt.vector("t", dtype=dtype)
    for label in (0.0, 0.25, 1.0):
        quantities = QUANTITIES if label == 0.25 else ["cross entropy", "cross entropy, log1p"]
        for quantity in quantities:
            at, exact, scale = exact_gradient(quantity, label, dtype)
            graph = QUANTITIES[quantity](pt.sigmoid(u), u, t)
            derivative = pt.grad(graph.sum(), u)
            hessian = pt.grad(derivative.sum(), u)
            for outputs in ([derivative], [derivative, graph, pt.sigmoid(u), hessian]):
                with linker(name) as mode:
                    function = pytensor.function(
                        [u, t], outputs, mode=mode, on_unused_input="ignore"
                    )
                value = np.asarray(function(at, np.full_like(at, label))[0])
                assert value.dtype == dtype
                errors = ulps(value, exact, scale)
                worst = int(errors.argmax())
                assert errors[worst] <= bound, (quantity, label, at[worst], value[worst])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", LINKERS)
def test_the_derivative_of_sigmoid_is_never_zero_where_it_is_a_normal_float(name, dtype):
    limit = {"float64": 708.0, "float32": 87.0}[dtype]
    at = np.linspace(-limit, limit, 4001).astype(dtype)
    u = pt.vector("u", dtype=dtype)
    with linker(name) as mode:
        derivative = pt.grad(pt.sigmoid(u).sum(), u)
        value = np.asarray(pytensor.function([u], derivative, mode=mode)(at))
    exact = truth(derivative, {u: at})
    assert np.all(value[exact.value >= np.finfo(dtype).tiny] > 0)
    assert ulps(value, exact).max() <= 4.0


def test_the_gradient_agrees_with_finite_differences():
    for pullback in ("naive", "stable"):
        pytensor.gradient.verify_grad(
            lambda v, p=pullback: sigmoid(v, pullback=p),
            [np.array([-2.0, 0.1, 3.0])],
            rng=np.random,
        )


@pytest.mark.parametrize("pullback", ["naive", "stable"])
def test_derivatives_of_any_order_exist(pullback):
    z = pt.dscalar("z")
    derivative = sigmoid(z, pullback=pullback)
    # The truth differentiates what PyTensor differentiates; mpmath does it in its own way.
    with mpmath.workdps(40):
        for order in range(1, 4):
            derivative = pt.grad(derivative, z)
            wanted = mpmath.diff(lambda v: 1 / (1 + mpmath.exp(-v)), mpmath.mpf(1.5), order)
            assert derivative.eval({z: 1.5}) == pytest.approx(float(wanted), rel=1e-12)
            assert float(truth(derivative, {z: 1.5})) == pytest.approx(float(wanted), rel=1e-15)


def test_rules_work_one_by_one_and_not_at_all():
    at = np.array([40.0])
    derivative = pt.grad(pt.sigmoid(x).sum(), x)
    with pytensor_stabilize.excluding("all"):
        assert pytensor.function([x], derivative)(at)[0] == 0
    for name in ("one_minus_sigmoid", "sum_at_critical_value"):
        with pytensor_stabilize.only(name):
            assert pytensor.function([x], derivative)(at)[0] > 0
    with pytensor_stabilize.excluding("one_minus_sigmoid", "sum_at_critical_value"):
        assert pytensor.function([x], derivative)(at)[0] == 0
    assert pytensor.function([x], derivative)(at)[0] > 0
