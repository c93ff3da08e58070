"""Models with a reference category: ``exp(x[i]) / (1 + sum(exp(x)))``."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, fired_again, linker, ulps
from pytensor.graph.traversal import ancestors

from pytensor_stabilize.graphs import explain, truth

x, m, cube, one = pt.dvector("x"), pt.dmatrix("m"), pt.dtensor3("cube"), pt.dscalar("one")
half, single = pt.vector("half", dtype="float16"), pt.fvector("single")
AT = np.array([[0.3, 0.1, -0.4], [40.3, 1.1, 0.1], [-38.1, 0.4, -2.3], [2.7, 39.9, 40.7]])
AT = np.concatenate([AT, [[-40.1, -39.7, -55.3], [-37.3, 41.1, 0.7]]])
S = pt.exp(x).sum()
VECTORS = {
    "a share": pt.exp(x[0]) / (1 + S),
    "indexed later": pt.exp(x)[0] / (1 + S),
    "its complement": 1 - pt.exp(x[0]) / (1 + S),
    "the reference": 1 / (1 + S),
    "one minus it": 1 - 1 / (1 + S),
    "logarithm": pt.log(pt.exp(x[0]) / (1 + S)),
    "logit less logarithm": x[0] - pt.log(1 + S),
    "... log1p": x[0] - pt.log1p(S),
    "of the reference": -pt.log(1 + S),
    "Gini": 1 - pt.sqr(pt.special.softmax(x)).sum(),
    "Simpson": 0.5 - 0.5 * (pt.special.softmax(x) ** 2).sum(),
}
INDICES = ("Gini", "Simpson")
Y = np.array([0, 1, 2, 1, 0, 2])
T = pt.exp(m).sum(axis=1)
ROWS = {
    "a row each": m[np.arange(6), Y] - pt.log(1 + T),
    "... the quotient": pt.log(pt.exp(m)[np.arange(6), Y] / (1 + T)),
    "whole rows": m - pt.log1p(pt.exp(m).sum(axis=1, keepdims=True)),
    "a column": m[:, 1] - pt.log1p(T),
    "Gini, row by row": 1 - (pt.special.softmax(m, axis=1) ** 2).sum(axis=1),
}


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("name", VECTORS)
def test_a_row(name, order):
    if order and name in INDICES:
        pytest.skip("its gradient has zeros of its own")
    value = pt.grad(VECTORS[name], x) if order else VECTORS[name]
    with linker("cvm") as mode:
        function = pytensor.function([x], value, mode=mode)
    for at in AT:
        exact = truth(value, {x: at})
        # The exponent t of exp(t) is rounded, and a share is such a result.
        assert np.all(ulps(function(at), exact) <= 4 * (1 + np.abs(at).max())), at


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("name", ROWS)
def test_many_rows(name, order):
    if order and name.startswith(INDICES):
        pytest.skip("its gradient has zeros of its own")
    # So has that of a sum over the row.
    value = ROWS[name][:, 0] if name == "whole rows" and order else ROWS[name]
    value = pt.grad(value.sum(), m) if order else value
    with linker("cvm") as mode:
        function = pytensor.function([m], value, mode=mode)
    exact = truth(value, {m: AT})
    assert np.all(ulps(function(AT), exact) <= 4 * (1 + np.abs(AT).max(axis=-1)).max())


@pytest.mark.parametrize("name", ["logarithm", "logit less logarithm", "... log1p"])
def test_it_does_not_overflow(name):
    function = pytensor.function([x], VECTORS[name])
    assert function([800.3, 1.0, -2.0]) == 0
    np.testing.assert_allclose(function([1.0, 900.5, -2.0]), -899.5, rtol=1e-15)
    np.testing.assert_allclose(function([-900.5, -800.0, -np.inf]), -900.5, rtol=1e-15)


@pytest.mark.parametrize("value", [*VECTORS.values(), *ROWS.values()])
def test_in_a_second_pass_no_rule_fires(value):
    # PyTensor writes the gradients of indices in place.
    outputs = [value] if m in ancestors([value]) else [value, pt.grad(value, x)]
    once = compile_rewritten([x, m], outputs).maker.fgraph
    assert not fired_again(once)


@pytest.mark.parametrize(
    "value",
    [
        x[0] - pt.log(2 + S),
        x[0] + pt.log(1 + S),
        # Its other term is no 1.
        x[0] - pt.log(S - x[1]),
        # No sum of the exponentials, or of other axes or another dtype.
        S + x[0] - pt.log1p(x[1]),
        S + x[0] - pt.log1p(one),
        S + x[0] - pt.log1p(pt.exp(x).max()),
        S + x[0] - pt.log1p(pt.sqr(x).sum()),
        m - pt.log1p(pt.exp(m).sum(axis=1)),
        m - pt.log1p(pt.exp(m).sum(keepdims=True)),
        cube[0] - pt.log1p(pt.exp(cube).sum(axis=0).T),
        single[0] - pt.log1p(pt.exp(single).sum(dtype="float64")),
        half[0] - pt.log1p(pt.exp(half).sum()),
        1 - (pt.special.softmax(half) ** 2).sum(),
        m[:, 0] - pt.log1p(pt.exp(m).sum(axis=0)),
        m.T - pt.log1p(pt.exp(m).sum(axis=1)),
        1 - (pt.special.softmax(m, axis=1) ** 2).sum(axis=0),
        2 - (pt.special.softmax(x) ** 2).sum(),
        1 - (x**2).sum(),
    ],
)
def test_what_is_left(value):
    fired = explain(value).fired
    assert not fired["logit_and_reference"]
    assert not fired["one_minus_sum_of_squares"]


def test_an_exponential_in_what_stays_as_it_is_is_no_reason_to_write_it_again():
    """It fired four hundred times on its own result, of which a sum below a bar is a part."""
    x, y = pt.dvectors("xy")
    loss = pt.log(y + pt.exp(x) / (1 + pt.exp(x).sum())).sum()
    gradient = pytensor.grad(loss, x)
    assert explain(gradient).fired["softmax_element_written_out"] == 1
    assert not fired_again(compile_rewritten([x, y], gradient).maker.fgraph)
