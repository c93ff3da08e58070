# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # A model that stock PyTensor gets wrong, and the same model after one import
#
# Visits to the doctor of 20,190 people (statsmodels' `randhie`), many of them zero: a
# zero-inflated Poisson whose chance to be "at risk" depends on the number of chronic diseases,
# `psi = sigmoid(a + b * disea)`.  The optimiser of `pm.find_MAP` tries a slope of about 1 in its
# first steps; with 58 diseases that is `psi` at 57, where `1 - psi` is 0 in floating point and
# the gradient is nan.  The optimiser stops there and reports success.
#
# With `--all` the rules with their state and every single use of a rule are printed as well.

# %%
import os
import sys
import time
import warnings
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import statsmodels.api as sm
from pytensor.compile.mode import Mode, get_default_mode
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize
from scipy.special import expit, gammaln, log_expit

import pytensor_stabilize
from pytensor_stabilize import graphs

warnings.simplefilter("ignore", FutureWarning)
console = Console(width=100, highlight=False)
OUT = Path(os.environ.get("DEMO_OUT", "build/demo"))

DATA = sm.datasets.randhie.load_pandas().data
DISEASES = DATA["disea"].to_numpy()
VISITS = DATA["mdvis"].to_numpy(int)


def stock() -> AbstractContextManager[None]:
    """Compile as PyTensor does without us."""
    return pytensor_stabilize.excluding("all")


def ours() -> AbstractContextManager[None]:
    """Compile with the rules, which the import has registered."""
    return nullcontext()


CONTEXTS = {"stock": stock, "ours": ours}


def build_model() -> pm.Model:
    """Return the zero-inflated Poisson regression of visits on chronic diseases."""
    with pm.Model(name="visits") as model:
        a = pm.Normal("a", 0, 10)
        b = pm.Normal("b", 0, 1)
        mu = pm.HalfNormal("mu", 5)
        psi = pm.math.sigmoid(a + b * DISEASES)
        pm.ZeroInflatedPoisson("y", psi=psi, mu=mu, observed=VISITS)
    return model


# %% [markdown]
# ## The compiled gradient, before and after
#
# The derivative of one person's log-likelihood (no visit) with respect to `eta = a + b * disea`.


# %%
def likelihood(eta: pt.TensorVariable, visits: int) -> pt.TensorVariable:
    """Log-likelihood of one count, spelled as PyMC spells it."""
    psi, mu = pt.sigmoid(eta), 4.0
    poisson = visits * np.log(mu) - mu - float(gammaln(visits + 1))
    if visits:
        return pt.log(psi) + poisson
    return pt.logaddexp(pt.log1p(-psi), pt.log(psi) + poisson)


def compile_gradient(visits: int, context: str, mode: Mode | None = None):
    """Compile d log-likelihood / d eta as PyMC does: rewritten before it is differentiated."""
    eta = pt.dvector("eta")
    with CONTEXTS[context]():
        logp = pm.pytensorf.rewrite_pregrad(likelihood(eta, visits).sum())
        return pytensor.function([eta], pt.grad(logp, eta), mode=mode)


def show_graphs() -> None:
    # Fusion makes one loop of it all and the last rule lets sigmoids share one exponential, which
    # is fast and hard to read.
    readable = get_default_mode().excluding("fusion", "inplace", "sigmoids_share_exp")
    functions = {name: compile_gradient(0, name, readable) for name in CONTEXTS}
    for name, function in functions.items():
        console.rule(f"compiled gradient of one log-likelihood, {name}")
        graphs.debugprint(function, depth=6, print_inner_graphs=False)
        counts = graphs.op_counts(function)
        print("\nops:", ", ".join(f"{op} {n}" for op, n in sorted(counts.items())), "\n")
    console.rule("diff, stock (-) against ours (+)")
    print(graphs.diff(*functions.values()), "\n")


def show_rules(events: bool) -> None:
    found = graphs.report(build_model())
    console.rule("rules that fired in the model's logp and dlogp, and how often")
    print(found if events else ", ".join(f"{rule} {n}" for rule, n in found.fired.items()), "\n")


# %% [markdown]
# ## Its error in ulps of the exact value


# %%
def in_ulps(value: float, error: float) -> str:
    return f"{error:.2g}" if np.isfinite(value) else str(value)


def show_errors() -> None:
    points = np.array([1.0, 10.0, 20.0, 30.0, 36.0, 37.0, 57.0, 300.0, -57.0, -300.0])
    table = Table(title="error of d logp / d eta, in ulps of the truth")
    table.add_column("eta", justify="right")
    columns: list[list[str]] = []
    for visits in (0, 3):
        eta = pt.dvector("eta")
        exact = graphs.truth(pt.grad(likelihood(eta, visits).sum(), eta), {eta: points})
        table.add_column(f"truth, y = {visits}", justify="right")
        columns.append([f"{value:.6g}" for value in exact.value])
        for name in CONTEXTS:
            table.add_column(name, justify="right")
            values = compile_gradient(visits, name)(points)
            errors = graphs.ulp_error(values, exact)
            columns.append([in_ulps(v, e) for v, e in zip(values, errors, strict=True)])
    for point, *cells in zip(points, *columns, strict=True):
        table.add_row(f"{point:g}", *cells)
    console.print(table)


