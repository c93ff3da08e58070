"""Activation functions."""

import math
from collections.abc import Callable

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from pytensor_stabilize.rewrites.functions.inputs import (
    at_least,
    at_most,
    constant,
    is_number,
    real_tensor,
    real_tensors,
)
from pytensor_stabilize.rewrites.functions.normal import normal_cdf

# Beyond these a factor of the product is exactly 0 or 1 in every float dtype: exp(-1000) and
# Phi(-100) are far below the smallest float64.
_SIGMOID_IS_FLAT = 1000.0
_NORMAL_IS_FLAT = 100.0


def _gated(
    x: TensorVariable, gate: Callable[[TensorVariable], TensorVariable], bound: float
) -> TensorVariable:
    """``x * gate(x)`` with limits at the infinities, for a gate that is 0 or 1 beyond a bound."""
    x = at_least(x, -bound)
    return x * gate(at_most(x, bound))


def tanh(x) -> TensorVariable:
    r"""Hyperbolic tangent, elementwise.

    - Formula: :math:`(e^x - e^{-x}) / (e^x + e^{-x}) = 2\sigma(2x) - 1`.
    - Domain: all real numbers; limits -1 and 1.
    - Derivative: :math:`1 - \tanh^2 x = 4\sigma(2x)\sigma(-2x)`, at most 1.
    - Source: Abramowitz and Stegun 4.5.

    Parameters
    ----------
    x
        Real tensor.  Integers and booleans give floats.

    Returns
    -------
    TensorVariable
        Of the shape of `x`.

    Raises
    ------
    TypeError
        `x` is complex or sparse, or cannot be made a tensor.

    Examples
    --------
    >>> from pytensor_stabilize.rewrites import functions
    >>> print(functions.tanh(0.5).eval().round(6))
    0.462117
    """
    return pt.tanh(real_tensor("tanh", x))


def relu(x) -> TensorVariable:
    r"""Rectified linear unit, elementwise.

    - Formula: :math:`\max(x, 0)`.
    - Domain: all real numbers; limits 0 and infinity.
    - Derivative: 1 for x > 0, else 0; at 0, where there is none, 0 as in JAX and PyTorch.
    - Source: Nair and Hinton 2010, "Rectified linear units improve restricted Boltzmann machines".

    Parameters
    ----------
    x
        Real tensor.  Integers and booleans give floats.

    Returns
    -------
    TensorVariable
        Of the shape of `x`.

    Raises
    ------
    TypeError
        `x` is complex or sparse, or cannot be made a tensor.

    Examples
    --------
    >>> from pytensor_stabilize.rewrites import functions
    >>> print(functions.relu([-2.0, 0.0, 3.0]).eval())
    [0. 0. 3.]
    """
    x = real_tensor("relu", x)
    # At a tie the derivative goes to the first argument, here to the constant.
    return pt.maximum(constant(0, x), x)


def leaky_relu(x, alpha=0.01) -> TensorVariable:
    r"""Rectified linear unit with a slope below 0, elementwise.

    - Formula: x for x >= 0, else :math:`\alpha x`.
    - Domain: all real numbers; limits infinity, and that of :math:`\alpha x`.
    - Derivative: 1 for x >= 0, else alpha; at 0, where there is none, 1 as in JAX.
    - Source: Maas, Hannun and Ng 2013, "Rectifier nonlinearities improve neural network acoustic
      models".

    Parameters
    ----------
    x
        Real tensor.  Integers and booleans give floats.
    alpha
        Slope below 0: a finite number, or a real tensor that broadcasts against `x`, whose
        values are not checked.

    Returns
    -------
    TensorVariable
        Of the broadcast shape.

    Raises
    ------
    TypeError
        `x` is complex or sparse, or cannot be made a tensor, or `alpha` is no real number and no
        real tensor.
    ValueError
        `alpha` is an infinite number or nan.

    Examples
    --------
    >>> from pytensor_stabilize.rewrites import functions
    >>> print(functions.leaky_relu([-2.0, 3.0], alpha=0.1).eval())
    [-0.2  3. ]
    """
    if isinstance(alpha, bool):
        raise TypeError(f"leaky_relu takes for 'alpha' a number or a real tensor, got {alpha!r}.")
    # Compared and not asked by isfinite, which raises for an integer beyond the floats.
    if is_number(alpha) and not abs(alpha) < math.inf:
        raise ValueError(f"leaky_relu takes a finite number for 'alpha', got {alpha!r}.")
    x, alpha = real_tensors("leaky_relu", x=x, alpha=alpha)
    zero = constant(0, x)
    # At a tie the derivative goes to the first argument: the slope at 0 is 1.
    return pt.maximum(x, zero) + alpha * pt.minimum(zero, x)


