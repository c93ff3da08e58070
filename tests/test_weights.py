"""Mixtures in a weight w and 1 - w: what their second derivatives leave of the two."""

import numpy as np
import pytensor
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

import pytensor_stabilize
from pytensor_stabilize.graphs import explain, truth

sigmoid = pt.sigmoid
X = np.array([-37.4, -18.4, -7.1, -1.3, -1e-7, 0.0, 0.7, 2.5, 7.8, 19.2, 36.7])
W = np.array([1e-8, 0.0313, 0.41, 0.97, 1 - 1e-9])
AT = [np.repeat(X, len(W)), np.tile(W, len(X))]
# The complement of a weight as people write it.
MIXTURES = {
    "two Bernoullis": lambda x, w: pt.log(w * sigmoid(x) + (1 - w) * (1 - sigmoid(x))),
    "multiplied out": lambda x, w: pt.log(1 - w - sigmoid(x) + 2 * w * sigmoid(x)),
    "detection": lambda x, w: pt.log1p(-w * sigmoid(x)),
    "the other end": lambda x, w: pt.log(1 - w * (1 - sigmoid(x))),
    "two parts": lambda x, w: pt.log((1 - w) + w * (1 - sigmoid(x))),
    "posterior": lambda x, w: w * sigmoid(x) / (w * sigmoid(x) + (1 - w) * 0.5),
    "posterior of the other": lambda x, w: (
        (1 - w) * (1 - sigmoid(x)) / (1 - w * sigmoid(x) - (1 - w) * (1 - sigmoid(x)) * 0.5)
    ),
    "tanh": lambda x, w: pt.log(w * (1 + pt.tanh(x / 2)) + (1 - w) * (1 - pt.tanh(x / 2))),
}


@pytest.mark.parametrize("name", ["numba_strict", "jax"])
@pytest.mark.parametrize("mixture", MIXTURES)
def test_second_derivative(mixture, name):
    args, outputs = with_gradients(MIXTURES[mixture], 2, 2)
    exact = truth(outputs[2], dict(zip(args, AT, strict=True)))
    with linker(name) as mode:
        for values in together_and_alone(args, outputs, AT, mode):
            errors = ulps(values[2], exact)
            assert errors.max() <= 16, [column[errors.argmax()] for column in AT]


# Of the posterior PyTensor opens the denominator, 2 w p + (1 - w), when it is asked again.
@pytest.mark.parametrize("mixture", [m for m in MIXTURES if m != "posterior"])
def test_nothing_is_left_to_rewrite(mixture):
    args, outputs = with_gradients(MIXTURES[mixture], 2, 2)
    assert not fired_again(compile_rewritten(args, outputs).maker.fgraph)


def p(x):
    return sigmoid(x)


def q(x):
    return sigmoid(-x)


def of_two(x, w):
    """``log(w p + (1 - w) q)``, twice differentiated."""
    return (
        (2 * w - 1)
        * (p(x) * q(x) * ((1 - w) * q(x) ** 2 - w * p(x) ** 2))
        / (w * p(x) + (1 - w) * q(x)) ** 2
    )


@pytest.mark.parametrize("mixture", ["two Bernoullis", "multiplied out"])
def test_graph(mixture):
    args, outputs = with_gradients(MIXTURES[mixture], 2, 2)
    found = compile_rewritten(args, outputs[2])
    expected = compile_rewritten(args, of_two(*args))
    assert len(found.maker.fgraph.apply_nodes) <= len(expected.maker.fgraph.apply_nodes) + 1
    assert explain(outputs[2]).fired["sum_at_critical_value"] == 1


def test_no_weight():
    """Where w may be large the terms in w and 1 - w would cancel: t + a q is w t + (1 - a) p."""
    x, a = pt.dvectors("x", "a")
    for value in (
        pt.tanh(x / 2) - a * sigmoid(x) ** 2,
        (1 - a) * pt.exp(pt.tanh(x / 2) + a * sigmoid(-x)),
        (pt.tanh(x / 2) - a * sigmoid(x) ** 2) / (1 + a**2 * sigmoid(x)) + (1 - a),
    ):
        compiled = compile_rewritten([x, a], value)
        at = np.array([-13.7, -3.1, 0.4]), np.array([3e5, -2e4, 1e6])
        assert ulps(compiled(*at), truth(value, dict(zip([x, a], at, strict=True)))).max() <= 4


@pytest.mark.parametrize("name", ["numba_strict", "jax"])
def test_what_is_called_a_weight_may_be_negative(name):
    """``1 - w s`` is positive for any w below 1; terms in w and 1 - w would cancel there."""
    args, outputs = with_gradients(MIXTURES["detection"], 2, 2)
    weights = np.array([-1e4, -100.0, -7.0, 0.0])
    at = [np.repeat(X, len(weights)), np.tile(weights, len(X))]
    exact = truth(outputs[2], dict(zip(args, at, strict=True)))
    with linker(name) as mode:
        for values in together_and_alone(args, outputs, at, mode):
            errors = ulps(values[2], exact)
            assert errors.max() <= 8, [column[errors.argmax()] for column in at]


# What takes the place of 1 - w.
NO_COMPLEMENT = {
    "1 - 2 w": lambda w: 1 - 2 * w,
    "1 + w": lambda w: 1 + w,
    "2 - w": lambda w: 2 - w,
    "1 - w**2": lambda w: 1 - w**2,
    "1 - w - w**2": lambda w: 1 - w - w**2,
    "1 - 1/w": lambda w: 1 - 1 / w,
    "w / 2": lambda w: w / 2,
    "1 - w v": lambda w: 1 - w * w[::-1],
}


