"""The rewrites: rules, the engine that runs them, and the registry that installs them."""

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
    "excluding",
    "is_active",
    "only",
    "register",
    "show_config",
    "sigmoid",
    "unregister",
    "with_pullback",
]