# %% [markdown]
# ## What the optimiser does


# %%
def negative_logp(parameters: np.ndarray) -> tuple[float, np.ndarray]:
    """Model and gradient by hand, in a, b and log(mu): a truth that owes nothing to PyTensor."""
    a, b, log_mu = parameters
    mu, eta = np.exp(log_mu), a + b * DISEASES
    never, poisson = log_expit(-eta), log_expit(eta) - mu
    zero = np.logaddexp(never, poisson)
    terms = np.where(VISITS == 0, zero, poisson + VISITS * log_mu - gammaln(VISITS + 1))
    prior = -(a**2) / 200 - b**2 / 2 - mu**2 / 50
    prior -= np.log(10) + np.log(2 * np.pi) - 0.5 * np.log(2 / np.pi) + np.log(5)
    at_risk = np.exp(poisson - zero)
    by_eta = np.where(VISITS == 0, at_risk * expit(-eta) - (1 - at_risk) * expit(eta), expit(-eta))
    by_log_mu = np.where(VISITS == 0, -at_risk * mu, VISITS - mu).sum() - mu**2 / 25
    gradient = np.array([by_eta.sum() - a / 100, (by_eta * DISEASES).sum() - b, by_log_mu])
    return -(terms.sum() + prior), -gradient


def find_map(context: str) -> tuple[list[float], str, float]:
    """Return (a, b, log mu), the optimiser's own verdict, and the seconds it took."""
    begin = time.perf_counter()
    with CONTEXTS[context]():
        found = pm.find_MAP(
            model=build_model(), progressbar=False, return_inferencedata=True, jitter=False
        )
    seconds = time.perf_counter() - begin
    posterior, result = found.posterior, found.optimizer_result
    a, b, mu = (float(posterior[f"visits::{name}"].values.item()) for name in ("a", "b", "mu"))
    verdict = f"{'success' if bool(result.success) else 'failure'}, step {int(result.nit)}"
    return [a, b, float(np.log(mu))], verdict, seconds


def show_optimiser() -> None:
    truth = minimize(negative_logp, [1.0, 0.0, 1.0], jac=True, method="BFGS")
    table = Table(title="pm.find_MAP from its default start, and the true gradient at its result")
    for name in ("", "logp", "a", "b", "mu", "says", "gradient", "seconds"):
        table.add_column(name, justify="left" if name in ("", "says") else "right", no_wrap=True)
    rows = {"by hand": (list(truth.x), "", float("nan"))}
    rows |= {name: find_map(name) for name in CONTEXTS}
    for name, (parameters, verdict, seconds) in rows.items():
        value, gradient = negative_logp(np.array(parameters))
        a, b, log_mu = parameters
        numbers = (f"{-value:.2f}", f"{a:.4f}", f"{b:.4f}", f"{np.exp(log_mu):.4f}")
        slope = f"{np.abs(gradient).max():.1e}"
        table.add_row(name, *numbers, verdict, slope, "" if not verdict else f"{seconds:.1f}")
    console.print(table)


# %% [markdown]
# ## The picture: the error of the sigmoid's derivative


# %%
def save_picture(path: Path) -> None:
    """Plot the error of sigmoid' in ulps over x, stock against ours."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    x = pt.dvector("x")
    points = np.linspace(-60, 60, 1201)
    derivative = pt.grad(pt.sigmoid(x).sum(), x)
    exact = graphs.truth(derivative, {x: points})
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    # 2**52 ulps: not one digit of a float64 is right.
    axes.axhline(2.0**52, color="0.6", linewidth=0.8, linestyle=":")
    axes.text(-60, 2.0**52 * 2, "no correct digit", color="0.4", va="bottom")
    for name, colour in (("stock", "#c0392b"), ("ours", "#1f6f8b")):
        with CONTEXTS[name]():
            values = pytensor.function([x], derivative)(points)
        errors = np.maximum(graphs.ulp_error(values, exact), 2.0**-4)
        label = {"stock": "stock PyTensor", "ours": "with pytensor_stabilize"}[name]
        axes.semilogy(points, errors, ".", color=colour, markersize=3, label=label)
    axes.annotate(
        "the gradient is exactly 0 from x = 36.7 on",
        xy=(36.7, 2.0**52.3),
        xytext=(-35, 2.0**40),
        arrowprops={"arrowstyle": "->", "color": "0.3"},
        color="0.2",
    )
    axes.set(
        xlabel="x",
        ylabel="error of sigmoid'(x), ulps",
        title="Derivative of the sigmoid, float64, numba linker",
        ylim=(2.0**-5, 2.0**60),
        yscale="log",
    )
    axes.set_yscale("log", base=2)
    axes.legend(loc="center left", bbox_to_anchor=(0.02, 0.45))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)
    print(f"saved {path}")


# %%
def main() -> None:
    everything = "--all" in sys.argv
    if everything:
        pytensor_stabilize.show_config()
    show_graphs()
    show_rules(everything)
    show_errors()
    show_optimiser()
    save_picture(OUT / "sigmoid_gradient_error.png")


if __name__ == "__main__":
    main()
