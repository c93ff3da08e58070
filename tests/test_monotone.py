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


a, b = pt.dvector("a"), pt.dvector("b")
p, r = pt.sigmoid(a), pt.sigmoid(b)
A = np.array([39.1, 38.7, 19.3, -40.3, 0.3, -0.3, 700.0])
B = np.array([-40.3, 38.7 + 1e-9, 19.3 - 1e-9, -39.0, 0.3, 2.1, 701.0])
OF_TWO = {
    "maximum": (1 - pt.maximum(p, r), pt.sigmoid(-pt.maximum(a, b))),
    "minimum": (1 - pt.minimum(p, r), pt.sigmoid(-pt.minimum(a, b))),
    "of negations": (pt.maximum(-p, -r), -pt.sigmoid(pt.minimum(a, b))),
    "of tanh": (1 - pt.maximum(pt.tanh(a), pt.tanh(b)), 2 * pt.sigmoid(-2 * pt.maximum(a, b))),
    "of a stack": (1 - pt.max(pt.stack([p, r]), axis=0), pt.sigmoid(-pt.maximum(a, b))),
    "greater": (p > r, a > b),
    "of negations, smaller": (-p <= -r, a >= b),
}


@pytest.mark.parametrize("form", OF_TWO)
def test_of_two_it_ends_as_one_would_write_it(form):
    written, wanted = OF_TWO[form]
    found, right = (compile_rewritten([a, b], v) for v in (written, wanted))
    assert same_graph(found, right), str(diff(found, right))


def test_of_a_row_and_a_column_each_is_taken_alone():
    row, column = pt.drow("row"), pt.dcol("column")
    larger = pt.maximum(pt.sigmoid(row), pt.sigmoid(column))
    assert "larger_of_increasing" not in explain([larger]).fired


@pytest.mark.parametrize("name", ["numba", "jax"])
@pytest.mark.parametrize("form", [f for f in OF_TWO if OF_TWO[f][0].dtype != "bool"])
def test_of_two_value_and_gradient(form, name):
    value = OF_TWO[form][0]
    outputs = [value, *pt.grad(value.sum(), [a, b])]
    # At a tie in the arguments two elements of a stack both get the gradient, as without us.
    at = [v[A != B] for v in (A, B)]
    with linker(name) as mode:
        function = pytensor.function([a, b], outputs, mode=mode)
    exact = truth(outputs, {a: at[0], b: at[1]})
    for found, right in zip(function(*at), exact, strict=True):
        assert np.max(ulps(found, right)) <= (8 if name == "jax" else 4.1)
        assert np.all((found == 0) | (right.value != 0))


OTHERS_OF_TWO = {
    "two functions": pt.maximum(p, pt.tanh(b)),
    "other signs": pt.maximum(p, -r),
    "a number": pt.maximum(p, 0.5),
    "no function": pt.maximum(p, b),
    "a function of no size": pt.maximum(pt.exp(a), pt.exp(b)),
}


@pytest.mark.parametrize("form", OTHERS_OF_TWO)
def test_others_of_two_stay(form):
    assert explain(OTHERS_OF_TWO[form]).fired["larger_of_increasing"] == 0


def test_in_single_and_mixed_precision():
    single = pt.fvector("single")
    value = 1 - pt.maximum(pt.sigmoid(single), pt.sigmoid(single - 1))
    at = np.array([-3.0, 20.0, 80.0], "float32")
    assert np.max(ulps(compile_rewritten([single], value)(at), truth(value, {single: at}))) <= 4
    mixed = pt.maximum(pt.sigmoid(single), r)
    assert explain(mixed).fired["larger_of_increasing"] == 0
