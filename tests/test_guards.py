"""Guards against probabilities that were rounded to 0 or 1."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, second_pass, ulps

from pytensor_stabilize.graphs import explain, same_graph, truth

x = pt.dvector("x")
EPS = np.finfo("float64").eps
AT = np.array([-700.0, -40, -3, 0, 3, 40, 700])
PROBABILITIES = {
    "sigmoid": pt.sigmoid,
    "written out": lambda v: 1 / (1 + pt.exp(-v)),
    "probit": lambda v: 0.5 * (1 + pt.erf(v)),
}


def guarded(p, both=True):
    if both:
        p = pt.switch(pt.eq(p, 0), EPS, p)
    return pt.switch(pt.eq(p, 1), 1 - EPS, p)


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("name", PROBABILITIES)
@pytest.mark.parametrize("log", [pt.log, lambda p: pt.log1p(-p), lambda p: pt.log(1 - p)])
def test_logarithms_and_gradients_go_on(name, both, log):
    function = PROBABILITIES[name]
    at = AT / 50 if name == "probit" else AT
    values = [log(guarded(function(x), both)), log(function(x))]
    (mended, plain), slopes = values, [pt.grad(y.sum(), x) for y in values]
    for guard, exact, promise in ((mended, plain, 4), (slopes[0], slopes[1], 6)):
        value = pytensor.function([x], guard)(at)
        assert ulps(value, truth(exact, {x: at})).max() <= promise


def test_at_infinity_the_guard_holds():
    y = pt.log1p(-guarded(pt.sigmoid(x)))
    function = pytensor.function([x], [y, pt.grad(y.sum(), x)])
    value, slope = function(np.array([np.inf, -np.inf, np.nan]))
    np.testing.assert_allclose(value, [np.log(EPS), -EPS, np.nan], rtol=1e-15)
    assert list(slope[:2]) == [0, 0]


@pytest.mark.parametrize(
    "client",
    [
        lambda p: p,
        lambda p: pt.erfinv(2 * p - 1),
        lambda p: pt.gammaln(1 - p),
        lambda p: pt.concatenate([p, pt.log(p)]),
    ],
)
def test_the_guard_stays_where_the_rounded_value_would_be_seen(client):
    found = explain(client(guarded(pt.sigmoid(x), both=False)))
    assert found.fired["guard_at_limit"] == 0


@pytest.mark.parametrize(
    "value",
    [
        pt.tanh(x) ** 2 - 0.5,  # it is 1/2 at an end
        pt.sigmoid(x) - 0.3,
        2 * pt.sigmoid(x) - 1,  # 0 at x = 0
        pt.cos(x),
    ],
)
def test_values_that_a_finite_argument_gives_keep_their_condition(value):
    y = pt.log(pt.switch(pt.eq(value, 0), EPS, value) ** 2)
    assert explain(y).fired["guard_at_limit"] == 0


def test_a_condition_for_another_value_stays():
    y = pt.log(pt.switch(pt.eq(pt.sigmoid(x), 1), EPS, pt.sqr(x)))
    assert explain(y).fired["guard_at_limit"] == 0


def test_a_condition_that_is_counted_stays():
    reached = pt.eq(pt.sigmoid(x), 1)
    y = pt.log(pt.switch(reached, 1 - EPS, pt.sigmoid(x)))
    assert explain([y, reached.sum()]).fired["guard_at_limit"] == 0


def test_a_second_pass_changes_nothing():
    y = pt.log1p(-guarded(pt.sigmoid(x)))
    once = compile_rewritten([x], [y, pt.grad(y.sum(), x)]).maker.fgraph
    again = second_pass(once)
    assert same_graph(once, again)
