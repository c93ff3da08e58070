"""The quantities that `speed.py` times, written once for all libraries.

Imports nothing: `torch_worker.py` reads this too, on another interpreter.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Backend:
    """The functions that a quantity is written with, and how to differentiate.

    The methods leave it to the library's compiler to compute nothing twice.
    """

    sigmoid: Callable
    softplus: Callable
    tanh: Callable
    slope: Callable[[Callable, Any], Any]

    def value_and_slope(self, function: Callable, x: Any) -> list:
        return [function(x), self.slope(function, x)]

    def second_order(self, function: Callable, x: Any, v: Any) -> list:
        """Value, gradient and product of the Hessian with v, of the function's sum."""

        def directional(u: Any) -> Any:
            return self.slope(function, u) * v

        return [function(x).sum(), self.slope(function, x), self.slope(directional, x)]


def log_likelihood(b: Backend, y: Any) -> Callable:
    """Of y successes and 1 - y failures at log odds x, without what cancels in the sum."""
    return lambda x: -y * b.softplus(-x) - (1 - y) * b.softplus(x)


def log_likelihood_and_gradient(b: Backend, x: Any, y: Any, v: Any) -> list:
    value, gradient = b.value_and_slope(log_likelihood(b, y), x)
    return [value.sum(), gradient]


# Functions of a backend and of three arrays, of which most need the first one only.
QUANTITIES: dict[str, Callable] = {
    "sigmoid'": lambda b, x, y, v: [b.slope(b.sigmoid, x)],
    "sigmoid, sigmoid'": lambda b, x, y, v: b.value_and_slope(b.sigmoid, x),
    "softplus, its gradient": lambda b, x, y, v: b.value_and_slope(b.softplus, x),
    "log sigmoid, its gradient": lambda b, x, y, v: b.value_and_slope(lambda u: -b.softplus(-u), x),
    "tanh'": lambda b, x, y, v: [b.slope(b.tanh, x)],
    "log-likelihood, gradient": log_likelihood_and_gradient,
    "log-likelihood, gradient, Hessian times v": lambda b, x, y, v: b.second_order(
        log_likelihood(b, y), x, v
    ),
}
