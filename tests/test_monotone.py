"""Largest and smallest values of saturating functions."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, linker, ulps

from pytensor_stabilize.graphs import diff, explain, same_graph, truth

x = pt.dvector("x")
X = pt.dmatrix("X")
s, t = pt.sigmoid(x), pt.tanh(x)
ROWS = [
    [41.3, 41.1, 0.2],
    [0.1, -3.0, 0.4],
    [-800.0, -41.1, -44.0],
    [700.0, 1, 2],
]
largest = pt.max(x)

GRAPHS = {
    "1 - max(s)": (1 - s.max(), pt.sigmoid(-largest)),
    "log(1 - max(s))": (pt.log(1 - s.max()), -pt.softplus(largest)),
    "1 - min(s)": (1 - s.min(), pt.sigmoid(pt.max(-x))),
    "max(1 - s)": ((1 - s).max(), pt.sigmoid(pt.max(-x))),
    "1 - max(t)": (1 - t.max(), 2 * pt.sigmoid(-2 * largest)),
    "max of exp": (pt.exp(x).max(), pt.exp(x).max()),
}
VALUES = {
    "1 - max(s)": 1 - s.max(),
    "1 - min(s)": 1 - s.min(),
    "1 - max(t)": 1 - t.max(),
    "max(1 - s)": (1 - s).max(),
    "log(1 - max(s))": pt.log(1 - s.max()),
}


@pytest.mark.parametrize("form", GRAPHS)
def test_it_ends_as_one_would_write_it(form):
    written, wanted = GRAPHS[form]
    found, right = (compile_rewritten([x], v) for v in (written, wanted))
    assert same_graph(found, right), str(diff(found, right))


@pytest.mark.parametrize("name", ["numba", "jax"])
@pytest.mark.parametrize("form", VALUES)
def test_values_and_gradients_where_several_values_round_to_the_same(form, name):
    value = VALUES[form]
    outputs = [value, pt.grad(value, x)]
    with linker(name) as mode:
        function = pytensor.function([x], outputs, mode=mode)
    for row in map(np.array, ROWS):
        exact = truth(outputs, {x: row})
        for found, right in zip(function(row), exact, strict=True):
            assert np.max(ulps(found, right)) <= (8 if name == "jax" else 4.1), row
            # `ulps` does not look at zeros: of two that round to the same, one is the largest.
            assert np.all((found == 0) | (right.value != 0)), row


OTHER_TIES = {
    "of another function": pt.eq(pt.tanh(largest), s),
    "with the other sign": pt.eq(-pt.sigmoid(largest), s),
    # Beside a maximum, without which the rule is not asked.
    "with what is not the largest": pt.and_(pt.eq(pt.sigmoid(x[0]), s), pt.gt(largest, 0)),
    "with the largest of something else": pt.eq(pt.sigmoid(pt.max(2 * x)), s),
}


@pytest.mark.parametrize("form", OTHER_TIES)
def test_other_ties_stay(form):
    assert explain(OTHER_TIES[form]).fired["tie_of_increasing"] == 0


def test_along_an_axis():
    value = (1 - pt.sigmoid(X).max(axis=1)).sum()
    mended = pytensor.function([X], [value, pt.grad(value, X)])
    found = mended(np.array(ROWS))
    exact = truth([value, pt.grad(value, X)], {X: np.array(ROWS)})
    for own, right in zip(found, exact, strict=True):
        assert np.max(ulps(own, right)) <= 4.1
