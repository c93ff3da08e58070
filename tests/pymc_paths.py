"""The ways by which PyMC compiles a model, and which of our rules run on each.

Run as a program it prints them as JSON; what a process is started with cannot be changed in it.
"""

import json
import logging
import sys
import warnings
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.compile.mode import Mode

import pytensor_stabilize  # noqa: F401
from pytensor_stabilize.rewrites import engine

QUIET = {"progressbar": False, "random_seed": 1}


def model() -> pm.Model:
    """Its start is fine, and its gradient is nan at 40 without our rules."""
    with pm.Model() as built:
        a = pm.Normal("a", 0, 3)
        pm.Potential("y", pt.log1p(-pm.math.sigmoid(a)))
    return built


def options(mode: Mode | None) -> dict:
    return {} if mode is None else {"compile_kwargs": {"mode": mode}}


def compile_logp(built: pm.Model, mode: Mode | None) -> None:
    built.compile_logp(mode=mode)


def compile_dlogp(built: pm.Model, mode: Mode | None) -> None:
    built.compile_dlogp(mode=mode)


def find_map(built: pm.Model, mode: Mode | None) -> None:
    pm.find_MAP(model=built, progressbar=False, **options(mode))


def fit(built: pm.Model, mode: Mode | None) -> None:
    pm.fit(3, model=built, **options(mode), **QUIET)


def sample(built: pm.Model, mode: Mode | None) -> None:
    pm.sample(
        3,
        tune=3,
        chains=1,
        cores=1,
        model=built,
        compute_convergence_checks=False,
        **options(mode),
        **QUIET,
    )


def nutpie(built: pm.Model, mode: Mode | None) -> None:
    import nutpie as engine_of_its_own

    engine_of_its_own.compile_pymc_model(built)


def numpyro(built: pm.Model, mode: Mode | None) -> None:
    from pymc.sampling.jax import get_jaxified_logp

    get_jaxified_logp(built)


PATHS: dict[str, Callable[[pm.Model, Mode | None], None]] = {
    path.__name__: path
    for path in (compile_logp, compile_dlogp, find_map, fit, sample, nutpie, numpyro)
    if path not in (nutpie, numpyro) or find_spec({nutpie: "nutpie", numpyro: "jax"}[path])
}


def fired(name: str, mode: Mode | None = None) -> list[str]:
    """Rules that run on a path."""
    found: list[str] = []
    note = engine.note_fired

    def listening(fgraph, rule, old, new):
        found.append(rule)
        return note(fgraph, rule, old, new)

    logging.getLogger("pymc").setLevel(logging.ERROR)
    engine.note_fired = listening
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            PATHS[name](model(), mode)
    finally:
        engine.note_fired = note
    return sorted(set(found))


if __name__ == "__main__":
    print(json.dumps({name: fired(name) for name in sys.argv[1:] or PATHS}))
