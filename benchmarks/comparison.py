"""Which stable functions of other libraries a user gets by the plain formula: docs/comparison.md.

    python benchmarks/comparison.py

Worst error in ulps of the exact value of the formula and of its gradients, where that is a
normal float; near an ordinary zero an ulp is that of |x f'(x)|, the effect of the rounding of x.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytensor
import pytensor.tensor as pt
from readme import fill
from versions import versions

import pytensor_stabilize
from pytensor_stabilize.graphs import truth, ulp_error
from pytensor_stabilize.graphs.ulps import spacing
from pytensor_stabilize.rewrites import functions

PAGE = Path(__file__).parents[1] / "docs" / "comparison.md"
RNG = np.random.default_rng(20261129)
COUNT = 120
# Small beside the distance of every point to a zero of f', large beside a rounding.
STEP = 1e-12
Points = list[np.ndarray]


def real(limit: float = 700.0) -> Points:
    small = 10.0 ** RNG.uniform(-20, 0, COUNT)
    wide, middle = RNG.uniform(-limit, limit, COUNT), RNG.uniform(-40, 40, COUNT)
    return [np.concatenate([wide, np.clip(middle, -limit, limit), small, -small])]


def positive(limit: float = 700.0) -> Points:
    return [np.abs(real(limit)[0])]


def negative() -> Points:
    return [-positive()[0]]


def unit() -> Points:
    small = 10.0 ** RNG.uniform(-20, -0.4, COUNT)
    return [np.concatenate([small, 1 - small[small > 1e-15]])]


def above_minus_one() -> Points:
    return [np.concatenate([-unit()[0], 10.0 ** RNG.uniform(-20, 10, COUNT)])]


def pairs() -> Points:
    a = np.concatenate([RNG.uniform(-230, 230, COUNT), RNG.uniform(-30, 30, COUNT)])
    gap = 10.0 ** RNG.uniform(-6, 2.3, a.size)
    return [a, a - gap]


def mixtures() -> Points:
    a, b = pairs()
    return [RNG.uniform(0.01, 0.99, a.size), a, b]


def two_positive() -> Points:
    return [10.0 ** RNG.uniform(-10, 10, COUNT), 10.0 ** RNG.uniform(-10, 10, COUNT)]


def near_one() -> Points:
    small = 10.0 ** RNG.uniform(-15, -0.4, COUNT)
    return [np.concatenate([1 + small, 1 - small, positive()[0]])]


def any_size() -> Points:
    return [10.0 ** RNG.uniform(-150, 300, COUNT)]


# Stan; LogExpFunctions.jl; TensorFlow Probability; the plain formula; its points; by name here.
TABLE = """
inv_logit; logistic; sigmoid; 1 / (1 + exp(-x)); real; sigmoid
log_inv_logit; loglogistic; log_sigmoid; log(sigmoid(x)); real; log_sigmoid
log1m_inv_logit; log1mlogistic; ; log(1 - sigmoid(x)); real; log1m_inv_logit
log_inv_logit_diff; ; ; log(sigmoid(a) - sigmoid(b)); pairs; log_inv_logit_diff
logit; logit; ; log(p / (1 - p)); unit; logit
; logitexp; ; log(exp(x) / (1 - exp(x))); negative;
log1p_exp; log1pexp; softplus; log(1 + exp(x)); real; softplus
; logexpm1; softplus_inverse; log(exp(x) - 1); positive; logexpm1
log1m_exp; log1mexp; log1mexp; log(1 - exp(x)); negative; log1mexp
; log2mexp; ; log(2 - exp(x)); negative; log2mexp
log1m; ; ; log(1 - x); unit;
log_sum_exp; logaddexp; log_add_exp; log(exp(a) + exp(b)); pairs; logaddexp
log_diff_exp; logsubexp; log_sub_exp; log(exp(a) - exp(b)); pairs; log_diff_exp
log_mix; ; ; log(t * exp(a) + (1 - t) * exp(b)); mixtures; log_mix
; logcosh; log_cosh; log(cosh(x)); real; logcosh
; logabssinh; ; log(abs(sinh(x))); positive;
; logabstanh; ; log(abs(tanh(x))); positive;
; log1pmx; ; log1p(x) - x; above_minus_one;
; logmxp1; ; log(x) - x + 1; near_one;
; log1psq; log1psquare; log(1 + x**2); any_size;
; ; sqrt1pm1; sqrt(1 + x) - 1; above_minus_one;
inv_cloglog; cexpexp; ; 1 - exp(-exp(x)); up_to_six; inv_cloglog
; cloglog; ; log(-log(1 - p)); unit;
Phi; ; normal cdf; (1 + erf(x / sqrt(2))) / 2; tails; std_normal_cdf
std_normal_lcdf; ; log_ndtr; log((1 + erf(x / sqrt(2))) / 2); tails; std_normal_lcdf
std_normal_lccdf; ; ; log((1 - erf(x / sqrt(2))) / 2); tails; std_normal_lccdf
lmultiply; xlogy; xlogy; x * log(y); two_positive; xlogy
; xlog1py; xlog1py; x * log1p(y); two_positive; xlog1py
"""
POINTS = {
    function.__name__: function
    for function in (
        *(real, positive, negative, unit, above_minus_one, pairs, mixtures, two_positive),
        *(near_one, any_size),
    )
} | {"up_to_six": lambda: real(6.0), "tails": lambda: real(37.0)}


def root(x):
    """The square root; of a number, the float64: PyTensor's is float32."""
    return math.sqrt(x) if isinstance(x, int) else pt.sqrt(x)


