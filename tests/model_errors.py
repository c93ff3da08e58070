"""Errors of logp and dlogp of the models in `model_table`, compiled with and without our rules."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import numpy as np
import pymc as pm
import pytensor
from pytensor.compile.mode import Mode, get_mode

import pytensor_stabilize
from pytensor_stabilize.graphs.truth import Evaluator

QUANTITIES = ("logp", "dlogp")
ETAS = {
    "float64": (3, 12, 20, 30, 36, 37, 38, 40, 60, 100, 300, 700),
    "float32": (3, 8, 12, 17, 18, 25, 40, 80),
}
# Beyond the normal floats of sigmoid(-a).
BEYOND = {"float64": (800.0, -800.0), "float32": (120.0, -120.0)}
# Where a result is wrong: a sampler does not notice less.
WRONG = {"float64": 1e-6, "float32": 1e-3}
# Enough for the normal distribution at 100; at 300 it has 65,000 bits of zeros before its digits.
MAX_BITS = 2**14

Compiled = dict[str, Callable]


def settings(dtype: str):
    """The process-wide settings under which a model of this dtype is built and compiled.

    PyTensor's default policy makes the 2.5 of ``log(2.5)`` a float32, so that every result would
    be off by 1e-8 with our rules and without.
    """
    return pytensor.config.change_flags(floatX=dtype, cast_policy="numpy+floatX")


def quick_mode() -> Mode:
    """What the default mode rewrites, run by NumPy: nothing is compiled.

    Of C's mode and not numba's: without "inplace" numba's indexed fusion writes twice into one
    array of zeros, and the gradient of an ordered logistic model is twice what it should be.
    """
    return Mode("py", get_mode("CVM").excluding("fusion", "inplace").provided_optimizer)


def build_model(build: Callable[[], None]) -> pm.Model:
    with pm.Model() as model:
        build()
    return model


def compiled(build: Callable[[], None], stock: bool, mode: Mode | None) -> Compiled:
    """Functions of eta: logp and its gradient, as PyMC compiles them."""
    with pytensor_stabilize.excluding("all") if stock else nullcontext():
        model = build_model(build)
        start = model.initial_point()
        functions = model.compile_logp(mode=mode), model.compile_dlogp(mode=mode)
    (value,) = model.value_vars
    shape, dtype = start[value.name].shape, value.type.dtype

    def at(function):
        def evaluate(eta: float) -> np.ndarray:
            with np.errstate(all="ignore"):
                result = function({value.name: np.full(shape, eta, dtype)})
            return np.atleast_1d(np.asarray(result, dtype=np.float64)).ravel()

        return evaluate

    return dict(zip(QUANTITIES, map(at, functions), strict=True))


def exact_values(build: Callable[[], None], etas: Sequence[float]) -> dict[str, list[np.ndarray]]:
    """logp and its gradient at each eta; nan where the exact value is not known."""
    model = build_model(build)
    start = model.initial_point()
    (value,) = model.value_vars
    logp = model.logp()
    data = list(model.data_vars)
    evaluator = Evaluator([logp, pytensor.grad(logp, value)], [value, *data])
    given = [d.get_value() for d in data]
    shape, dtype = start[value.name].shape, value.type.dtype
    found: dict[str, list[np.ndarray]] = {name: [] for name in QUANTITIES}
    for eta in etas:
        truths = evaluator([np.full(shape, eta, dtype), *given], MAX_BITS)
        for name, truth in zip(QUANTITIES, truths, strict=True):
            exact = np.where(truth.decided, truth.value, np.nan)
            found[name].append(np.atleast_1d(exact.astype(np.float64)).ravel())
    return found


def relative_error(actual: np.ndarray, exact: np.ndarray, dtype: str) -> float:
    """The largest of the elements, as a part of the exact value.

    Values below the normal floats may be flushed to 0; exact values beyond the floats are no
    measure of anything.
    """
    tiny = np.finfo(dtype).tiny
    with np.errstate(all="ignore"):
        difference = np.abs(actual - exact) / np.maximum(np.abs(exact), tiny)
    error = np.where(np.isfinite(actual), difference, np.inf)
    counted = np.isfinite(exact) & ((np.abs(exact) >= tiny) | ~(np.abs(actual) <= tiny))
    return float(np.max(error, where=counted, initial=0.0))


def wrong_beyond(functions: Compiled, exact: dict[str, list[np.ndarray]], dtype: str) -> bool:
    """Whether logp or dlogp is wrong at one of the arguments of `BEYOND`."""
    return any(
        np.isfinite(value).any() and wrong(name, functions[name](eta), value, dtype)
        for name in QUANTITIES
        for eta, value in zip(BEYOND[dtype], exact[name], strict=True)
    )


def wrong(name: str, actual: np.ndarray, exact: np.ndarray, dtype: str) -> bool:
    """Whether a result is wrong to the eye; a logp of 0 for -1e-17 is not, nor 1e-17 for 0."""
    if name == "logp" and np.abs(actual - exact).max() <= WRONG[dtype]:
        return False
    zero = (np.abs(exact) < np.finfo(dtype).tiny) & (np.abs(actual) <= WRONG[dtype])
    return relative_error(np.where(zero, exact, actual), exact, dtype) > WRONG[dtype]
