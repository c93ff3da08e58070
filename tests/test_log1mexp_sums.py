"""log(exp(x) - 1) beside its argument."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, fired_again, linker, ulps
from pytensor.graph.traversal import explicit_graph_inputs

import pytensor_stabilize
from pytensor_stabilize.graphs import explain, truth

x, w = pt.dvectors("x", "w")
POINTS = np.array([1e-9, 0.01, 0.7, 3.0, 20.0, 39.0, 700.0])
WEIGHTS = np.array([0.3, 2.0, 1.0, 0.5, 3.0, 7.0, 0.2])
log_expm1 = pt.log(pt.exp(x) - 1)
log1mexp = pt.log1mexp(-x)
CASES = {
    "less": log_expm1 - x,
    "the other way about": x - pt.log(pt.expm1(x)),
    "three times": 3 * log_expm1 - 3 * x,
    "weighted": w * log_expm1 - w * x,
    "beside something": -pt.exp(-x) + log_expm1 - x,
    "a factor that is left again": log1mexp * (log1mexp + x) - log1mexp * x,
    "over": log_expm1 / w - x / w,
}


def exact_value(case: str, count: int):
    columns = {x: POINTS[:count], w: WEIGHTS[:count]}
    used = set(explicit_graph_inputs([CASES[case]]))
    return truth(CASES[case], {v: column for v, column in columns.items() if v in used})


@pytest.mark.parametrize("name", ["cvm", "numba", "jax"])
@pytest.mark.parametrize("case", CASES)
def test_it_has_its_digits(case, name):
    exact = exact_value(case, len(POINTS))
    with linker(name) as mode:
        function = pytensor.function([x, w], CASES[case], mode=mode, on_unused_input="ignore")
        found = function(POINTS, WEIGHTS)
    assert ulps(found, exact).max() <= 6


@pytest.mark.parametrize("case", CASES)
def test_stock_has_none(case):
    exact = exact_value(case, len(POINTS) - 1)
    with pytensor_stabilize.excluding("all"), np.errstate(all="ignore"):
        function = pytensor.function([x, w], CASES[case], mode="CVM", on_unused_input="ignore")
        found = function(POINTS[:-1], WEIGHTS[:-1])
    assert not ulps(found, exact).max() < 1e6


@pytest.mark.parametrize("case", CASES)
def test_a_second_pass_finds_nothing(case):
    assert not fired_again(compile_rewritten([x, w], CASES[case]).maker.fgraph)


@pytest.mark.parametrize(
    "value",
    [
        log_expm1 + x,
        log_expm1 - 2 * x,
        w * log_expm1 - x,
        3 * log_expm1 - x,
        pt.log1mexp(-x) - x,
        pt.log1mexp(-x) + pt.exp(w) - x,
    ],
    ids=str,
)
def test_what_does_not_cancel_is_left(value):
    assert "log_expm1_minus_argument" not in explain([value]).fired
