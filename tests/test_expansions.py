"""Series next to 1 and far out, of logarithms, and in a softplus."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import (
    LINKERS,
    compile_rewritten,
    fired_again,
    linker,
    second_pass,
    together_and_alone,
    ulps,
    with_gradients,
)

import pytensor_stabilize
from pytensor_stabilize.graphs import same_graph, truth

RNG = np.random.default_rng(21)
SMALL = RNG.choice([-1, 1], 40) * 10.0 ** RNG.uniform(-30, -0.4, 40)
NEXT_TO_ONE = 1 + RNG.choice([-1, 1], 40) * 10.0 ** RNG.uniform(-14, -0.7, 40)
FAR = 10.0 ** RNG.uniform(-3, 15, 60)
BOTH_SIDES = np.r_[-(10.0 ** RNG.uniform(0.5, 15, 40)), FAR]
REAL = np.r_[-RNG.uniform(0, 700, 40), RNG.uniform(-5, 40, 40)]

# function, points, the derivatives that are tested, promise
CASES = {
    "x log(x) - x + 1": (lambda x: x * pt.log(x) - x + 1, [NEXT_TO_ONE], 0, 12),
    "log(x) + 1/x - 1": (lambda x: pt.log(x) + 1 / x - 1, [NEXT_TO_ONE], 0, 20),
    "x - 1 - log(x)": (lambda x: x - 1 - pt.log(x), [NEXT_TO_ONE], 0, 12),
    "(x - 1) / log(x)": (lambda x: (x - 1) / pt.log(x), [1 + (NEXT_TO_ONE - 1) / 8], 2, 12),
    "x log(1 + 1/x) - 1": (lambda x: x * pt.log1p(1 / x) - 1, [BOTH_SIDES], 1, 20),
    "log(1 + 1/x) - 1/x": (lambda x: pt.log(1 + 1 / x) - 1 / x, [BOTH_SIDES], 0, 12),
    "x sin(1/x) - 1": (lambda x: x * pt.sin(1 / x) - 1, [BOTH_SIDES], 0, 12),
    "log(sinh(x) / x)": (lambda x: pt.log(pt.sinh(x) / x), [SMALL], 0, 8),
    "log(tanh(x) / x)": (lambda x: pt.log(pt.tanh(x) / x), [SMALL], 0, 8),
    "log((exp(x) - 1) / x)": (lambda x: pt.log((pt.exp(x) - 1) / x), [SMALL], 0, 8),
    "log((1 - exp(-x)) / x)": (lambda x: pt.log((1 - pt.exp(-x)) / x), [SMALL], 0, 8),
    "log(softplus(x))": (lambda x: pt.log(pt.softplus(x)), [REAL], 2, 8),
    "log(softplus(-2 x))": (lambda x: pt.log(pt.softplus(-2 * x)), [-REAL / 2], 2, 8),
    "log(softplus(x / 2))": (lambda x: pt.log(pt.softplus(x / 2)), [REAL], 2, 8),
    "log(s) / (1 - s)": (lambda x: pt.log(pt.sigmoid(x)) / (1 - pt.sigmoid(x)), [REAL], 1, 8),
    # specialize writes a third power in squares before it comes to the sum around it
    "x / (1 - exp(-x))": (lambda x: x / (1 - pt.exp(-x)), [SMALL], 2, 12),
}


def build(form: str, dtype: str = "float64"):
    function, columns, order, promise = CASES[form]
    args, outputs = with_gradients(function, len(columns), order, dtype)
    return args, columns, outputs, promise


@pytest.mark.parametrize("name", LINKERS)
@pytest.mark.parametrize("form", CASES)
def test_it_keeps_its_promise(form, name):
    """Alone and together.  XLA's functions add their own errors."""
    args, columns, outputs, promise = build(form)
    exact = truth(outputs, dict(zip(args, columns, strict=True)))
    with linker(name) as mode:
        found = together_and_alone(args, outputs, columns, mode)
    allowed = promise + (6 if name == "jax" else 0.1)
    for values in found:
        for value, right in zip(values, exact, strict=True):
            errors = ulps(value, right)[np.isfinite(right.value)]
            assert errors.max() <= allowed, columns[0][int(errors.argmax())]


@pytest.mark.parametrize("form", CASES)
def test_stock_is_worse(form):
    args, columns, outputs, promise = build(form)
    exact = truth(outputs, dict(zip(args, columns, strict=True)))
    with pytensor_stabilize.excluding("all"), np.errstate(all="ignore"):
        values = pytensor.function(args, outputs, mode="CVM")(*columns)
    worst = max(ulps(v, right).max() for v, right in zip(values, exact, strict=True))
    assert not worst <= 5 * promise


