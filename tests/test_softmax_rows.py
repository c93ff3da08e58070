"""Several rows at once, as many as they are long: a number a row is not to be one a column."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten
from pytensor.compile.mode import Mode
from pytensor.tensor.special import softmax

from pytensor_stabilize.graphs import truth


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
