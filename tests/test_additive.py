"""Differences of softplus, roots, logarithms and squares; squares that leave the floats."""

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
from pytensor_stabilize.graphs import same_graph, truth

RNG = np.random.default_rng(8)
WIDE = 10.0 ** RNG.uniform(-290, 290, 120)
SIGNED = np.concatenate([RNG.uniform(-700, 700, 60), RNG.uniform(-30, 30, 60)])
UNIT = RNG.choice([-1, 1], 120) * (1 - 10.0 ** RNG.uniform(-15.5, -1, 120))
HARD = RNG.integers(0, 2, 120).astype(float)
SOFT = RNG.random(120)
PARTNER = WIDE * (1 - 10.0 ** RNG.uniform(-12, -0.1, 120))

# function, columns, how many derivatives in its first argument are tested, promise
CASES = {
    "softplus(x) - x": (lambda x: pt.softplus(x) - x, [SIGNED], 2, 4),
    "x - softplus(x)": (lambda x: x - pt.softplus(x), [SIGNED], 2, 4),
    "softplus(-x) + x": (lambda x: pt.softplus(-x) + x, [SIGNED], 2, 4),
    "softplus(x) - softplus(-x)": (lambda x: pt.softplus(x) - pt.softplus(-x), [SIGNED], 0, 4),
    "y softplus(x) - y x": (lambda x, y: y * pt.softplus(x) - y * x, [SIGNED, SOFT], 0, 4),
    "3 softplus(2x) - 6x": (lambda x: 3 * pt.softplus(2 * x) - 6 * x, [SIGNED / 2], 0, 4),
    "hard labels": (lambda x, y: y * x - pt.softplus(x), [SIGNED, HARD], 0, 4),
    "soft labels": (lambda x, y: pt.softplus(x) - y * x, [SIGNED, SOFT], 0, 4),
    "counts": (lambda x, y: y * x - 5 * pt.softplus(x), [SIGNED, HARD * 5], 0, 4),
    "labels, log1p": (lambda x, y: y * x - pt.log1p(pt.exp(x)), [SIGNED, HARD], 0, 4),
    "sqrt(1+x) - 1": (lambda x: pt.sqrt(1 + x) - 1, [WIDE], 0, 4),
    "1 - sqrt(1+x)": (lambda x: 1 - pt.sqrt(x + 1), [WIDE], 0, 4),
    # Fast-math makes one division of several, and x**4.5 is then infinite from 1e68 on.
    "sqrt(x+1) - sqrt(x)": (lambda x: pt.sqrt(x + 1) - pt.sqrt(x), [WIDE**0.23], 2, 5),
    "the same, far": (lambda x: pt.sqrt(x + 1) - pt.sqrt(x), [WIDE**0.6], 1, 5),
    "sqrt(a) - sqrt(b)": (lambda a, b: pt.sqrt(a) - pt.sqrt(b), [WIDE, PARTNER], 0, 4),
    "log(1+x) - log(x)": (lambda x: pt.log(1 + x) - pt.log(x), [WIDE**0.3], 2, 4),
    "1 - x**2": (lambda x: 1 - x**2, [UNIT], 0, 4),
    "a*a - b*b": (lambda a, b: a * a - b * b, [WIDE**0.5, PARTNER**0.5], 0, 4),
    "arcsin": (pt.arcsin, [UNIT], 2, 5),
    "arccos": (pt.arccos, [UNIT], 2, 5),
    "arctanh": (pt.arctanh, [UNIT], 2, 4),
    "arcsinh": (pt.arcsinh, [WIDE**0.5], 2, 5),
    "arcsinh far": (pt.arcsinh, [WIDE], 1, 5),
    "arccosh": (pt.arccosh, [np.r_[1 / np.abs(UNIT), 1 + WIDE**0.5]], 2, 5),
    "arctan": (pt.arctan, [WIDE**0.33], 2, 4),
    "arctan2": (pt.arctan2, [WIDE, PARTNER], 1, 4),
    "hypot": (lambda a, b: pt.sqrt(a**2 + b**2), [WIDE, PARTNER], 1, 4),
    "sqrt(1+x**2)": (lambda x: pt.sqrt(1 + x**2), [WIDE], 1, 4),
    "softsign": (lambda x: x / (1 + abs(x)), [np.r_[-WIDE, WIDE] ** 1], 1, 4),
    "1/x - 1/(1+x)": (lambda x: 1 / x - 1 / (1 + x), [WIDE**0.25], 2, 4),
}


def build(form: str, dtype: str = "float64"):
    function, columns, order, promise = CASES[form]
    args, outputs = with_gradients(function, len(columns), order, dtype)
    return args, columns, outputs, promise


