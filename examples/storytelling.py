"""What the stories share: the two ways to compile, starts, chains, optima, tables and pictures.

Every story runs in a short form as well (``--quick``, or EXAMPLES_QUICK=1): fewer starts, chains
only where they are the story, no optima, and graphs that are run by Python in place of machine
code.  Pictures go to the folder EXAMPLES_OUT.
"""

import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import arviz as az
import matplotlib
import numpy as np
import pymc as pm
from pymc.blocking import DictToArrayBijection
from pymc.exceptions import SamplingError
from pymc.initial_point import make_initial_point_fn
from pytensor.compile.mode import Mode, get_mode

import pytensor_stabilize

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import Image
from scipy.special import expit

warnings.simplefilter("ignore", FutureWarning)
warnings.simplefilter("ignore", RuntimeWarning)
logging.getLogger("pymc").setLevel(logging.ERROR)

QUICK = "--quick" in sys.argv or os.environ.get("EXAMPLES_QUICK", "") not in ("", "0")
OUT = Path(os.environ.get("EXAMPLES_OUT", "build/examples"))
STARTS = 8 if QUICK else 50
COLOURS = {"stock": "#c0392b", "ours": "#1f5fa8"}
LABELS = {"stock": "stock PyTensor", "ours": "with pytensor_stabilize"}

Build = Callable[[], pm.Model]
Point = dict[str, np.ndarray]


def way(name: str) -> AbstractContextManager[None]:
    """Compile as PyTensor does without us ("stock"), or with the rules ("ours")."""
    return pytensor_stabilize.excluding("all") if name == "stock" else nullcontext()


WAYS = ("stock", "ours")


def mode() -> Mode | None:
    """PyTensor's default mode; in the short form the same graphs, not compiled."""
    return get_mode("NUMBA").excluding("fusion").clone(linker="py") if QUICK else None


@dataclass(frozen=True)
class Starts:
    """How many of PyMC's jittered starts are of use."""

    logp: int
    gradient: int
    of: int = STARTS

    @property
    def cell(self) -> str:
        """Its part of a table."""
        return f"{self.logp}, {self.gradient} of {self.of}"


def value_and_gradient(build: Build, name: str):
    """Compile logp and its gradient in the unconstrained parameters, and jittered starts."""
    with way(name):
        model = build()
        function = model.logp_dlogp_function(ravel_inputs=True, mode=mode())
    function.set_extra_values({})
    names = [variable.name for variable in function._grad_vars]
    start = make_initial_point_fn(model=model, jitter_rvs=set(model.free_RVs))

    def at(point: Mapping[str, object]) -> tuple[float, np.ndarray]:
        value, gradient = function(DictToArrayBijection.map({n: point[n] for n in names}))
        return float(value), np.asarray(gradient)

    return at, start


def starts(build: Build, name: str) -> Starts:
    """Count the jittered starts that have a finite logp, and also a finite gradient."""
    at, start = value_and_gradient(build, name)
    logp = gradient = 0
    for seed in range(STARTS):
        value, slope = at(start(seed))
        logp += bool(np.isfinite(value))
        gradient += bool(np.isfinite(value) and np.isfinite(slope).all())
    return Starts(logp, gradient)


@dataclass
class Chains:
    """What `pm.sample` did."""

    seconds: float
    error: str = ""
    divergences: int = 0
    stuck: int = 0
    rhat: float = float("nan")
    draws: int = 0
    posterior: dict[str, np.ndarray] = field(default_factory=dict)

    def mean(self, name: str) -> str:
        """Posterior mean of a parameter, for a table."""
        if self.error:
            return ""
        return " ".join(f"{v:.4g}" for v in np.ravel(self.posterior[name].mean((0, 1))))

    @property
    def cells(self) -> dict[str, str]:
        """Its part of a table."""
        if self.error:
            return {"divergences": self.error, "R-hat": "", "seconds": f"{self.seconds:.1f}"}
        return {
            "divergences": f"{self.divergences} of {self.draws}",
            "R-hat": f"{self.rhat:.2f}",
            "seconds": f"{self.seconds:.1f}",
        }


