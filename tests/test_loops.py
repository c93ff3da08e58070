"""What is kept out of loops with kernels, so that LLVM vectorises them."""

import re
from collections import Counter

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.tensor.type import TensorType
from test_kernels import assembly_of, called, on_x86_64

import pytensor_stabilize
from pytensor_stabilize.rewrites.branch_free.loops import Apart, WithoutGaps, has_gaps

x, index = pt.dmatrix("x"), pt.lvector("index")
column = TensorType("float64", (None, 1))("column")
AT = np.random.default_rng(0).normal(size=(30, 30))
INDEX = np.arange(30) % 4

# Of each: how many writes and inputs are taken out of loops.
LOOPS = {
    "a write": (pt.zeros(5)[index].inc(pt.sigmoid(x[0])), 1, 0),
    "a write of rows": (pt.zeros((5, 30))[index].inc(pt.exp(x)), 1, 0),
    "a write behind arithmetic": (pt.zeros(5)[index].inc(2 * pt.expm1(x[0]) + 1), 1, 0),
    "two writes": (
        pt.zeros(5)[index].inc(pt.tanh(x[0])) + pt.zeros(5)[index + 1].inc(pt.exp(x[1])),
        *(2, 0),
    ),
    "a write without functions": (pt.zeros(5)[index].inc(2 * x[0]), 0, 0),
    "transposed": (pt.exp(x.T) + pt.sigmoid(x.T), 0, 1),
    "transposed, before the function": (pt.exp(2 * x.T - 1), 0, 1),
    "transposed, after the function": (pt.exp(x) * x[:, ::2].sum() + x[:, ::-1], 0, 1),
    "two inputs with gaps": (pt.log1p(pt.sqr(x[:, ::2]) * pt.abs(x[:, 1:16])), 0, 2),
    "a column": (pt.softplus(x[:, 3]), 0, 1),
    "arithmetic alone": (x.T + 1, 0, 0),
    "rows": (pt.exp(x[2:5]) + pt.tanh(x[1]), 0, 0),
}


def compiled(outputs, **settings):
    inputs = [x, index]
    return pytensor.function(inputs, outputs, mode="NUMBA", on_unused_input="ignore", **settings)


@pytest.mark.parametrize("case", LOOPS)
def test_what_is_taken_out(case):
    output, writes, inputs = LOOPS[case]
    function = compiled(output)
    found = Counter(type(node.op) for node in function.maker.fgraph.apply_nodes)
    assert (found[Apart], found[WithoutGaps]) == (writes, inputs)
    with pytensor_stabilize.excluding("all"):
        stock = compiled(output)
    np.testing.assert_allclose(function(AT, INDEX), stock(AT, INDEX), rtol=1e-14)


def test_inputs_are_not_written_to():
    """The copy is an array of its own, or the input itself where that has no gaps."""
    given = AT.copy()
    for matrix in (given, np.asfortranarray(given)):
        value = pytensor.function([pytensor.In(x, borrow=True)], pt.exp(x.T), mode="NUMBA")(matrix)
        np.testing.assert_array_equal(matrix, AT)
        np.testing.assert_allclose(value, np.exp(AT.T), rtol=1e-15)


@on_x86_64
@pytest.mark.parametrize("case", ["a write", "transposed", "two inputs with gaps"])
def test_the_loop_is_vectorised(case):
    with pytensor.config.change_flags(numba__cache=False):
        function = compiled(LOOPS[case][0])
        function(AT, INDEX)
    text = assembly_of(function)
    assert re.search(r"\bvfmadd\d+pd\b|\bmulpd\b", text)
    assert not [name for name in called(text) if re.search("exp|log", name)]


def test_gaps():
    square = TensorType("float64", (4, 4))("square")
    for gaps in (
        x.T,
        x[:, 1:],
        x[::2],
        x[:, 0],
        x[1:, 2:3],
        x[::-1],
        x.T[1],
        pt.split(x, splits_size=[1], n_splits=1, axis=1),
    ):
        assert has_gaps(gaps)
    for none in (x, x[1:], x[1], x[None], column.T, pt.exp(x.T), square[1, 2:], x + x.T, x[0, 0]):
        assert not has_gaps(none)
