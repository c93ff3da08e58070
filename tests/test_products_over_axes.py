"""Logarithms of products over an axis."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, fired_again, second_pass, ulps

from pytensor_stabilize.graphs import explain, same_graph, truth

x = pt.dvector("x")
AT = [
    np.array([a, a + 1, a - 2]) for a in (-700.0, -300.0, -40.0, -3.0, 0.0, 3.0, 40.0, 300.0, 700.0)
]
FUNCTIONS = {
    "log(cumprod(1 - s))": lambda s: pt.log(pt.cumprod(1 - s)),
    "log(cumprod(1 - s) s)": lambda s: pt.log(pt.cumprod(1 - s) * s),
    "log(cumprod(s)[:-1])": lambda s: pt.log(pt.cumprod(s)[:-1]),
    "log(join(1, cumprod))": lambda s: pt.log(
        pt.concatenate([pt.ones(1), pt.cumprod(1 - s)[:-1]]) * s
    ),
    "log(prod(s))": lambda s: pt.log(pt.prod(s)),
    "log1p(-prod(s))": lambda s: pt.log1p(-pt.prod(s)),
    "log(1 - prod(s))": lambda s: pt.log(1 - pt.prod(s)),
    "log(1 - prod(1 - s))": lambda s: pt.log(1 - pt.prod(1 - s)),
    "log1p(-cumprod(s))": lambda s: pt.log1p(-pt.cumprod(s)),
    "1 - prod(s)": lambda s: 1 - pt.prod(s),
    "1 - prod(1 - s)": lambda s: 1 - pt.prod(1 - s),
    "0.5 - 0.5 prod(s)": lambda s: 0.5 - 0.5 * pt.prod(s),
    "2 - cumprod(s) - 1": lambda s: 2 - pt.cumprod(s) - 1,
    # Occupied, or not seen in any visit.
    "log(s + q prod(1 - s))": lambda s: pt.log(s[0] + (1 - s[0]) * pt.prod(1 - s[1:])),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values(name):
    y = FUNCTIONS[name](pt.sigmoid(x))
    function = pytensor.function([x], y)
    for at in AT:
        exact = truth(y, {x: at})
        # The exponential of a rounded logarithm, where 1 minus the product is asked for.
        size = np.maximum(np.abs(exact.value), np.finfo("float64").tiny)
        amplified = np.abs(np.log(size)) / 2 if "1p" in name or " - " in name else 0
        assert (ulps(function(at), exact) <= 4 + amplified).all(), at


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_of_what_was_rewritten_first(name):
    """As PyMC does it."""
    from pytensor.graph.rewriting.utils import rewrite_graph

    y = FUNCTIONS[name](pt.sigmoid(x)).sum()
    first = rewrite_graph(y, include=("canonicalize", "stabilize"))
    function = pytensor.function([x], pt.grad(first, x))
    exact = pt.grad(y, x)
    for at in AT:
        wanted = truth(exact, {x: at})
        assert wanted.decided.all()
        np.testing.assert_allclose(function(at), wanted.value, rtol=1e-12, atol=1e-307)


def test_axes_and_infinities():
    m = pt.dmatrix("m")
    s = pt.sigmoid(m)
    at = np.array([[-3.0, 0, 5], [np.inf, -np.inf, 1]])
    outputs = [pt.log(pt.cumprod(s, axis=0)), pt.log1p(-pt.prod(s, axis=1)), pt.log(pt.cumprod(s))]
    values = pytensor.function([m], outputs)(at)
    by_hand = 1 / (1 + np.exp(-at))
    with np.errstate(all="ignore"):
        wanted = [
            np.log(by_hand.cumprod(0)),
            np.log1p(-by_hand.prod(1)),
            np.log(by_hand.ravel().cumprod()),
        ]
    for value, expected in zip(values, wanted, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-13)


@pytest.mark.parametrize(
    "y",
    [
        pt.log(pt.cumprod(pt.tanh(x))),  # two negative factors have a positive product
        pt.log(pt.cumprod(x * pt.sigmoid(x))),
        pt.log(pt.cumprod(pt.sigmoid(x) - 0.3)),
        pt.log(pt.cumsum(pt.sigmoid(x))),
        pt.log1p(pt.prod(pt.sigmoid(x))),
    ],
)
def test_what_may_be_negative_is_left(y):
    assert explain(y).fired["log_of_product_over_axis"] == 0


# PyTensor makes a scalar of the sum in the second pass only.
SCALARS = {"0.5 - 0.5 prod(s)", "log(s + q prod(1 - s))"}


def test_a_second_pass_changes_nothing():
    outputs = [f(pt.sigmoid(x)) for name, f in FUNCTIONS.items() if name not in SCALARS]
    once = compile_rewritten([x], outputs).maker.fgraph
    again = second_pass(once)
    assert same_graph(once, again)


def test_in_a_second_pass_no_rule_fires():
    once = compile_rewritten([x], [f(pt.sigmoid(x)) for f in FUNCTIONS.values()]).maker.fgraph
    assert not fired_again(once)
