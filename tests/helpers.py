"""Shared by the tests: modes to run under, points, exact values and errors in ulps."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import mpmath
import numpy as np
import pytensor
from pytensor.compile.mode import Mode, get_mode

mpmath.mp.dps = 60

LINKERS = ("numba", "numba_strict", "cvm", "jax")


@contextmanager
def linker(name: str) -> Iterator[Mode]:
    """Mode of a linker; "numba_strict" is numba without fast-math."""
    fastmath = name != "numba_strict"
    with pytensor.config.change_flags(numba__fastmath=fastmath):
        yield get_mode(name.partition("_")[0].upper())


def rewritten() -> Mode:
    """Mode whose graphs show what the rules made: no fusion, no inplace, no lowering."""
    return get_mode("NUMBA").excluding("fusion", "inplace", "sigmoids_share_exp")


def compile_rewritten(inputs, outputs, mode: Mode | None = None):
    return pytensor.function(inputs, outputs, mode=mode or rewritten(), on_unused_input="ignore")


def points(dtype: str = "float64", limit: float = 745.0) -> np.ndarray:
    """400 points: even over the range, and dense near 0."""
    near = np.logspace(-30, 0, 50)
    return np.concatenate([np.linspace(-limit, limit, 300), near, -near]).astype(dtype)


def exact_sigmoid(x: float) -> mpmath.mpf:
    return 1 / (1 + mpmath.exp(-mpmath.mpf(float(x))))


def ulps(actual: np.ndarray, exact: list[mpmath.mpf], scale: list[mpmath.mpf] | None = None):
    """Errors in ulps of the exact value (or of `scale`), where that is a normal float."""
    info = np.finfo(actual.dtype)
    errors = []
    for a, e, s in zip(actual, exact, scale or exact, strict=True):
        magnitude = abs(s)
        if magnitude > mpmath.mpf(float(info.max)):
            errors.append(0.0 if np.isinf(a) and mpmath.sign(e) == np.sign(a) else np.inf)
            continue
        if magnitude < mpmath.mpf(float(info.tiny)):
            errors.append(0.0)
            continue
        if not np.isfinite(a):
            errors.append(np.inf)
            continue
        spacing = mpmath.mpf(float(np.spacing(np.asarray(float(magnitude), dtype=actual.dtype))))
        errors.append(float(abs(mpmath.mpf(float(a)) - e) / spacing))
    return np.array(errors)


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
