"""Whole models for `speed.py`: gradient evaluations and NUTS, stock against ours."""

import time
import warnings
from contextlib import nullcontext
from statistics import median

import numpy as np
import pymc as pm
from measured_time import interleaved

import pytensor_stabilize

ROWS, COLUMNS = 10_000, 5
SIDES = ("stock", "ours")


def side(name: str):
    return pytensor_stabilize.excluding("all") if name == "stock" else nullcontext()


def data() -> tuple[np.ndarray, np.ndarray]:
    """Covariates, and log odds that vary by about 2."""
    rng = np.random.default_rng(7)
    covariates = rng.normal(size=(ROWS, COLUMNS))
    return covariates, covariates @ np.linspace(-1, 1, COLUMNS) + rng.logistic(size=ROWS)


def logistic() -> pm.Model:
    covariates, latent = data()
    with pm.Model() as model:
        slopes = pm.Normal("slopes", 0, 1, shape=COLUMNS)
        pm.Bernoulli("y", logit_p=covariates @ slopes, observed=(latent > 0).astype(int))
    return model


def ordinal() -> pm.Model:
    covariates, latent = data()
    with pm.Model() as model:
        slopes = pm.Normal("slopes", 0, 1, shape=COLUMNS)
        cutpoints = pm.Normal(
            "cutpoints",
            0,
            3,
            shape=3,
            transform=pm.distributions.transforms.ordered,
            initval=np.array([-1.0, 0.0, 1.0]),
        )
        pm.OrderedLogistic(
            "y",
            eta=covariates @ slopes,
            cutpoints=cutpoints,
            observed=np.digitize(latent, [-1.5, 0.0, 1.5]),
            compute_p=False,
        )
    return model


def gradients_a_second(build, repeats: int) -> dict[str, float]:
    """Evaluations of logp and its gradient."""
    calls = {}
    for name in SIDES:
        with side(name):
            model = build()
            function = model.logp_dlogp_function(ravel_inputs=True)
            function.set_extra_values({})
            start = pm.blocking.DictToArrayBijection.map(model.initial_point())
        calls[name] = lambda function=function, start=start: function(start)
    return {name: 1e9 / t for name, t in interleaved(calls, 1, repeats).items()}


def nuts(build, repeats: int) -> dict[str, float]:
    """Gradient evaluations a second while NUTS samples, compilation left out."""
    rates: dict[str, list[float]] = {name: [] for name in SIDES}
    for repeat in range(repeats):
        for name in SIDES:
            with side(name), build(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                step = pm.NUTS()
                begin = time.process_time()
                trace = pm.sample(
                    draws=200,
                    tune=200,
                    chains=1,
                    cores=1,
                    step=step,
                    random_seed=repeat,
                    progressbar=False,
                    compute_convergence_checks=False,
                    discard_tuned_samples=False,
                )
                elapsed = time.process_time() - begin
            groups = (trace.sample_stats, trace.warmup_sample_stats)
            rates[name].append(sum(float(g["n_steps"].sum()) for g in groups) / elapsed)
    return {name: median(values) for name, values in rates.items()}


def table(repeats: int) -> None:
    print("\n| model, 10,000 rows | | stock | ours | ours / stock |")
    print("|---|---|---|---|---|")
    for title, build in (("logistic regression", logistic), ("ordinal regression", ordinal)):
        for what, measure, times in (
            ("logp and gradient a second", gradients_a_second, repeats),
            ("gradients a second in NUTS", nuts, 3),
        ):
            rates = measure(build, times)
            print(
                f"| {title} | {what} | {rates['stock']:,.0f} | {rates['ours']:,.0f} | "
                f"{rates['ours'] / rates['stock']:.2f} |",
                flush=True,
            )
