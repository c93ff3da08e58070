"""The rewrites: rules, the engine that runs them, and the registry that installs them."""

# The first of all, since it ends the import where PyTensor is another.
from pytensor_stabilize.rewrites import supported  # noqa: F401

# isort: split
from pytensor_stabilize.rewrites.functions import (
    binary_cross_entropy_with_logits,
    gelu,
    leaky_relu,
    log1mexp,
    log_inv_logit_diff,
    log_sigmoid,
    logaddexp,
    logit,
    mish,
    relu,
    silu,
    softplus,
    tanh,
)
from pytensor_stabilize.rewrites.ops import Sigmoid, sigmoid, with_pullback
from pytensor_stabilize.rewrites.registry import (
    RULES,
    is_active,
    register,
    show_config,
    unregister,
)
from pytensor_stabilize.rewrites.rules import Interval, Left, Rule
from pytensor_stabilize.rewrites.switches import excluding, only

__all__ = [
    "RULES",
    "Interval",
    "Left",
    "Rule",
    "Sigmoid",
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
