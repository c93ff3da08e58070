"""Numerically stable rewrites for PyTensor graphs; importing the package registers them."""

from pytensor_stabilize.rewrites import (
    RULES,
    Sigmoid,
    binary_cross_entropy_with_logits,
    excluding,
    gelu,
    is_active,
    leaky_relu,
    log1mexp,
    log_inv_logit_diff,
    log_sigmoid,
    logaddexp,
    logit,
    mish,
    only,
    register,
    relu,
    show_config,
    sigmoid,
    silu,
    softplus,
    tanh,
    unregister,
    with_pullback,
)

__version__ = "0.1.0"

__all__ = [
    "RULES",
    "Sigmoid",
    "__version__",
    "binary_cross_entropy_with_logits",
    "excluding",
    "gelu",
    "is_active",
    "leaky_relu",
    "log1mexp",
    "log_inv_logit_diff",
    "log_sigmoid",
    "logaddexp",
    "logit",
    "mish",
    "only",
    "register",
    "relu",
    "show_config",
    "sigmoid",
    "silu",
    "softplus",
    "tanh",
    "unregister",
    "with_pullback",
]

register()