def sample(build: Build, name: str, seed: int = 1, draws: int = 500, tune: int = 500) -> Chains:
    """Two chains of PyMC's NUTS, with its default settings but for the number of draws."""
    more: dict[str, object] = {}
    if QUICK:
        draws, tune, more = 25, 25, {"nuts": {"max_treedepth": 5}}
    begin = time.perf_counter()
    with way(name), build():
        try:
            found = pm.sample(
                draws,
                tune=tune,
                chains=2,
                cores=1,
                nuts_sampler="pymc",  # and not nutpie, where that is installed
                random_seed=seed,
                progressbar=False,
                compute_convergence_checks=False,
                compile_kwargs={"mode": mode()},
                idata_kwargs={"include_transformed": True},
                **more,
            )
        except SamplingError:
            return Chains(time.perf_counter() - begin, error="raises")
    seconds = time.perf_counter() - begin
    values = {str(k): v.to_numpy() for k, v in found["posterior"].data_vars.items()}
    flat = {k: v.reshape(2, v.shape[1], -1) for k, v in values.items()}
    # A chain that never moves has no variance, and R-hat of two such chains is infinite.
    stuck = sum(all(np.ptp(v[chain], axis=0).max() == 0 for v in flat.values()) for chain in (0, 1))
    worst = [np.max(v.to_numpy()) for v in az.rhat(found["posterior"]).data_vars.values()]
    rhat = float(np.max(worst))
    diverging = int(found["sample_stats"]["diverging"].sum())
    return Chains(seconds, "", diverging, stuck, rhat, 2 * draws, values)


@dataclass
class Optimum:
    """What `pm.find_MAP` returned."""

    seconds: float
    error: str = ""
    verdict: str = ""
    logp: float = float("nan")
    slope: float = float("nan")
    point: Point = field(default_factory=dict)

    @property
    def cells(self) -> dict[str, str]:
        """Its part of a table."""
        if self.error:
            return {"find_MAP": self.error, "logp": "", "gradient there": ""}
        cells = {"find_MAP": self.verdict, "logp": f"{self.logp:.2f}"}
        return cells | {"gradient there": f"{self.slope:.1e}"}


def optimum(build: Build, name: str) -> Optimum:
    """`pm.find_MAP` from its default start; logp and gradient at its result are those of ours."""
    begin = time.perf_counter()
    with way(name):
        model = build()
        try:
            found, result = pm.find_MAP(
                model=model,
                progressbar=False,
                return_raw=True,
                compile_kwargs={"mode": mode()},
            )
        except SamplingError:
            return Optimum(time.perf_counter() - begin, error="raises")
    seconds = time.perf_counter() - begin
    model = build()
    at = {v.name: found[v.name] for v in model.value_vars}
    logp = float(model.compile_logp(jacobian=False, mode=mode())(at))
    slope = np.abs(model.compile_dlogp(jacobian=False, mode=mode())(at)).max()
    verdict = "success" if result is not None and result.success else "failure"
    return Optimum(seconds, "", verdict, logp, float(slope), found)