def silu(x) -> TensorVariable:
    r"""Sigmoid linear unit, also known as swish, elementwise.

    - Formula: :math:`x\,\sigma(x)`.
    - Domain: all real numbers; limits 0 and infinity; least value -0.2785 at -1.2785.
    - Derivative: :math:`\sigma(x) + x\,\sigma(x)\,\sigma(-x)`; limits 0 and 1.
    - Source: Elfwing, Uchibe and Doya 2018, "Sigmoid-weighted linear units".

    Parameters
    ----------
    x
        Real tensor.  Integers and booleans give floats.

    Returns
    -------
    TensorVariable
        Of the shape of `x`.

    Raises
    ------
    TypeError
        `x` is complex or sparse, or cannot be made a tensor.

    Examples
    --------
    >>> from pytensor_stabilize.rewrites import functions
    >>> print(functions.silu([-1.0, 1.0]).eval().round(6))
    [-0.268941  0.731059]
    """
    return _gated(real_tensor("silu", x), pt.sigmoid, _SIGMOID_IS_FLAT)


def gelu(x, approximate: bool = False) -> TensorVariable:
    r"""Gaussian error linear unit, elementwise.

    - Formula: :math:`x\,\Phi(x)` with the normal distribution function, computed as
      :math:`x\,\mathrm{erfc}(-x/\sqrt 2)/2`; or, if `approximate`,
      :math:`x\,(1 + \tanh u)/2 = x\,\sigma(2u)` with
      :math:`u = \sqrt{2/\pi}\,(x + 0.044715\,x^3)`.
    - Domain: all real numbers; limits 0 and infinity; least value -0.1700 at -0.7518.
    - Derivative: :math:`\Phi(x) + x\,\varphi(x)`; limits 0 and 1.  If `approximate`,
      :math:`\sigma(2u) + 2 x u' \sigma(2u)\,\sigma(-2u)`.
    - Source: Hendrycks and Gimpel 2016, "Gaussian error linear units".

    Parameters
    ----------
    x
        Real tensor.  Integers and booleans give floats.
    approximate
        False is the definition and the standard of PyTorch and Keras; True, with the hyperbolic
        tangent, is the standard of ``jax.nn.gelu``.  They differ by up to 5e-4.

    Returns
    -------
    TensorVariable
        Of the shape of `x`.

    Raises
    ------
    TypeError
        `x` is complex or sparse, or cannot be made a tensor, or `approximate` is not a bool.

    Examples
    --------
    >>> from pytensor_stabilize.rewrites import functions
    >>> print(functions.gelu([-1.0, 1.0]).eval().round(6))
    [-0.158655  0.841345]
    >>> print(functions.gelu([-1.0, 1.0], approximate=True).eval().round(6))
    [-0.158808  0.841192]
    """
    if not isinstance(approximate, bool):
        raise TypeError(f"gelu takes True or False for 'approximate', got {approximate!r}.")
    gate = _tanh_gate if approximate else normal_cdf
    return _gated(real_tensor("gelu", x), gate, _NORMAL_IS_FLAT)


def _tanh_gate(x: TensorVariable) -> TensorVariable:
    scale, cubic = constant(math.sqrt(8 / math.pi), x), constant(0.044715, x)
    return pt.sigmoid(scale * (x + cubic * x**3))


def mish(x) -> TensorVariable:
    r"""Mish, elementwise.

    - Formula: :math:`x \tanh(\log(1 + e^x))`.
    - Domain: all real numbers; limits 0 and infinity; least value -0.3088 at -1.1925.
    - Derivative: :math:`\tanh s + x\,\sigma(x)\,(1 - \tanh^2 s)` with
      :math:`s = \log(1 + e^x)`; limits 0 and 1.
    - Source: Misra 2019, "Mish: a self regularized non-monotonic activation function".

    Parameters
    ----------
    x
        Real tensor.  Integers and booleans give floats.

    Returns
    -------
    TensorVariable
        Of the shape of `x`.

    Raises
    ------
    TypeError
        `x` is complex or sparse, or cannot be made a tensor.

    Examples
    --------
    >>> from pytensor_stabilize.rewrites import functions
    >>> print(functions.mish([-1.0, 1.0]).eval().round(6))
    [-0.303401  0.865098]
    """
    return _gated(real_tensor("mish", x), lambda u: pt.tanh(pt.softplus(u)), _SIGMOID_IS_FLAT)


def softsign(x) -> TensorVariable:
    r"""Softsign, elementwise.

    - Formula: :math:`x / (1 + |x|)`.
    - Domain: all real numbers; limits -1 and 1.
    - Derivative: :math:`1 / (1 + |x|)^2`.  There is no second one at 0, where 0 is returned.
    - Source: Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward
      neural networks".

    Parameters
    ----------
    x
        Real tensor.  Integers and booleans give floats.

    Returns
    -------
    TensorVariable
        Of the shape of `x`.

    Raises
    ------
    TypeError
        `x` is complex or sparse, or cannot be made a tensor.

    Examples
    --------
    >>> from pytensor_stabilize.rewrites import functions
    >>> print(functions.softsign([-1.0, 0.0, 3.0]).eval())
    [-0.5   0.    0.75]
    """
    x = real_tensor("softsign", x)
    # Infinity by infinity would be nan; this close to the largest float the derivative is 0.
    bound = float(np.finfo(x.type.dtype).max) / 4
    x = at_most(at_least(x, -bound), bound)
    return x / (constant(1, x) + pt.abs(x))


__all__ = ["gelu", "leaky_relu", "mish", "relu", "silu", "softsign", "tanh"]
