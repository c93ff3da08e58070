"""Logarithms of quotients that are 1 at x = 0."""

import numpy as np
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, fired_again, linker, together_and_alone, ulps, with_gradients

from pytensor_stabilize.graphs import truth

WAYS = [("numba_strict", "float64"), ("numba_strict", "float32"), ("jax", "float64")]
NEAR = np.array([1e-300, 2.3e-20, 6.1e-13, 7.3e-8, 1.9e-6, 8.3e-4, 0.0571, 0.4812, 0.987, 2.531])
AT = np.concatenate([-NEAR, NEAR])
QUOTIENTS = {
    "(exp(x) - 1) / x": lambda x: pt.log((pt.exp(x) - 1) / x),
    "expm1(x) / x": lambda x: pt.log(pt.expm1(x) / x),
    "(1 - exp(-x)) / x": lambda x: pt.log((1 - pt.exp(-x)) / x),
    "x / (exp(x) - 1)": lambda x: pt.log(x / (pt.exp(x) - 1)),
    "sinh(x) / x": lambda x: pt.log(pt.sinh(x) / x),
    "x / tanh(x)": lambda x: pt.log(x / pt.tanh(x)),
    "sin(x) / x": lambda x: pt.log(pt.sin(x) / x),
}


@pytest.mark.parametrize(("name", "dtype"), WAYS)
@pytest.mark.parametrize("form", QUOTIENTS)
def test_it_keeps_its_promise(form, name, dtype):
    args, outputs = with_gradients(QUOTIENTS[form], 1, 1, dtype)
    at = AT[np.abs(AT) > 1e-30].astype(dtype) if dtype == "float32" else AT
    exact = truth(outputs, {args[0]: at})
    with linker(name) as mode:
        for values in together_and_alone(args, outputs, [at], mode):
            for value, right in zip(values, exact, strict=True):
                errors = ulps(value, right)
                assert errors.max() <= (12 if name == "jax" else 6), at[errors.argmax()]


@pytest.mark.parametrize("form", QUOTIENTS)
def test_a_second_pass_changes_nothing(form):
    args, outputs = with_gradients(QUOTIENTS[form], 1, 1)
    assert not fired_again(compile_rewritten(args, outputs).maker.fgraph)
