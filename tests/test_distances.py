"""``1 - |y - p|``: the probability of a label by the distance from it to the prediction."""

import numpy as np
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, linker, second_pass, together_and_alone, ulps, with_gradients

from pytensor_stabilize.graphs import explain, same_graph, truth

FAR = np.array([-700.0, -44.7, -20.7, -3.1, 1e-9, 0.3, 20.7, 44.7, 700.0])
LABELS = np.array([0.0, 1.0, 0.3, 0.97])
FORMS = {
    "1 - |y - s|": lambda x, y: 1 - pt.abs(y - pt.sigmoid(x)),
    "|s - y| - 1": lambda x, y: pt.abs(pt.sigmoid(x) - y) - 1,
    "log(1 - |y - s|)": lambda x, y: pt.log(1 - pt.abs(y - pt.sigmoid(x))),
    "-log1p(-|s - y|)": lambda x, y: -pt.log1p(-pt.abs(pt.sigmoid(x) - y)),
    "2 - |2 y - 2 s|": lambda x, y: 2 - pt.abs(2 * y - 2 * pt.sigmoid(x)),
}


def points(dtype):
    far, labels = (np.array(v, dtype=dtype) for v in (FAR, LABELS))
    if dtype == "float32":
        far = np.clip(far, -80, 80)
    return [v.ravel() for v in np.meshgrid(far, labels)]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["numba_strict", "jax"])
@pytest.mark.parametrize("form", FORMS)
def test_value_and_gradient(form, name, dtype):
    args, outputs = with_gradients(FORMS[form], 2, 1, dtype)
    at = points(dtype)
    exact = truth(outputs, dict(zip(args, at, strict=True)))
    with linker(name) as mode:
        for values in together_and_alone(args, outputs, at, mode):
            for value, right in zip(values, exact, strict=True):
                assert ulps(value, right).max() <= 8, at[0][ulps(value, right).argmax()]


@pytest.mark.parametrize("form", FORMS)
def test_a_second_pass_changes_nothing(form):
    args, outputs = with_gradients(FORMS[form], 2, 1)
    once = compile_rewritten(args, outputs).maker.fgraph
    again = second_pass(once)
    assert same_graph(once, again)


@pytest.mark.parametrize(
    "form",
    [
        lambda x, y: 1 - pt.abs(y - x),
        lambda x, y: 1 - pt.abs(0.5 - pt.sigmoid(x)),
        lambda x, y: 1 + pt.abs(y - pt.sigmoid(x)),
        lambda x, y: 1 - pt.abs(pt.sigmoid(x)),
        lambda x, y: y - pt.abs(1 - pt.sigmoid(x)),
        # Of one sign: the bars go.
        lambda x, y: 1 - pt.abs(1 - pt.sigmoid(x)),
        lambda x, y: pt.log1p(-pt.abs(0.5 * pt.erfc(-x / np.sqrt(2.0)) - 1)),
        lambda x, y: pt.log(2 - pt.abs(1 + pt.tanh(x))),
        # No probability, and no label less one.
        lambda x, y: 1 - pt.abs(y - pt.exp(x)),
        lambda x, y: pt.abs(y * pt.tanh(x) + (1 - y) * (1 - pt.tanh(x))) - 1,
        lambda x, y: pt.abs(y * pt.sigmoid(x) + (1 - y) * (1 - pt.sigmoid(x))) - 1,
    ],
)
def test_what_must_not_match(form):
    x, y = pt.vectors("x", "y")
    assert "one_minus_distance" not in explain([form(x, y)]).fired


def test_why_it_is_left():
    x, y = pt.vectors("x", "y")
    for value, said in (
        (1 - pt.abs(0.5 - pt.sigmoid(x)), "no label less a probability"),
        (3 - pt.abs(y - pt.sigmoid(x)), "neither 1 - u nor 1 + u"),
    ):
        assert any(said in event.reason for event in explain([value]).left)
