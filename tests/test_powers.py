"""Powers of a constant next to 1, and the logarithm in their derivatives."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, linker, second_pass, together_and_alone, ulps, with_gradients

from pytensor_stabilize.graphs import same_graph, truth

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
