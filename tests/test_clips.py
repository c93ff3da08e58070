"""Clipped probabilities, as they stand in a cross entropy, and their derivatives."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from helpers import compile_rewritten, linker, together_and_alone, ulps, with_gradients

from pytensor_stabilize.graphs import diff, same_graph, truth

WAYS = [("numba_strict", "float64"), ("numba_strict", "float32"), ("jax", "float64")]
RNG = np.random.default_rng(29)
AT = np.concatenate([RNG.uniform(-40, 40, 60), RNG.uniform(-800, 800, 20), RNG.uniform(-1, 1, 20)])
HARD = RNG.integers(0, 2, 100).astype(float)
LO, HI = 1e-7, 1 - 1e-7


def entropy(bounded, complement):
    def value(x, y):
        p = pt.sigmoid(x)
        return y * pt.log(bounded(p)) + (1 - y) * pt.log(complement(p))

    return value


CASES = {
    "log(clip(s))": (lambda x: pt.log(pt.clip(pt.sigmoid(x), LO, HI)), [AT]),
    "log(clip(s, tiny, 1))": (lambda x: pt.log(pt.clip(pt.sigmoid(x), 1e-300, 1)), [AT]),
    "log(maximum(s))": (lambda x: pt.log(pt.maximum(pt.sigmoid(x), 1e-12)), [AT]),
    "log(1 - clip(s))": (lambda x: pt.log(1 - pt.clip(pt.sigmoid(x), LO, HI)), [AT]),
    "log1p(-clip(s))": (lambda x: pt.log1p(-pt.clip(pt.sigmoid(x), LO, HI)), [AT]),
    "log(1 - minimum(s))": (lambda x: pt.log(1 - pt.minimum(pt.sigmoid(x), HI)), [AT]),
    "log(clip(1 - s))": (lambda x: pt.log(pt.clip(1 - pt.sigmoid(x), 1e-12, 1)), [AT]),
    "1 - clip(s)": (lambda x: 1 - pt.clip(pt.sigmoid(x), LO, HI), [AT]),
    "cross entropy": (
        entropy(lambda p: pt.clip(p, LO, HI), lambda p: 1 - pt.clip(p, LO, HI)),
        [AT, HARD],
    ),
    "cross entropy, each clipped": (
        entropy(lambda p: pt.clip(p, 1e-12, 1), lambda p: pt.clip(1 - p, 1e-12, 1)),
        [AT, HARD],
    ),
    "cross entropy, maximum": (
        entropy(lambda p: pt.maximum(p, 1e-12), lambda p: pt.maximum(1 - p, 1e-12)),
        [AT, HARD],
    ),
}
x, y = pt.dvectors("x", "y")
s = pt.sigmoid(x)
inside = pt.cast((s >= LO) & (s <= HI), "float64")


@pytest.mark.parametrize(("name", "dtype"), WAYS)
@pytest.mark.parametrize("form", CASES)
def test_it_keeps_its_promise(form, name, dtype):
    function, columns = CASES[form]
    with pytensor.config.change_flags(floatX=dtype):
        args, outputs = with_gradients(function, len(columns), 2, dtype)
    columns = [column.astype(dtype) for column in columns]
    exact = truth(outputs, dict(zip(args, columns, strict=True)))
    with linker(name) as mode:
        found = together_and_alone(args, outputs, columns, mode)
    for values in found:
        for value, right in zip(values, exact, strict=True):
            errors = ulps(value, right)[np.isfinite(right.value)]
            assert errors.max() <= (8 if name == "jax" else 4.1), columns[0][errors.argmax()]


@pytest.mark.parametrize("hi", [0.9, 1.0, 2.0])
def test_an_upper_bound_that_a_sum_exceeds(hi):
    f = y * s + (1 - y) * (1 - s)
    at = np.array([-3.0, 0.5, 4.0, 2.0, 7.0]), np.array([1.5, 0.5, 1.0, 4.0, -0.5])
    clipped = compile_rewritten([x, y], pt.log(pt.clip(f, 1e-6, hi)))(*at)
    p = 1 / (1 + np.exp(-at[0]))
    right = np.log(np.clip(at[1] * p + (1 - at[1]) * (1 - p), 1e-6, hi))
    assert np.allclose(clipped, right, rtol=1e-13, atol=1e-15)


def second(value):
    return pt.grad(pt.grad(value.sum(), x).sum(), x)


def test_the_second_derivative_is_that_of_the_logarithm_inside():
    found = compile_rewritten([x], -second(pt.log(pt.clip(s, LO, HI))))
    right = compile_rewritten([x], inside * s * pt.sigmoid(-x))
    assert same_graph(found, right), str(diff(found, right))


LEFT_ALONE = {
    "another condition": pt.cast(s >= 1e-3, "float64") * s * pt.sigmoid(-x) / pt.clip(s, 1e-2, 1),
    "a condition on something else": pt.cast(y >= LO, "float64") / pt.maximum(s, LO),
    "infinite outside": pt.cast(s >= LO, "float64") / pt.maximum(s, LO),
}


@pytest.mark.parametrize("form", LEFT_ALONE)
def test_it_leaves_what_its_condition_does_not_cover(form):
    function = compile_rewritten([x, y], LEFT_ALONE[form])
    names = str(function.maker.fgraph.toposort())
    assert "lip" in names or "aximum" in names
