"""Sums in which arctan stands beside its limit."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, fired_again, linker, ulps

import pytensor_stabilize
from pytensor_stabilize.graphs import explain, truth
from pytensor_stabilize.graphs.ulps import spacing

x = pt.dvector("x")
AT = [-44.7, -7.1, -0.7, -1e-9, 0.0, 0.3, 2.9, 44.7]
CASES = {
    "Cauchy cdf": 0.5 + pt.arctan(x) / np.pi,
    "another spelling": 1 / np.pi * pt.arctan(x) + 0.5,
    "its complement": 1 - (0.5 + pt.arctan(x) / np.pi),
    "scaled": 0.5 - pt.arctan((x - 1.0) / 2.5) / np.pi,
    "half Cauchy": 1 - 2 / np.pi * pt.arctan(x),
    "negative": pt.arctan(x) - np.pi / 2,
    "logarithm": pt.log(0.5 + pt.arctan(x) / np.pi),
}


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("name", ["cvm", "numba_strict", "jax"])
@pytest.mark.parametrize("case", CASES)
def test_it_has_its_digits(case, name, order):
    value = pt.grad(CASES[case].sum(), x) if order else CASES[case]
    exact = truth(value, {x: AT})
    with linker(name) as mode:
        found = pytensor.function([x], value, mode=mode)(np.array(AT))
    errors = ulps(found, exact)
    # PyTensor makes a product of the quotient by pi: what is left of the constants is another.
    assert np.all(errors <= 16 + 1e-16 / spacing(exact.value)), errors


@pytest.mark.parametrize("case", list(CASES)[:-1])
def test_limits_and_a_second_pass(case):
    value = CASES[case]
    ends = np.array([-np.inf, np.inf, np.nan])
    with pytensor_stabilize.excluding("all"):
        stock = compile_rewritten([x], value)(ends)
    function = compile_rewritten([x], value)
    np.testing.assert_allclose(function(ends), stock, atol=1e-15)
    once = function.maker.fgraph
    assert not fired_again(once)


@pytest.mark.parametrize("value", [1 + pt.arctan(x), 0.5 + 0.3 * pt.arctan(x), pt.arctan(x) + x])
def test_what_is_left(value):
    assert not explain(value).fired["arctan_beside_its_limit"]


LEGS = {
    "arcsin of tanh": lambda v: pt.arcsin(pt.tanh(v)),
    "arccos of tanh": lambda v: pt.arccos(pt.tanh(v)),
    "arcsin of a root": lambda v: pt.arcsin(pt.sqrt(pt.sigmoid(v))),
    "arccos of a root": lambda v: 2 * pt.arccos(pt.sqrt(pt.sigmoid(v))),
    "arccos of 1 - 2 p": lambda v: pt.arccos(1 - 2 * pt.sigmoid(v)),
    "arcsin of 2 p - 1": lambda v: pt.arcsin(2 * pt.sigmoid(v) - 1),
}
FAR = np.array([-700.0, -39.2, -17.0, -3.1, -0.4, 1e-3, 0.7, 5.0, 20.3, 38.9, 700.0])


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("name", ["cvm", "numba_strict", "jax"])
@pytest.mark.parametrize("case", LEGS)
def test_both_legs_of_an_angle(case, name, order):
    value = LEGS[case](x)
    value = pt.grad(value.sum(), x) if order else value
    exact = truth(value, {x: FAR})
    with linker(name) as mode:
        found = pytensor.function([x], value, mode=mode)(FAR)
    # XLA's arctan2 adds its own.
    assert ulps(found, exact).max() <= (8 if name == "jax" else 4)


@pytest.mark.parametrize("case", LEGS)
def test_stock_has_no_digits_of_an_angle(case):
    value = [LEGS[case](x), pt.grad(LEGS[case](x).sum(), x)]
    exact = truth(value, {x: FAR})
    with pytensor_stabilize.excluding("all"), np.errstate(all="ignore"):
        stock = pytensor.function([x], value, mode="CVM")(FAR)
    assert not max(ulps(v, right).max() for v, right in zip(stock, exact, strict=True)) < 1e5


@pytest.mark.parametrize("case", LEGS)
def test_ends_of_an_angle(case):
    ends = np.array([-np.inf, np.inf, np.nan, 0.0])
    function = compile_rewritten([x], LEGS[case](x))
    with pytensor_stabilize.excluding("all"):
        stock = compile_rewritten([x], LEGS[case](x))(ends)
    np.testing.assert_allclose(function(ends), stock, rtol=1e-15)
    assert not fired_again(function.maker.fgraph)


@pytest.mark.parametrize("u", [x, pt.sqrt(x), pt.cos(x) * x, pt.tanh(x) / 2], ids=str)
def test_what_is_no_known_angle_is_left(u):
    assert "angle_of_function" not in explain([pt.arcsin(u), pt.arccos(u)]).fired
