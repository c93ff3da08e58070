"""Numerically stable rewrites for PyTensor graphs; importing the package registers them."""

from pytensor_stabilize.rewrites import (
    RULES,
    Sigmoid,
    excluding,
    is_active,
    only,
    register,
    show_config,
    sigmoid,
    unregister,
    with_pullback,
)

__version__ = "0.1.0"

__all__ = [
    "RULES",
    "Sigmoid",
    "__version__",
    "excluding",
    "is_active",
    "only",
    "register",
    "show_config",
    "sigmoid",
    "unregister",
    "with_pullback",
]

register()
