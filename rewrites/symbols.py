"""Functions that read the same on PyTensor variables and on exact numbers.

A rule states its two sides once, as callables.  Called with PyTensor variables they build the
graphs that tests compile; called with `flint.arb` balls (or anything that has the same methods)
they compute the exact values that the identity is checked with.
"""

from typing import Any

import pytensor.tensor as pt
from pytensor.graph.basic import Variable

# `Any`: a value is either a PyTensor variable or an exact number of a library that is not a
# dependency, so there is no common type to name.
Value = Any


def exp(x: Value) -> Value:
    """Exponential."""
    return pt.exp(x) if isinstance(x, Variable) else x.exp()


def log1p(x: Value) -> Value:
    """Logarithm of ``1 + x``."""
    return pt.log1p(x) if isinstance(x, Variable) else x.log1p()


def sigmoid(x: Value) -> Value:
    """Logistic function ``1 / (1 + exp(-x))``."""
    return pt.sigmoid(x) if isinstance(x, Variable) else 1 / (1 + (-x).exp())


def softplus(x: Value) -> Value:
    """``log(1 + exp(x))``."""
    return pt.softplus(x) if isinstance(x, Variable) else x.exp().log1p()
