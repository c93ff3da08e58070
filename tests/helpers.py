"""Shared by the tests: modes to run under, points, exact values and errors in ulps."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import Mode, get_mode
from pytensor.graph.fg import FunctionGraph

from pytensor_stabilize.graphs import Truth, truth, ulp_error
from pytensor_stabilize.graphs.ulps import spacing
from pytensor_stabilize.rewrites.rules import REAL, Rule
from pytensor_stabilize.rewrites.trace import Event, recording

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


def second_pass(once: FunctionGraph) -> FunctionGraph:
    """A rewritten graph, rewritten again."""
    return compile_rewritten(list(once.inputs), list(once.outputs)).maker.fgraph


def fired_again(once: FunctionGraph) -> list[Event]:
    """What our rules do in a rewritten graph when it is rewritten again: nothing, as a rule."""
    with recording() as recorder:
        second_pass(once)
    return [event for event in recorder.events if event.outcome == "fired"]


def with_gradients(function, count: int, order: int, dtype: str = "float64"):
    """Vectors x, y; a function of the first `count`, and its gradients in x up to an order."""
    args = [pt.vector(name, dtype=dtype) for name in "xy"[:count]]
    outputs = [function(*args)]
    for _ in range(order):
        outputs.append(pytensor.grad(outputs[-1].sum(), args[0]))
    return args, outputs


def together_and_alone(args, outputs, columns, mode: Mode):
    """The values of outputs that are compiled in one function, and of each in its own."""
    together = pytensor.function(args, outputs, mode=mode)(*columns)
    alone = [
        pytensor.function(args, o, mode=mode, on_unused_input="ignore")(*columns) for o in outputs
    ]
    return together, alone


def points(dtype: str = "float64", limit: float = 745.0) -> np.ndarray:
    """400 points: even over the range, and dense near 0."""
    near = np.logspace(-30, 0, 50)
    return np.concatenate([np.linspace(-limit, limit, 300), near, -near]).astype(dtype)


def exact_sigmoid(at: float) -> float:
    """Correctly rounded value of the sigmoid."""
    x = pt.dscalar("x")
    return float(truth(pt.sigmoid(x), {x: float(at)}))


def ulps(actual: np.ndarray, exact: Truth, scale: Truth | None = None) -> np.ndarray:
    """Errors in ulps of the exact value (or of `scale`), where that is a normal float."""
    scale = exact if scale is None else scale
    errors = ulp_error(actual, exact) * (spacing(exact.value) / spacing(scale.value))
    return np.where(np.abs(scale.value) < np.finfo(scale.value.dtype).tiny, 0.0, errors)


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def rule_of(transform, *tracks, name="one_minus_sigmoid", **options):
    """A rule that does nothing but what a test wants, under the name of one that there is."""
    return Rule(
        name=name,
        before=lambda x: x,
        after=lambda x: x,
        domain={"x": REAL},
        promise=1.0,
        mends="nothing",
        databases=("stabilize",),
        tracks=tracks or (pt.add,),
        transform=transform,
        **options,
    )
