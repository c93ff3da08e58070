"""Second derivatives of logarithms of a difference whose two arguments share a variable."""

import numpy as np
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, linker, second_pass, together_and_alone, ulps, with_gradients

from pytensor_stabilize.graphs import same_graph, truth

sigmoid, tanh = pt.sigmoid, pt.tanh
AT = np.array([-13.7, -3.1, -0.9, 0.3, 1.7, 9.2, 13.7])
# A form and what it may lose: far out the exponent's own rounding counts, 4 (1 + |t|) ulp.
FORMS = {
    "bin of a logistic": (
        lambda x: pt.log(sigmoid((x + 0.5) / 0.3) - sigmoid((x - 0.5) / 0.3)),
        64,
    ),
    "cutpoints": (lambda x: pt.log(sigmoid((1.3 - x) / 0.7) - sigmoid((0.2 - x) / 0.7)), 32),
    "one step": (lambda x: pt.log(sigmoid(x) - sigmoid(x - 1)), 16),
    "two slopes": (lambda x: pt.log(sigmoid(2 * x + 30) - sigmoid(x)), 64),
    "tanh": (lambda x: pt.log(tanh(x / 4) - tanh(x / 4 - 1)), 32),
}


@pytest.mark.parametrize("name", ["numba_strict", "jax"])
@pytest.mark.parametrize("form", FORMS)
def test_second_derivative(form, name):
    function, most = FORMS[form]
    args, outputs = with_gradients(function, 1, 2)
    exact = truth(outputs, {args[0]: AT})
    with linker(name) as mode:
        for values in together_and_alone(args, outputs, [AT], mode):
            for value, right in zip(values, exact, strict=True):
                assert ulps(value, right).max() <= most, AT[ulps(value, right).argmax()]


@pytest.mark.parametrize("scale", ["exp(-w)", "1 / softplus(w)"])
def test_symbolic_scale(scale):
    x, w = pt.dvector("x"), pt.dvector("w")
    k = pt.exp(-w) if scale == "exp(-w)" else 1 / pt.softplus(w)
    value = pt.log(sigmoid((x + 0.5) * k) - sigmoid((x - 0.5) * k))
    second = pt.grad(pt.grad(value.sum(), x).sum(), x)
    at = np.array([-13.7, -3.1, 0.3, 9.2]), np.array([-1.2, 0.3, -0.4, 1.0])
    found = compile_rewritten([x, w], second)(*at)
    assert ulps(found, truth(second, {x: at[0], w: at[1]})).max() <= 64


@pytest.mark.parametrize("form", FORMS)
def test_few_nodes_and_a_second_pass_changes_nothing(form):
    args, outputs = with_gradients(FORMS[form][0], 1, 2)
    once = compile_rewritten(args, outputs[2:]).maker.fgraph
    again = second_pass(once)
    assert same_graph(once, again)
    # The two slopes alone need the exponentials of the difference.
    assert len(once.apply_nodes) <= (50 if form == "two slopes" else 16)
