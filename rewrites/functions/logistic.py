"""The logistic function's relatives: logs, inverse, differences, links, cross entropy."""

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Constant
from pytensor.tensor.variable import TensorVariable

from pytensor_stabilize.rewrites.functions.inputs import (
    as_real_tensor,
    at_most,
    constant,
    difference,
    is_number,
    real_tensor,
    real_tensors,
)

# exp(-exp(10)) is far below the smallest float64, and exp(10) is a float16.
_CLOGLOG_IS_FLAT = 10.0


def log_sigmoid(x) -> TensorVariable:
    r"""Logarithm of the logistic function, elementwise.

    - Formula: :math:`\log\sigma(x) = -\log(1 + e^{-x})`.
    - Domain: all real numbers; limits -infinity (as x) and 0.
    - Derivative: :math:`\sigma(-x)`; the second is :math:`-\sigma(x)\,\sigma(-x)`.
    - Source: Mächler 2012, "Accurately computing ``log(1 - exp(-|a|))``", on log(1 + exp(x)).

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
    >>> print(functions.log_sigmoid([-800.0, 0.0]).eval().round(6))
    [-8.00000e+02 -6.93147e-01]
    """
    return -pt.softplus(-real_tensor("log_sigmoid", x))


def log1m_inv_logit(x) -> TensorVariable:
    r"""Logarithm of one minus the logistic function, elementwise.

    - Formula: :math:`\log(1 - \sigma(x)) = -\log(1 + e^x)`.
    - Domain: all real numbers; limits 0 and -infinity (as -x).
    - Derivative: :math:`-\sigma(x)`.
    - Source: Stan Functions Reference, ``log1m_inv_logit``.

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
    >>> print(functions.log1m_inv_logit([0.0, 40.0]).eval().round(6))
    [ -0.693147 -40.      ]
    """
    return -pt.softplus(real_tensor("log1m_inv_logit", x))


def softplus(x) -> TensorVariable:
    r"""Softplus, also known as log1pexp, elementwise.

    - Formula: :math:`\log(1 + e^x)`.
    - Domain: all real numbers; limits 0 (as :math:`e^x`) and infinity (as x).
    - Derivative: :math:`\sigma(x)`.
    - Source: Dugas et al. 2001, "Incorporating second-order functional knowledge"; Mächler 2012.

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
    >>> print(functions.softplus([0.0, 800.0]).eval().round(6))
    [6.93147e-01 8.00000e+02]
    """
    return pt.softplus(real_tensor("softplus", x))


def logit(p) -> TensorVariable:
    r"""Logarithm of the odds, the inverse of the logistic function, elementwise.

    - Formula: :math:`\log(p / (1 - p))`.
    - Domain: [0, 1]; -infinity at 0 and infinity at 1; nan outside.
    - Derivative: :math:`1 / (p\,(1 - p))`.
    - Source: Berkson 1944, "Application of the logistic function to bio-assay".

    Close to 1 the floats are few: a probability 1 - 1e-20 is 1.  Where p is itself the sigmoid
    of something, the rules reduce this to that something and no digit is lost.

    Parameters
    ----------
    p
        Real tensor of probabilities.  Integers and booleans give floats.

    Returns
    -------
    TensorVariable
        Of the shape of `p`.

    Raises
    ------
    TypeError
        `p` is complex or sparse, or cannot be made a tensor.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> from pytensor_stabilize.rewrites import functions
    >>> print(functions.logit([0.25, 0.75]).eval().round(6))
    [-1.098612  1.098612]
    >>> x = pt.dscalar("x")
    >>> print(functions.logit(functions.sigmoid(x)).eval({x: 400.0}))
    400.0
    """
    (p,) = real_tensors("logit", p=p)
    return pt.log(p / (constant(1, p) - p))


def log_inv_logit_diff(a, b) -> TensorVariable:
    r"""Logarithm of the difference of two logistic functions, elementwise.

    - Formula: :math:`\log(\sigma(a) - \sigma(b))`, computed as
      :math:`\log\sigma(a) + \log\sigma(-b) + \log(1 - e^{b - a})`: all three have one sign.
    - Domain: a >= b; -infinity where they are equal, nan where a < b.
    - Derivative: :math:`\sigma(-a) + 1/(e^{a-b} - 1)` with respect to a,
      :math:`-\sigma(b) - 1/(e^{a-b} - 1)` with respect to b.
    - Source: Stan Functions Reference, ``log_inv_logit_diff``.

    This is the log probability of an inner category of an ordered logistic model.

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
    >>> print(functions.log_inv_logit_diff([1.0, 61.0], [-1.0, 60.0]).eval().round(6))
    [ -0.771937 -60.458675]
    """
    a, b = real_tensors("log_inv_logit_diff", a=a, b=b)
    return -pt.softplus(-a) - pt.softplus(b) + pt.log1mexp(difference(b, a))


