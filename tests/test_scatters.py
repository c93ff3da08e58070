"""Indices, writes and joins between a function and its use, in values and in derivatives."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, linker, ulps
from pytensor.compile.mode import Mode
from pytensor.graph.traversal import graph_inputs

import pytensor_stabilize
from pytensor_stabilize.graphs import explain, op_counts, same_graph, truth

x, y = pt.dvectors("x", "y")
i, j = pt.lscalars("i", "j")
k = pt.lvector("k")
s, t = pt.sigmoid(x), pt.tanh(x)
TWICE = np.array([0, 0, 2])

CASES = {
    "an element": pt.log(1 - s[0]),
    "an element named by a variable": pt.log(1 - s[i]),
    "a slice": pt.log1p(-s[:2]),
    "a slice with symbolic ends": pt.log1p(-s[i:j]),
    "every other element": pt.log(1 - s[::2]),
    "elements, one twice": pt.log(s[TWICE]),
    "elements named by a variable": pt.log(1 - s[k]),
    "an element of a slice": pt.log(1 - s[1:][0]),
    "a slice of elements": pt.log(1 - s[k][1:]),
    "two logarithms": pt.log(1 - s[0]) + 3 * pt.log(s[0]),
    "tanh": pt.log(1 - t[TWICE] ** 2),
    "exp": pt.log1p(-1 / (1 + pt.exp(x[1]))),
    "a row": pt.log1p(-s[None, :][0, 1:]),
    "the odds": pt.log(s[0] / (1 - s[0])),
    "two indices": pt.log(1 - s[0]) + pt.log(1 - s[2]),
    "an element and all": pt.log(1 - s[0]) + pt.log(s).sum(),
    "set": pt.log(1 - pt.set_subtensor(pt.zeros((5,))[1:4], s)),
    "concatenated": pt.log(pt.concatenate([s, 1 - s])),
    "the same twice": pt.log1p(-pt.concatenate([s, s])),
    "rows": pt.log(pt.stack([s, 1 - s])),
    "columns": pt.log(pt.stack([s, 1 - s], axis=-1)),
    "a column": pt.log(pt.stack([1 - s, s], axis=-1)[:, 0]),
    "rows, one twice": pt.log(pt.stack([s, 1 - s])[np.array([1, 0, 1])]),
    "the first row and others": pt.log(pt.stack([s, 1 - s, s**2])[1:]),
    "one of two scalars": pt.log(pt.stack([s[0], 1 - s[0]])[1]),
    "the other of two scalars": pt.log(pt.stack([1 - s[0], s[0]])[0]),
    "a slice of a join": pt.log(pt.join(0, s, 1 - s)[1:]),
    "a slice of a join, from its end": pt.log(pt.join(0, s, 1 - s)[-4:-1]),
    "a label": (y[:, None] * pt.log(pt.stack([s, 1 - s], axis=1))),
}
GIVEN = {i: 1, j: 3, k: np.array([2, 2, 0]), y: np.array([0.3, 1.0, 0.0])}
INPUTS = [x, y, i, j, k]
# Far from the ordinary zeros of the derivatives.
POINTS = [
    np.array([0.3, 1.9, -2.4]),
    np.array([37.1, 40.3, 38.9]),
    np.array([-37.1, -40.3, -38.9]),
    np.array([300.1, 37.5, -301.9]),
    np.array([-700.3, 700.9, 690.1]),
]


def derivatives(value):
    first = pt.grad(value.sum(), x)
    return [value, first, pt.grad(first.sum(), x)]


def call(function, at):
    return function(at, *(GIVEN[v] for v in INPUTS[1:]))


def errors(actual, quantity, at):
    used = set(graph_inputs([quantity]))
    givens = {v: GIVEN.get(v, at) for v in INPUTS if v in used}
    return ulps(np.asarray(actual), truth(quantity, givens)).max()


def compiled(outputs, mode=None):
    mode = mode or Mode("py", "fast_run").excluding("fusion", "inplace")
    return pytensor.function(INPUTS, outputs, mode=mode, on_unused_input="ignore")


@pytest.mark.parametrize("case", CASES)
def test_value_and_derivatives_are_right(case):
    quantities = derivatives(CASES[case])
    together = compiled(quantities)
    alone = [compiled(quantity) for quantity in quantities]
    for at in POINTS:
        for quantity, function, joint in zip(quantities, alone, call(together, at), strict=True):
            assert errors(call(function, at), quantity, at) <= 4, at
            assert errors(joint, quantity, at) <= 4, at


@pytest.mark.parametrize("name", ["numba_strict", "cvm"])
@pytest.mark.parametrize("case", ["elements, one twice", "columns", "a slice of a join"])
def test_on_linkers(case, name):
    quantity = derivatives(CASES[case])[1]
    with linker(name) as mode:
        function = compiled(quantity, mode)
        for at in POINTS:
            assert errors(call(function, at), quantity, at) <= 4, at


@pytest.mark.parametrize("case", ["an element", "elements, one twice", "concatenated"])
def test_stock_is_wrong(case):
    quantity = derivatives(CASES[case])[1]
    with pytensor_stabilize.excluding("all"):
        function = compiled(quantity)
    with np.errstate(all="ignore"):
        worst = np.max([errors(call(function, at), quantity, at) for at in POINTS])
    assert not worst < 1e6


def test_float32():
    z = pt.fvector("z")
    p = pt.sigmoid(z)
    for value in (pt.log(1 - p[0]), pt.log(pt.concatenate([p, 1 - p])).sum()):
        gradient = pt.grad(value, z)
        function = pytensor.function([z], gradient, mode=Mode("py", "fast_run"))
        assert gradient.dtype == "float32"
        for at in (POINTS[0], np.array([17.9, 40.1, -88.0]), np.array([100.3, -20.1, 99.0])):
            at = at.astype("float32")
            actual = function(at)
            assert actual.dtype == np.float32
            assert ulps(actual, truth(gradient, {z: at})).max() <= 4


def test_graphs():
    """The gradients end as one would write them."""
    zeros = pt.zeros_like(x)
    for value, wanted in (
        (pt.log(1 - s[0]), pt.inc_subtensor(zeros[0], -pt.sigmoid(x[0]))),
        (pt.log1p(-s[k]).sum(), pt.inc_subtensor(zeros[k], -pt.sigmoid(x)[k])),
        (pt.log(pt.concatenate([s, 1 - s])).sum(), -pt.tanh(0.5 * x)),
    ):
        actual = compile_rewritten([x, k], pt.grad(value, x))
        assert same_graph(actual, compile_rewritten([x, k], wanted))


def test_a_difference_with_what_is_written_to_zeros():
    """Only this way round: of `written - 1` PyTensor makes an increment of a full array."""
    value = 1 - pt.set_subtensor(pt.zeros(3)[1:], s[:2])
    found = compiled(value)(np.array([40.0, -40.0, 0.0]), *(GIVEN[v] for v in INPUTS[1:]))
    np.testing.assert_array_equal(found[[0, 2]], [1, 1])
    assert found[1] == pytest.approx(np.exp(-40.0), rel=1e-14, abs=0)


ROW = pt.zeros((1, 3))[0]
BESIDE = {
    "an increment": y - pt.inc_subtensor(pt.zeros(3)[:1], 1 - s[:1]),
    "a row": y + pt.inc_subtensor(ROW, s * (1 - s))[0],
    "a row that is set": y * y - pt.set_subtensor(ROW, 1 - s)[0],
    "a number as well": 1 + y - pt.set_subtensor(pt.zeros(3)[1:], s[:2]),
    "another write": pt.inc_subtensor(pt.zeros(3)[1:], y[:2]) - pt.set_subtensor(ROW, 1 - s)[0],
    "a gradient": pt.grad((pt.switch(x > 0, x, y) - pt.sigmoid(x[None, :][0])).sum(), x),
}


@pytest.mark.parametrize("case", BESIDE)
def test_what_else_stands_beside_a_write_stays(case):
    value, function = BESIDE[case], compiled(BESIDE[case])
    with pytensor_stabilize.excluding("all"):
        stock = compiled(value)
    for at in POINTS:
        np.testing.assert_allclose(call(function, at), call(stock, at), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("length", [0, 1, 2, 5])
def test_slices_of_joins_of_any_length(length):
    at, other = np.linspace(-1, 1, length), np.linspace(2, 3, 2)
    joined = pt.log(pt.join(0, s, pt.sigmoid(y)))
    for index in (slice(1, None), slice(None, 3), slice(2, 4), slice(-3, None), slice(-2, -1)):
        value = joined[index]
        quantities = [value, pt.grad(value.sum(), x), pt.grad(value.sum(), y)]
        ours = pytensor.function([x, y], quantities, mode=Mode("py", "fast_run"))
        naive = pytensor.function([x, y], quantities, mode=Mode("py", None))
        for a, b in zip(ours(at, other), naive(at, other), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-13)


def test_other_joins_and_writes_are_left():
    """Where no function of the table is behind them, and where the cuts are not the joints."""
    cuts = pt.split(pt.log(pt.join(0, s, 1 - s)), [2, 4], n_splits=2)
    outputs = [
        pt.grad((x[0] ** 2).sum() + (x[k] * y).sum(), x),
        pt.join(0, x, y)[1:],
        pt.set_subtensor(x[0], 2.0) * s,
        *cuts,
    ]
    fired = explain(outputs).fired
    ours = ("split_of_join", "read_of_join", "product_with_scatter", "sum_of_scatters")
    assert not any(fired[name] for name in ours)


def test_special_values():
    """Only the elements that are written to matter; nan stays nan."""
    function = compiled([pt.grad(pt.log(1 - s[0]), x), pt.grad(pt.log(s[TWICE]).sum(), x)])
    first, twice = call(function, np.array([np.inf, -np.inf, np.nan]))
    np.testing.assert_array_equal(first, [-1, 0, 0])
    np.testing.assert_array_equal(twice, [0, 0, np.nan])


def test_no_join_is_left():
    value = pt.log(pt.stack([s, 1 - s])[np.array([1, 0, 1])])
    counts = op_counts(compile_rewritten([x], pt.grad(value.sum(), x)))
    assert not {"Join", "Split", "AdvancedIncSubtensor"} & set(counts)