def check(form: str, dtype: str, linker_name: str, promise: float) -> None:
    args, columns, outputs, _ = build(form, dtype)
    with np.errstate(over="ignore"):
        columns = [column.astype(dtype) for column in columns]
    exact = truth(outputs, dict(zip(args, columns, strict=True)))
    with linker(linker_name) as mode:
        mode = mode.including("pytensor_stabilize_opt_in")
        found = together_and_alone(args, outputs, columns, mode)
    for values in found:
        for value, right in zip(values, exact, strict=True):
            errors = ulps(value, right)[np.isfinite(right.value)]
            assert errors.max() <= promise, int(errors.argmax())


@pytest.mark.parametrize("name", LINKERS)
@pytest.mark.parametrize("form", CASES)
def test_it_keeps_its_promise(form, name):
    # XLA's log1p, exp and sqrt add theirs.
    check(form, "float64", name, CASES[form][3] + (4 if name == "jax" else 0.1))


FLOAT32 = [f for f in CASES if not any(np.abs(np.log10(np.abs(c))).max() > 30 for c in CASES[f][1])]


@pytest.mark.parametrize("form", [f for f in FLOAT32 if SIGNED is not CASES[f][1][0]])
def test_float32(form):
    check(form, "float32", "numba_strict", CASES[form][3] + 0.1)


@pytest.mark.parametrize("form", CASES)
def test_a_second_pass_changes_nothing(form):
    args, _, outputs, _ = build(form)
    once = compile_rewritten(args, outputs).maker.fgraph
    again = second_pass(once)
    assert same_graph(once, again)


def test_zeros_and_infinities():
    a, b = pt.dvectors("a", "b")
    function = pytensor.function([a, b], pt.sqrt(a) - pt.sqrt(b), mode="NUMBA")
    inf = np.inf
    found = function(np.array([0, inf, 1, inf]), np.array([0, 1, inf, inf]))
    np.testing.assert_array_equal(found, [0, inf, -inf, np.nan])
    x = pt.dvector("x")
    outputs = [pt.sqrt(1 + x) - 1, pt.log(1 + x) - pt.log(x), pt.sqrt(1 + x**2), 1 - x**2]
    values = pytensor.function([x], outputs, mode="NUMBA")(np.array([0.0, 5e-324, np.nan]))
    np.testing.assert_array_equal(values[0], [0, 0, np.nan])  # half of the smallest float
    np.testing.assert_allclose(values[1], [inf, 744.4400719213812, np.nan])
    np.testing.assert_array_equal(values[2], [1, 1, np.nan])
    np.testing.assert_array_equal(values[3], [1, 1, np.nan])


@pytest.mark.parametrize("order", [0, 1, 2])
def test_the_likelihood_differentiates_at_zero(order):
    """PyMC and JAX differentiate what the rule leaves: a switch at x = 0."""
    x, y = pt.dvectors("x", "y")
    value = pytensor.graph.rewriting.utils.rewrite_graph(
        y * x - pt.softplus(x), include=("canonicalize", "stabilize")
    )
    for _ in range(order):
        value = pytensor.grad(value.sum(), x)
    found = pytensor.function([x, y], value, mode="NUMBA", on_unused_input="ignore")
    right = {0: -np.log(2), 1: 0.5, 2: -0.25}[order]
    np.testing.assert_allclose(found(np.zeros(1), np.ones(1)), right, rtol=1e-15)


def test_the_logarithm_of_a_successor_without_what_is_opt_in():
    """A difference of any two logarithms mends it as well, in modes that ask for that."""
    x = pt.dvector("x")
    for value in (pt.log(1 + x) - pt.log(x), pt.log(x) - pt.log1p(x)):
        found = compile_rewritten([x], value)(WIDE**0.3)
        assert ulps(found, truth(value, {x: WIDE**0.3})).max() <= 4


NOT_TO_MATCH = {
    "another argument": lambda a, b: pt.softplus(a) - b,
    "of one sign for large a": lambda a, b: pt.softplus(a) + a * pt.sigmoid(a),
    "half of it": lambda a, b: pt.softplus(a) - 0.5 * a,
    "a sum of roots": lambda a, b: pt.sqrt(a) + pt.sqrt(b),
    "another constant": lambda a, b: pt.sqrt(a + 0.3) - 0.7,
    "a sum of logs": lambda a, b: pt.log1p(a) + pt.log(a),
    "2 - x**2": lambda a, b: 2 - a**2,
    "a sum of squares in a root's stead": lambda a, b: 1 / (1 + a**2),
}


@pytest.mark.parametrize("form", NOT_TO_MATCH)
def test_what_must_not_match(form):
    a, b = pt.dvectors("a", "b")
    mended = compile_rewritten([a, b], NOT_TO_MATCH[form](a, b))
    with pytensor_stabilize.excluding("all"):
        stock = compile_rewritten([a, b], NOT_TO_MATCH[form](a, b))
    assert same_graph(mended, stock)
