"""A choice between two of several, ``p[i] / (p[i] + p[j])``, and what is made of it."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, fired_again, linker
from pytensor.compile.mode import Mode
from pytensor.tensor.special import Softmax, softmax
from test_softmax_second import LARGE, ROWS, worst

import pytensor_stabilize
from pytensor_stabilize.graphs import explain, truth


def share(p, i=0, j=1):
    return p[i] / (p[i] + p[j])


def two_rows(x):
    return softmax(pt.stack([x, 2 * x]), axis=1)


def share_of_columns(p):
    return p[:, 1] / (p[:, 1] + p[:, 2])


VALUES = {
    "share": lambda x: share(softmax(x)),
    "share of the second": lambda x: share(softmax(x), 1, 0),
    "share from the end": lambda x: share(softmax(x), -1, -2),
    "share, built apart": lambda x: softmax(x)[0] / (softmax(x)[0] + softmax(x)[1]),
    "share, half": lambda x: softmax(x)[0] / (2 * softmax(x)[0] + 2 * softmax(x)[1]),
    "share, rows": lambda x: share_of_columns(two_rows(x)),
    "1 - share": lambda x: 1 - share(softmax(x)),
    "share (1 - share)": lambda x: share(softmax(x)) * (1 - share(softmax(x))),
    "difference": lambda x: (softmax(x)[0] - softmax(x)[1]) / (softmax(x)[0] + softmax(x)[1]),
    "product": lambda x: softmax(x)[0] * softmax(x)[1] / (softmax(x)[0] + softmax(x)[1]) ** 2,
    "log(share)": lambda x: pt.log(share(softmax(x))),
    "log(1 - share)": lambda x: pt.log(1 - share(softmax(x))),
    "log1p(-share)": lambda x: pt.log1p(-share(softmax(x))),
}
# The gradient of the product is 0 at a tie of the two, and has 9 digits next to it.
SECOND = ["share", "share of the second", "share, built apart", "share, half", "log(share)"]


# At a tie the second derivative is 0 as well.
APART = np.delete(ROWS, [4, 7], axis=0)


def errors_beside_the_largest(x, gradient, rows):
    """In ulps of the largest element of a row: another is 0, and others cancel to it."""
    with linker("cvm") as mode:
        function = pytensor.function([x], gradient, mode=mode)
    for row in rows:
        exact = truth(gradient, {x: row}).value
        yield np.abs(function(row) - exact).max() / np.spacing(np.abs(exact).max())


@pytest.mark.parametrize("name", list(VALUES))
def test_value(name):
    x = pt.vector("x")
    with linker("cvm") as mode:
        assert max(worst(x, [VALUES[name](x)], ROWS, mode)) <= 5


@pytest.mark.parametrize("name", [name for name in VALUES if name != "product"])
def test_gradient(name):
    x = pt.vector("x")
    gradient = pytensor.grad(VALUES[name](x).sum(), x)
    assert max(errors_beside_the_largest(x, gradient, ROWS)) <= 8


@pytest.mark.parametrize("name", SECOND)
def test_second_derivative(name):
    x = pt.vector("x")
    gradient = pytensor.grad(VALUES[name](x), x)
    second = pytensor.grad((gradient * np.array([0.5, 2.0, 0.25])).sum(), x)
    assert max(errors_beside_the_largest(x, second, APART)) <= 8


def test_what_the_others_have_no_part_in():
    """Where terms cancel by rounding, some 1e-34 is left in place of 0."""
    x = pt.vector("x")
    with linker("cvm") as mode:
        function = pytensor.function([x], pytensor.grad(share(softmax(x)), x), mode=mode)
    assert not any(function(row)[2] for row in ROWS)


@pytest.mark.parametrize("name", ["share", "log(share)", "product"])
def test_float32(name):
    x = pt.vector("x", dtype="float32")
    with linker("cvm") as mode:
        assert max(worst(x, [VALUES[name](x)], ROWS[[0, 1, -2]], mode)) <= 8


@pytest.mark.parametrize("name", list(VALUES))
def test_where_both_underflow(name):
    x = pt.vector("x")
    row = np.array([0.5, 0.25, 801.0])[:: -1 if "end" in name or "rows" in name else 1]
    with linker("cvm") as mode:
        function = pytensor.function([x], VALUES[name](x), mode=mode)
        with pytensor_stabilize.excluding("all"), np.errstate(invalid="ignore", divide="ignore"):
            assert np.isnan(pytensor.function([x], VALUES[name](x), mode=mode)(row)).any()
    for scale in (1, -1):
        assert not np.isnan(function(scale * LARGE)).any()
    assert not np.isnan(function(row)).any()


@pytest.mark.parametrize("name", list(VALUES))
def test_no_softmax_is_left(name):
    x = pt.vector("x", shape=(3,))
    once = compile_rewritten([x], VALUES[name](x)).maker.fgraph
    assert not any(isinstance(node.op, Softmax) for node in once.apply_nodes)
    assert not fired_again(once)


@pytest.mark.parametrize("clients", [1, 2])
def test_with_other_clients(clients):
    x = pt.vector("x")
    p = softmax(x)
    outputs = [share(p), p, pt.log(share(p))][: 2 * clients - 1]
    with linker("cvm") as mode:
        assert max(worst(x, outputs, ROWS, mode)) <= 5


LEFT = {
    "another above": lambda p, k: p[2] / (p[0] + p[1]),
    "one twice": lambda p, k: p[0] / (p[0] + p[0]),
    "of three": lambda p, k: p[0] / (p[0] + p[1] + p[2]),
    "weighted": lambda p, k: p[0] / (p[0] + 2 * p[1]),
    "perhaps the same": lambda p, k: p[0] / (p[0] + p[k]),
    "from both ends": lambda p, k: p[0] / (p[0] + p[-1]),
    "of two softmaxes": lambda p, k: p[0] / (p[0] + softmax(2 * p)[1]),
    "a difference below": lambda p, k: p[0] / (p[0] - p[1]),
    "more in the sum": lambda p, k: p[0] / (p[0] + p[1] + 1),
    "of squares": lambda p, k: p[0] / (p[0] ** 2 + p[1] ** 2),
    "a factor of both": lambda p, k: p[0] / (p[0] * p[2] + p[1] * p[2]),
    "of complements": lambda p, k: p[0] / ((1 - p)[0] + (1 - p)[1]),
}


@pytest.mark.parametrize("name", list(LEFT))
def test_what_only_looks_like_it_is_left(name):
    x, k = pt.vector("x"), pt.lscalar("k")
    value = LEFT[name](softmax(x), k)
    assert not explain(value).fired["softmax_element_written_out"]
    row = np.array([0.5, 0.25, 1.5])
    ours = compile_rewritten([x, k], value)(row, 2)
    with pytensor_stabilize.excluding("all"):
        stock = compile_rewritten([x, k], value)(row, 2)
    np.testing.assert_allclose(ours, stock, rtol=1e-14)


CASTS = {
    "share": share_of_columns,
    "log(share)": lambda p: pt.log(share_of_columns(p)),
    "log(1 - p)": lambda p: pt.log(1 - p[:, 0]),
    "2 p - 1": lambda p: 2 * p[:, 0] - 1,
    "odds": lambda p: p[:, 0] / (1 - p[:, 1]),
}


@pytest.mark.parametrize("dtypes", [("float32", "float64"), ("float64", "float32")])
@pytest.mark.parametrize("name", list(CASTS))
def test_of_a_softmax_that_is_cast(name, dtypes):
    """Below the cast is the softmax, and not its logits."""
    x = pt.matrix("x", dtype=dtypes[0])
    p = softmax(x, axis=1).astype(dtypes[1])
    value = CASTS[name](p)
    outputs = [value, pytensor.grad(value.sum(), x)]
    rows = np.asarray(ROWS[[0, 1, -2]], dtypes[0])
    function = compile_rewritten([x], outputs, Mode("py", "fast_run"))
    for actual, output in zip(function(rows), outputs, strict=True):
        exact = truth(output, {x: rows}).value
        np.testing.assert_allclose(actual, exact, rtol=1e-4, atol=1e-6 * np.abs(exact).max())
