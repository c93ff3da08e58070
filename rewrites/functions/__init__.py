"""Every function of the family by its usual name, stable in value and derivatives.

They are thin compositions of PyTensor operations that keep their digits by themselves or that
the rules of this package complete, so import the package before you compile.  All are
elementwise, take real dense tensors, turn integers and booleans into floats, return nan for nan
and the limit at an infinity, and raise TypeError for anything else.

PyTensor's gradient of a `switch` of float32 is float64 unless floatX is float32; functions that
have one to reach their limits (gelu, silu, mish, softsign and those of two arguments) inherit that.
"""

from pytensor_stabilize.rewrites.functions.activations import (
    gelu,
    leaky_relu,
    mish,
    relu,
    silu,
    softsign,
    tanh,
)
from pytensor_stabilize.rewrites.functions.logarithms import (
    log1mexp,
    log2mexp,
    log_diff_exp,
    log_mix,
    logaddexp,
    logcosh,
    logexpm1,
    xlog1py,
    xlogy,
)
from pytensor_stabilize.rewrites.functions.logistic import (
    binary_cross_entropy_with_logits,
    inv_cloglog,
    log1m_inv_logit,
    log_inv_logit_diff,
    log_sigmoid,
    logit,
    softplus,
)
from pytensor_stabilize.rewrites.functions.normal import (
    std_normal_cdf,
    std_normal_lccdf,
    std_normal_lcdf,
)
from pytensor_stabilize.rewrites.ops import sigmoid

__all__ = [
    "binary_cross_entropy_with_logits",
    "gelu",
    "inv_cloglog",
    "leaky_relu",
    "log1m_inv_logit",
    "log1mexp",
    "log2mexp",
    "log_diff_exp",
    "log_inv_logit_diff",
    "log_mix",
    "log_sigmoid",
    "logaddexp",
    "logcosh",
    "logexpm1",
    "logit",
    "mish",
    "relu",
    "sigmoid",
    "silu",
    "softplus",
    "softsign",
    "std_normal_cdf",
    "std_normal_lccdf",
    "std_normal_lcdf",
    "tanh",
    "xlog1py",
    "xlogy",
]
