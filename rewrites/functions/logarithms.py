"""Logarithms of sums and differences of exponentials; numbers times logarithms."""

import math

import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from pytensor_stabilize.rewrites.functions.inputs import (
    at_least,
    at_most,
    constant,
    difference,
    real_tensor,
    real_tensors,
)


def log1mexp(x) -> TensorVariable:
    r"""Logarithm of one minus an exponential, elementwise.

    - Formula: :math:`\log(1 - e^x)`.
    - Domain: x <= 0; limits 0 (as :math:`-e^x`) at -infinity and -infinity (as
      :math:`\log(-x)`) at 0; nan above.
    - Derivative: :math:`-1/(e^{-x} - 1)`, -infinity at 0.
    - Source: Mächler 2012, "Accurately computing ``log(1 - exp(-|a|))``".

    The argument is negative, as in PyTensor, Stan and LogExpFunctions.jl; R and TensorFlow
    Probability take its absolute value.

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
    >>> print(functions.log1mexp([-40.0, -1e-20]).eval())
    [-4.24835426e-18 -4.60517019e+01]
    """
    return pt.log1mexp(real_tensor("log1mexp", x))


def logexpm1(x) -> TensorVariable:
    r"""Logarithm of an exponential minus one, the inverse of softplus, elementwise.

    - Formula: :math:`\log(e^x - 1)`, computed as :math:`x + \log(1 - e^{-x})`, which does not
      overflow.
    - Domain: x >= 0; limits -infinity (as :math:`\log x`) at 0 and infinity (as x); nan below.
    - Derivative: :math:`1 / (1 - e^{-x})`, at least 1.
    - Source: LogExpFunctions.jl, ``logexpm1``.

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
    >>> print(functions.logexpm1([1e-20, 800.0]).eval().round(6))
    [-46.051702 800.      ]
    """
    x = real_tensor("logexpm1", x)
    return x + pt.log1mexp(-x)


def logcosh(x) -> TensorVariable:
    r"""Logarithm of the hyperbolic cosine, elementwise.

    - Formula: :math:`\log\cosh x`; up to 1 computed as :math:`\log(1 + 2\sinh^2(x/2))` with
      log1p, beyond as :math:`|x| + \log((1 + e^{-2|x|})/2)`, which does not overflow.
    - Domain: all real numbers; limits infinity (as :math:`|x| - \log 2`).
    - Derivative: :math:`\tanh x`; the second is :math:`1 - \tanh^2 x`.
    - Source: LogExpFunctions.jl, ``logcosh``.

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
    >>> print(functions.logcosh([0.0, 1.0]).eval().round(6))
    [0.       0.433781]
    """
    x = real_tensor("logcosh", x)
    one, two = constant(1, x), constant(2, x)
    # Each branch is fed 1 or -1 where the other one is taken: sinh overflows.
    near, size = at_most(at_least(x, -1.0), 1.0), at_least(pt.abs(x), 1.0)
    inside = pt.log1p(two * pt.sqr(pt.sinh(near / two)))
    beyond = size + pt.log1p(pt.expm1(-two * size) / two)
    return pt.switch(pt.lt(pt.abs(x), one), inside, beyond)


def logaddexp(a, b) -> TensorVariable:
    r"""Logarithm of the sum of two exponentials, elementwise.

    - Formula: :math:`\log(e^a + e^b)`, computed as the larger one plus
      :math:`\log(1 + e^{-|a - b|})`.
    - Domain: all real numbers, and infinities of either sign.
    - Derivative: :math:`\sigma(a - b)` with respect to a, :math:`\sigma(b - a)` with respect to b.
    - Source: Stan Functions Reference, ``log_sum_exp``.

    Parameters
    ----------
    a, b
        Real tensors that broadcast.  Integers and booleans give floats.

    Returns
    -------
    TensorVariable
        Of the broadcast shape.

    Raises
    ------
    TypeError
        An argument is complex or sparse, or cannot be made a tensor.

    Examples
    --------
    >>> from pytensor_stabilize.rewrites import functions
    >>> print(functions.logaddexp([0.0, 800.0], [-40.0, 800.0]).eval())
    [4.24835426e-18 8.00693147e+02]
    """
    return _logaddexp(*real_tensors("logaddexp", a=a, b=b))


def _logaddexp(a: TensorVariable, b: TensorVariable) -> TensorVariable:
    # Selected, not made by `maximum`, so that both have the derivative 1/2 at a tie.
    first = pt.ge(a, b)
    hi, lo = pt.switch(first, a, b), pt.switch(first, b, a)
    return hi + pt.softplus(difference(lo, hi))


def log_diff_exp(a, b) -> TensorVariable:
    r"""Logarithm of the difference of two exponentials, elementwise.

    - Formula: :math:`\log(e^a - e^b)`, computed as :math:`a + \log(1 - e^{b - a})`.
    - Domain: a >= b; -infinity where they are equal, nan where a < b.
    - Derivative: :math:`1 / (1 - e^{b-a})` with respect to a, :math:`-1/(e^{a-b} - 1)` with
      respect to b.
    - Source: Stan Functions Reference, ``log_diff_exp``.

    Parameters
    ----------
    a, b
        Real tensors that broadcast.  Integers and booleans give floats.

    Returns
    -------
    TensorVariable
        Of the broadcast shape.

    Raises
    ------
    TypeError
        An argument is complex or sparse, or cannot be made a tensor.

    Examples
    --------
    >>> from pytensor_stabilize.rewrites import functions
    >>> print(functions.log_diff_exp([0.0, 800.0], [-40.0, 799.0]).eval())
    [-4.24835426e-18  7.99541325e+02]
    """
    a, b = real_tensors("log_diff_exp", a=a, b=b)
    return a + pt.log1mexp(difference(b, a))