def inv_cloglog(x) -> TensorVariable:
    r"""Inverse of the complementary log-log function, elementwise.

    - Formula: :math:`1 - \exp(-e^x)`, computed with expm1.
    - Domain: all real numbers; limits 0 (as :math:`e^x`) and 1.
    - Derivative: :math:`\exp(x - e^x)`; limits 0 and 0.
    - Source: McCullagh and Nelder 1989, "Generalized linear models", section 4.3.

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
    >>> print(functions.inv_cloglog([-40.0, 0.0]).eval())
    [4.24835426e-18 6.32120559e-01]
    """
    x = at_most(real_tensor("inv_cloglog", x), _CLOGLOG_IS_FLAT)
    return -pt.expm1(-pt.exp(x))


def binary_cross_entropy_with_logits(logits, labels) -> TensorVariable:
    r"""Cross entropy of Bernoulli labels under the probability ``sigmoid(logits)``, elementwise.

    - Formula: :math:`-y \log\sigma(x) - (1 - y) \log(1 - \sigma(x))` for logits x and labels y.
    - Domain: all real x, y in [0, 1]; 0 where an infinite logit agrees with a hard label,
      infinity where it does not.
    - Derivative: :math:`-y\,\sigma(-x) + (1 - y)\,\sigma(x)` with respect to x, at most 1 in size.
    - Source: Good 1952, "Rational decisions"; the sum of positive terms is the textbook form.

    Labels of an integer or boolean dtype are hard: the loss is softplus(-x) at 1, softplus(x) at
    0, nan elsewhere.  Float labels are soft; they may be 0 and 1 too, at twice the work.  There
    is no mean over the elements: take it yourself.

    Parameters
    ----------
    logits
        Real tensor.  Integers and booleans give floats.
    labels
        Real tensor that broadcasts against `logits`.

    Returns
    -------
    TensorVariable
        Of the broadcast shape.

    Raises
    ------
    TypeError
        An argument is complex or sparse, or cannot be made a tensor.
    ValueError
        `labels` is a constant with a value outside [0, 1], or a hard one that is not 0 or 1.

    Examples
    --------
    >>> from pytensor_stabilize.rewrites import functions
    >>> loss = functions.binary_cross_entropy_with_logits([40.0, 40.0], [1, 0])
    >>> print(loss.eval())
    [4.24835426e-18 4.00000000e+01]
    """
    name = "binary_cross_entropy_with_logits"
    if is_number(labels):
        labels = np.asarray(labels)
    labels = as_real_tensor(name, "labels", labels)
    _check_labels(name, labels)
    if np.dtype(labels.type.dtype).kind != "f":
        (x,) = real_tensors(name, logits=logits)
        elsewhere = pt.switch(pt.eq(labels, 0), constant(1, x), constant(np.nan, x))
        return pt.softplus(pt.switch(pt.eq(labels, 1), constant(-1, x), elsewhere) * x)
    x, y = real_tensors(name, logits=logits, labels=labels)
    rest = constant(1, y) - y
    return _weighted(y, pt.softplus(-x), x) + _weighted(rest, pt.softplus(x), x)


def _weighted(weight: TensorVariable, loss: TensorVariable, x: TensorVariable) -> TensorVariable:
    """``weight * loss``, and 0 where the weight is 0 and the loss infinite."""
    absent = pt.and_(pt.eq(weight, 0), pt.isinf(x))
    return pt.switch(absent, constant(0, loss), weight * loss)


def _check_labels(name: str, labels: TensorVariable) -> None:
    if not isinstance(labels, Constant):
        return
    data = np.asarray(labels.data)
    hard = data.dtype.kind != "f"
    bad = ~np.isin(data, (0, 1)) if hard else (data < 0) | (data > 1)
    if bad.any():
        wanted = "0 or 1, as their dtype is discrete" if hard else "in [0, 1]"
        raise ValueError(f"{name} takes labels that are {wanted}; got {data[bad].flat[0]!s}.")


__all__ = [
    "binary_cross_entropy_with_logits",
    "inv_cloglog",
    "log1m_inv_logit",
    "log_inv_logit_diff",
    "log_sigmoid",
    "logit",
    "softplus",
]
