"""Several rows at once, as many as they are long: a number a row is not to be one a column."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten
from pytensor.compile.mode import Mode
from pytensor.graph.fg import FunctionGraph
from pytensor.tensor.basic import scalar_from_tensor
from pytensor.tensor.special import log_softmax, softmax

import pytensor_stabilize
from pytensor_stabilize.graphs import truth
from pytensor_stabilize.rewrites.softmax.reader import Reader


def written_out(x):
    return pt.exp(x) / pt.exp(x).sum(axis=1, keepdims=True)


def shifted(x):
    return written_out(x - x.max(axis=1, keepdims=True))


SOFTMAX = {
    "softmax": lambda x: softmax(x, axis=1),
    "written out": written_out,
    "shifted": shifted,
    "transposed": lambda x: softmax(x.T, axis=0).T,
}
VALUES = {
    "p (1 - p)": lambda p: p[:, 0] * (1 - p[:, 0]),
    "2 p - 1": lambda p: (2 * p[:, 1] - 1) * p[:, 1],
    "odds of others": lambda p: p[:, 0] / (1 - p[:, 2]),
    "squared odds of others": lambda p: p[:, 0] * p[:, 1] / (1 - p[:, 2]) ** 2,
    "odds": lambda p: p[:, 1] / (1 - p[:, 1]),
    "log(1 - p)": lambda p: pt.log(1 - p[:, 2]),
    "1 - p - p": lambda p: (1 - p[:, 0] - p[:, 1]) * p[:, 0],
    "log(1 - p - p)": lambda p: pt.log(1 - p[:, 0] - p[:, 1]),
    "share": lambda p: p[:, 0] / (p[:, 0] + p[:, 1]),
    "log(share)": lambda p: pt.log(p[:, 0] / (p[:, 0] + p[:, 1])),
    "two shares": lambda p: p[:, 0] / (p[:, 2] + p[:, 0]) - p[:, 0] / (p[:, 0] + p[:, 1]),
    "constant": lambda p: (p[:, 1] / (p[:, 1] + p[:, 1])) ** 2,
    "Gini": lambda p: 1 - (p**2).sum(axis=1),
    "entropy": lambda p: -(p * pt.log(p)).sum(axis=1),
    "log of a mean": lambda p: pt.log((p * np.array([0.5, 2.0, 0.25])).sum(axis=1)),
}


@pytest.mark.parametrize("made", list(SOFTMAX))
@pytest.mark.parametrize("name", list(VALUES))
def test_rows(name, made):
    x = pt.matrix("x")
    value = VALUES[name](SOFTMAX[made](x))
    first = pytensor.grad(value.sum(), x)
    second = pytensor.grad((first * np.array([0.5, 2.0, 0.25])).sum(), x)
    rows = np.random.default_rng(0).normal(size=(3, 3))
    outputs = [value, first, second]
    mode = Mode("py", "fast_run").excluding("fusion", "inplace")
    function = compile_rewritten([x], outputs, mode)
    for actual, output in zip(function(rows), outputs, strict=True):
        exact = truth(output, {x: rows}).value
        np.testing.assert_allclose(actual, exact, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("downstream", [False, True])
def test_ones_of_what_is_computed_from_a_write_do_not_stand_for_it(downstream):
    """Zeros may have the shape of anything; with these in it the graph would be a circle."""
    x, k = pt.matrix("x"), pt.lscalar("k")
    i, p = scalar_from_tensor(k), softmax(x, axis=1)
    twos = pt.inc_subtensor(pt.zeros_like(p)[i], 2.0)
    output = twos * p
    ones = pt.inc_subtensor(pt.zeros_like(output if downstream else p)[i], 1.0)
    fgraph = FunctionGraph([x, k], [output, ones], clone=False)
    (term,) = Reader(fgraph, "float64").read(twos)
    assert term.coefficient == 2
    assert ({key for key, _ in term.powers} == {ones}) is not downstream


OTHER_AXIS = {
    "log_softmax": lambda x: log_softmax(x, axis=0),
    "log(softmax)": lambda x: pt.log(softmax(x, axis=0)),
}


@pytest.mark.parametrize("name", list(OTHER_AXIS))
def test_log_softmax_along_another_axis(name):
    """It does not deviate from its mean over a row as the logits do: it is not x - c of a row."""
    x = pt.matrix("x")
    p, g = softmax(x, axis=1), OTHER_AXIS[name](x)
    mean = (p * g).sum(axis=1)
    deviation = p * g - p * mean[:, None]
    outputs = [deviation, deviation[:, 0], pytensor.grad(mean.sum(), x)]
    rows = np.random.default_rng(0).normal(size=(3, 3))
    mode = Mode("py", "fast_run").excluding("fusion", "inplace")
    together = compile_rewritten([x], outputs, mode)(rows)
    for actual, output in zip(together, outputs, strict=True):
        exact = truth(output, {x: rows}).value
        np.testing.assert_allclose(actual, exact, rtol=1e-12, atol=1e-14)
        alone = compile_rewritten([x], output, mode)(rows)
        np.testing.assert_allclose(alone, exact, rtol=1e-12, atol=1e-14)


# An element that may be the one that is divided by.
PERHAPS_THE_SAME = {
    "from the end": lambda p, k, j: p[:, -1] / (1 - p[:, 2]),
    "from both ends": lambda p, k, j: pt.log(1 - p[:, -1]) ** 2,
    "odds from the end": lambda p, k, j: (p[:, -1] / (1 - p[:, -1])) ** 2,
    "symbolic above": lambda p, k, j: p[:, k] / (1 - p[:, 0]),
    "symbolic below": lambda p, k, j: p[:, 0] / (1 - p[:, k]),
    "both symbolic": lambda p, k, j: p[:, k] / (1 - p[:, j]),
    "arrays": lambda p, k, j: (
        p[pt.arange(3), np.array([0, 1, 2])] / (1 - p[pt.arange(3), np.array([0, 2, 1])])
    ),
}


@pytest.mark.parametrize("made", ["softmax", "written out"])
@pytest.mark.parametrize("length", [None, 3])
@pytest.mark.parametrize("name", list(PERHAPS_THE_SAME))
def test_elements_that_may_be_the_same(name, length, made):
    """PyTensor counts an index from the start in one place and from the end in another."""
    x, k, j = pt.matrix("x", shape=(3, length)), pt.lscalar("k"), pt.lscalar("j")
    value = PERHAPS_THE_SAME[name](SOFTMAX[made](x), k, j)
    outputs = [value, pytensor.grad(value.sum(), x)]
    rows = np.random.default_rng(0).normal(size=(3, 3))
    mode = Mode("py", "fast_run").excluding("fusion", "inplace")
    function = compile_rewritten([x, k, j], outputs, mode)
    with pytensor_stabilize.excluding("all"):
        stock = compile_rewritten([x, k, j], outputs, mode)
    for places in ((0, 0), (2, 1), (2, -1)):
        for ours, expected in zip(function(rows, *places), stock(rows, *places), strict=True):
            np.testing.assert_allclose(ours, expected, rtol=1e-11, atol=1e-13)


ROWS_OF_OTHERS = {
    "added to another": lambda odds, p, w: pt.inc_subtensor(odds[:, 1], w),
    "another set": lambda odds, p, w: pt.set_subtensor(odds[:, 1], w),
    "a difference": lambda odds, p, w: pt.inc_subtensor((odds - p)[:, 1], -p[:, 1]),
    "added to its own": lambda odds, p, w: pt.inc_subtensor(odds[:, 0], w),
}


@pytest.mark.parametrize("made", ["softmax", "written out"])
@pytest.mark.parametrize("name", list(ROWS_OF_OTHERS))
def test_the_element_that_a_whole_row_is_divided_by(name, made):
    """``p / (1 - p[i])`` is a softmax of the others everywhere but at i."""
    x, w = pt.matrix("x"), pt.vector("w")
    p = SOFTMAX[made](x)
    value = ROWS_OF_OTHERS[name](p / (1 - p[:, 0])[:, None], p, w)
    mode = Mode("py", "fast_run").excluding("fusion", "inplace")
    rows, added = np.random.default_rng(0).normal(size=(4, 3)), np.array([0.5, 1.0, -2.0, 3.0])
    ours = compile_rewritten([x, w], value, mode)(rows, added)
    with pytensor_stabilize.excluding("all"):
        stock = compile_rewritten([x, w], value, mode)(rows, added)
    np.testing.assert_allclose(ours, stock, rtol=1e-12, atol=1e-14)


def test_neither_of_two_forms_is_made_of_the_other():
    """``1 / (1 - p) - q`` and ``p / (1 - p) + (1 - q)``, without end."""
    x = pt.matrix("x")
    p = softmax(x, axis=1)
    odds = p / (1 - p[:, 0])[:, None]
    gradient = pytensor.grad(pt.inc_subtensor(odds[:, 1], p[:, 1]).sum(), x)
    rows = np.random.default_rng(0).normal(size=(3, 3))
    mode = Mode("py", "fast_run").excluding("fusion", "inplace")
    exact = truth(gradient, {x: rows}).value
    np.testing.assert_allclose(compile_rewritten([x], gradient, mode)(rows), exact, rtol=1e-12)
