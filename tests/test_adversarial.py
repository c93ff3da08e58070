"""Expressions that a fuzzer found: each was wrong, or was rewritten for ever."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import ulps
from pytensor.compile.mode import get_mode
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.traversal import ancestors

from pytensor_stabilize.graphs import same_graph, truth

x, y = pt.dvectors("x", "y")
s, t = pt.sigmoid(x), pt.tanh(x)
SMALL = ([-1e-9, 1e-9, 3e-5, -2.3e-12], [1e-8, 0.0, 1e-9, 0.3])
LABELS = ([-40.1, -2.5, 40.1, 19.3, 0.7], [0.0, 1.0, 1.0, 1.0, 0.0])

# Expression, inputs' values, ulps.
EXACT = {
    "tanh - y, both small": (t - y, SMALL, 4.0),
    "y - tanh for labels": (y - t, LABELS, 4.0),
    "expm1 + y, both small": (pt.expm1(x) + y, SMALL, 4.0),
    "(tanh - y) / sigmoid": ((t - y) / -pt.sigmoid(2 * x), SMALL, 5.0),
    "1 + y / tanh, both small": (1 + y / t, SMALL, 5.0),
    "erf - y - x, all small": (pt.erf(x) - y - x, ([-1e-17, 3e-9, -2e-5], [1e-8, 1e-9, 0.3]), 4.0),
    "tanh / (1 - s) - erf": (t / (1 - s) - pt.erf(x), ([-1e-9, 1e-9, 3e-5], [0.0] * 3), 6.0),
    "cosh * sinh next to the overflow": (
        pt.grad(pt.sqr(pt.cosh(x)).sum(), x),
        ([355.0, -355.0, 1e-9], [0.0] * 3),
        4.0 * 356,
    ),
    "the root of a sigmoid that underflows": (
        pt.grad((1 + pt.sigmoid(2 * x) * (1 - pt.exp(-x)) - pt.sigmoid(-x)).sum(), x),
        ([40.1, 300.2, 701.0], [0.0] * 3),
        4.0 * 702,
    ),
}


def mode():
    return get_mode("CVM").excluding("fusion", "inplace", "sigmoids_share_exp")


@pytest.mark.parametrize("case", EXACT)
def test_it_has_all_its_digits(case):
    value, (at, labels), bound = EXACT[case]
    exact = truth(value, {x: at, y: labels} if y in ancestors([value]) else {x: at})
    function = pytensor.function([x, y], value, mode=mode(), on_unused_input="ignore")
    assert np.all(ulps(function(at, labels), exact) <= bound), case


ENDLESS = {
    "cosh - 1 beside another cosh": 0.3 / pt.cos(x) * (pt.cosh(x) - s) - (1 - pt.cosh(x)),
    "tanh - y": t - y,
    "cosh * sinh": pt.cosh(x) * pt.sinh(x),
    "an argument is no label": pt.erfc(y) + pt.sigmoid(-x) + pt.tanh(y) - x,
}


@pytest.mark.parametrize("case", ENDLESS)
def test_a_second_pass_changes_nothing(case):
    once = FunctionGraph([x, y], [ENDLESS[case]], clone=True)
    with pytensor.config.change_flags(on_opt_error="raise"):
        mode().optimizer.rewrite(once)
        twice = once.clone()
        mode().optimizer.rewrite(twice)
    assert same_graph(once, twice)
