"""``1 - sum(stack([p, 1 - p])**2)``: a sum along the axis of a join is that of its parts."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, fired_again, ulps

import pytensor_stabilize
from pytensor_stabilize.graphs import explain, truth

RULE = "sum_over_join"
x, y, m, scalar = pt.dvector("x"), pt.dvector("y"), pt.dmatrix("m"), pt.dscalar("scalar")
s, r = pt.sigmoid(x), pt.sigmoid(x - 1)
columns = pt.sigmoid(m)[..., None]

SUMS = {
    "stack": (x, 1 - (pt.stack([s, 1 - s]) ** 2).sum(axis=0)),
    "stack, a power": (x, 1 - pt.sqr(pt.stack([1 - s, s])).sum(axis=0)),
    "half": (x, 0.5 - 0.5 * (pt.stack([s, 1 - s]) ** 2).sum(axis=0)),
    "last axis": (x, 1 - (pt.stack([s, 1 - s], axis=-1) ** 2).sum(axis=-1)),
    "of scalars": (scalar, 1 - (pt.stack([pt.sigmoid(scalar), pt.sigmoid(-scalar)]) ** 2).sum()),
    "concatenated": (m, 1 - (pt.concatenate([columns, 1 - columns], axis=2) ** 2).sum(axis=2)),
    "three": (x, 1 - (pt.stack([1 - s, s * r, s * (1 - r)]) ** 2).sum(axis=0)),
    "twice": (x, 2 - 2 * (pt.stack([s, 1 - s]) ** 2).sum(axis=0)),
}


def points(v):
    at = np.array([-600.0, -40.0, -3.0, 0.5, 38.0, 700.0])
    return at if v.type.ndim == 1 else at.reshape(2, 3)


@pytest.mark.parametrize("name", list(SUMS))
def test_value_and_gradient(name):
    v, value = SUMS[name]
    assert explain(value).fired[RULE]
    for output in (value, pytensor.grad(value.sum(), v)):
        function = compile_rewritten([v], output)
        for at in points(v).ravel() if v is scalar else [points(v)]:
            assert ulps(function(at), truth(output, {v: at})).max() <= 4


@pytest.mark.parametrize("name", list(SUMS))
def test_a_second_pass_changes_nothing(name):
    v, value = SUMS[name]
    assert not fired_again(compile_rewritten([v], value).maker.fgraph)


def test_with_another_client():
    squares = (pt.stack([s, 1 - s]) ** 2).sum(axis=0)
    function = compile_rewritten([x], [squares, 1 - squares])
    assert ulps(function(points(x))[1], truth(1 - squares, {x: points(x)})).max() <= 4


def test_single_precision():
    single = pt.fvector("single")
    p = pt.sigmoid(single)
    value = 1 - (pt.stack([p, 1 - p]) ** 2).sum(axis=0)
    at = np.array([-60.0, -20.0, 0.5, 18.0, 80.0], "float32")
    result = compile_rewritten([single], value)(at)
    assert result.dtype == np.float32
    assert ulps(result, truth(value, {single: at})).max() <= 4


LEFT = {
    "no function": 1 - (pt.stack([x, y]) ** 2).sum(axis=0),
    "no root": 1 + (pt.stack([s, 1 - s]) ** 2).sum(axis=0),
    "along the data": 1 - (pt.stack([s, 1 - s]) ** 2).sum(axis=1),
    "of parts that are long": 1 - (pt.concatenate([s, 1 - s]) ** 2).sum(),
    "a maximum": 1 - (pt.stack([s, 1 - s]) ** 2).max(axis=0),
    "of whole numbers": 1 - pt.stack([x > 0, x < 1]).sum(axis=0),
}


@pytest.mark.parametrize("name", list(LEFT))
def test_what_only_looks_like_it_is_left(name):
    value = LEFT[name]
    assert not explain(value).fired[RULE]
    at = np.array([0.25, -1.5])
    function = compile_rewritten([x, y], value)
    with pytensor_stabilize.excluding("all"):
        stock = compile_rewritten([x, y], value)
    np.testing.assert_allclose(function(at, at), stock(at, at), rtol=1e-14)


zero = pt.zeros_like(x)
TOTALS = {
    "beside a reference": (x, lambda e: e[0] / e.sum(axis=0), pt.stack([x, zero])),
    "of two": (x, lambda e: e[1] / e.sum(axis=0), pt.stack([x, -x])),
    "the last axis": (x, lambda e: e[:, 0] / e.sum(axis=1), pt.stack([x, zero], axis=1)),
}


@pytest.mark.parametrize("name", list(TOTALS))
def test_share_of_joined_exponentials(name):
    v, share, row = TOTALS[name]
    value = share(pt.exp(row))
    for output in (value, pytensor.grad(value.sum(), v)):
        at = np.array([-300.0, -40.0, -3.0, 0.5, 38.0, 300.0])
        function = compile_rewritten([v], output)
        assert ulps(function(at), truth(output, {v: at})).max() <= 4
    # The value is a written out softmax; in its gradient the row is only added up.
    assert explain(pytensor.grad(value.sum(), v)).fired["total_of_joined_exponentials"]


KEPT = {
    "the row is used": pt.exp(pt.stack([x, y])) / pt.exp(pt.stack([x, y])).sum(axis=0),
    "many": pt.exp(pt.stack([x, y, -x, -y, x + y])).sum(axis=0),
    "along the data": pt.exp(pt.concatenate([x, y])).sum(),
    "nothing is joined": pt.exp(m).sum(axis=0),
}


@pytest.mark.parametrize("name", list(KEPT))
def test_other_totals_stay(name):
    assert not explain(KEPT[name]).fired["total_of_joined_exponentials"]
