"""The functions of `rewrites.functions`: formula in exact terms, and where they are measured.

A formula is a PyTensor graph that is only ever interpreted in exact arithmetic, so it is written
as in a book; its constants are integers, because a float would be a rounded one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytensor.tensor as pt

from pytensor_stabilize.rewrites import functions

Arrays = list[np.ndarray]
LARGEST = {"float64": 700.0, "float32": 85.0}
COUNT = 60


@dataclass(frozen=True)
class Case:
    """A function, what it is exactly, and where it is measured.

    Attributes
    ----------
    name
        Its name in `functions`; `label` tells cases of one function apart.
    formula
        The exact value, and with `first` and `second` the derivatives where PyTensor's own
        pullback of the formula has a rounded constant.
    points
        Makes the arguments, given the dtype.
    zeros
        Orders of derivative (0 is the value) with an ordinary zero or of the form exp(t): there
        the error is counted in ulps of |x f'(x)|, where that is larger than f(x).
    """

    name: str
    formula: Callable
    points: Callable[[str], Arrays]
    zeros: tuple[int, ...] = ()
    first: Callable | None = None
    second: Callable | None = None
    options: dict = field(default_factory=dict)
    variables: str = "x"

    @property
    def label(self) -> str:
        return self.name + "".join(f"_{key}" for key, on in self.options.items() if on)

    def __call__(self, *arguments):
        return getattr(functions, self.name)(*arguments, **self.options)


def near_zero(dtype: str) -> np.ndarray:
    smallest = -30 if dtype == "float64" else -10
    near = np.logspace(smallest, 0.5, COUNT // 2)
    return np.concatenate([near, -near, [0.0]]).astype(dtype)


def even(lo: float, hi: float, dtype: str) -> np.ndarray:
    return np.random.default_rng(7).uniform(lo, hi, COUNT).astype(dtype)


def real(limit: float = np.inf, limit32: float = np.inf) -> Callable[[str], Arrays]:
    """Numbers of both signs, up to a limit and as far as exp is a normal float."""

    def points(dtype: str) -> Arrays:
        bound = min(limit, limit32 if dtype == "float32" else np.inf, LARGEST[dtype])
        middle = even(-min(bound, 20), min(bound, 20), dtype)
        return [np.concatenate([even(-bound, bound, dtype), middle, near_zero(dtype)])]

    return points


def far(dtype: str) -> Arrays:
    """Numbers of both signs and of every size that may be squared."""
    sizes = np.logspace(-15, 15, COUNT)
    return [np.concatenate([sizes, -sizes, even(-3, 3, dtype)]).astype(dtype)]


def positive(dtype: str) -> Arrays:
    (x,) = real()(dtype)
    return [np.abs(x[x != 0])]


def negative(dtype: str) -> Arrays:
    return [-positive(dtype)[0]]


def unit(dtype: str) -> Arrays:
    """Probabilities, dense at both ends."""
    inner = even(0.001, 0.999, dtype)
    small = np.logspace(-17, -3, COUNT).astype(dtype)
    close = np.nextafter(np.ones(1, dtype), np.zeros(1, dtype))
    return [np.concatenate([inner, small, 1 - small[small > 1e-7], close]).astype(dtype)]


def pairs(dtype: str) -> Arrays:
    """Two numbers of any order, also close to each other and far apart, and ties."""
    limit = LARGEST[dtype] / 3
    a = np.concatenate([even(-limit, limit, dtype), even(-5, 5, dtype), np.zeros(20, dtype)])
    rng = np.random.default_rng(8)
    gap = rng.choice([-1, 1], a.size) * 10 ** rng.uniform(-3, np.log10(limit), a.size)
    b = (a + gap).astype(dtype)
    b[::10] = a[::10]
    return [a.astype(dtype), b]


def ordered(dtype: str) -> Arrays:
    """a > b."""
    a, b = pairs(dtype)
    distinct = a != b
    return [np.maximum(a, b)[distinct], np.minimum(a, b)[distinct]]


def below_a_quarter(dtype: str) -> Arrays:
    (x,) = real()(dtype)
    return [x[x < 0.25]]


def positive_sizes(dtype: str) -> np.ndarray:
    return np.logspace(-9, 9, COUNT).astype(dtype)


def above_minus_one(dtype: str) -> np.ndarray:
    return np.concatenate([-np.logspace(-9, -0.1, COUNT), np.logspace(-9, 9, COUNT)]).astype(dtype)


def factor_and(points: Callable[[str], np.ndarray]) -> Callable[[str], Arrays]:
    """A number of either sign, and a second argument."""

    def both(dtype: str) -> Arrays:
        y = points(dtype)
        x = np.random.default_rng(11).normal(scale=100, size=y.size)
        return [x.astype(dtype), y]

    return both


def mixtures(dtype: str) -> Arrays:
    a, b = pairs(dtype)
    apart = np.abs(a - b) > 0.1
    a, b = a[apart], b[apart]
    return [np.random.default_rng(9).uniform(0.01, 0.99, a.size).astype(dtype), a, b]


def logits_and_labels(dtype: str) -> Arrays:
    (x,) = real()(dtype)
    y = np.random.default_rng(10).uniform(0, 1, x.size).astype(dtype)
    y[::3], y[1::3] = 0, 1
    return [x, y]


def _number(value: int, like) -> pt.TensorVariable:
    return pt.constant(np.asarray(value, like.type.dtype))


def _sigmoid(x):
    return 1 / (1 + pt.exp(-x))


def _root(value: int, like):
    return pt.sqrt(_number(value, like))


def _pi(like):
    return 4 * pt.arctan(_number(1, like))


def _cdf(x):
    return pt.erfc(-x / _root(2, x)) / 2


def _density(x):
    return pt.exp(-pt.sqr(x) / 2) / pt.sqrt(2 * _pi(x))


def _mills(x):
    return _density(x) / _cdf(x)


def _gelu_tanh(x):
    u = pt.sqrt(2 / _pi(x)) * (x + _number(44715, x) / _number(1_000_000, x) * x**3)
    return x / 2 * (1 + pt.tanh(u))


def _cross_entropy(x, y):
    return -y * pt.log(_sigmoid(x)) - (1 - y) * pt.log(1 - _sigmoid(x))


CASES = [
    Case("sigmoid", _sigmoid, real(), zeros=(2,)),
    Case("sigmoid", _sigmoid, real(), zeros=(2,), options={"pullback": "stable"}),
    Case("log_sigmoid", lambda x: pt.log(_sigmoid(x)), real()),
    Case("log1m_inv_logit", lambda x: pt.log(1 - _sigmoid(x)), real()),
    Case("softplus", lambda x: pt.log(1 + pt.exp(x)), real()),
    Case("tanh", pt.tanh, real(350.0)),
    Case("relu", lambda x: (x + pt.abs(x)) / 2, far),
    Case("leaky_relu", lambda x: (9 * x + 7 * pt.abs(x)) / 16, far, options={"alpha": 0.125}),
    Case("silu", lambda x: x * _sigmoid(x), real(), zeros=(1, 2)),
    Case(
        "gelu",
        lambda x: x * _cdf(x),
        real(37.0, 12.5),
        zeros=(0, 1, 2),
        first=lambda x: _cdf(x) + x * _density(x),
        second=lambda x: (2 - pt.sqr(x)) * _density(x),
    ),
    Case("gelu", _gelu_tanh, real(20.0, 9.5), zeros=(0, 1, 2), options={"approximate": True}),
    Case("mish", lambda x: x * pt.tanh(pt.log(1 + pt.exp(x))), real(), zeros=(1, 2)),
    Case("softsign", lambda x: x / (1 + pt.abs(x)), far),
    Case("logit", lambda p: pt.log(p / (1 - p)), unit, zeros=(0, 2)),
    Case("log1mexp", lambda x: pt.log(1 - pt.exp(x)), negative),
    # Derivatives divide by 2 - exp(x), which cancels towards log(2).
    Case("log2mexp", lambda x: pt.log(2 - pt.exp(x)), below_a_quarter, zeros=(0,)),
    Case("xlogy", lambda x, y: x * pt.log(y), factor_and(positive_sizes), variables="xy"),
    Case("xlog1py", lambda x, y: x * pt.log(1 + y), factor_and(above_minus_one), variables="xy"),
    Case("logexpm1", lambda x: pt.log(pt.exp(x) - 1), positive, zeros=(0,)),
    Case("logcosh", lambda x: pt.log(pt.cosh(x)), real(350.0), zeros=(2,)),
    Case("inv_cloglog", lambda x: 1 - pt.exp(-pt.exp(x)), real(6.5), zeros=(1, 2)),
    Case(
        "logaddexp",
        lambda a, b: pt.log(pt.exp(a) + pt.exp(b)),
        pairs,
        zeros=(0, 1, 2),
        variables="ab",
    ),
    Case(
        "log_diff_exp",
        lambda a, b: pt.log(pt.exp(a) - pt.exp(b)),
        ordered,
        zeros=(0, 1, 2),
        variables="ab",
    ),
    Case(
        "log_inv_logit_diff",
        lambda a, b: pt.log(_sigmoid(a) - _sigmoid(b)),
        ordered,
        zeros=(1, 2),
        variables="ab",
    ),
    Case(
        "log_mix",
        lambda theta, a, b: pt.log(theta * pt.exp(a) + (1 - theta) * pt.exp(b)),
        mixtures,
        zeros=(0, 1, 2),
        variables="tab",
    ),
    Case(
        "binary_cross_entropy_with_logits",
        _cross_entropy,
        logits_and_labels,
        zeros=(1, 2),
        variables="xy",
    ),
    Case(
        "std_normal_cdf",
        _cdf,
        real(37.0, 12.5),
        zeros=(0, 1, 2),
        first=_density,
        second=lambda x: -x * _density(x),
    ),
    Case(
        "std_normal_lcdf",
        lambda x: pt.log(_cdf(x)),
        real(37.0, 12.5),
        zeros=(0, 1, 2),
        first=_mills,
        second=lambda x: -_mills(x) * (x + _mills(x)),
    ),
    Case(
        "std_normal_lccdf",
        lambda x: pt.log(_cdf(-x)),
        real(37.0, 12.5),
        zeros=(0, 1, 2),
        first=lambda x: -_mills(-x),
        second=lambda x: -_mills(-x) * (_mills(-x) - x),
    ),
]
