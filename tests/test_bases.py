"""Logarithms of base 2 and 10 next to 1."""

import numpy as np
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, fired_again, linker, together_and_alone, ulps, with_gradients

from pytensor_stabilize.graphs import explain, truth

RULE = "log_base_of_one_plus"
NEAR = np.array([3.1e-301, 2.3e-20, 6.1e-13, 7.3e-8, 1.9e-6, 8.3e-4, 0.0571, 0.4812])
AT = np.concatenate([-NEAR, [0.0], NEAR, [0.987, 3.7, 1.7e4, 3.3e17, 1e300]])

LOGARITHMS = {
    "log2(1 + x)": lambda x: pt.log2(1 + x),
    "log10(x + 1)": lambda x: pt.log10(x + 1.0),
    "log2(1 - x)": lambda x: pt.log2(1 - pt.minimum(x, 0.4)),
    "log10(1 + x / 2 + y)": lambda x: pt.log10(1 + x / 2 + x / 4),
    "log2(ones + x)": lambda x: pt.log2(pt.ones_like(x) + x),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("form", LOGARITHMS)
def test_it_keeps_its_promise(form, dtype):
    args, outputs = with_gradients(LOGARITHMS[form], 1, 1, dtype)
    at = AT[np.abs(AT) < 1e30].astype(dtype)
    exact = truth(outputs[0], {args[0]: at})
    with linker("numba_strict") as mode:
        for values in together_and_alone(args, outputs, [at], mode):
            errors = ulps(values[0], exact)
            assert errors.max() <= 4, at[errors.argmax()]


@pytest.mark.parametrize(("base", "log"), [(2.0, pt.log2), (10.0, pt.log10)])
def test_of_whole_powers_it_is_whole(base, log):
    x = pt.dvector("x")
    powers = np.arange(1.0, 15)
    digits = compile_rewritten([x], pt.floor(log(1 + x)))
    assert (digits(base**powers - 1) == powers).all()


@pytest.mark.parametrize("form", LOGARITHMS)
def test_a_second_pass_changes_nothing(form):
    args, outputs = with_gradients(LOGARITHMS[form], 1, 1)
    assert not fired_again(compile_rewritten(args, outputs).maker.fgraph)


x, n = pt.dvector("x"), pt.lvector("n")
LEFT = {
    "base e, which is PyTensor's": pt.log(1 + x),
    "next to 2": pt.log2(2 + x),
    "minus one": pt.log2(x - 1),
    "of whole numbers": pt.log2(1 + n),
    "of constants": pt.log2(pt.add(1.0, 1e-9 * 0) + 0 * x[0]),
}


@pytest.mark.parametrize("form", LEFT)
def test_others_stay(form):
    assert not explain(LEFT[form]).fired[RULE]


def test_in_the_shape_of_the_constant():
    value = pt.log2(np.ones((3, 1)) + x)
    assert compile_rewritten([x], value)(np.array([1e-9, 2.0])).shape == (3, 2)
