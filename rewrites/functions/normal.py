"""The standard normal distribution function and its logarithms."""

import math

import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from pytensor_stabilize.rewrites.functions.inputs import constant, real_tensor


def std_normal_cdf(x) -> TensorVariable:
    r"""Distribution function of the standard normal distribution, elementwise.

    - Formula: :math:`\Phi(x) = \mathrm{erfc}(-x/\sqrt 2)/2`.
    - Domain: all real numbers; limits 0 and 1.
    - Derivative: :math:`\varphi(x) = e^{-x^2/2}/\sqrt{2\pi}`; the second is
      :math:`-x\,\varphi(x)`.
    - Source: Abramowitz and Stegun 26.2.

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
    >>> print(functions.std_normal_cdf([-1.96, 0.0]).eval().round(6))
    [0.024998 0.5     ]
    """
    return normal_cdf(real_tensor("std_normal_cdf", x))


def normal_cdf(x: TensorVariable) -> TensorVariable:
    """Distribution function of a float tensor."""
    return constant(0.5, x) * pt.erfc(-x / constant(math.sqrt(2), x))


def std_normal_lcdf(x) -> TensorVariable:
    r"""Logarithm of the standard normal distribution function, elementwise.

    - Formula: :math:`\log\Phi(x) = \log(\mathrm{erfc}(-x/\sqrt 2)/2)`, which the rules compute
      without the underflow of erfc.
    - Domain: all real numbers; limits -infinity (as :math:`-x^2/2`) and 0.
    - Derivative: :math:`\varphi(x)/\Phi(x)`, the inverse Mills ratio, which grows as -x on the
      left.
    - Source: Stan Functions Reference, ``std_normal_lcdf``.

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
    >>> print(functions.std_normal_lcdf([-40.0, 0.0]).eval().round(6))
    [-8.04608442e+02 -6.93147000e-01]
    """
    return _log_cdf(real_tensor("std_normal_lcdf", x))


def std_normal_lccdf(x) -> TensorVariable:
    r"""Logarithm of one minus the standard normal distribution function, elementwise.

    - Formula: :math:`\log(1 - \Phi(x)) = \log\Phi(-x)`, see `std_normal_lcdf`.
    - Domain: all real numbers; limits 0 and -infinity (as :math:`-x^2/2`).
    - Derivative: :math:`-\varphi(x)/\Phi(-x)`.
    - Source: Stan Functions Reference, ``std_normal_lccdf``.

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
    >>> print(functions.std_normal_lccdf([0.0, 40.0]).eval().round(6))
    [-6.93147000e-01 -8.04608442e+02]
    """
    return _log_cdf(-real_tensor("std_normal_lccdf", x))


def _log_cdf(x: TensorVariable) -> TensorVariable:
    return pt.log(normal_cdf(x))


__all__ = ["std_normal_cdf", "std_normal_lccdf", "std_normal_lcdf"]