NAMES = {
    name: getattr(pt, name)
    for name in (
        *("exp", "log", "log1p", "sigmoid", "cosh", "sinh", "tanh", "erf", "abs"),
        *("expm1",),
    )
} | {"sqrt": root}


@dataclass(frozen=True)
class Row:
    """A function as three libraries name it, and its plain formula."""

    stan: str
    julia: str
    tfp: str
    text: str
    points: str
    ours: str

    def __call__(self, *arguments):
        """The formula as it stands in the table, of PyTensor variables."""
        named = {str(argument.name): argument for argument in arguments}
        return eval(self.text, {"__builtins__": {}}, NAMES | named)


ROWS = [Row(*map(str.strip, line.split(";"))) for line in TABLE.strip().splitlines()]


def measured(row: Row) -> dict[str, list[float]]:
    """Worst errors of value and gradients, stock and ours."""
    points = POINTS[row.points]()
    names = [name for name in "txpaby" if re.search(rf"\b{name}\b", row.text)]
    arguments = [pt.dvector(name) for name in names]
    value = row(*arguments)
    graphs = [value, *pt.grad(value.sum(), arguments)]
    givens = dict(zip(arguments, points, strict=True))
    worst: dict[str, list[float]] = {"stock": [], "ours": []}
    compiled = {}
    for name in worst:
        if name == "stock":
            with pytensor_stabilize.excluding("all"):
                compiled[name] = pytensor.function(arguments, graphs, mode="NUMBA")(*points)
        else:
            compiled[name] = pytensor.function(arguments, graphs, mode="NUMBA")(*points)
    for i, graph in enumerate(graphs):
        exact = truth(graph, givens)
        scale = np.abs(exact.value)
        for argument, column in givens.items():
            moved = truth(graph, givens | {argument: column * (1 + STEP)})
            scale = np.fmax(scale, np.abs(moved.value - exact.value) / STEP)
        scale = np.minimum(scale, np.finfo(float).max)
        normal = exact.decided & (np.abs(exact.value) > np.finfo(float).tiny)
        normal &= np.isfinite(exact.value)
        for name, values in compiled.items():
            errors = ulp_error(np.asarray(values[i]), exact)
            errors = errors * (spacing(exact.value) / spacing(scale))
            worst[name].append(float(np.where(normal, errors, 0.0).max()))
    return worst


def shown(errors: list[float]) -> str:
    def one(error: float) -> str:
        return (
            "inf" if not np.isfinite(error) else f"{error:.1f}" if error < 100 else f"{error:.0e}"
        )

    return f"{one(errors[0])}; {one(max(errors[1:]))}"


def table() -> str:
    lines = [
        "| Stan | LogExpFunctions.jl | TensorFlow Probability | plain formula | stock | ours | "
        "by name here |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in ROWS:
        worst = measured(row)
        names = " | ".join(f"`{n}`" if n else "" for n in (row.stan, row.julia, row.tfp))
        ours = f"`{row.ours}`" if row.ours in functions.__all__ else ""
        cells = f"{shown(worst['stock'])} | {shown(worst['ours'])}"
        lines.append(f"| {names} | `{row.text}` | {cells} | {ours} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    figure = f"{versions()}\n\n{table()}"
    PAGE.write_text(fill(PAGE.read_text(), "comparison", figure))


if __name__ == "__main__":
    main()
