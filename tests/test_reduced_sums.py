"""Sums over data beside a term that is the same for every row, and ``log1mexp(-softplus(x))``."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, second_pass, ulps
from pytensor.graph.rewriting.utils import rewrite_graph
from pytensor.raise_op import Assert

from pytensor_stabilize.graphs import explain, report, truth

RULE = "sum_over_data_with_term"
a = pt.dscalar("a")
v = pt.tensor("v", dtype="float64", shape=(4,))
rows = pt.constant(np.array([0.5, 2.0, -1.0, 3.0]))
s = pt.sigmoid(v)

SUMS = {
    "p - 1": s.sum() - 4,
    "with a sign": 2 - (s / 2).sum(),
    "in one axis": (s.sum() - 4).dimshuffle("x"),
    "truncated": pt.tanh((rows - a) / 2).sum() - 4 * pt.sigmoid(-a),
    "expanded": pt.expand_dims(pt.tanh((rows - a) / 2).sum(), 0) - 4 * pt.sigmoid(-a),
    "of the normal distribution": pt.erf(v).sum() - 4,
}


def inputs_of(y):
    return (
        [a] if "a" in {x.name for x in pytensor.graph.traversal.explicit_graph_inputs([y])} else [v]
    )


@pytest.mark.parametrize("name", SUMS)
def test_values(name):
    y = SUMS[name]
    (x,) = inputs_of(y)
    assert explain(y).fired[RULE] == 1
    function = pytensor.function([x], y)
    sign = -1 if x is a else 1
    for size in (3.0, 20.0) if "normal" in name else (3.0, 20.0, 40.0, 300.0, 700.0):
        at = np.full(x.type.shape, sign * size)
        assert ulps(function(at), truth(y, {x: at})).max() <= 4, size


@pytest.mark.parametrize("name", SUMS)
def test_a_second_pass_changes_nothing(name):
    y = SUMS[name]
    once = compile_rewritten(inputs_of(y), [y]).maker.fgraph
    assert RULE in {event.rule for event in report(once).events}
    again = second_pass(once)
    assert not report(again).events


@pytest.mark.parametrize(
    "y",
    [
        s.sum() - 3,  # no element is 3/4 at an end
        s.sum() + 4,
        s.sum() - pt.dscalar("w"),
        # A third of w is no float for every w.
        pt.sigmoid(pt.tensor("three", dtype="float64", shape=(3,))).sum() - 3 + pt.dscalar("w"),
        s.sum() - s.prod(),
        pt.sigmoid(pt.dvector("of unknown length")).sum() - 4,
        pt.sigmoid(pt.matrix("m", shape=(2, 2), dtype="float64")).sum(axis=0) - 2,
        s.sum() - (2 * s).sum(),
        pt.exp(v).sum() - 4 * pt.sigmoid(a),
    ],
)
def test_what_is_left_alone(y):
    assert explain(y).fired[RULE] == 0


@pytest.mark.parametrize(
    "between",
    [
        lambda x: x,
        lambda x: pt.alloc(x, 3),
        lambda x: Assert("positive")(x, pt.ge(a, -np.inf)),
        lambda x: pt.expand_dims(x, 0),
    ],
)
def test_log1mexp_of_softplus(between):
    """As PyMC does it: rewritten, and then differentiated."""
    y = pt.log1mexp(between(-pt.softplus(a))).sum()
    first = rewrite_graph(y, include=("canonicalize", "stabilize"))
    function = pytensor.function([a], [y, pt.grad(first, a)])
    count = 3 if between(a).type.shape == (3,) else 1
    wanted = [-count * pt.softplus(-a), count * pt.sigmoid(-a)]
    for at in (-800.0, -720.0, -40.0, -1.0, 0.0, 1.0, 40.0, 800.0):
        for value, exact in zip(function(at), truth(wanted, {a: at}), strict=True):
            assert ulps(value, exact) <= 4, at
    assert list(function(np.inf)) == [0, 0]
    assert function(-np.inf)[0] == -np.inf


def test_what_has_an_element_for_each_row_stays_outside():
    """And with two sums it is not known which of them cancels."""
    z = pt.vector("z", shape=(3,))
    p = pt.sigmoid(z)
    at = [0.3, 1.7, -2.1]
    for y in (p.sum() + 3 * p - 3, p.sum() + pt.tanh(z).sum() - 6):
        assert explain(y).fired[RULE] == 0
        np.testing.assert_allclose(pytensor.function([z], y)(at), truth(y, {z: at}).value)


@pytest.mark.parametrize(("dtype", "at"), [("uint8", 1), ("int8", -128), ("bool", True)])
def test_log1mexp_of_counts(dtype, at):
    """The negative of an unsigned integer wraps, that of -128 as int8 as well."""
    n = pt.scalar("n", dtype=dtype)
    y = pt.log1mexp(-pt.softplus(n))
    found = pytensor.function([n], y)(at)
    wide = pt.cast(n, y.type.dtype)
    assert ulps(found, truth(-pt.softplus(-wide), {n: at})) <= 4


def test_the_pullback_of_log1mexp():
    """Where the logp is differentiated as it was written, as `pm.fit` does."""
    slope = pt.grad(pt.log1mexp(-pt.softplus(a)), a)
    assert explain(slope).fired["infinite_exponential"] == 1
    function = pytensor.function([a], slope)
    for at in (-800.0, -720.0, -40.0, -1.0, 0.0, 1.0, 40.0, 700.0, 800.0):
        assert ulps(function(at), truth(pt.sigmoid(-a), {a: at})) <= 4, at


EXPONENTIALS = pt.exp(a) * pt.sinh(a)
FINITE = pt.exp(pt.switch(pt.isinf(a), 0.0, a))


@pytest.mark.parametrize(
    "y",
    [
        pt.switch(pt.isinf(-pt.exp(a)), np.inf, -pt.exp(a)),
        pt.switch(pt.isinf(-pt.exp(a)), 1e300, -pt.exp(a)),
        pt.switch(pt.isinf(a), np.inf, pt.exp(a)),
        pt.switch(pt.isinf(pt.sinh(a)), np.inf, pt.sinh(a)),
        # Infinite with either sign, another question, another number for each element.
        pt.switch(pt.isinf(EXPONENTIALS), np.inf, EXPONENTIALS),
        pt.switch(pt.isnan(FINITE), np.inf, FINITE),
        pt.switch(pt.isinf(pt.exp(a)), np.array([np.inf, 1.0]), pt.exp(a)),
    ],
)
def test_other_switches_stay(y):
    assert explain(y).fired["infinite_exponential"] == 0


def test_the_check_stays():
    y = pt.log1mexp(Assert("positive")(-pt.softplus(a), pt.ge(a, 0)))
    with pytest.raises(AssertionError, match="positive"):
        pytensor.function([a], y)(-1.0)


def test_another_sign_is_left_alone():
    assert explain(pt.log1mexp(pt.softplus(a))).fired["log1mexp_of_softplus"] == 0
    assert explain(pt.log1mexp(-2 * pt.softplus(a))).fired["log1mexp_of_softplus"] == 0
    assert explain(pt.log1mexp(-pt.exp(pt.softplus(a)))).fired["log1mexp_of_softplus"] == 0
