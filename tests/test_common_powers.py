"""Powers of sigmoids with symbolic exponents, and what their derivatives hold of them."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, linker, together_and_alone, ulps, with_gradients

from pytensor_stabilize.graphs import diff, same_graph, truth

RNG = np.random.default_rng(17)
NEAR = RNG.uniform(-30, 30, 60)
FAR = RNG.uniform(-700, 700, 60)
UNIT = RNG.random(60)
HARD = RNG.integers(0, 2, 60).astype(float)
WIDE = RNG.uniform(1, 20, 60)
x, y, b = pt.dvectors("x", "y", "b")
s = pt.sigmoid(x)
p, q = pt.sigmoid(x), pt.sigmoid(-x)

# function, columns, promise; a power exp(t) is worth 4 (1 + |t|) ulp
CASES = {
    "log(s**y)": (lambda x, y: pt.log(pt.sigmoid(x) ** y), [FAR, 50 * UNIT], 4),
    "Bernoulli": (
        lambda x, y: pt.log(pt.sigmoid(x) ** y * (1 - pt.sigmoid(x)) ** (1 - y)),
        [FAR, HARD],
        4,
    ),
    # A second derivative of -s (1 - s), whatever the label is.
    "soft labels": (
        lambda x, y: y * pt.log(pt.sigmoid(x)) + (1 - y) * pt.log(1 - pt.sigmoid(x)),
        [NEAR, HARD],
        4,
    ),
    "s**y": (lambda x, y: pt.sigmoid(x) ** y, [NEAR, WIDE], 130),
    "(1 - s)**y": (lambda x, y: (1 - pt.sigmoid(x)) ** y, [NEAR, WIDE], 130),
    "1 - s**y": (lambda x, y: 1 - pt.sigmoid(x) ** y, [NEAR, WIDE], 130),
    # The exponents add up to 4 y + 4; the common factor 4 was lost.
    "s**2y s**2y s**4": (
        lambda x, y: pt.sigmoid(x) ** (2 * y) * pt.sigmoid(x) ** (y + y) * pt.sigmoid(x) ** 4,
        [NEAR, UNIT],
        1000,
    ),
    "1 - 2 s**y": (lambda x, y: 1 - 2 * pt.sigmoid(x) ** y, [FAR, 0.1 + 0.2 * UNIT], 130),
    "1 - s**y / y": (lambda x, y: 1 - pt.sigmoid(x) ** y / y, [NEAR, 1.5 + WIDE], 130),
    # 2 q in place of q.
    "powers of 1 - tanh and 1 + tanh": (
        lambda x, y: (
            (1 - pt.tanh(x)) ** (2 * y) * (1 + pt.tanh(x)) ** y / (1 - pt.tanh(x)) ** (y / 2)
        ),
        [FAR * (3 / 7), UNIT],
        1000,
    ),
    "a power of 1 - tanh": (lambda x, y: (1 - pt.tanh(x)) ** y, [abs(NEAR) / 2, WIDE], 1300),
    "log of a power of 1 - tanh": (lambda x, y: pt.log((1 - pt.tanh(x)) ** y), [FAR / 2, WIDE], 8),
    "odds": (lambda x, y: pt.sigmoid(x) ** y / (1 - pt.sigmoid(x)) ** y, [NEAR, UNIT], 130),
}


def second(value):
    return pt.grad(pt.grad(value.sum(), x).sum(), x)


# spelling: (as it is written, as it ends)
GRAPHS = {
    "d s**y": (pt.grad((s**y).sum(), x), y * p**y * q),
    "d2 log(s**y)": (-second(pt.log(s**y)), y * p * q),
    "d2 cross entropy": (-second(y * pt.log(s) + (1 - y) * pt.log(1 - s)), p * q),
    "d odds**y": (pt.grad((s**y / (1 - s) ** y).sum(), x), y * pt.exp(y * x)),
    "s**(y - 2) (1 - s)**(2 - y)": (
        s**y * (1 - s) ** 2 / (s**2 * (1 - s) ** y),
        pt.exp((y + -2) * x),
    ),
    "s**y s**b (1 - s)": (s**y * s**b * (1 - s), p ** (y + b) * q),
}
# What has only one power, or powers of different bases.
LEFT_ALONE = {
    "y s**y + b": y * s**y + b,
    "s**y + (1 - s)**b": s**y + (1 - s) ** b,
    "x**y": x**y * y + x ** (y - 1),
}


@pytest.mark.parametrize("name", ["numba_strict", "jax"])
@pytest.mark.parametrize("form", CASES)
def test_it_keeps_its_promise(form, name):
    function, columns, promise = CASES[form]
    args, outputs = with_gradients(function, 2, 2)
    exact = truth(outputs, dict(zip(args, columns, strict=True)))
    with linker(name) as mode:
        found = together_and_alone(args, outputs, columns, mode)
    for values in found:
        for value, right in zip(values, exact, strict=True):
            errors = ulps(value, right)[np.isfinite(right.value)]
            assert errors.max() <= promise + (4 if name == "jax" else 0), int(errors.argmax())


def test_a_quotient_of_powers_that_underflow():
    """Each of the exponents is rounded, and 4 ulp of it are as many of the exponential."""
    u, v = pt.dvectors("u", "v")
    value = s**y * (1 - s) ** b / (s**u * (1 - s) ** v)
    powers = RNG.uniform(2, 20, (2, 60))
    columns = [FAR, *powers, *(powers + RNG.uniform(-0.4, 0.4, (2, 60)))]
    args = [x, y, b, u, v]
    exact = truth(value, dict(zip(args, columns, strict=True)))
    assert (np.isfinite(exact.value) & (exact.value > 0)).all()
    with linker("numba_strict") as mode:
        found = pytensor.function(args, value, mode=mode)(*columns)
    size = (columns[1] + columns[3]) * np.logaddexp(0, -FAR)
    size += (columns[2] + columns[4]) * np.logaddexp(0, FAR)
    assert (ulps(found, exact) <= 4 + 4 * size).all()


@pytest.mark.parametrize("form", GRAPHS)
def test_it_ends_as_one_would_write_it(form):
    written, wanted = GRAPHS[form]
    once, right = (compile_rewritten([x, y, b], v) for v in (written, wanted))
    assert same_graph(once, right), str(diff(once, right))
    again = compile_rewritten(list(once.maker.fgraph.inputs), list(once.maker.fgraph.outputs))
    assert same_graph(once, again)


@pytest.mark.parametrize("form", LEFT_ALONE)
def test_it_leaves_what_has_nothing_in_common(form):
    function = compile_rewritten([x, y, b], LEFT_ALONE[form])
    powers = sum(
        "Pow" in str(node.op) or "pow" in str(node.op) for node in function.maker.fgraph.apply_nodes
    )
    assert powers >= 1
