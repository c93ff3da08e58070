"""``1 - x / (1 + |x|)`` and its kin, with two derivatives."""

import numpy as np
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, linker, second_pass, together_and_alone, ulps, with_gradients

from pytensor_stabilize.graphs import explain, same_graph, truth

FAR = np.array([1e300, 1e100, 1e17, 3e8, 40.3, 3.0, 0.3, 1e-9, 1e-300])
FORMS = {
    "1 - softsign": lambda x: 1 - x / (1 + pt.abs(x)),
    "1 + softsign": lambda x: 1 + x / (1 + pt.abs(x)),
    "softsign - 1": lambda x: x / (1 + pt.abs(x)) - 1,
    "(1 - softsign) / 2": lambda x: 0.5 - 0.5 * x / (1 + pt.abs(x)),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["numba_strict", "jax"])
@pytest.mark.parametrize("form", FORMS)
def test_it_keeps_its_digits(form, name, dtype):
    args, outputs = with_gradients(FORMS[form], 1, 2, dtype)
    at = np.concatenate([FAR, -FAR])
    if dtype == "float32":
        at = np.sign(at) * np.abs(at) ** 0.12
    # Beyond its root the second derivative's denominator leaves the floats, as it stands.
    at = at[np.abs(at) < (1e100 if dtype == "float64" else 1e12)].astype(dtype)
    exact = truth(outputs, {args[0]: at})
    with linker(name) as mode:
        for values in together_and_alone(args, outputs, [at], mode):
            for value, right in zip(values, exact, strict=True):
                assert ulps(value, right).max() <= 8, at[ulps(value, right).argmax()]


def test_far_out():
    x = pt.dvector("x")
    value = FORMS["1 - softsign"](x)
    found = compile_rewritten([x], value)(np.array([1e300, np.inf, np.nan]))
    assert ulps(found[:1], truth(value, {x: FAR[:1]})).max() <= 1
    assert found[1] == 0
    assert np.isnan(found[2])


@pytest.mark.parametrize("form", FORMS)
def test_a_second_pass_changes_nothing(form):
    args, outputs = with_gradients(FORMS[form], 1, 2)
    once = compile_rewritten(args, outputs).maker.fgraph
    again = second_pass(once)
    assert same_graph(once, again)


@pytest.mark.parametrize(
    "form",
    [
        lambda x: 2 - x / (1 + pt.abs(x)),
        lambda x: 1 - x / (pt.abs(x) - 1),
        lambda x: 1 - x / (1 + pt.abs(x + 1)),
        lambda x: 1 - pt.abs(x) / (1 + pt.abs(x)),
    ],
)
def test_what_must_not_match(form):
    assert "one_minus_softsign" not in explain([form(pt.vector("x"))]).fired