def second_derivative(of):
    """Ours, and as stock PyTensor has it, where both are right."""
    x, w = pt.dvectors("x", "w")
    value = of(x, w)
    first = pytensor.grad(value.sum(), x)
    output = pytensor.grad(first.sum(), x)
    at = np.array([-2.5, -0.7, 0.3, 1.9]), np.array([0.11, 0.23, 0.37, 0.46])
    mode = Mode("py", "fast_run").excluding("fusion", "inplace")
    ours = compile_rewritten([x, w], output, mode)(*at)
    with pytensor_stabilize.excluding("all"):
        return ours, compile_rewritten([x, w], output, mode)(*at)


@pytest.mark.parametrize("name", list(NO_COMPLEMENT))
def test_what_is_no_complement_keeps_its_value(name):
    other = NO_COMPLEMENT[name]
    ours, stock = second_derivative(lambda x, w: pt.log(w * sigmoid(x) + other(w) * sigmoid(-x)))
    np.testing.assert_allclose(ours, stock, rtol=1e-11)


MOVES = {
    "reversed": lambda w: w[::-1],
    "a column": lambda w: w[:, None],
    "one of them": lambda w: w[1],
    "repeated": lambda w: w[np.array([0, 0, 2, 1])],
}


@pytest.mark.parametrize("mixture", ["two Bernoullis", "detection"])
@pytest.mark.parametrize("name", list(MOVES))
def test_weights_that_are_moved_about(name, mixture):
    move = MOVES[name]
    ours, stock = second_derivative(lambda x, w: MIXTURES[mixture](x, move(w)))
    np.testing.assert_allclose(ours, stock, rtol=1e-11)


INSIDE = {
    "two Bernoullis": lambda x, w: w * sigmoid(x) + (1 - w) * sigmoid(-x),
    "detection": lambda x, w: 1 - w * sigmoid(x),
}


@pytest.mark.parametrize("mixture", list(INSIDE))
@pytest.mark.parametrize("name", list(MOVES))
def test_mixtures_that_are_moved_about(name, mixture):
    move = MOVES[name]
    ours, stock = second_derivative(lambda x, w: pt.log(move(INSIDE[mixture](x, w))))
    np.testing.assert_allclose(ours, stock, rtol=1e-11)


RATES = [-40.3, -19.2, -2.3, 0.3]
ARGUMENTS = [-45.0, -19.2, -1.3, 0.3, 2.1, 19.7, 45.0]
GRID = [np.repeat(ARGUMENTS, len(RATES)), np.tile(RATES, len(ARGUMENTS))]


def of_no_events(b):
    return pt.exp(-pt.exp(b))


# No events in a zero-inflated Poisson model, with the logit of the inflation.
INFLATED = {
    "as a sum": lambda a, b: pt.log(p(a) + (1 - p(a)) * of_no_events(b)),
    "the other way": lambda a, b: pt.log(1 - p(a) + p(a) * of_no_events(b)),
    "with log1p": lambda a, b: pt.log1p(p(a) * pt.expm1(-pt.exp(b))),
    "as one minus": lambda a, b: pt.log(1 - p(a) * (1 - of_no_events(b))),
    "logaddexp": lambda a, b: pt.logaddexp(pt.log(p(a)), pt.log(1 - p(a)) - pt.exp(b)),
    "logaddexp, turned": lambda a, b: pt.logaddexp(pt.log1p(-p(a)) - pt.exp(b), pt.log(p(a))),
    "an exponential": lambda a, b: pt.log(1 - p(a) + p(a) * pt.exp(b)),
}


@pytest.mark.parametrize("name", ["numba_strict", "jax"])
@pytest.mark.parametrize("form", INFLATED)
def test_inflated(form, name):
    args, outputs = with_gradients(INFLATED[form], 2, 1)
    exact = truth(outputs, dict(zip(args, GRID, strict=True)))
    with linker(name) as mode:
        for values in together_and_alone(args, outputs, GRID, mode):
            for value, right in zip(values, exact, strict=True):
                errors = ulps(value, right)
                # Exponentials of rounded sums: 4 (1 + |t|).
                assert errors.max() <= 90, [column[errors.argmax()] for column in GRID]


@pytest.mark.parametrize("form", INFLATED)
def test_of_the_inflated_nothing_is_left_to_rewrite(form):
    args, outputs = with_gradients(INFLATED[form], 2, 1)
    assert not fired_again(compile_rewritten(args, outputs).maker.fgraph)


@pytest.mark.parametrize("turned", [False, True])
def test_inflated_by_a_weight(turned):
    def function(x, w):
        first, second = pt.log(w), pt.log1p(-w) - pt.exp(x)
        return pt.logaddexp(second, first) if turned else pt.logaddexp(first, second)

    args, outputs = with_gradients(function, 2, 1)
    exact = truth(outputs[0], dict(zip(args, AT, strict=True)))
    assert explain(outputs[0]).fired["logaddexp_of_weights"] == 1
    errors = ulps(compile_rewritten(args, outputs[0])(*AT), exact)
    assert errors.max() <= 4, [column[errors.argmax()] for column in AT]


x, w, v = pt.dvector("x"), pt.dvector("w"), pt.dvector("v")
NO_WEIGHTS = {
    "of two weights": pt.logaddexp(pt.log(w), pt.log1p(-v) - x),
    "with no other term": pt.logaddexp(pt.log(w), pt.log1p(-w)),
    "of both terms": pt.logaddexp(pt.log(w) - v, pt.log1p(-w) - x),
    "one softplus": pt.logaddexp(-pt.softplus(x), -pt.softplus(x) - v),
}


@pytest.mark.parametrize("form", NO_WEIGHTS)
def test_other_logaddexp_stay(form):
    assert not explain(NO_WEIGHTS[form]).fired["logaddexp_of_weights"]
