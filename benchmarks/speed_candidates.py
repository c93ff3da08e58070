"""What `speed.py` times: each quantity as stock PyTensor, this package, JAX and others compute it.

A candidate is a function without arguments that computes everything once and waits for it.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from scipy.special import expit

import pytensor_stabilize

Call = Callable[[], Any]


@dataclass(frozen=True)
class Backend:
    """The functions that a quantity is written with, and how to differentiate."""

    sigmoid: Callable
    softplus: Callable
    tanh: Callable
    slope: Callable[[Callable, Any], Any]


def value_and_slope(b: Backend, function: Callable, x: Any) -> list:
    return [function(x), b.slope(function, x)]


def log_likelihood(b: Backend, y: Any) -> Callable:
    """Of y successes and 1 - y failures at log odds x, without what cancels in the sum."""
    return lambda x: -y * b.softplus(-x) - (1 - y) * b.softplus(x)


def log_likelihood_and_gradient(b: Backend, x: Any, y: Any, v: Any) -> list:
    function = log_likelihood(b, y)
    return [function(x).sum(), b.slope(function, x)]


def hessian_vector_product(b: Backend, x: Any, y: Any, v: Any) -> list:
    def directional(u: Any) -> Any:
        return b.slope(log_likelihood(b, y), u) * v

    return [*log_likelihood_and_gradient(b, x, y, v), b.slope(directional, x)]


# Functions of a backend and of three arrays, of which most need the first one only.
QUANTITIES: dict[str, Callable] = {
    "sigmoid'": lambda b, x, y, v: [b.slope(b.sigmoid, x)],
    "sigmoid, sigmoid'": lambda b, x, y, v: value_and_slope(b, b.sigmoid, x),
    "softplus, its gradient": lambda b, x, y, v: value_and_slope(b, b.softplus, x),
    "log sigmoid, its gradient": lambda b, x, y, v: value_and_slope(
        b, lambda u: -b.softplus(-u), x
    ),
    "tanh'": lambda b, x, y, v: [b.slope(b.tanh, x)],
    "log-likelihood, gradient": log_likelihood_and_gradient,
    "log-likelihood, gradient, Hessian times v": hessian_vector_product,
}


def pytensor_slope(function: Callable, x: Any) -> Any:
    return pt.grad(function(x).sum(), x)


PYTENSOR = Backend(pt.sigmoid, pt.softplus, pt.tanh, pytensor_slope)
# PyTensor's sigmoid with the pullback sigmoid(x) sigmoid(-x), as written by hand.
TWO_SIGMOIDS: dict[str, Callable] = {
    "sigmoid'": lambda x: [pt.sigmoid(x) * pt.sigmoid(-x)],
    "sigmoid, sigmoid'": lambda x: [pt.sigmoid(x), pt.sigmoid(x) * pt.sigmoid(-x)],
    "tanh'": lambda x: [4 * pt.sigmoid(2 * x) * pt.sigmoid(-2 * x)],
}


def compiled(build: Callable, arrays: tuple[np.ndarray, ...], linker: str, stock: bool) -> Call:
    inputs = [pt.vector(name, dtype=arrays[0].dtype.name) for name in "xyv"]
    with pytensor_stabilize.excluding("all") if stock else nullcontext():
        function = pytensor.function(
            [pytensor.In(i, borrow=True) for i in inputs],
            [pytensor.Out(out, borrow=True) for out in build(*inputs)],
            mode=linker,
            on_unused_input="ignore",
        )
    function.trust_input = True
    return lambda: function(*arrays)


def jax_call(quantity: str, arrays: tuple[np.ndarray, ...]) -> Call:
    import jax

    jax.config.update("jax_enable_x64", True)
    backend = Backend(
        jax.nn.sigmoid,
        jax.nn.softplus,
        jax.numpy.tanh,
        lambda function, x: jax.grad(lambda u: function(u).sum())(x),
    )
    function = jax.jit(lambda x, y, v: QUANTITIES[quantity](backend, x, y, v))
    given = [jax.numpy.asarray(array) for array in arrays]
    return lambda: jax.block_until_ready(function(*given))


def torch_call(quantity: str, arrays: tuple[np.ndarray, ...]) -> Call:
    import torch

    torch.set_num_threads(1)
    backend = Backend(
        torch.sigmoid,
        torch.nn.functional.softplus,
        torch.tanh,
        lambda function, x: torch.func.grad(lambda u: function(u).sum())(x),
    )
    function = torch.compile(lambda x, y, v: QUANTITIES[quantity](backend, x, y, v))
    given = [torch.from_numpy(array) for array in arrays]
    return lambda: function(*given)


# Of each column that needs more than this package does: the module, and what makes the call.
OPTIONAL = {"JAX": ("jax", jax_call), "PyTorch": ("torch", torch_call)}


def missing() -> list[str]:
    """The columns of what is not installed."""
    return [name for name, (module, _) in OPTIONAL.items() if find_spec(module) is None]


def candidates(quantity: str, arrays: tuple[np.ndarray, ...]) -> Iterator[tuple[str, Call]]:
    """The names and calls of all that is installed."""
    x, out = arrays[0], np.empty_like(arrays[0])

    def build(*inputs: Any) -> list:
        return QUANTITIES[quantity](PYTENSOR, *inputs)

    yield "stock", compiled(build, arrays, "NUMBA", stock=True)
    if quantity in TWO_SIGMOIDS:
        two = TWO_SIGMOIDS[quantity]
        yield "two sigmoids", compiled(lambda x, *_: two(x), arrays, "NUMBA", stock=True)
    yield "ours", compiled(build, arrays, "NUMBA", stock=False)
    if pytensor.config.cxx:
        yield "stock, C", compiled(build, arrays, "CVM", stock=True)
        yield "ours, C", compiled(build, arrays, "CVM", stock=False)
    for name, (module, make) in OPTIONAL.items():
        if find_spec(module) is not None:
            yield name, make(quantity, arrays)
    yield "NumPy exp", lambda: np.exp(x, out=out)
    yield "SciPy expit", lambda: expit(x, out=out)
    yield "copy", lambda: np.copyto(out, x)