@pytest.mark.parametrize("form", CASES)
def test_a_second_pass_changes_nothing(form):
    args, _, outputs, _ = build(form)
    once = compile_rewritten(args, outputs).maker.fgraph
    again = second_pass(once)
    if form == "x / (1 - exp(-x))":
        assert not fired_again(once)  # PyTensor itself moves the sign
    else:
        assert same_graph(once, again)


POINTS = np.array([0, 1, -1, 1e-300, 5e-324, 1e20, -1e160, 1e300, np.inf, -np.inf, np.nan])


@pytest.mark.parametrize("form", CASES)
def test_what_stock_finds_finite_stays_finite(form):
    args, _, outputs, _ = build(form)
    with np.errstate(all="ignore"):
        found = pytensor.function(args, outputs, mode="CVM")(POINTS)
        with pytensor_stabilize.excluding("all"):
            stock = pytensor.function(args, outputs, mode="CVM")(POINTS)
    for ours, theirs in zip(found, stock, strict=True):
        assert not (np.isfinite(theirs) & ~np.isfinite(ours)).any()
    assert np.isnan(found[0][-1])


AT_ONE = {
    "log(x) + 1/x - 1": lambda x: pt.log(x) + 1 / x - 1,
    "2 log(x) + 1/x**2 - 1": lambda x: 2 * pt.log(x) + 1 / pt.sqr(x) - 1,
    "x - 1/x - 2 log(x)": lambda x: x - 1 / x - 2 * pt.log(x),
    "x**2 - 1/x**2 - 4 log(x)": lambda x: x**2 - 1 / x**2 - 4 * pt.log(x),
}


@pytest.mark.parametrize("form", AT_ONE)
def test_far_from_one_it_is_what_was_written(form):
    """Powers of x that are factored next to 1 overflow earlier than their sum."""
    x = pt.dvector("x")
    far = np.array([1e-300, 1e-200, 1e-3, 15.0, 17.0, 1e100, 1e155, 1e200, 1e300, np.inf])
    with np.errstate(all="ignore"):
        found = pytensor.function([x], AT_ONE[form](x), mode="CVM")(far)
        with pytensor_stabilize.excluding("all"):
            stock = pytensor.function([x], AT_ONE[form](x), mode="CVM")(far)
    np.testing.assert_allclose(found[~np.isnan(stock)], stock[~np.isnan(stock)], rtol=1e-14)


DEEP = {
    "softplus": lambda u: pt.sigmoid(u) / pt.softplus(u) - 1,
    "sine": lambda u: pt.sin(u) / u - 1,
}


@pytest.mark.parametrize("form", DEEP)
def test_an_argument_at_the_end_of_a_long_chain(form):
    x = pt.dvector("x")
    u = x
    for _ in range(1500):
        u = pt.sin(u) + 0.001
    points = np.array([0.5, 2.0])
    found = pytensor.function([x], DEEP[form](u), mode="CVM")(points)
    with pytensor_stabilize.excluding("all"):
        stock = pytensor.function([x], DEEP[form](u), mode="CVM")(points)
    np.testing.assert_allclose(found, stock, rtol=1e-9)


@pytest.mark.parametrize("form", ["x log(x) - x + 1", "log(1 + 1/x) - 1/x", "log(softplus(x))"])
def test_float32(form):
    args, columns, outputs, promise = build(form, "float32")
    columns = [column[np.abs(column) < 80].astype("float32") for column in columns]
    exact = truth(outputs[-1], dict(zip(args, columns, strict=True)))
    value = pytensor.function(args, outputs[-1], mode="CVM")(*columns)
    assert value.dtype == "float32"
    assert ulps(value, exact).max() <= promise + 0.1


NOT_TO_MATCH = {
    "an ordinary zero": lambda a, b: pt.log(a) - 1 + a,
    "no power is lost next to 1": lambda a, b: a * pt.log(a) + a,
    "no power is lost far out": lambda a, b: a * pt.log1p(1 / a) + 1,
    "two variables": lambda a, b: a * pt.log1p(1 / b) - 1,
    "a logarithm of what is not 1": lambda a, b: pt.log(pt.sinh(a) / (2 * a)),
    "a logarithm of an opaque factor": lambda a, b: pt.log(b * pt.sinh(a) / a),
    "another softplus": lambda a, b: pt.sigmoid(-a) - pt.sigmoid(a) / pt.softplus(b),
    "another function": lambda a, b: pt.exp(-a) - pt.tanh(b) / pt.softplus(a),
    "integers": lambda a, b: pt.cast(a, "int64") * pt.log1p(1 / b) - pt.cast(a, "int64"),
}


@pytest.mark.parametrize("form", NOT_TO_MATCH)
def test_what_must_not_match(form):
    a, b = pt.dvectors("a", "b")
    fired = compile_rewritten([a, b], NOT_TO_MATCH[form](a, b))
    with pytensor_stabilize.excluding("removable_singularity", "log_of_series"):
        without = compile_rewritten([a, b], NOT_TO_MATCH[form](a, b))
    assert same_graph(fired, without)
