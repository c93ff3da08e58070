"""``log(abs(f(a) - f(b)))``, whose derivative divides the sign of the difference by its size."""

import numpy as np
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, fired_again, linker, together_and_alone, ulps, with_gradients

from pytensor_stabilize.graphs import explain, truth

A = np.array([38.7, 19.3, -38.7, -7.1, 0.3, 2.1, -19.2, 0.717, 39.1])
B = np.array([38.7 - 1e-9, 19.28, -38.6, -7.1 + 1e-9, -0.3, 19.7, -40.3, 0.717 + 1e-12, 0.3])
# Elsewhere the second derivative of a sigmoid's may have a zero of its own.
CLOSE = np.abs(A - B) < 0.2

DIFFERENCES = {
    "sigmoid": lambda a, b: pt.log(pt.abs(pt.sigmoid(a) - pt.sigmoid(b))),
    "tanh": lambda a, b: pt.log(pt.abs(pt.tanh(a / 2) - pt.tanh(b / 2))),
    "exp": lambda a, b: pt.log(pt.abs(pt.exp(a) - pt.exp(b))),
    "a multiple": lambda a, b: pt.log(3 * pt.abs(2 * (pt.sigmoid(b) - pt.sigmoid(a)))),
    "base 10": lambda a, b: pt.log10(pt.abs(pt.sigmoid(a) - pt.sigmoid(b))),
    "the larger less the smaller": lambda a, b: pt.log(
        pt.maximum(pt.sigmoid(a), pt.sigmoid(b)) - pt.minimum(pt.sigmoid(a), pt.sigmoid(b))
    ),
}


@pytest.mark.parametrize("name", ["numba_strict", "jax"])
@pytest.mark.parametrize("form", DIFFERENCES)
def test_value_and_gradient(form, name):
    args, outputs = with_gradients(DIFFERENCES[form], 2, 1)
    exact = truth(outputs, dict(zip(args, (A, B), strict=True)))
    with linker(name) as mode:
        for values in together_and_alone(args, outputs, [A, B], mode):
            for value, right in zip(values, exact, strict=True):
                # The exponentials of rounded differences: 4 (1 + |t|).
                assert ulps(value, right).max() <= 80, A[ulps(value, right).argmax()]


@pytest.mark.parametrize("form", [f for f in DIFFERENCES if "larger" not in f])
def test_second_derivative(form):
    args, outputs = with_gradients(DIFFERENCES[form], 2, 2)
    at = A[CLOSE], B[CLOSE]
    exact = truth(outputs[2:], dict(zip(args, at, strict=True)))
    function = compile_rewritten(args, outputs[2:])
    for value, right in zip(function(*at), exact, strict=True):
        assert ulps(value, right).max() <= 80, at[0][ulps(value, right).argmax()]


a, b, x = pt.dvector("a"), pt.dvector("b"), pt.dvector("x")
sign, size = pt.sign(x), pt.abs(x)
PRODUCTS = {
    "one": (a * sign / size, a / x),
    "two of each": (a * sign * sign / size**2, a / x**2),
    "of the negation": (a * pt.sign(-x) / pt.abs(x), -a / x),
    "beside the sign of another negation": (pt.sign(-a) * sign / size, -pt.sign(a) / x),
}


@pytest.mark.parametrize("form", PRODUCTS)
def test_it_ends_as_one_would_write_it(form):
    written, wanted = PRODUCTS[form]
    at = np.array([-3.3, 0.7, 2.1]), np.array([1.7, -0.3, 1e-9])
    found, right = (compile_rewritten([a, x], v) for v in (written, wanted))
    assert len(found.maker.fgraph.apply_nodes) <= len(right.maker.fgraph.apply_nodes) + 1
    assert np.allclose(found(*at), right(*at), rtol=1e-15, atol=0)
    assert explain(written).fired["sign_with_abs"]


LEFT = {
    "a sign alone": a * sign / x,
    "of something else": a * pt.sign(b) / size,
    "a sign too many": a * sign / size**2,
    "above": a * sign * size,
}


@pytest.mark.parametrize("form", LEFT)
def test_others_stay(form):
    assert not explain(LEFT[form]).fired["sign_with_abs"]


@pytest.mark.parametrize("form", DIFFERENCES)
def test_a_second_pass_changes_nothing(form):
    args, outputs = with_gradients(DIFFERENCES[form], 2, 1)
    fgraph = compile_rewritten(args, outputs).maker.fgraph
    assert not fired_again(fgraph)