def log_mix(theta, a, b) -> TensorVariable:
    r"""Logarithm of a mixture of two densities given by their logarithms, elementwise.

    - Formula: :math:`\log(\theta e^a + (1 - \theta) e^b)`, computed as the logaddexp of
      :math:`\log\theta + a` and :math:`\log(1 - \theta) + b`.
    - Domain: theta in [0, 1], all real a and b, each below infinity; nan for other theta.
    - Derivative: with :math:`w = \sigma(\log\theta + a - \log(1 - \theta) - b)` it is w with
      respect to a, :math:`1 - w` with respect to b, and :math:`w/\theta - (1 - w)/(1 - \theta)`
      with respect to theta.  The last is 0 where a = b and has few digits close to that.
    - Source: Stan Functions Reference, ``log_mix``.

    Parameters
    ----------
    theta
        Real tensor of probabilities.
    a, b
        Real tensors; all three broadcast.  Integers and booleans give floats.

    Returns
    -------
    TensorVariable
        Of the broadcast shape.

    Raises
    ------
    TypeError
        An argument is complex or sparse, or cannot be made a tensor.

    Examples
    --------
    >>> from pytensor_stabilize.rewrites import functions
    >>> print(functions.log_mix(0.25, [0.0, -800.0], [0.0, -900.0]).eval().round(6))
    [   0.       -801.386294]
    """
    theta, a, b = real_tensors("log_mix", theta=theta, a=a, b=b)
    return _logaddexp(pt.log(theta) + a, pt.log1p(-theta) + b)


def log2mexp(x) -> TensorVariable:
    r"""Logarithm of two minus an exponential, elementwise.

    - Formula: :math:`\log(2 - e^x)`, computed as :math:`\log(1 + (1 - e^x))` with log1p and expm1.
    - Domain: :math:`x \le \log 2`; limits :math:`\log 2` at -infinity and -infinity at
      :math:`\log 2`; nan above.
    - Derivative: :math:`-e^x/(2 - e^x)`.
    - Source: LogExpFunctions.jl, ``log2mexp``.

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
    >>> print(functions.log2mexp([-800.0, 1e-20]).eval())
    [ 6.93147181e-01 -1.00000000e-20]
    """
    return pt.log1p(-pt.expm1(real_tensor("log2mexp", x)))


def xlogy(x, y) -> TensorVariable:
    r"""A number times a logarithm, and 0 where the number is 0, elementwise.

    - Formula: :math:`x \log y`, and its limit 0 for x = 0 and y = 0 or infinity, where the plain
      product is nan.
    - Domain: all real x, y >= 0; nan for negative y.
    - Derivative: :math:`\log y` with respect to x, :math:`x/y` with respect to y; both are 0 where
      the limit is taken.
    - Source: SciPy, ``scipy.special.xlogy``; LogExpFunctions.jl, ``xlogy``.

    Parameters
    ----------
    x, y
        Real tensors that broadcast.  Integers and booleans give floats.

    Returns
    -------
    TensorVariable
        Of the broadcast shape.

    Raises
    ------
    TypeError
        An argument is complex or sparse, or cannot be made a tensor.

    Examples
    --------
    >>> from pytensor_stabilize.rewrites import functions
    >>> print(functions.xlogy([0.0, 2.0], [0.0, 1.0]).eval())
    [0. 0.]
    """
    x, y = real_tensors("xlogy", x=x, y=y)
    limit = pt.eq(x, constant(0, x)) & (pt.eq(y, constant(0, y)) | _is_infinite(y))
    return x * pt.log(pt.switch(limit, constant(1, y), y))


def xlog1py(x, y) -> TensorVariable:
    r"""A number times the logarithm of one plus a number, and 0 where the first is 0, elementwise.

    - Formula: :math:`x \log(1 + y)`, and its limit 0 for x = 0 and y = -1 or infinity, where the
      plain product is nan.
    - Domain: all real x, y >= -1; nan for smaller y.
    - Derivative: :math:`\log(1 + y)` with respect to x, :math:`x/(1 + y)` with respect to y; both
      are 0 where the limit is taken.
    - Source: SciPy, ``scipy.special.xlog1py``; LogExpFunctions.jl, ``xlog1py``.

    Parameters
    ----------
    x, y
        Real tensors that broadcast.  Integers and booleans give floats.

    Returns
    -------
    TensorVariable
        Of the broadcast shape.

    Raises
    ------
    TypeError
        An argument is complex or sparse, or cannot be made a tensor.

    Examples
    --------
    >>> from pytensor_stabilize.rewrites import functions
    >>> print(functions.xlog1py([0.0, 2.0], [-1.0, 1e-20]).eval())
    [0.e+00 2.e-20]
    """
    x, y = real_tensors("xlog1py", x=x, y=y)
    limit = pt.eq(x, constant(0, x)) & (pt.eq(y, constant(-1, y)) | _is_infinite(y))
    return x * pt.log1p(pt.switch(limit, constant(0, y), y))


def _is_infinite(y: TensorVariable) -> TensorVariable:
    return pt.eq(y, constant(math.inf, y))


__all__ = [
    "log1mexp",
    "log2mexp",
    "log_diff_exp",
    "log_mix",
    "logaddexp",
    "logcosh",
    "logexpm1",
    "xlog1py",
    "xlogy",
]
