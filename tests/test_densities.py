"""Differences of two logistic densities, and hazards: what probabilities of ordered categories
and of discrete times leave when they are differentiated.
"""

import numpy as np
import pytensor.tensor as pt
import pytest
from helpers import (
    compile_rewritten,
    fired_again,
    linker,
    together_and_alone,
    ulps,
    with_gradients,
)
from pytensor.compile.mode import Mode

from pytensor_stabilize.graphs import explain, truth
from pytensor_stabilize.rewrites.differences.forms import (
    sigmoid_density_difference,
    tanh_square_difference,
)

sigmoid, tanh = pt.sigmoid, pt.tanh
A = np.array([-37.4, -12.3, -2.1, -1e-6, 1e-9, 0.0123, 0.7, 5.3, 19.2, 36.7])
B = np.array([1e-11, -1e-6, 3e-4, 0.8, -7.1])
AT = [np.repeat(A, len(B)), np.tile(B, len(A))]
# Functions of x and y, of which the gradient in x is a difference of densities.
STEPS = {
    "category": lambda x, y: sigmoid(x + y) - sigmoid(x),
    "around": lambda x, y: sigmoid(x + y) - sigmoid(x - y),
    "of one variable": lambda x, y: sigmoid(x + 1) - sigmoid(x - 1) + 0 * y,
    "times a weight": lambda x, y: 0.3 * (sigmoid(x + y) - sigmoid(x)) / (1 + y**2),
    "tanh": lambda x, y: tanh(x + y) - tanh(x),
    "written with 1 - s": lambda x, y: (1 - sigmoid(x)) - (1 - sigmoid(x + y)),
}


def lenient(args, gradient, at):
    """Ulps of what the rounding of an argument costs: the difference vanishes at 2 x + y = 0."""
    slopes = [pt.grad(gradient.sum(), arg, disconnected_inputs="ignore") for arg in args]
    exact = truth([gradient, *slopes], dict(zip(args, at, strict=True)))
    scale = np.abs(exact[0].value) + sum(
        np.abs(x * slope.value) for x, slope in zip(at, exact[1:], strict=True)
    )
    return exact[0], np.abs(exact[0].value) / scale


@pytest.mark.parametrize("name", ["numba_strict", "cvm"])
@pytest.mark.parametrize("step", STEPS)
def test_gradient(step, name):
    args, outputs = with_gradients(STEPS[step], 2, 1)
    exact, share = lenient(args, outputs[1], AT)
    with linker(name) as mode:
        for values in together_and_alone(args, outputs, AT, mode):
            errors = ulps(values[1], exact) * share
            assert errors.max() <= 6, [column[errors.argmax()] for column in AT]


@pytest.mark.parametrize("step", STEPS)
def test_nothing_is_left_to_rewrite(step):
    args, outputs = with_gradients(STEPS[step], 2, 1)
    assert explain(outputs).fired["sigmoid_density_minus_density"] >= 1
    assert not fired_again(compile_rewritten(args, outputs).maker.fgraph)


# Both densities at one argument, other factors, and a third term with one of the arguments.
OTHERS = {
    "one argument": lambda a, b: sigmoid(a) * sigmoid(-a) - sigmoid(-a) * sigmoid(a) + b,
    "factors": lambda a, b: 2 * sigmoid(a) * sigmoid(-a) - 3 * sigmoid(b) * sigmoid(-b),
    "sum": lambda a, b: sigmoid(a) * sigmoid(-a) + sigmoid(b) * sigmoid(-b),
    "curvatures": lambda a, b: (
        sigmoid(a) * sigmoid(-a) * tanh(a / 2) - sigmoid(b) * sigmoid(-b) * tanh(b / 2)
    ),
}


# With a third factor, or power, in place of a density's.
ALIKE = {
    "a square": lambda a, b: sigmoid(a) ** 2 * sigmoid(-a) - sigmoid(b) ** 2 * sigmoid(-b),
    "a third power": lambda a, b: tanh(a) ** 3 - tanh(b) ** 3,
    "with a factor each": lambda a, b: a * tanh(a) ** 2 - b * tanh(b) ** 2,
    "one of each": lambda a, b: sigmoid(a) * sigmoid(-a) - tanh(b) ** 2,
    "crossed": lambda a, b: sigmoid(a) * sigmoid(-b) - sigmoid(b) * sigmoid(-a),
    "a double": lambda a, b: sigmoid(a) * sigmoid(-a) - 2 * sigmoid(b) * sigmoid(-b),
    "of a double": lambda a, b: sigmoid(2 * a) * sigmoid(-a) - sigmoid(2 * b) * sigmoid(-b),
    "beside one": lambda a, b: sigmoid(a) * sigmoid(-a) - sigmoid(b) * sigmoid(-b) + sigmoid(b),
}


@pytest.mark.parametrize("other", ALIKE)
def test_what_only_looks_like_it_keeps_its_value(other):
    a, b = pt.dvectors("a", "b")
    value = ALIKE[other](a, b)
    assert not explain(value).fired["sigmoid_density_minus_density"]
    at = np.array([0.3, -1.7, 2.9]), np.array([1.3, -0.4, -2.2])
    exact = truth(value, dict(zip([a, b], at, strict=True)))
    assert ulps(compile_rewritten([a, b], value)(*at), exact).max() <= 32


