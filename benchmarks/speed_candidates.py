"""What `speed.py` times: each quantity as stock PyTensor, this package and JAX compute it.

A candidate is a function without arguments that computes everything once and waits for it.  PyTorch
has a process of its own: `torch_side.py`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from scipy.special import expit
from speed_quantities import QUANTITIES, Backend

import pytensor_stabilize

Call = Callable[[], Any]


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


HAS_JAX = find_spec("jax") is not None


def candidates(quantity: str, arrays: tuple[np.ndarray, ...]) -> Iterator[tuple[str, Call]]:
    """The names and calls of all that computes the quantity in this process."""

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
    if HAS_JAX:
        yield "JAX", jax_call(quantity, arrays)


def yardsticks(x: np.ndarray) -> dict[str, Call]:
    """What every quantity is compared with."""
    out = np.empty_like(x)
    return {
        "NumPy exp": lambda: np.exp(x, out=out),
        "SciPy expit": lambda: expit(x, out=out),
        "copy": lambda: np.copyto(out, x),
    }


def agree(results: Sequence[Any], reference: Sequence[Any]) -> bool:
    """Whether two sides computed the same, to half of the digits and the rounding of long sums."""
    if len(results) != len(reference):
        return False
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(results, reference, strict=True)]
    if any(a.shape != b.shape or a.dtype != b.dtype for a, b in pairs):
        return False
    eps = np.finfo(reference[0].dtype).eps
    longest = max(b.size for _, b in pairs)
    for a, b in pairs:
        tolerance = eps**0.5 + (eps * longest if b.size < longest else 0)
        if not np.allclose(a, b, rtol=tolerance, atol=eps**0.5):
            return False
    return True
