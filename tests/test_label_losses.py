"""Losses of a label: what is multiplied by it and by its complement is not mixed."""

import numpy as np
import pytensor.tensor as pt
import pytest
from helpers import linker, together_and_alone, ulps, with_gradients

from pytensor_stabilize.graphs import truth

FAR = np.array([-37.4, -20.7, -1.3, -0.3, 0.3, 1.3, 20.7, 37.4])


def of_both_terms(x, y):
    s = pt.sigmoid(x)
    return -(y * (1 - s) ** 2 * pt.log(s) + (1 - y) * s**2 * pt.log(1 - s))


def of_the_probability(x, y):
    s = pt.sigmoid(x)
    p = y * s + (1 - y) * (1 - s)
    return -((1 - p) ** 2) * pt.log(p)


# A focal loss in two spellings, and up to which derivative it keeps its digits.
LOSSES = {"both terms": (of_both_terms, 2), "of the probability": (of_the_probability, 2)}


@pytest.mark.parametrize("name", ["numba_strict", "jax"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("label", [0.0, 1.0])
def test_focal_loss(loss, label, name):
    function, order = LOSSES[loss]
    args, outputs = with_gradients(function, 2, order)
    at = [FAR, np.full_like(FAR, label)]
    exact = truth(outputs, dict(zip(args, at, strict=True)))
    with linker(name) as mode:
        for values in together_and_alone(args, outputs, at, mode):
            for value, right in zip(values, exact, strict=True):
                # The third power of an exponential, and a logarithm next to its zero.
                assert ulps(value, right).max() <= 16, FAR[ulps(value, right).argmax()]


def test_complement_of_a_mixture_keeps_small_labels():
    args, outputs = with_gradients(
        lambda x, y: 1 - (y * pt.sigmoid(x) + (1 - y) * (1 - pt.sigmoid(x))), 2, 1
    )
    at = [np.array([-37.4, -20.7, -1.3, 0.3]), np.full(4, 1e-8)]
    exact = truth(outputs[0], dict(zip(args, at, strict=True)))
    with linker("numba_strict") as mode:
        for values in together_and_alone(args, outputs, at, mode):
            assert ulps(values[0], exact).max() <= 4
