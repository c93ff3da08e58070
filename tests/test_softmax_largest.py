"""Logarithms of ``1 - softmax(x)``, and what is computed of the largest component."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, fired_again, linker
from pytensor.tensor.special import softmax
from test_softmax_second import LARGE, ROWS, worst

import pytensor_stabilize
from pytensor_stabilize.graphs import explain


def two_rows(x):
    return pt.stack([x, 2 * x])


# Without the tie, of which the largest component has a gradient of its own, and without the nearly
# equal logits, where the gradient of a sum over all of them has an ordinary zero.
NO_TIES = np.delete(ROWS, [4, 7], axis=0)
VALUES = {
    "log(1 - p)": lambda x: pt.log(1 - softmax(x)),
    "log1p(-p)": lambda x: pt.log1p(-softmax(x)),
    "log(1 - p), some": lambda x: pt.log(1 - softmax(x)[1:]),
    "log(1 - p), rows": lambda x: pt.log(1 - softmax(two_rows(x), axis=1)),
    "1 - max": lambda x: 1 - softmax(x).max(),
    "1 - max, kept": lambda x: 1 - softmax(x).max(keepdims=True),
    "1 - max, rows": lambda x: 1 - softmax(two_rows(x), axis=1).max(axis=1),
    "1 - max, columns": lambda x: 1 - softmax(two_rows(x), axis=1).max(axis=0),
    "max (1 - max)": lambda x: softmax(x).max() * (1 - softmax(x).max()),
    "log(1 - max)": lambda x: pt.log(1 - softmax(x).max()),
    "lse - max": lambda x: pt.logsumexp(x) - x.max(),
    "max - lse, rows": lambda x: two_rows(x).max(axis=1) - pt.logsumexp(two_rows(x), axis=1),
    "lse - max, rows, kept": lambda x: (
        pt.logsumexp(two_rows(x), axis=1, keepdims=True) - two_rows(x).max(axis=1, keepdims=True)
    ),
}
GRADIENTS = {name: f for name, f in VALUES.items() if "rows" not in name and "columns" not in name}


@pytest.mark.parametrize("name", list(VALUES))
def test_value(name):
    x = pt.vector("x")
    with linker("cvm") as mode:
        assert max(worst(x, [VALUES[name](x)], ROWS, mode)) <= 5


MULTIPLES = {
    "2 max": lambda x: 2 * x.max() - pt.logsumexp(2 * x),
    "-max": lambda x: -x.max() - pt.logsumexp(-x),
    "-2 max": lambda x: -2 * x.max() - pt.logsumexp(-2 * x),
    "-max, rows": lambda x: -two_rows(x).max(axis=1) - pt.logsumexp(-two_rows(x), axis=1),
}


@pytest.mark.parametrize("name", list(MULTIPLES))
def test_the_largest_is_the_least_of_the_negatives(name):
    x = pt.vector("x")
    with linker("cvm") as mode:
        assert max(worst(x, [MULTIPLES[name](x)], ROWS, mode)) <= 5


@pytest.mark.parametrize("name", ["log(1 - p)", "1 - max", "log(1 - max)", "lse - max"])
def test_float32(name):
    x = pt.vector("x", dtype="float32")
    with linker("cvm") as mode:
        assert max(worst(x, [VALUES[name](x)], ROWS[[0, 1, -2]], mode)) <= 8


@pytest.mark.parametrize("name", list(GRADIENTS))
def test_gradient(name):
    x = pt.vector("x")
    value = GRADIENTS[name](x)
    with linker("cvm") as mode:
        assert max(worst(x, [value, pytensor.grad(value.sum(), x)], NO_TIES, mode)) <= 5


@pytest.mark.parametrize("name", list(VALUES))
def test_without_the_rules_digits_are_lost(name):
    x = pt.vector("x")
    with pytensor_stabilize.excluding("all"), linker("cvm") as mode:
        assert max(worst(x, [VALUES[name](x)], ROWS, mode)) > 1e6


@pytest.mark.parametrize("name", list(VALUES))
def test_far_out(name):
    x = pt.vector("x")
    with linker("cvm") as mode:
        function = pytensor.function([x], VALUES[name](x), mode=mode)
    assert np.isfinite(function(LARGE)).all()
    assert not np.isnan(function(1e4 * LARGE)).any()


@pytest.mark.parametrize("name", list(VALUES))
def test_a_second_pass_changes_nothing(name):
    x = pt.vector("x", shape=(3,))
    once = compile_rewritten([x], VALUES[name](x)).maker.fgraph
    assert not fired_again(once)


@pytest.mark.parametrize(
    "graph",
    [
        lambda x: pt.log(2 - softmax(x)),
        lambda x: pt.log(1 + softmax(x)),
        lambda x: pt.log1p(-2 * softmax(x)),
        lambda x: pt.log1p(-softmax(x) * x),
        lambda x: pt.log1p(-(softmax(x) ** 2)),
        lambda x: pt.logsumexp(two_rows(x), axis=1) - two_rows(x).max(axis=0)[:2],
        lambda x: pt.logsumexp(two_rows(x), axis=1) - x.max(),
    ],
)
def test_what_only_looks_like_it_keeps_its_value(graph):
    x = pt.vector("x")
    value = graph(x)
    assert not explain(value).fired["log_of_softmax_complement"]
    row = np.array([0.5, 0.25, -1.0])
    ours = compile_rewritten([x], value)(row)
    with pytensor_stabilize.excluding("all"):
        stock = compile_rewritten([x], value)(row)
    np.testing.assert_allclose(ours, stock, rtol=1e-14)


@pytest.mark.parametrize("sign", [1, -1])
def test_what_a_whole_row_leaves_of_1(sign):
    """Its terms cancel as they are read, and there is nothing to look for in them."""
    x = pt.matrix("x")
    total = softmax(x, axis=1).sum(axis=1, keepdims=True)
    value = pt.log1p(-total) if sign > 0 else pt.log(1 - total)
    assert not explain(value).fired["log_of_softmax_complement"]
