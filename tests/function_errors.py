"""Errors of the functions in `function_table`, of every quantity up to the second derivative."""

from functools import cache

import numpy as np
import pytensor
import pytensor.tensor as pt
from function_table import Case
from helpers import linker
from pytensor.graph.traversal import graph_inputs

from pytensor_stabilize.graphs import Truth, truth, ulp_error
from pytensor_stabilize.graphs.ulps import spacing

STEP = 2.0**-12


def inputs_of(case: Case, dtype: str) -> list[pt.TensorVariable]:
    return [pt.vector(name, dtype=dtype) for name in case.variables]


def quantities(y, arguments, names: str) -> dict[str, pt.TensorVariable]:
    """Value, gradient and the upper half of the Hessian, by name."""
    found = {"value": y}
    firsts = pt.grad(y.sum(), arguments)
    for i, (name, first) in enumerate(zip(names, firsts, strict=True)):
        found[f"d{name}"] = first
        rest = arguments[i:]
        seconds = pt.grad(first.sum(), rest, disconnected_inputs="ignore")
        for other, second in zip(names[i:], seconds, strict=True):
            found[f"d{name}d{other}"] = second
    return found


def order_of(quantity: str) -> int:
    return 0 if quantity == "value" else quantity.count("d")


def given(graph, arguments, points) -> dict:
    """The points of those arguments that a graph depends on."""
    known = set(graph_inputs([graph]))
    return {a: p for a, p in zip(arguments, points, strict=True) if a in known}


@cache
def _exact(case_index: int, dtype: str):
    from function_table import CASES

    case = CASES[case_index]
    arguments = inputs_of(case, dtype)
    points = case.points(dtype)
    graphs = quantities(case.formula(*arguments), arguments, case.variables)
    if case.first is not None:
        (x,) = arguments
        graphs["dx"], graphs["dxdx"] = case.first(x), case.second(x)
    names = list(graphs)
    truths = [truth(graphs[name], given(graphs[name], arguments, points)) for name in names]
    scales = {}
    for name, exact in zip(names, truths, strict=True):
        scale = np.abs(exact.value.astype(np.float64))
        if order_of(name) in case.zeros:
            for i, column in enumerate(points):
                moved = list(points)
                moved[i] = (column * (1 + STEP)).astype(dtype)
                there = truth(graphs[name], given(graphs[name], arguments, moved))
                change = np.abs(there.value.astype(np.float64) - exact.value) / STEP
                scale = np.fmax(scale, change)
        scales[name] = scale
    return points, dict(zip(names, truths, strict=True)), scales


def errors(actual: np.ndarray, exact: Truth, scale: np.ndarray) -> np.ndarray:
    """Errors in ulps of `scale`; below the normal floats, in smallest normal floats."""
    info = np.finfo(exact.value.dtype)
    found = ulp_error(actual, exact)
    wide = np.minimum(scale, float(info.max)).astype(exact.value.dtype)
    found = found * (spacing(exact.value) / spacing(wide))
    tiny = np.abs(exact.value) < info.tiny
    with np.errstate(over="ignore"):
        flushed = np.abs(actual.astype(np.float64)) / float(info.tiny)
    return np.where(exact.decided, np.where(tiny, np.minimum(flushed, found), found), 0.0)


@cache
def worst(case_index: int, dtype: str, linker_name: str) -> dict[str, tuple[float, tuple]]:
    """Largest error of each quantity, all compiled together, and the point that has it."""
    from function_table import CASES

    case = CASES[case_index]
    points, truths, scales = _exact(case_index, dtype)
    arguments = inputs_of(case, dtype)
    graphs = quantities(case(*arguments), arguments, case.variables)
    with linker(linker_name) as mode:
        function = pytensor.function(
            arguments, list(graphs.values()), mode=mode, on_unused_input="ignore"
        )
        values = [np.asarray(value) for value in function(*points)]
    found = {}
    for name, value in zip(graphs, values, strict=True):
        # Second derivatives of float32 may be float64: PyTensor's pullback of comparisons is.
        error = errors(value.astype(dtype), truths[name], scales[name])
        i = int(np.argmax(error))
        found[name] = float(error[i]), tuple(float(column[i]) for column in points)
    return found
