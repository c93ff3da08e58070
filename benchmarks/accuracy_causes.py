"""Why a figure of docs/accuracy.md stays above the promise: causes, each with a bound.

A cause says how many ulps it may cost at a point.  A figure is explained if at every point the
error is within the promise and what the causes of this quantity may cost there.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

PROMISE = 4.0
NOT_EXPLAINED = "not explained"
# Of XLA's tanh, the figures of its table on the page.
XLA_TANH = {"float64": 2.2, "float32": 2.1}

Of = Callable[..., np.ndarray]  # of the inputs' values


@dataclass(frozen=True)
class Cause:
    """One cause.

    Attributes
    ----------
    where
        Pattern of "function, quantity, dtype, linker".
    why
        In words.
    cost
        How many ulps, of the size of an ulp at each point, the dtype's limits and the inputs.
    """

    where: str
    why: str
    cost: Callable[..., np.ndarray]


def rounded(where: str, what: str, within: str, rate: Of) -> Cause:
    """An argument is rounded, by which f changes at a rate, its condition number."""
    why = f"the rounding of {what}: within 4 (1 + {within}) ulp"
    return Cause(where, why, lambda ulp, info, *x: PROMISE * np.abs(rate(*x)))


def subnormal(where: str, what: str, factor: Of) -> Cause:
    """A factor is rounded to a multiple of the smallest subnormal number."""

    def cost(ulp: np.ndarray, info: np.finfo, *x: np.ndarray) -> np.ndarray:
        size = np.abs(factor(*x))
        step = float(info.smallest_subnormal) / size / float(info.eps)
        return np.where(size < float(info.tiny), step, 0.0)

    return Cause(where, f"{what} is subnormal there, and has fewer digits than the result", cost)


def flushed(where: str, what: str, times: str, factor: Of) -> Cause:
    """XLA makes 0 of what is below the smallest normal number, of which f is a multiple."""
    return Cause(
        f"(?:{where}).*, jax$",
        f"XLA makes 0 of {what} where it is subnormal; {times} times that is normal",
        lambda ulp, info, *x: np.abs(factor(*x)) * float(info.tiny) / ulp,
    )


def of_xla(where: str, dtype: str, times: int) -> Cause:
    """XLA's own tanh is less accurate than the C library's."""
    return Cause(
        f"{where}.*{dtype}, jax$",
        f"XLA's own tanh, {XLA_TANH[dtype]} ulp, {'twice' if times == 2 else 'once'}",
        lambda ulp, info, *x: np.full(ulp.shape, times * XLA_TANH[dtype]),
    )


def difference(where: str, what: str, ulps: int, term: Of) -> Cause:
    """f is a difference of terms, and no larger than they are."""

    def cost(ulp: np.ndarray, info: np.finfo, *x: np.ndarray) -> np.ndarray:
        return ulps * np.spacing(np.abs(term(*x)).astype(info.dtype)) / ulp

    return Cause(where, f"{what}: within {ulps} ulp of the first", cost)


def half_square(x: np.ndarray) -> np.ndarray:
    return x * x / 2


def phi(x: np.ndarray) -> np.ndarray:
    """The density of the normal distribution."""
    return np.exp(-x * x / 2) / np.sqrt(2 * np.pi)


def cubic(x: np.ndarray) -> np.ndarray:
    """The argument of the tanh form of gelu, twice."""
    return np.sqrt(8 / np.pi) * (x + 0.044715 * x**3)


def cubic_factor(x: np.ndarray) -> np.ndarray:
    """What exp(-cubic) is multiplied by in the second derivative, and less in the others."""
    slope = np.sqrt(8 / np.pi) * (1 + 0.134145 * x**2)
    return 1 + 2 * slope + np.abs(x) * slope**2


def left(function: Of) -> Of:
    """Where x is negative."""
    return lambda x: np.where(x < 0, function(x), 0)


def mish_factor(x: np.ndarray) -> np.ndarray:
    """The small factor of mish and its derivatives, the second on the right."""
    return np.where(x < 0, np.exp(x), np.exp(-2 * x))


MEETING = "y - sigmoid(x) where the two nearly meet"

CAUSES = (
    rounded("^gelu, df", "t = x²/2 in exp(-t)", "t", left(half_square)),
    rounded("^(Phi, d|gelu, d²f)", "t = x²/2 in exp(-t)", "t", half_square),
    rounded("^gelu, tanh form, d?f", "t, the cubic, in exp(-2t)", "2t", left(cubic)),
    rounded("^gelu, tanh form, d²f", "t, the cubic, in exp(-2t)", "2t", cubic),
    rounded("^mish, d²f", "t = 2 softplus(x) in exp(-t)", "t", lambda x: 2 * np.maximum(x, 0)),
    rounded(
        "^(logaddexp,|log of a sigmoid difference, df)",
        "t = a - b in exp(t)",
        "abs(t)",
        lambda a, b: a - b,
    ),
    rounded(
        "^log of a sigmoid difference, d²f",
        "t = a - b in 1 / sinh(t/2)²",
        "t / tanh(t/2)",
        lambda a, b: (a - b) / np.tanh((a - b) / 2),
    ),
    difference("^cross entropy with logits, soft labels, df.*[^x]$", MEETING, 1, lambda x, y: y),
    difference("^cross entropy with logits, soft labels, df.*, jax$", MEETING, 2, lambda x, y: y),
    difference(
        "^mish, df",
        "x tanh(softplus(x))' + tanh(softplus(x)), of two signs",
        2,
        left(lambda x: x * np.exp(x)),
    ),
    difference("^gelu, df", "x phi(x) + Phi(x), of two signs", 2, left(lambda x: x * phi(x))),
    subnormal("^silu,", "the factor sigmoid(-abs(x))", lambda x: np.exp(-np.abs(x))),
    subnormal("^mish,", "the factor exp(x), or exp(-2x) on the right,", mish_factor),
    subnormal("^gelu, tanh form,", "the factor exp(-2t)", lambda x: np.exp(-np.abs(cubic(x)))),
    subnormal("^log1mexp, d²f", "the divisor tanh(x/2)²", lambda x: x * x / 4),
    flushed("^((1 - )?tanh|log cosh),", "`sigmoid(-2x)`", "eight", lambda x: np.full(x.shape, 8)),
    flushed("^silu,", "`sigmoid(x)`", "2 + abs(x)", lambda x: 2 + np.abs(x)),
    flushed("^mish,", "`sigmoid(x)` or its square", "8 (1 + abs(x))", lambda x: 8 + 8 * np.abs(x)),
    flushed("^gelu, d?f", "Phi(x) or exp(-x²/2)", "1 + abs(x)", lambda x: 1 + np.abs(x)),
    flushed("^gelu, d²f", "exp(-x²/2)", "2 + x²", lambda x: 2 + x**2),
    flushed("^gelu, tanh form,", "exp(-2t)", "a polynomial", cubic_factor),
    flushed("^(log )?Phi, d²f", "exp(-x²/2)", "1 + abs(x)", lambda x: 1 + np.abs(x)),
    flushed(
        "^log of a sigmoid difference,",
        "a term that is small beside others",
        "four",
        lambda a, b: np.full(a.shape, 4),
    ),
    Cause(
        "^log1mexp, d²f.*, jax$",
        "XLA makes 0 of the divisor tanh(x/2)² where it is subnormal",
        lambda ulp, info, x: np.where(x * x / 4 < float(info.tiny), np.inf, 0.0),
    ),
    Cause(
        "^mish, d²f.*float32, numba",
        "a product of three kernels: within 5 ulp",
        lambda ulp, info, *x: np.ones(ulp.shape),
    ),
    of_xla("^log1mexp, d²f", "float64", 2),
    of_xla("^log1mexp, d²f", "float32", 2),
    of_xla("^silu, d²f", "float32", 1),
    of_xla("^sigmoid difference, d²f", "float32", 1),
)


def reason(
    what: str,
    errors: np.ndarray,
    ulp: np.ndarray,
    columns: list[np.ndarray],
    margin: float = 0.0,
) -> str:
    """Why errors exceed the promise: few causes that explain them, that of the largest first.

    Of causes that would do at a point, the one that allows the least is taken.

    Parameters
    ----------
    what
        "function, quantity, dtype, linker".
    errors, ulp
        In ulps, and the size of an ulp, at each point.
    columns
        The points, an array an input.
    margin
        How many ulps more are let pass.

    Returns
    -------
    str
        `NOT_EXPLAINED` if the errors are larger somewhere than the causes allow.
    """
    causes = [cause for cause in CAUSES if re.search(cause.where, what)]
    inputs = [column.astype("float64") for column in columns]
    with np.errstate(all="ignore"):
        costs = [cause.cost(ulp, np.finfo(columns[0].dtype), *inputs) for cause in causes]
    named: list[int] = []
    allowed = np.full(errors.shape, PROMISE + margin)
    for point in np.argsort(-errors):
        # Those that are named for larger errors may do.
        while not errors[point] <= allowed[point]:
            others = {i: costs[i][point] for i in range(len(causes)) if i not in named}
            if not others:
                return NOT_EXPLAINED
            enough = {
                i: cost for i, cost in others.items() if errors[point] <= allowed[point] + cost
            }
            best = (
                min(enough, key=enough.__getitem__)
                if enough
                else max(others, key=others.__getitem__)
            )
            named.append(best)
            allowed = allowed + costs[best]
    return "; ".join(causes[i].why for i in named)