def table(title: str, rows: Mapping[str, Mapping[str, object]]) -> None:
    """Print rows of named cells under a title."""
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    lines = [["", *columns]]
    lines += [[name, *(str(row.get(key, "")) for key in columns)] for name, row in rows.items()]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns) + 1)]
    print(f"\n{title}")
    for i, line in enumerate(lines):
        cells = [line[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        print("  ".join(cells).rstrip())
        if i == 0:
            print("  ".join("-" * width for width in widths))


@dataclass(frozen=True)
class Told:
    """Starts, chains and optimum of a model, compiled in one way."""

    starts: Starts
    chains: Chains
    optimum: Optimum


def compare(
    title: str, build: Build, means: Iterable[str] = (), **sampling: int
) -> dict[str, Told]:
    """Starts, chains and optimum of a model, stock and ours, as a printed table.

    The short form has the starts alone.
    """
    told, rows = {}, {}
    for name in WAYS:
        chains, best = Chains(0.0, error="not run"), Optimum(0.0, error="not run")
        if not QUICK:
            chains, best = sample(build, name, **sampling), optimum(build, name)
        found = Told(starts(build, name), chains, best)
        told[name] = found
        rows[name] = {"finite logp, gradient": found.starts.cell, **found.chains.cells}
        rows[name] |= {f"mean {m}": found.chains.mean(m) for m in means}
        rows[name] |= found.optimum.cells
    table(title, rows)
    print()
    return told


def compare_spellings(
    title: str,
    build: Callable[[str], pm.Model],
    spellings: Iterable[str],
    quick: Iterable[str] = (),
    **sampling: int,
) -> dict[str, dict[str, Told]]:
    """Starts and chains of one model in several spellings, stock and ours, as a printed table.

    Chains of the short form are those of the spellings `quick`.
    """
    told: dict[str, dict[str, Told]] = {}
    rows = {}
    for spelling in spellings:
        told[spelling] = {}
        for name in WAYS:
            chains = Chains(0.0, error="not run")
            if not QUICK or spelling in quick:
                chains = sample(partial(build, spelling), name, **sampling)
            found = Told(starts(partial(build, spelling), name), chains, Optimum(0.0, "not run"))
            told[spelling][name] = found
            rows[f"{spelling}, {name}"] = {
                "finite logp, gradient": found.starts.cell,
                **chains.cells,
                "stuck chains": chains.stuck,
                "mean of b": chains.mean("b"),
            }
    if not any(found.chains.stuck for ways in told.values() for found in ways.values()):
        rows = {
            name: {k: v for k, v in row.items() if "stuck" not in k} for name, row in rows.items()
        }
    table(title, rows)
    print()
    return told


def breast_cancer(*columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Raw columns of scikit-learn's breast cancer data, and which of the tumours are benign."""
    from sklearn.datasets import load_breast_cancer

    found = load_breast_cancer()
    return found.data[:, columns], found.target


def draw_malignant(
    axes, build_row: Callable[[str], pm.Model], spelling: str, etas: np.ndarray
) -> dict[str, np.ndarray]:
    """The gradient of a malignant case by its prediction eta, which is -sigmoid(eta) if right."""
    lines = line_of(partial(build_row, spelling), [{"eta": eta} for eta in etas])
    slopes = {name: line[:, 1] for name, line in lines.items()}
    draw_ways(axes, etas, slopes)
    axes.plot(etas, -expit(etas), "k:", linewidth=1, label="without a guard")
    axes.set(xlabel="eta", title=f"gradient of a malignant case, {spelling}")
    return slopes


def claim(text: str, holds: bool, full: bool = False) -> None:
    """Print what a run has shown; end it if that is not so.

    What only the full form can show (`full`) is left out of the short one.
    """
    if full and QUICK:
        return
    if not holds:
        raise SystemExit(f"This does not hold: {text}")
    print(f"- {text}")


def line_of(build: Build, points: Iterable[Mapping[str, object]]) -> dict[str, np.ndarray]:
    """Logp and gradient of a model at some points: a row a point, logp first, for both ways."""
    points = list(points)
    found = {}
    for name in WAYS:
        at, _ = value_and_gradient(build, name)
        rows = [at(point) for point in points]
        found[name] = np.array([np.concatenate([[value], slope]) for value, slope in rows])
    return found


def panels(count: int = 2) -> tuple[Figure, list]:
    """A picture of some panels side by side."""
    figure, axes = plt.subplots(1, count, figsize=(4.8 * count, 3.6), layout="constrained")
    listed = list(np.atleast_1d(axes))
    for each in listed:
        each.spines[["top", "right"]].set_visible(False)
        each.grid(color="0.92")
        each.set_axisbelow(True)
    return figure, listed


def draw_ways(axes, x: np.ndarray, values: Mapping[str, np.ndarray], **kwargs) -> None:
    """One curve for each way; where stock has no number there is no curve."""
    for name, width in (("ours", 3.0), ("stock", 1.4)):
        axes.plot(
            x, values[name], color=COLOURS[name], linewidth=width, label=LABELS[name], **kwargs
        )
    lost = ~np.isfinite(values["stock"])
    if lost.any():
        top = axes.get_ylim()[1]
        axes.fill_between(
            x,
            *axes.get_ylim(),
            where=lost,
            color=COLOURS["stock"],
            alpha=0.1,
            linewidth=0,
            label="stock: nan or infinite",
        )
        axes.set_ylim(top=top)


def draw_traces(axes, draws: Mapping[str, np.ndarray]) -> None:
    """The chains of each way, one after the other in the order of the draws."""
    for name, chains in draws.items():
        for i, chain in enumerate(chains):
            axes.plot(
                chain,
                color=COLOURS[name],
                linewidth=0.8,
                alpha=0.8,
                label=LABELS[name] if i == 0 else None,
            )
    axes.set_xlabel("draw")


def save(figure: Figure, name: str) -> None:
    """Save a picture of a story."""
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"{name}.png"
    figure.savefig(path, dpi=110)
    plt.close(figure)
    # Lines on white need few colours: a third of the size.
    Image.open(path).convert("RGB").quantize(64).save(path, optimize=True)
    print(f"\nsaved {name}.png")
