"""Sums of some components of a softmax, and what is missing to 1."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, fired_again, linker
from pytensor.tensor.special import softmax
from test_softmax_second import LARGE, ROWS, worst

import pytensor_stabilize
from pytensor_stabilize.graphs import explain

RULES = ("one_minus_softmax_parts", "log_of_softmax_parts")
OF_ELEMENTS = ("softmax_elements", "log_softmax_complement")
BOTH = np.array([0, 2])


def two_rows(x):
    return softmax(pt.stack([x, 2 * x]), axis=1)


VALUES = {
    "1 - slice": lambda x: 1 - softmax(x)[:2].sum(),
    "1 - slice, from": lambda x: 1 - softmax(x)[1:].sum(),
    "1 - slice, but the last": lambda x: 1 - softmax(x)[:-1].sum(),
    "1 - slice, last two": lambda x: 1 - softmax(x)[-2:].sum(),
    "1 - slice, middle": lambda x: 1 - softmax(pt.concatenate([[-50.0], x]))[1:3].sum(),
    "1 - slice, step": lambda x: 1 - softmax(x)[::2].sum(),
    "1 - slice, kept": lambda x: 1 - softmax(x)[1:].sum(keepdims=True),
    "1 - indices": lambda x: 1 - softmax(x)[BOTH].sum(),
    "1 - two": lambda x: 1 - softmax(x)[0] - softmax(x)[1],
    "1 - (two)": lambda x: 1 - (softmax(x)[1] + softmax(x)[2]),
    "1 - slice - one": lambda x: 1 - softmax(x)[:1].sum() - softmax(x)[1],
    "w - w two": lambda x: x[0] - x[0] * softmax(x)[0] - x[0] * softmax(x)[1],
    "1 - slice, rows": lambda x: 1 - two_rows(x)[:, :2].sum(axis=1),
    "1 - two, rows": lambda x: 1 - two_rows(x)[:, 0] - two_rows(x)[:, 1],
    "log(slice)": lambda x: pt.log(softmax(x)[:2].sum()),
    "log(two)": lambda x: pt.log(softmax(x)[1] + softmax(x)[2]),
    "log(slice), rows": lambda x: pt.log(two_rows(x)[:, 1:].sum(axis=1)),
    "log(1 - slice)": lambda x: pt.log(1 - softmax(x)[:2].sum()),
    "log1p(-slice)": lambda x: pt.log1p(-softmax(x)[1:].sum()),
    "log(1 - two)": lambda x: pt.log(1 - softmax(x)[0] - softmax(x)[1]),
}
SLICES = [name for name in VALUES if "slice" in name and "one" not in name and "step" not in name]


@pytest.mark.parametrize("name", list(VALUES))
def test_value(name):
    x = pt.vector("x")
    with linker("cvm") as mode:
        assert max(worst(x, [VALUES[name](x)], ROWS, mode)) <= 5


@pytest.mark.parametrize("name", ["1 - slice", "1 - two", "log(slice)", "log1p(-slice)"])
def test_float32(name):
    x = pt.vector("x", dtype="float32")
    with linker("cvm") as mode:
        assert max(worst(x, [VALUES[name](x)], ROWS[[0, 1, -2]], mode)) <= 8


@pytest.mark.parametrize("name", SLICES)
def test_gradient_of_a_slice(name):
    x = pt.vector("x")
    value = VALUES[name](x)
    with linker("cvm") as mode:
        assert max(worst(x, [value, pytensor.grad(value.sum(), x)], ROWS[:-1], mode)) <= 8


@pytest.mark.parametrize("name", list(VALUES))
def test_without_the_rules_digits_are_lost(name):
    x = pt.vector("x")
    with pytensor_stabilize.excluding(*RULES, *OF_ELEMENTS), linker("cvm") as mode:
        assert max(worst(x, [VALUES[name](x)], ROWS, mode)) > 1e6


@pytest.mark.parametrize("name", list(VALUES))
def test_far_out(name):
    x = pt.vector("x")
    with linker("cvm") as mode:
        function = pytensor.function([x], VALUES[name](x), mode=mode)
    for scale in (1, -1, 1e4):
        assert not np.isnan(function(scale * LARGE)).any()


@pytest.mark.parametrize("name", list(VALUES))
def test_a_second_pass_changes_nothing(name):
    x = pt.vector("x", shape=(3,))
    once = compile_rewritten([x], VALUES[name](x)).maker.fgraph
    assert not fired_again(once)


LEFT = {
    "one twice": lambda x, k: 1 - softmax(x)[0] - softmax(x)[0],
    "in two slices": lambda x, k: 1 - softmax(x)[:2].sum() - softmax(x)[1:].sum(),
    "in a slice and alone": lambda x, k: 1 - softmax(x)[:2].sum() - softmax(x)[1],
    "perhaps the same": lambda x, k: 1 - softmax(x)[k] - softmax(x)[0],
    "perhaps in the slice": lambda x, k: 1 - softmax(x)[:2].sum() - softmax(x)[k],
    "from the end": lambda x, k: 1 - softmax(x)[0] - softmax(x)[-3],
    "indices twice": lambda x, k: 1 - softmax(x)[np.array([0, 0])].sum(),
    "indices from the end": lambda x, k: 1 - softmax(x)[np.array([0, -3])].sum(),
    "of two softmaxes": lambda x, k: 1 - softmax(x)[0] - softmax(2 * x)[1],
    "along the other axis": lambda x, k: 1 - two_rows(x)[:1].sum(axis=0),
    "of both axes": lambda x, k: 1 - two_rows(x)[:, :2].sum(),
    "of some rows": lambda x, k: 1 - two_rows(x)[:1, :2].sum(axis=1),
    "a multiple": lambda x, k: 1 - 2 * softmax(x)[:2].sum(),
    "another constant": lambda x, k: 2 - softmax(x)[:2].sum(),
    "log of a difference": lambda x, k: pt.log(softmax(x)[2] - softmax(x)[1]),
    "log of a multiple": lambda x, k: pt.log(2 * softmax(x)[:2].sum()),
}


# 1 minus the slice alone, and a slice of a softmax of those rows.
MENDED_IN_PART = ("in a slice and alone", "perhaps in the slice", "of some rows")


@pytest.mark.parametrize("name", list(LEFT))
def test_what_only_looks_like_it_is_left(name):
    x, k = pt.vector("x"), pt.lscalar("k")
    value = LEFT[name](x, k)
    fired = explain(value).fired
    assert name in MENDED_IN_PART or not any(fired[rule] for rule in RULES)
    row = np.array([0.5, 0.25, 1.5])
    ours = compile_rewritten([x, k], value)(row, 0)
    with pytensor_stabilize.excluding("all"):
        stock = compile_rewritten([x, k], value)(row, 0)
    np.testing.assert_allclose(ours, stock, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("k", [-5, -3, -1, 0, 1, 3, 5])
def test_any_bound(k):
    x, bound = pt.vector("x"), pt.lscalar("bound")
    p = softmax(x)
    outputs = [1 - p[:bound].sum(), 1 - p[bound:].sum(), pt.log1p(-p[bound:].sum())]
    assert explain(outputs).fired["one_minus_softmax_parts"] == 2
    row = np.array([0.5, 0.25, 1.5])
    ours = compile_rewritten([x, bound], outputs)(row, k)
    with pytensor_stabilize.excluding("all"), np.errstate(divide="ignore"):
        stock = compile_rewritten([x, bound], outputs)(row, k)
    np.testing.assert_allclose(ours[:2], stock[:2], rtol=1e-14, atol=1e-15)
    if np.abs(stock[1]) > 1e-15:
        np.testing.assert_allclose(ours[2], stock[2], rtol=1e-14)
