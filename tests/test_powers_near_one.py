"""Powers whose base is next to 1: their complements, and the logarithms of these."""

from contextlib import nullcontext

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, fired_again, linker, ulps
from pytensor.graph.rewriting.utils import rewrite_graph
from pytensor.graph.traversal import ancestors

import pytensor_stabilize
from pytensor_stabilize.graphs import truth
from pytensor_stabilize.rewrites.trace import recording

x, k, w = pt.dvectors("x", "k", "w")
half, single = pt.vector("half", dtype="float16"), pt.fvector("single")
m = pt.exp(x)
p = pt.sigmoid(x)
POINTS = {
    x: [-38.1, -19.3, -7.1, -0.31, 0.7, 3.3],
    k: [0.37, 12.3, 1.9, 0.013, 5.1, 2.3],
    w: [0.97, 0.41, 0.0313, 0.3, 0.9, 0.2],
}
# The expression, and ulps of its value and its gradient in x; None where that is not promised.
CASES = {
    "a negative binomial is not 0": (1 - (k / (k + m)) ** k, 6, 8),
    "... its logarithm": (pt.log(1 - (k / (k + m)) ** k), 6, 12),
    "... of another spelling": (1 - (1 + m / k) ** -k, 4, None),
    "... as a quotient": (1 - 1 / (1 + m / k) ** k, 4, None),
    "... with a number": (1 - (k / (k + m)) ** 2.5, 4, 12),
    "... with an integer": (1 - (k / (k + m)) ** 3, 4, 8),
    "... times a number": (3 - 3 * (k / (k + m)) ** k, 4, 8),
    "seen at least once": (1 - (1 - w * p) ** 3, 4, 6),
    "... in k visits": (1 - (1 - w * p) ** k, 4, 12),
    "its logarithm": (pt.log(1 - (1 - w * p) ** k), 6, 12),
    "... four of them": (pt.log(1 - (1 - w * p) ** 4), 6, 8),
    "a product of inputs": (1 - (1 - w * m) ** 3, 4, None),
    "a square": (1 - (1 - 1e-3 * w * m) ** 2, 4, None),
    "log-logistic": (pt.log(1 - 1 / (1 + (m / 0.7) ** 1.7)), 4, None),
    "another share": (pt.log(1 - k / (k + x**2)), 6, 6),
    "Lomax": (pt.log(1 - (1 + m / 3.0) ** -3), 6, None),
}


def inputs_of(value):
    return [v for v in POINTS if v in ancestors([value])]


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("name", CASES)
def test_it_has_its_digits(name, order):
    value, bound = CASES[name][0], CASES[name][1 + order]
    if bound is None:
        pytest.skip("no promise")
    value = pt.grad(value.sum(), x) if order else value
    given = {v: POINTS[v] for v in inputs_of(value)}
    exact = truth(value, given)
    with linker("cvm") as mode:
        function = pytensor.function(list(given), value, mode=mode.excluding("fusion", "inplace"))
    errors = ulps(function(*given.values()), exact)
    assert np.all(errors <= bound), errors


def test_where_the_base_is_next_to_0():
    value = pt.log(1 - (1 - w * p) ** k)
    given = {x: [22.3, 40.0], w: [1 - 1e-9, 1 - 1e-15], k: [1.9, 2.0]}
    found = compile_rewritten(list(given), value)(*given.values())
    np.testing.assert_allclose(found, truth(value, given).value, rtol=1e-13)


@pytest.mark.parametrize("name", CASES)
def test_in_a_second_pass_no_rule_fires(name):
    value = CASES[name][0]
    once = compile_rewritten(list(POINTS), [value, pt.grad(value.sum(), x)]).maker.fgraph
    assert not fired_again(once)


NUMBERS = [-7.0, -1.0, -0.3, 0.0, 1e-9, 0.3, 1.0, 7.0, 1e30, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize("power", [3.0, 2.0, 1.0, 0.0, -2.0, 0.5])
@pytest.mark.parametrize(
    "made",
    [
        lambda v, n, u: 1 - (1 + v) ** n,
        lambda v, n, u: 1 - (u / (u + v)) ** n,
        lambda v, n, u: pt.log(1 - (1 + v) ** n),
        lambda v, n, u: pt.log(1 - (u / (u + v)) ** n),
        lambda v, n, u: 1 - (1 - u * v) ** 3,
        lambda v, n, u: 1 - (1 + u * v) ** -8,
        lambda v, n, u: 1 - (u / (u + v)) ** 3,
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_was_finite_stays_so(made, power, dtype):
    v, n, u = (pt.vector(name, dtype=dtype) for name in "vnu")
    value = made(v, n, u)
    at = [np.repeat(np.array(NUMBERS, dtype), 3), np.array(power, dtype).repeat(36)]
    at.append(np.tile(np.array([-2.0, 0.5, 3.0], dtype), 12))
    results = []
    for context in (nullcontext(), pytensor_stabilize.excluding("all")):
        with context, np.errstate(all="ignore"):
            function = compile_rewritten([v, n, u], value)
            results.append(function(*at))
    ours, stock = results
    assert np.all(np.isfinite(ours) | ~np.isfinite(stock))
    finite = np.isfinite(stock)
    np.testing.assert_allclose(ours[finite], stock[finite], rtol=1e-4, atol=1e-7)


LEFT = {
    "no 1": 1 - (2 + w * x) ** 2.5,
    "a power of one function": pt.log1p(x**k),
    "1 + power": 1 + (1 + w * x) ** k,
    "log1p of a power": pt.log1p((1 + w * x) ** k),
    "a small power of one variable": 1 - (1 + x) ** 3,
    "a power of a sigmoid": pt.log1p(-((1 - p) ** k)),
    "a power of 1 + exp": 1 - (1 + m) ** -k,
    "no quotient": pt.log1p(-w * x),
    "no power": 1 - (1 + w * x) * pt.sqr(k),
    "a power of erfc": 1 - (1 - pt.erf(x)) ** k,
    "a float32 base": 1 - (1 + single * single[0]) ** k,
    "float16": 1 - (1 + half * half[0]) ** half,
    "its logarithm": pt.log1p(-((1 + half * half[0]) ** half)),
    "another number": 2 - (1 + w * x) ** k,
}


@pytest.mark.parametrize("name", LEFT)
def test_what_is_left(name):
    with recording() as recorder:
        rewrite_graph(LEFT[name], include=("canonicalize", "stabilize", "specialize"))
    names = {event.rule for event in recorder.events if event.outcome == "fired"}
    assert not names & {"power_minus_one", "log1p_of_minus_power"}