@pytest.mark.parametrize("other", OTHERS)
def test_what_is_no_difference(other):
    a, b = pt.dvectors("a", "b")
    assert not explain(OTHERS[other](a, b)).fired["sigmoid_density_minus_density"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("form", [sigmoid_density_difference, tanh_square_difference])
def test_infinite_and_equal_arguments(form, dtype):
    a, b = (pt.vector(name, dtype=dtype) for name in "ab")
    at = np.array(
        [(np.inf, np.inf), (-np.inf, np.inf), (np.inf, 0), (0, -np.inf), (3, 3), (3, -3), (0, 0)],
        dtype,
    ).T
    found = compile_rewritten([a, b], form(a, b))(*at)
    assert found.dtype == dtype
    if form is tanh_square_difference:
        expected = np.tanh(at[0]) ** 2 - np.tanh(at[1]) ** 2
    else:
        expected = 1 / (4 * np.cosh(at[0] / 2) ** 2) - 1 / (4 * np.cosh(at[1] / 2) ** 2)
    np.testing.assert_array_equal(found, expected)


def test_gradient_where_arguments_are_equal_or_opposite():
    """PyMC differentiates what is left: at a tie of |a| and |b| as well."""
    a, b = pt.dvectors("a", "b")
    at = np.array([0.3, 0.3, -1.7, 0.0, 0.0, 12.0]), np.array([0.3, -0.3, 1.7, 0.0, 2.0, -12.0])
    plain = sigmoid(a) * sigmoid(-a) - sigmoid(b) * sigmoid(-b)
    right = truth(pt.grad(plain.sum(), [a, b]), dict(zip([a, b], at, strict=True)))
    found = compile_rewritten([a, b], pt.grad(sigmoid_density_difference(a, b).sum(), [a, b]))(*at)
    for value, exact in zip(found, right, strict=True):
        assert ulps(value, exact).max() <= 8


# Hazards of a discrete time with a logistic survival function, S(t + 1) / S(t).
HAZARDS = {
    "ratio": lambda x, y: 1 - (1 - sigmoid(x + 1 + y**2)) / (1 - sigmoid(x)),
    "survivals": lambda x, y: 1 - sigmoid(-x - 1 - y**2) / sigmoid(-x),
    "log": lambda x, y: pt.log(1 - (1 - sigmoid(x + 1 + y**2)) / (1 - sigmoid(x))),
    "log1p": lambda x, y: pt.log1p(-sigmoid(-x - 1 - y**2) / sigmoid(-x)),
    "weighted": lambda x, y: 0.5 * y - 0.5 * y * sigmoid(-x - 1) / sigmoid(-x),
}


@pytest.mark.parametrize("name", ["numba_strict", "jax"])
@pytest.mark.parametrize("hazard", HAZARDS)
def test_hazard(hazard, name):
    args, outputs = with_gradients(HAZARDS[hazard], 2, 1)
    at = [AT[0], np.tile([0.1, 0.9, 1.3, 0.5, 0.7], len(A))]
    exact = truth(outputs, dict(zip(args, at, strict=True)))
    with linker(name) as mode:
        for values in together_and_alone(args, outputs, at, mode):
            # x + 1 + y**2 is rounded.
            errors = ulps(values[0], exact[0]) / (8 + np.abs(at[0]))
            assert errors.max() <= 1, [column[errors.argmax()] for column in at]


def test_hazards_are_left_alone_when_rewritten_again():
    for function in HAZARDS.values():
        args, outputs = with_gradients(function, 2, 1)
        assert not fired_again(compile_rewritten(args, outputs).maker.fgraph)


def test_log_of_hazard_is_a_limit_far_out():
    """Both survivals are 0 there: the quotient was nan."""
    x = pt.dvector("x")
    value = pt.log1p(-sigmoid(-x - 1) / sigmoid(-x))
    found = compile_rewritten([x], value)(np.array([40.0, 800.0, -800.0]))
    np.testing.assert_allclose(
        found, [np.log1p(-np.exp(-1.0))] * 2 + [-799.0 + np.log(1 - np.exp(-1))]
    )


@pytest.mark.parametrize("dtypes", ["float32 float32", "float64 float32", "float64 int8"])
def test_shapes_and_dtypes(dtypes):
    """Cutpoints of one row beside a column of predictors, moved about, in floats of two widths."""
    first, second = dtypes.split()
    c, eta = pt.vector("c", dtype=first), pt.col("eta", dtype=second)
    p, r = sigmoid(c - eta), sigmoid(c[::-1] - eta)
    differences = {
        "densities": (p * (1 - p) - r * (1 - r), "sigmoid_density_minus_density"),
        "squares": (tanh(c) ** 2 - tanh(eta) ** 2, "sigmoid_density_minus_density"),
        "hazard": (1 - sigmoid(c - eta - 1) / p, "sigmoid_minus_sigmoid"),
        "log": (pt.log1p(-sigmoid(c - eta - 1) / p), "log1p_neg_sigmoid_ratio"),
    }
    at = np.array([-3.7, 0.3, 9.1], first), np.array([[1], [-2]], second)
    for difference, rule in differences.values():
        mode = Mode("py", "fast_run").excluding("fusion", "inplace")
        found = compile_rewritten([c, eta], difference, mode)(*at)
        assert found.dtype == difference.type.dtype
        assert explain(difference).fired[rule] == 1
        exact = truth(difference, dict(zip([c, eta], at, strict=True)))
        assert ulps(found, exact).max() <= 32
