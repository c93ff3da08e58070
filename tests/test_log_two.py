"""Log-cosh as it is usually written, and the softplus that is shifted to 0."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import (
    LINKERS,
    compile_rewritten,
    linker,
    rewritten,
    together_and_alone,
    ulps,
    with_gradients,
)

import pytensor_stabilize
from pytensor_stabilize.graphs import explain, op_counts, truth

L = np.log(2.0)
FAR = [-800.3, -37.1, -2.3, -1.0, 0.9999, 1.0, 3.7, 40.1, 700.3]
NEAR = [-0.7, -1e-3, -1e-9, 0.0, 1e-18, 3e-5, 0.3]
POINTS = np.array(FAR + NEAR)

# Spelling, and how many derivatives are promised.
COSH = {
    "x + softplus(-2 x)": (lambda x: x + pt.softplus(-2 * x) - L, 2),
    "softplus(2 x) - x": (lambda x: pt.softplus(2 * x) - x - L, 2),
    "log 2 first": (lambda x: 3 * (L - x - pt.softplus(-2 * x)), 2),
    "of the absolute value": (lambda x: abs(x) + pt.log1p(pt.exp(-2 * abs(x))) - L, 2),
    "log of a sum": (lambda x: pt.log(pt.exp(x) + pt.exp(-x)) - L, 2),
    "logaddexp": (lambda x: pt.logaddexp(x, -x) - L, 0),
    "half the argument": (lambda x: pt.softplus(x) - x / 2 - L, 2),
    "with another term": (lambda x: pt.sqr(x) + (x + pt.softplus(-2 * x) - L), 2),
}
SHIFTED = {
    "softplus(x) - log(2)": (lambda x: pt.softplus(x) - L, 2),
    "log((1 + exp(x)) / 2)": (lambda x: pt.log(1 + pt.exp(x)) - L, 2),
    "log(2) - softplus(4 x)": (lambda x: L - pt.softplus(4 * x), 2),
}
CASES = COSH | SHIFTED


@pytest.mark.parametrize("name", LINKERS)
@pytest.mark.parametrize("form", CASES)
def test_it_has_its_digits(form, name):
    """Alone and with its derivatives; the constant counts as the float that it is."""
    function, order = CASES[form]
    args, outputs = with_gradients(function, 1, order)
    exact = truth(outputs, {args[0]: POINTS})
    with linker(name) as mode:
        found = together_and_alone(args, outputs, [POINTS], mode)
    for values in found:
        for value, right in zip(values, exact, strict=True):
            worst = ulps(value, right)
            assert worst.max() <= (4 if name != "jax" else 8), POINTS[worst.argmax()]


@pytest.mark.parametrize("form", CASES)
def test_without_the_rules_digits_are_lost(form):
    x = pt.vector("x")
    with pytensor_stabilize.excluding("log_cosh_of_softplus", "shifted_softplus"):
        value = pytensor.function([x], CASES[form][0](x), mode="CVM")(POINTS)
    assert ulps(value, truth(CASES[form][0](x), {x: POINTS})).max() > 1e6


@pytest.mark.parametrize("form", ["softplus(2 x) - x", "softplus(x) - log(2)"])
def test_float32(form):
    x = pt.vector("x", dtype="float32")
    log_two = np.float32(L)
    softplus = pt.softplus(2 * x) - x if "2 x" in form else pt.softplus(x)
    value = softplus - log_two
    at = POINTS[np.abs(POINTS) < 80].astype("float32")
    found = pytensor.function([x], value, mode="CVM")(at)
    assert found.dtype == "float32"
    assert ulps(found, truth(value, {x: at})).max() <= 4


@pytest.mark.parametrize("form", CASES)
def test_a_second_pass_finds_nothing(form):
    args, outputs = with_gradients(CASES[form][0], 1, 1)
    once = compile_rewritten(args, outputs).maker.fgraph
    assert not explain(list(once.outputs), mode=rewritten()).fired


def test_other_clients_do_not_matter():
    x = pt.vector("x")
    softplus = pt.softplus(2 * x)
    function = compile_rewritten([x], [softplus, softplus - x - L])
    value = function(POINTS)[1]
    assert ulps(value, truth(softplus - x - L, {x: POINTS})).max() <= 4


def test_the_second_derivative_of_a_rewritten_graph_is_right_at_zero():
    """As PyMC differentiates: of ``|x|`` it would be 0."""
    x = pt.scalar("x")
    value = abs(x) + pt.softplus(-2 * abs(x)) - L
    graph = pytensor.graph.rewriting.utils.rewrite_graph(
        value, include=("canonicalize", "stabilize")
    )
    second = pytensor.grad(pytensor.grad(graph, x), x)
    assert second.eval({x: 0.0}) == 1


NOT_TO_MATCH = {
    "another constant": lambda x: pt.softplus(x) - 0.6931,
    "another multiple": lambda x: pt.softplus(x) - 2 * L,
    "added": lambda x: pt.softplus(x) + L,
    "a product": lambda x: x * pt.softplus(x) - L,
    "two constants": lambda x: pt.softplus(pt.sqr(x)) - np.array([L, 1.0]),
}


@pytest.mark.parametrize("form", NOT_TO_MATCH)
def test_what_must_not_match(form):
    x = pt.vector("x")
    fired = explain([NOT_TO_MATCH[form](x)]).fired
    assert not {"log_cosh_of_softplus", "shifted_softplus"} & set(fired)


def test_the_branch_away_from_zero_is_left():
    x = pt.vector("x")
    counts = op_counts(compile_rewritten([x], pt.log(pt.cosh(x))).maker.fgraph)
    assert counts["softplus"] == counts["sinh"] == counts["log1p"] == 1


@pytest.mark.parametrize("form", ["x + softplus(-2 x)", "softplus(x) - log(2)"])
def test_special_values(form):
    x = pt.vector("x")
    at = np.array([np.inf, -np.inf, np.nan, 5e-324, -1e-300, 1e308])
    found = pytensor.function([x], CASES[form][0](x), mode="CVM")(at)
    with pytensor_stabilize.excluding("all"):
        stock = pytensor.function([x], CASES[form][0](x), mode="CVM")(at)
    finite = np.isfinite(stock)
    np.testing.assert_allclose(found[finite], stock[finite], rtol=1e-15, atol=1e-16)
    # Stock's x + softplus(-2 x) is -inf + inf at -inf.
    assert np.array_equal(np.isnan(found), np.isnan(at))
    assert found[0] == np.inf
