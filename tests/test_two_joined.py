"""Softmax, its logarithm and logsumexp over the two elements of a stack."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, fired_again, linker, ulps
from pytensor.tensor.special import log_softmax, softmax
from pytensor.tensor.special import logsumexp as logsumexp_of

from pytensor_stabilize.graphs import explain, same_graph, truth

x, y = pt.dvector("x"), pt.dvector("y")
AT = np.array([-300.0, -44.7, -37.4, -3.1, -1.9e-6, 0.3, 2.5, 19.2, 38.1, 300.0])
zero = pt.zeros_like(x)
logsumexp = logsumexp_of(pt.stack([x, zero]), axis=0)

GRAPHS = {
    "logsumexp": (logsumexp, pt.softplus(x)),
    "less an argument": (logsumexp - x, pt.softplus(-x)),
    "last axis": (x - logsumexp_of(pt.stack([x, zero], axis=-1), axis=-1), -pt.softplus(-x)),
    "softmax": (softmax(pt.stack([x, zero]), axis=0)[0], pt.sigmoid(x)),
    "the other": (softmax(pt.stack([x, zero], axis=1), axis=1)[:, 1], pt.sigmoid(-x)),
    "of both signs": (softmax(pt.stack([x, -x]), axis=0)[0], pt.sigmoid(2 * x)),
    "log_softmax": (log_softmax(pt.stack([x, zero]), axis=0)[0], -pt.softplus(-x)),
}


@pytest.mark.parametrize("form", GRAPHS)
def test_it_ends_as_one_would_write_it(form):
    written, wanted = GRAPHS[form]
    found, right = (compile_rewritten([x], v)(AT) for v in (written, wanted))
    np.testing.assert_allclose(found, right, rtol=1e-15, atol=0)
    assert not {"Softmax", "LogSoftmax", "LogSumExp"} & {
        type(node.op).__name__ for node in compile_rewritten([x], written).maker.fgraph.apply_nodes
    }


@pytest.mark.parametrize("name", ["numba", "jax"])
@pytest.mark.parametrize("form", GRAPHS)
def test_value_and_gradient(form, name):
    value = GRAPHS[form][0]
    outputs = [value, pt.grad(value.sum(), x)]
    with linker(name) as mode:
        functions = [
            pytensor.function([x], outputs, mode=mode),
            *(pytensor.function([x], v, mode=mode) for v in outputs),
        ]
    together, *alone = (f(AT) for f in functions)
    exact = truth(outputs, {x: AT})
    for values in (together, alone):
        for found, right in zip(values, exact, strict=True):
            assert np.max(ulps(found, right)) <= (310 if name == "jax" else 4.1)


@pytest.mark.parametrize("form", GRAPHS)
def test_a_second_pass_changes_nothing(form):
    value = GRAPHS[form][0]
    outputs = [value, pt.grad(value.sum(), x)]
    assert not fired_again(compile_rewritten([x], outputs).maker.fgraph)


ROW = softmax(pt.stack([x, y]), axis=0)
KEPT = {
    "the row is used": ROW,
    "a product of rows": (ROW * log_softmax(pt.stack([x, y]), axis=0)).sum(axis=0),
    "along the data": softmax(pt.stack([x, y]), axis=1)[0],
    "three": softmax(pt.stack([x, y, zero]), axis=0)[0],
    "nothing is joined": softmax(x)[0],
}


@pytest.mark.parametrize("form", KEPT)
def test_others_stay(form):
    fired = explain(KEPT[form]).fired
    assert not fired["softmax_of_two"]
    assert not fired["log_softmax_of_two"]


def test_a_mixture_of_two_is_that_of_logaddexp():
    parts = pt.log(y), pt.log1p(-y) - pt.exp(x)
    stacked = logsumexp_of(pt.stack(parts), axis=0)
    found, right = (compile_rewritten([x, y], v) for v in (stacked, pt.logaddexp(*parts)))
    assert same_graph(found, right)


exponentials = pt.exp(pt.stack([x, y]))
three = pt.exp(pt.stack([x, y, x - 1]))
SHARES = {
    "one element": (exponentials / exponentials.sum(axis=0))[0],
    "its logarithm": pt.log((exponentials / exponentials.sum(axis=0))[1]),
    "one of three": (three / three.sum(axis=0))[0],
    "slope of log sum exp": pt.grad(pt.log(exponentials.sum(axis=0)).sum(), x),
    "that of three": pt.grad(pt.log(three.sum(axis=0)).sum(), x),
    "times data": pt.grad((pt.log(exponentials.sum(axis=0)) * [3.0, 5.0]).sum(), x),
}


@pytest.mark.parametrize("form", SHARES)
def test_a_share_of_a_total_does_not_overflow(form):
    at = np.array([800.0, -900.0]), np.array([799.0, -899.5])
    exact = truth(SHARES[form], dict(zip((x, y), at, strict=True)))
    found = compile_rewritten([x, y], SHARES[form])
    # The logarithm is the difference of two of the size of the arguments.
    assert ulps(found(*at), exact).max() <= (200 if "logarithm" in form else 8)
    assert not fired_again(found.maker.fgraph)
