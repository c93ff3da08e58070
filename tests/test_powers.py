"""Powers of a constant next to 1, and the logarithm in their derivatives."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import (
    LINKERS,
    compile_rewritten,
    linker,
    second_pass,
    together_and_alone,
    ulps,
    with_gradients,
)

import pytensor_stabilize
from pytensor_stabilize.graphs import explain, same_graph, truth

WAYS = [("numba_strict", "float64"), ("numba_strict", "float32"), ("jax", "float64")]
RNG = np.random.default_rng(31)
AT = np.concatenate(
    [RNG.choice([-1, 1], 60) * 10 ** RNG.uniform(-300, 0, 60), RNG.uniform(-9, 9, 60)]
)
FAR = [-90.25, -70.5, 60.5, 90.5]
# Of a base other than 2 the logarithm is rounded: 4 (1 + |t|) ulp.
CASES = {
    "2**x - 1": (lambda x: 2**x - 1, 4),
    "2.0**x - 1": (lambda x: 2.0**x - 1, 4),
    "exp2(x) - 1": (lambda x: pt.exp2(x) - 1, 4),
    "1 - 0.5**x": (lambda x: 1 - 0.5**x, 4),
    "3 * 10**x - 3": (lambda x: 3 * 10**x - 3, 6),
    "2**-x - 1": (lambda x: 2 ** (-x) - 1, 4),
}


@pytest.mark.parametrize(("name", "dtype"), WAYS)
@pytest.mark.parametrize("form", CASES)
def test_it_keeps_its_promise(form, name, dtype):
    function, promise = CASES[form]
    with pytensor.config.change_flags(floatX=dtype):
        (x,), outputs = with_gradients(function, 1, 2, dtype)
    at = (AT if "10" in form else np.r_[AT, FAR]).astype(dtype)
    exact = truth(outputs, {x: at})
    with linker(name) as mode:
        found = together_and_alone([x], outputs, [at], mode)
    for values in found:
        for value, right in zip(values, exact, strict=True):
            errors = ulps(value, right)
            assert errors.max() <= promise + (40 if name == "jax" else 0.1), at[errors.argmax()]


@pytest.mark.parametrize("form", CASES)
def test_a_second_pass_changes_nothing(form):
    (x,), outputs = with_gradients(CASES[form][0], 1, 2)
    once = compile_rewritten([x], outputs).maker.fgraph
    again = second_pass(once)
    assert same_graph(once, again)


def test_a_factor_that_only_looks_like_a_logarithm_stays():
    x = pt.dvector("x")
    function = compile_rewritten([x], 0.7 * 2**x)
    assert any(
        np.isclose(c.data, 0.7, rtol=0, atol=0).all()
        for c in function.maker.fgraph.variables
        if hasattr(c, "data")
    )


SMALL_POWERS = {
    "Box and Cox": lambda x, p: (x**p - 1) / p,
    "its negative": lambda x, p: (1 - x**p) / p,
    "beside something": lambda x, p: x**p - 1 + p,
    "a constant power": lambda x, p: p * (x**1e-6 - 1) / 1e-6,
}


@pytest.mark.parametrize("name", LINKERS)
@pytest.mark.parametrize("form", SMALL_POWERS)
def test_small_powers_minus_one(form, name):
    """Box and Cox's transform next to p = 0, where it is log(x)."""
    x, p = pt.dvectors("x", "p")
    columns = [
        np.array([3.0, 3.0, 2.7, 0.2, 1.001, 7.0, 50.0, 2.0]),
        np.array([1e-9, 1e-6, 0.3, 1e-12, 0.5, 2.0, 3.0, 1e-300]),
    ]
    value = SMALL_POWERS[form](x, p)
    exact = truth(value, dict(zip([x, p], columns, strict=True)))
    with linker(name) as mode:
        found = pytensor.function([x, p], value, mode=mode)(*columns)
    assert ulps(found, exact).max() <= (8 if name == "jax" else 4)
    with pytensor_stabilize.excluding("all"):
        stock = pytensor.function([x, p], value, mode="CVM")(*columns)
    assert ulps(stock, exact).max() > 1e5


def test_small_powers_of_a_column():
    x, p = pt.dcol("x"), pt.dvector("p")
    columns = np.array([[3.0], [0.2]]), np.array([1e-9, 1e-3, 2.0])
    found = pytensor.function([x, p], x**p - 1, mode="CVM")(*columns)
    exact = truth(x**p - 1, dict(zip([x, p], columns, strict=True)))
    assert found.shape == (2, 3)
    assert ulps(found, exact).max() <= 4


def test_small_powers_of_what_is_not_positive():
    x, p = pt.dvectors("x", "p")
    points = np.array([-2.0, -2.0, 0.0, 0.0, 1.0, np.nan, np.inf])
    columns = points, np.array([2.0, 0.5, 0.5, -1.0, 0.0, 1.0, 2.0])
    with np.errstate(all="ignore"):
        found = compile_rewritten([x, p], x**p - 1)(*columns)
    np.testing.assert_array_equal(found, [3.0, np.nan, -1.0, np.inf, 0.0, np.nan, np.inf])


@pytest.mark.parametrize(
    "value",
    [
        pt.dvector("x") ** 0.3 - 1,
        pt.dvector("x") ** 3 - 1,
        pt.dvector("x") ** pt.lvector("n") - 1,
        pt.dvector("x") ** pt.dvector("p") + 1,
        pt.dvector("x") ** pt.dvector("p") - 2,
    ],
    ids=str,
)
def test_powers_with_an_ordinary_zero_are_left(value):
    assert "power_minus_one" not in explain([value]).fired
