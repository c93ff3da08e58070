"""The functions of the accuracy page: as PyTensor users write them, in JAX and in PyTorch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Member:
    """One function.

    Attributes
    ----------
    text
        In PyTensor, as a spelling of `spelling_list.py`.
    points
        Name of its set of points; see `points`.
    jax, torch
        Python text of the same in JAX (`nn`, `jnp`, `special`) and PyTorch (`torch`, `F`).
    exact
        The same without rounded constants, where `text` has one: what JAX and PyTorch mean.
    """

    name: str
    text: str
    points: str
    jax: str
    torch: str
    exact: str = ""


FAMILY = (
    Member("sigmoid", "s", "real", "nn.sigmoid(x)", "torch.sigmoid(x)"),
    Member("1 - sigmoid", "1-s", "real", "1 - nn.sigmoid(x)", "1 - torch.sigmoid(x)"),
    Member("log sigmoid", "log(s)", "real", "nn.log_sigmoid(x)", "F.logsigmoid(x)"),
    Member(
        "log(1 - sigmoid)",
        "log(1-s)",
        "real",
        "jnp.log(1 - nn.sigmoid(x))",
        "torch.log(1 - torch.sigmoid(x))",
    ),
    Member("softplus", "softplus(x)", "real", "nn.softplus(x)", "F.softplus(x)"),
    Member("tanh", "t", "real", "jnp.tanh(x)", "torch.tanh(x)"),
    Member("1 - tanh", "1-t", "real", "1 - jnp.tanh(x)", "1 - torch.tanh(x)"),
    Member("silu", "x*s", "real", "nn.silu(x)", "F.silu(x)"),
    Member(
        "gelu",
        "0.5*x*(1+erf(x/np.sqrt(2.0)))",
        "real",
        "nn.gelu(x, approximate=False)",
        "F.gelu(x)",
        exact="x*(1+erf(x/sqrt(2)))/2",
    ),
    Member(
        "gelu, tanh form",
        "0.5*x*(1+tanh(np.sqrt(2.0/np.pi)*(x+0.044715*x**3)))",
        "real",
        "nn.gelu(x, approximate=True)",
        "F.gelu(x, approximate='tanh')",
    ),
    Member("mish", "x*tanh(softplus(x))", "real", "nn.mish(x)", "F.mish(x)"),
    Member(
        "log1mexp",
        "log(1-exp(x))",
        "negative",
        "nn.log1mexp(-x)",
        "torch.log(-torch.expm1(x))",
    ),
    Member("exp - 1", "exp(x)-1", "real", "jnp.exp(x) - 1", "torch.exp(x) - 1"),
    Member(
        "log cosh",
        "log(cosh(x))",
        "real",
        "jnp.log(jnp.cosh(x))",
        "torch.log(torch.cosh(x))",
    ),
    Member(
        "Phi",
        "0.5*erfc(-x/np.sqrt(2.0))",
        "real",
        "special.ndtr(x)",
        "torch.special.ndtr(x)",
        exact="erfc(-x/sqrt(2))/2",
    ),
    Member(
        "log Phi",
        "log(0.5*erfc(-x/np.sqrt(2.0)))",
        "real",
        "special.log_ndtr(x)",
        "torch.special.log_ndtr(x)",
        exact="log(erfc(-x/sqrt(2))/2)",
    ),
    Member(
        "logaddexp",
        "log(exp(a)+exp(b))",
        "pairs",
        "jnp.logaddexp(a, b)",
        "torch.logaddexp(a, b)",
    ),
    Member(
        "sigmoid difference",
        "sa-sb",
        "ordered",
        "nn.sigmoid(a) - nn.sigmoid(b)",
        "torch.sigmoid(a) - torch.sigmoid(b)",
    ),
    Member(
        "log of a sigmoid difference",
        "log(sa-sb)",
        "ordered",
        "jnp.log(nn.sigmoid(a) - nn.sigmoid(b))",
        "torch.log(torch.sigmoid(a) - torch.sigmoid(b))",
    ),
    Member(
        "cross entropy with logits, hard labels",
        "-y*log(s)-(1-y)*log(1-s)",
        "label",
        "-y * nn.log_sigmoid(x) - (1 - y) * nn.log_sigmoid(-x)",
        "F.binary_cross_entropy_with_logits(x, y, reduction='none')",
    ),
    Member(
        "cross entropy with logits, soft labels",
        "-y*log(s)-(1-y)*log(1-s)",
        "soft",
        "-y * nn.log_sigmoid(x) - (1 - y) * nn.log_sigmoid(-x)",
        "F.binary_cross_entropy_with_logits(x, y, reduction='none')",
    ),
)

LIMITS = {"float64": 752.0, "float32": 110.0}


def points(kind: str, dtype: str, count: int) -> list[np.ndarray]:
    """About `count` points, an array an input: even over the range, and dense near 0."""
    limit = LIMITS[dtype]
    even = np.linspace(-limit, limit, count * 3 // 4)
    moderate = np.linspace(-8, 8, count // 8)
    near = np.logspace(-20, 0, count // 16)
    real = np.concatenate([even, moderate, near, -near])
    rng = np.random.default_rng(0)
    match kind:
        case "real":
            columns = [real]
        case "negative":
            columns = [-np.abs(real)]
        case "pairs" | "ordered":
            # Close and far pairs alike.
            gap = 10.0 ** rng.uniform(-12, np.log10(2 * limit), real.size)
            gap = gap if kind == "ordered" else gap * rng.choice([-1, 1], real.size)
            columns = [real, real - gap]
        case "label":
            columns = [real, rng.integers(0, 2, real.size)]
        case "soft":
            columns = [real, rng.uniform(0.01, 0.99, real.size)]
        case _:
            raise ValueError(f"There is no set of points {kind!r}.")
    columns = [column.astype(dtype) for column in columns]
    if kind == "ordered":
        apart = columns[0] > columns[1]
        columns = [column[apart] for column in columns]
    return columns


def jax_functions(member: Member, names: str, quantities: list[str]) -> list[Callable[..., Any]]:
    """Value and derivatives of a member in JAX, compiled, for arrays of points.

    Raises
    ------
    ImportError
        JAX is not installed.
    """
    import jax

    jax.config.update("jax_enable_x64", True)
    namespace = {"nn": jax.nn, "jnp": jax.numpy, "special": jax.scipy.special}
    value = eval(f"lambda {', '.join(names)}: {member.jax}", namespace)
    made = []
    for quantity in quantities:
        function = value
        for variable in variables_of(quantity):
            function = jax.grad(function, argnums=names.index(variable))
        made.append(jax.jit(jax.vmap(function)))
    return made


def torch_functions(member: Member, names: str, quantities: list[str]) -> list[Callable[..., Any]]:
    """The same in PyTorch; `torch_worker.py` runs this, on another interpreter."""
    import torch
    import torch.nn.functional as F

    value = eval(f"lambda {', '.join(names)}: {member.torch}", {"torch": torch, "F": F})

    def function_of(quantity: str) -> Callable[..., Any]:
        def function(*columns: np.ndarray) -> np.ndarray:
            tensors = [torch.tensor(column, requires_grad=True) for column in columns]
            result = value(*tensors)
            for variable in variables_of(quantity):
                (result,) = torch.autograd.grad(
                    result.sum(), tensors[names.index(variable)], create_graph=True
                )
            return result.detach().numpy()

        return function

    return [function_of(quantity) for quantity in quantities]


def variables_of(quantity: str) -> str:
    """Variables that a quantity ("value", "dx", "dab") is differentiated by, in order."""
    return "" if quantity == "value" else quantity[1:]
