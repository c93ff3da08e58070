"""Functions that read the same on PyTensor variables and on exact numbers.

A rule states its two sides once, as callables.  Called with PyTensor variables they build the
graphs that tests compile; called with `flint.arb` balls (or anything that has the same methods)
they compute the exact values that the identity is checked with.
"""

from typing import Any

import numpy as np
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


def expm1(x: Value) -> Value:
    """``exp(x) - 1``."""
    return pt.expm1(x) if isinstance(x, Variable) else x.expm1()


def log(x: Value) -> Value:
    """Natural logarithm."""
    return pt.log(x) if isinstance(x, Variable) else x.log()


def log1mexp(x: Value) -> Value:
    """``log(1 - exp(x))``."""
    return pt.log1mexp(x) if isinstance(x, Variable) else (-x.expm1()).log()


def tanh(x: Value) -> Value:
    """Hyperbolic tangent."""
    return pt.tanh(x) if isinstance(x, Variable) else x.tanh()


def switch(condition: Value, a: Value, b: Value) -> Value:
    """Where `condition` holds `a`, elsewhere `b`."""
    if isinstance(condition, Variable):
        return pt.switch(condition, a, b)
    return a if condition else b


def erf(x: Value) -> Value:
    """Error function."""
    return pt.erf(x) if isinstance(x, Variable) else x.erf()


def erfc(x: Value) -> Value:
    """``1 - erf(x)``."""
    return pt.erfc(x) if isinstance(x, Variable) else x.erfc()


def erfcx(x: Value) -> Value:
    """``exp(x**2) erfc(x)``."""
    return pt.erfcx(x) if isinstance(x, Variable) else (x * x).exp() * x.erfc()


def sqrt(x: Value) -> Value:
    """Square root."""
    return pt.sqrt(x) if isinstance(x, Variable) else x.sqrt()


def cosh(x: Value) -> Value:
    """Hyperbolic cosine."""
    return pt.cosh(x) if isinstance(x, Variable) else x.cosh()


def sinh(x: Value) -> Value:
    """Hyperbolic sine."""
    return pt.sinh(x) if isinstance(x, Variable) else x.sinh()


def log_two(like: Value) -> Value:
    """``log(2)`` in the dtype, or to the precision, of `like`."""
    if isinstance(like, Variable):
        return pt.constant(np.asarray(np.log(2.0), dtype=like.type.dtype))
    return (like * 0 + 2).log()


def maximum(a: Value, b: Value) -> Value:
    """The larger one of two."""
    return pt.maximum(a, b) if isinstance(a, Variable) else a.max(b)


def minimum(a: Value, b: Value) -> Value:
    """The smaller one of two."""
    return pt.minimum(a, b) if isinstance(a, Variable) else a.min(b)
