"""Seconds of NUTS for an effective draw, stock and ours, of the stories whose chains suffer.

    python benchmarks/sampling.py [--draws 1000] [--repeats 3] [--only "gated mixture"]

CPU time of the draws after tuning, over the smallest effective sample size of the parameters as
they are sampled.  Where chains diverge an effective draw is not worth the name: they agree on a
part of the posterior.  "stuck" are chains that never move.
"""

import argparse
import importlib
import sys
from functools import partial
from pathlib import Path
from statistics import median

import arviz as az
import numpy as np
import pymc as pm
from pymc.exceptions import SamplingError
from versions import versions

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from storytelling import WAYS, way

CHAINS = 4
STORIES = {
    "Beta prior": ("beta_prior", {}),
    "ordered logistic": ("ordered_logistic", {}),
    "cross entropy, log1p(-p)": ("cross_entropy", {"spelling": "log1p(-p)"}),
    "zero-inflated Poisson": ("demo", {}),
    "gated mixture": ("gated_mixture", {}),
}


def measured(build, name: str, draws: int, seed: int) -> tuple[float, float, int]:
    """CPU seconds an effective draw, effective sample size, divergences."""
    with way(name), build():
        found = pm.sample(
            draws,
            tune=draws,
            chains=CHAINS,
            cores=1,
            nuts_sampler="pymc",
            random_seed=seed,
            progressbar=False,
            compute_convergence_checks=False,
            idata_kwargs={"include_transformed": True},
        )
    spent = float(found["sample_stats"]["process_time_diff"].sum())
    sizes = [np.min(v.to_numpy()) for v in az.ess(found["posterior"]).data_vars.values()]
    size = float(np.min(sizes))
    return spent / size, size, int(found["sample_stats"]["diverging"].sum())


def cells(build, name: str, draws: int, repeats: int) -> str:
    try:
        runs = [measured(build, name, draws, seed) for seed in range(1, repeats + 1)]
    except SamplingError:
        return "no start |  | "
    seconds, size, diverging = (median(column) for column in zip(*runs, strict=True))
    if not np.isfinite(seconds):
        return f"stuck |  | {diverging:.0f}"
    return f"{1000 * seconds:.2g} | {size:.0f} | {diverging:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--only", choices=STORIES, help="one of the stories")
    options = parser.parse_args()
    size = f"{CHAINS} chains of {options.draws} draws after as many of tuning"
    print(f"{versions()}; CPU time, {size}\n")
    head = "CPU milliseconds an effective draw | effective draws | divergences"
    heads = [f"{name}: {part}" for name in WAYS for part in head.split(" | ")]
    print(f"| model | {' | '.join(heads)} |")
    print("|---" * 7 + "|")
    for title, (module, arguments) in STORIES.items():
        if options.only not in (None, title):
            continue
        build = partial(importlib.import_module(module).build_model, **arguments)
        parts = [cells(build, name, options.draws, options.repeats) for name in WAYS]
        print(f"| {title} | {' | '.join(parts)} |", flush=True)


if __name__ == "__main__":
    main()
