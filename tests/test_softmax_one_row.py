"""``softmax(v[None, :], axis=1)`` and its derivatives are those of ``softmax(v)``."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, fired_again, linker
from pytensor.compile.mode import Mode
from pytensor.tensor.special import log_softmax, softmax
from test_softmax_second import ROWS, quantities, worst

import pytensor_stabilize
from pytensor_stabilize.graphs import diff, explain, truth

RULES = ("softmax_of_one_row", "gradient_of_one_row")
PICKED = np.array([0]), np.array([0])

FORMS = {
    "row": lambda x: softmax(x[None, :], axis=-1)[0, 0],
    "column": lambda x: softmax(x[:, None], axis=0)[0, 0],
    "two dimensions": lambda x: softmax(x[None, None, :] * 1.0, axis=-1)[0, 0, 0],
    "over all": lambda x: softmax(x.reshape((1, 3)))[0, 0],
    "row, then element": lambda x: softmax(x[None, :], axis=1)[0][0],
    "p (1 - p)": lambda x: (softmax(x[None, :], axis=1) * (1 - softmax(x[None, :], axis=1)))[0, 0],
    "log_softmax": lambda x: log_softmax(x[None, :], axis=1)[0, 0],
    "log p": lambda x: pt.log(softmax(x[None, :], axis=1))[0, 0],
    "label": lambda x: -log_softmax(x[None, :], axis=1)[PICKED].mean(),
    "log(1 - p)": lambda x: pt.log(1 - softmax(x[None, :], axis=1)[0, 0]),
    "logsumexp": lambda x: pt.logsumexp(x[None, :], axis=1)[0] - x[0],
    "logsumexp, kept": lambda x: (pt.logsumexp(x[None, :], axis=1, keepdims=True) - x[0])[0, 0],
}


@pytest.mark.parametrize("name", list(FORMS))
def test_value_and_two_derivatives(name):
    x = pt.vector("x")
    outputs = quantities(FORMS[name], x)
    with linker("cvm") as mode:
        assert max(worst(x, outputs, ROWS, mode)) <= 5
        for output in outputs:
            assert max(worst(x, [output], ROWS, mode)) <= 5


@pytest.mark.parametrize("name", ["row", "p (1 - p)", "label", "log(1 - p)"])
def test_without_the_rules_digits_are_lost(name):
    x = pt.vector("x")
    with pytensor_stabilize.excluding(*RULES), linker("cvm") as mode:
        assert worst(x, quantities(FORMS[name], x), ROWS, mode)[1] > 1e6


@pytest.mark.parametrize("name", list(FORMS))
def test_a_second_pass_changes_nothing(name):
    x = pt.vector("x", shape=(3,))
    once = compile_rewritten([x], quantities(FORMS[name], x)).maker.fgraph
    assert not fired_again(once)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", list(FORMS))
def test_types_stay(name, dtype):
    x = pt.vector("x", dtype=dtype)
    value = FORMS[name](x)
    outputs = [value, pytensor.grad(value, x)]
    found = [v.type for v in compile_rewritten([x], outputs).maker.fgraph.outputs]
    assert [t.dtype for t in found] == [v.type.dtype for v in outputs]
    assert [t.ndim for t in found] == [0, 1]


def weighted(p, w):
    return (p * w).sum(axis=1), p[0] * w[0], (p > 0.5).sum(axis=1)


def test_what_else_is_computed_of_the_row_is_the_same():
    x, w = pt.vector("x"), pt.matrix("w", shape=(1, None))
    outputs = [*weighted(softmax(x[None, :] + w, axis=1), w), *weighted(softmax(w, axis=1), w)]
    rng = np.random.default_rng(20261129)
    values = rng.normal(size=5), rng.normal(size=(1, 5))
    ours = compile_rewritten([x, w], outputs)(*values)
    with pytensor_stabilize.excluding("all"):
        stock = compile_rewritten([x, w], outputs)(*values)
    for a, b in zip(ours, stock, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-13)


WRITES = {
    "one element": lambda z, g: z[0, 1].inc(g[0]),
    "set": lambda z, g: z[0, 1].set(g[0]),
    "the whole row": lambda z, g: z[0].inc(g),
    "the whole row, set": lambda z, g: z[0].set(g[0]),
    "a slice": lambda z, g: z[:, 1].inc(g[0]),
    "an array": lambda z, g: z[PICKED].inc(g[:1]),
    "last": lambda z, g: z[-1, -1].inc(g[0]),
    "a mask": lambda z, g: z[np.array([[False, True, False]])].inc(g[:1]),
}


@pytest.mark.parametrize("base", ["zeros", "given"])
@pytest.mark.parametrize("name", list(WRITES))
def test_writes_to_one_row(name, base):
    x, g = pt.vector("x", shape=(3,)), pt.vector("g", shape=(3,))
    p = softmax(x[None, :], axis=1)
    z = pt.zeros((1, 3)) if base == "zeros" else p * 2
    written = WRITES[name](z, g)
    outputs = [pt.squeeze(written * p, 0) + g, (written * p).sum(axis=1) + 1]
    values = np.array([0.5, -1.0, 2.0]), np.array([3.0, 4.0, 5.0])
    ours = compile_rewritten([x, g], outputs)(*values)
    with pytensor_stabilize.excluding("all"):
        stock = compile_rewritten([x, g], outputs)(*values)
    for a, b in zip(ours, stock, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-14)


@pytest.mark.parametrize("index", [(0,), (0, slice(1, None)), (0, 1)])
def test_what_is_written_has_the_dtype_of_the_row(index):
    """Logits in float32, to a row in float64: they were computed with in float32."""
    x = pt.fvector("x")
    row = pt.zeros((1, 3), dtype="float64")[index]
    written = pt.set_subtensor(row, x[: row.size] if row.ndim else x[0])
    values = np.array([1.3, 0.2, 3.7], dtype="float32")
    for output in (softmax(written, axis=1)[0, 1], (written / 3 + softmax(written, axis=1))[0]):
        ours = compile_rewritten([x], output)(values)
        with pytensor_stabilize.excluding("all"):
            stock = compile_rewritten([x], output)(values)
        assert ours.dtype == stock.dtype == "float64"
        np.testing.assert_allclose(ours, stock, rtol=1e-14)


@pytest.mark.parametrize(
    "graph",
    [
        lambda x, w: softmax(w, axis=1)[0, 0],
        lambda x, w: softmax(pt.exp(w), axis=1).sum(axis=1),
        lambda x, w: softmax(x[:, None], axis=1)[:, 0],
        lambda x, w: softmax(pt.outer(x, x), axis=1)[0, 0],
        lambda x, w: pt.squeeze(pt.exp(w) * 2, 0),
    ],
    ids=["given as a row", "made of a row", "of single logits", "matrix", "no softmax"],
)
def test_it_leaves(graph):
    x, w = pt.vector("x"), pt.matrix("w", shape=(1, None))
    fired = explain(graph(x, w)).fired
    assert not any(fired[name] for name in RULES)


def test_the_gradient_is_that_of_the_vector():
    x = pt.vector("x")
    ours = compile_rewritten([x], pytensor.grad(FORMS["row"](x), x))
    plain = compile_rewritten([x], pytensor.grad(softmax(x)[0], x))
    assert not diff(ours, plain)


ASKED = {
    "p": lambda x, rows, y: softmax(x, axis=1)[rows, y],
    "p (1 - p)": lambda x, rows, y: softmax(x, axis=1)[rows, y] * (1 - softmax(x, axis=1)[rows, y]),
    "log p": lambda x, rows, y: pt.log(softmax(x, axis=1)[rows, y]),
    "log_softmax": lambda x, rows, y: log_softmax(x, axis=1)[rows, y],
    "written out": lambda x, rows, y: pt.log((pt.exp(x) / pt.exp(x).sum(axis=1))[rows, y]),
}


@pytest.mark.parametrize("length", [None, 1, 4])
@pytest.mark.parametrize("name", list(ASKED))
def test_one_row_is_asked_for_several_elements(name, length):
    """The index of the row is broadcast to those of the elements, of which two may be one."""
    x, y = pt.matrix("x", shape=(1, 3)), pt.lvector("y", shape=(length,))
    value = ASKED[name](x, pt.arange(x.shape[0]), y)
    first = pytensor.grad(value.sum(), x)
    outputs = [value, first, pytensor.grad((first * np.array([0.5, 2.0, 0.25])).sum(), x)]
    row, places = np.array([[1.0, 0.5, 0.25]]), np.array([0, 2, 2, 1])[:length]
    mode = Mode("py", "fast_run").excluding("fusion", "inplace")
    function = compile_rewritten([x, y], outputs, mode)
    for actual, output in zip(function(row, places), outputs, strict=True):
        exact = truth(output, {x: row, y: places}).value
        np.testing.assert_allclose(actual, exact, rtol=1e-12, atol=1e-15)
