"""What the models of `model_table` are made of."""

import numpy as np
import pymc as pm
import pytensor

sigmoid = pm.math.sigmoid


def a(*shape: int):
    """The free variable, without a prior of its own."""
    return pm.Flat("a", shape=shape)


def p(*shape: int):
    """A probability."""
    return sigmoid(a(*shape))


def bernoulli(probability, observed=0):
    pm.Bernoulli("y", p=probability, observed=observed)


def floats(numbers):
    """Numbers of the dtype floatX: an array of float64 would make all of a model float64."""
    return np.asarray(numbers, dtype=pytensor.config.floatX)


def potential(logp):
    pm.Potential("y", logp)
