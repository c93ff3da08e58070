"""Cumulative sums of a softmax, and what is missing to 1."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, fired_again, linker
from pytensor.tensor.special import softmax
from test_softmax_second import ROWS, worst

import pytensor_stabilize
from pytensor_stabilize.graphs import explain

RULES = {"one_minus_cumulative", "element_of_cumulative"}


def columns(x):
    return softmax(pt.stack([x, 2 * x], axis=1), axis=0)


VALUES = {
    "1 - all": lambda x: 1 - pt.cumsum(softmax(x)),
    "all - 1": lambda x: pt.cumsum(softmax(x)) - 1,
    "weighted": lambda x: 2 - 2 * pt.cumsum(softmax(x)),
    "1 - but the last": lambda x: 1 - pt.cumsum(softmax(x))[:-1],
    "1 - one": lambda x: 1 - pt.cumsum(softmax(x))[1],
    "1 - one, from the end": lambda x: 1 - pt.cumsum(softmax(x))[-2],
    "1 - rows": lambda x: 1 - pt.cumsum(softmax(pt.stack([x, 2 * x]), axis=1), axis=1),
    "1 - columns": lambda x: 1 - pt.cumsum(columns(x), axis=0),
    "1 - columns, one": lambda x: 1 - pt.cumsum(columns(x), axis=0)[1],
    "log(1 - but the last)": lambda x: pt.log(1 - pt.cumsum(softmax(x))[:-1]),
    "log1p(-one)": lambda x: pt.log1p(-pt.cumsum(softmax(x))[1]),
    "written out": lambda x: 1 - pt.cumsum(pt.exp(x) / pt.exp(x).sum())[:-1],
}


@pytest.mark.parametrize("name", ["cvm", "numba", "jax"])
@pytest.mark.parametrize("form", VALUES)
def test_value(form, name):
    x = pt.vector("x")
    with linker(name) as mode:
        assert max(worst(x, [VALUES[form](x)], ROWS, mode)) <= (12 if name == "jax" else 5)


@pytest.mark.parametrize("form", [form for form in VALUES if "log(" not in form])
def test_gradient(form):
    x = pt.vector("x")
    value = VALUES[form](x)
    weights = np.linspace(1.0, 2.0, 3)[: 2 if "last" in form or form == "written out" else 3]
    if value.ndim == 1 and form != "1 - columns, one":
        value = value * weights
    # In the last row the logits are nearly equal, where the gradient has an ordinary zero.
    with linker("cvm") as mode:
        assert max(worst(x, [pt.grad(value.sum(), x)], ROWS[:-1], mode)) <= 12


@pytest.mark.parametrize("form", VALUES)
def test_stock_loses_all(form):
    x = pt.vector("x")
    with pytensor_stabilize.excluding("all"), linker("cvm") as mode, np.errstate(all="ignore"):
        assert not max(worst(x, [VALUES[form](x)], ROWS, mode)) < 1e6


@pytest.mark.parametrize("form", VALUES)
def test_a_second_pass_finds_nothing(form):
    x = pt.vector("x")
    assert not fired_again(compile_rewritten([x], VALUES[form](x)).maker.fgraph)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_last_is_zero(dtype):
    x = pt.vector("x", dtype=dtype)
    found = pytensor.function([x], 1 - pt.cumsum(softmax(x)), mode="CVM")(
        np.array([0.3, -0.2, 0.1], dtype=dtype)
    )
    assert found.dtype == dtype
    assert found[-1] == 0


def test_rows_of_one_and_no_rows():
    """One component is 1."""
    x = pt.dmatrix("x")
    function = pytensor.function([x], 1 - pt.cumsum(softmax(x, axis=1), axis=1), mode="CVM")
    np.testing.assert_array_equal(function(np.array([[3.0], [-2.0]])), [[0.0], [0.0]])
    assert function(np.zeros((0, 3))).shape == (0, 3)


x, m = pt.dvector("x"), pt.dmatrix("m")


@pytest.mark.parametrize(
    "value",
    [
        1 - pt.cumsum(pt.exp(x)),
        1 - pt.cumsum(softmax(m, axis=1), axis=0),
        1 - pt.cumprod(softmax(x)),
        2 - pt.cumsum(softmax(x)),
        1 + pt.cumsum(softmax(x)),
        pt.log1p(pt.cumsum(softmax(x))),
        1 - pt.cumsum(softmax(m, axis=None).flatten()),
        pt.cumsum(softmax(x))[:-1],
    ],
    ids=str,
)
def test_what_is_left(value):
    assert not RULES & set(explain([value]).fired)
