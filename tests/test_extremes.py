"""One minus the largest, or the smallest, of several probabilities."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import LINKERS, compile_rewritten, fired_again, linker, together_and_alone, ulps
from pytensor.tensor.math import Max, Min

import pytensor_stabilize
from pytensor_stabilize.graphs import same_graph, truth

POINTS = np.r_[np.linspace(-40, 40, 41) + 0.3, -700.0, 700.0]
s = pt.sigmoid

CASES = {
    "two classes": lambda x: 1 - pt.maximum(s(x), 1 - s(x)),
    "the other way about": lambda x: pt.maximum(s(x), 1 - s(x)) - 1,
    "smallest": lambda x: 1 - pt.minimum(s(x), s(-x)),
    "three": lambda x: 1 - pt.maximum(pt.maximum(s(x), s(-x)), 0.5),
    "twice": lambda x: 2 - 2 * pt.maximum(s(x), 1 - s(x)),
    "beside something": lambda x: 1 / pt.cosh(x / 50) - pt.maximum(s(x), 1 - s(x)) + 1,
    "a guess": lambda x: 1 - pt.maximum(0.25 + 0.75 * s(x), 1 - (0.25 + 0.75 * s(x))),
    "logarithm": lambda x: pt.log(1 - pt.maximum(s(x), 1 - s(x))),
    "logarithm of a bound": lambda x: pt.log(1 - pt.minimum(s(x), 1.0)),
    "log1p": lambda x: pt.log1p(-pt.maximum(s(x), 1 - s(x))),
    "a bound": lambda x: 1 - pt.maximum(s(x), 0.5),
    "tanh": lambda x: 1 - pt.maximum(pt.tanh(x), pt.tanh(-x)),
    "joined": lambda x: 1 - pt.max(pt.stack([s(x), 1 - s(x)]), axis=0),
    "a vector": lambda x: 1 - pt.max(pt.stack([s(x[0]), 1 - s(x[0])])),
}


@pytest.mark.parametrize("name", LINKERS)
@pytest.mark.parametrize("form", CASES)
def test_value_and_gradient(form, name):
    x = pt.dvector("x")
    value = CASES[form](x)
    outputs = [value, pt.grad(value.sum(), x)]
    exact = truth(outputs, {x: POINTS})
    with linker(name) as mode:
        found = together_and_alone([x], outputs, [POINTS], mode)
    allowed = 4.1 + (6 if name == "jax" else 0)
    for values in found:
        for got, right in zip(values, exact, strict=True):
            assert ulps(got, right).max() <= allowed, POINTS[int(ulps(got, right).argmax())]


@pytest.mark.parametrize("form", CASES)
def test_a_second_pass_finds_nothing(form):
    x = pt.dvector("x")
    once = compile_rewritten([x], CASES[form](x)).maker.fgraph
    assert not fired_again(once)


def test_a_largest_of_a_vector_becomes_a_smallest():
    x = pt.dscalar("x")
    value = 1 - pt.max(pt.stack([s(x), 1 - s(x), s(x / 2) ** 2]))
    ops = [node.op for node in compile_rewritten([x], value).maker.fgraph.apply_nodes]
    assert any(isinstance(op, Min) for op in ops)
    assert not any(isinstance(op, Max) for op in ops)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_special_values(dtype):
    x = pt.vector("x", dtype=dtype)
    value = 1 - pt.maximum(s(x), 1 - s(x))
    points = np.array([np.inf, -np.inf, np.nan, 0.0], dtype=dtype)
    found = pytensor.function([x], value, mode="CVM")(points)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, [0, 0, np.nan, 0.5])


@pytest.mark.parametrize("of", [pt.maximum, pt.minimum])
def test_log1p_of_what_is_small(of):
    """What is next to 1 is rounded: log(1 - 1e-30) is 0.  A bound beyond 1 does no harm."""
    x, b = pt.dvectors("x", "b")
    points = np.array([-80.0, -50.0, 3.0, -1.0]), np.array([1e-30, 1e-20, 0.25, 40.0])
    value = pt.log1p(-of(s(x), b))
    found = pytensor.function([x, b], value, mode="CVM")(*points)
    with pytensor_stabilize.excluding("all"):
        stock = pytensor.function([x, b], value, mode="CVM")(*points)
    np.testing.assert_allclose(found, stock, rtol=1e-13)


NOT_TO_MATCH = {
    "no root": lambda a, b: 1 - pt.maximum(a, b) * s(a),
    "another constant": lambda a, b: 2 - pt.maximum(s(a), s(b)),
    "a sum": lambda a, b: 1 + pt.maximum(s(a), s(b)),
    "a factor": lambda a, b: 1 - b * pt.maximum(s(a), s(2 * a)),
    "integers": lambda a, b: 1 - pt.maximum(pt.cast(a > 0, "int8"), pt.cast(s(b) > 0.5, "int8")),
}


@pytest.mark.parametrize("form", NOT_TO_MATCH)
def test_what_must_not_match(form):
    a, b = pt.dvectors("a", "b")
    fired = compile_rewritten([a, b], NOT_TO_MATCH[form](a, b))
    with pytensor_stabilize.excluding("one_minus_largest"):
        without = compile_rewritten([a, b], NOT_TO_MATCH[form](a, b))
    assert same_graph(fired, without)
