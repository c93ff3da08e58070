"""Errors of a PyMC model's logp and dlogp, and of the rows of its data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import explicit_graph_inputs

from pytensor_stabilize.graphs.auditing.guards import without_guards
from pytensor_stabilize.graphs.auditing.measure import (
    DEFAULT_MODES,
    gradients,
    run_audit,
)
from pytensor_stabilize.graphs.auditing.progress import check_display
from pytensor_stabilize.graphs.auditing.result import Audit
from pytensor_stabilize.graphs.auditing.sampling import Points
from pytensor_stabilize.graphs.auditing.ways import Way, ways_of
from pytensor_stabilize.graphs.report import is_pymc_model
from pytensor_stabilize.graphs.truth import check_value, import_exact
from pytensor_stabilize.rewrites.checks import check_count, shown

DEFAULT_DRAWS = 20
DEFAULT_ROWS = 5000


def audit_model(
    model: Any,
    point: Any = None,
    draws: Any = None,
    *,
    modes: Sequence[Any] = DEFAULT_MODES,
    n_draws: int = DEFAULT_DRAWS,
    rows: int = DEFAULT_ROWS,
    seed: int = 0,
    nodes: bool = True,
    progress: bool | None = None,
) -> Audit:
    """Measure the errors of a PyMC model's logp, its gradient, and the logp of each row of data.

    The model is compiled as PyMC does it: rewritten once before it is differentiated.  The truth
    is that of the model as it was written.

    Parameters
    ----------
    model
        A `pymc.Model`.
    point
        Where to look: a dict from value variables (names as in ``model.initial_point()``,
        ``sigma_log__`` for a transformed sigma) to values, or a list of such dicts.  What is
        missing is taken from the initial point, which is also the default.
    draws
        A posterior (InferenceData, DataTree or Dataset, as `pymc.sample` returns it) to look
        along instead.
    modes
        As for `audit`.
    n_draws
        Draws to look at, spread evenly over the posterior.
    rows
        Rows of each observed variable to look at singly, drawn at random if it has more.  logp
        and its gradient always take all rows.
    seed
        Seed for the rows.
    nodes, progress
        As for `audit`.

    Returns
    -------
    Audit
        Outputs "logp", "d logp / d ..." for each free variable, and "logp of ..., by row" for
        each observed one.  A blamed node names the elements, which in a node of the data's shape
        are its rows.

    Raises
    ------
    TypeError
        `model` is no PyMC model, `draws` no posterior, or an option of another type than it has
        to be.
    ValueError
        A point names an unknown variable or has a wrong shape, the posterior lacks a variable,
        or the model depends on inputs that have no value.
    """
    import_exact()
    if not is_pymc_model(model):
        raise TypeError(
            f"audit_model() takes a pymc.Model, got {shown(model)} of type {type(model).__name__}. "
            "For variables use audit()."
        )
    if point is not None and draws is not None:
        raise ValueError("Pass point= or draws=, not both.")
    check_count("rows", rows, 1)
    check_count("n_draws", n_draws, 1)
    check_count("seed", seed, 0)
    check_display(nodes, progress)
    ways = ways_of(modes)
    values = list(model.value_vars)
    if not values:
        raise ValueError("The model has no free variables, so there is nothing to audit.")
    picked = _pick_rows(model, rows, seed)
    names, outputs = _outputs(model, picked, pregrad=False)
    _refuse_free_inputs(outputs, values)
    if draws is not None:
        places, note = _draws(model, draws, n_draws)
    else:
        places, note = _places(model, point)
    sampled = [f"{len(index)} of {size} rows of {name}" for name, (index, size) in picked.items()]
    everything = tuple(range(len(values)))
    return run_audit(
        Points(tuple(values), tuple(places), everything),
        outputs,
        names,
        lambda way: _outputs(model, picked, pregrad=True)[1],
        [_as_pymc(way, model) for way in ways],
        unguarded=lambda: _outputs(model, picked, pregrad=False, guards=False)[1],
        nodes=nodes,
        progress=progress,
        title=f"audit of {model.name or 'the model'}",
        note="; ".join([note, *(f"sampled {what}" for what in sampled)]),
    )


def _as_pymc(way: Way, model: Any) -> Way:
    """The mode with what PyMC adds: a violated bound gives -inf, or is not looked at."""
    bounds = "check_parameter_to_ninf_switch" if model.check_bounds else "remove_check_parameter"
    return replace(way, mode=way.mode.including(f"local_{bounds}"))


Picked = dict[str, tuple[np.ndarray, int]]


def _pick_rows(model: Any, rows: int, seed: int) -> Picked:
    """For each observed variable with too many rows, which to look at."""
    rng = np.random.default_rng(seed)
    picked: Picked = {}
    for rv in model.observed_RVs:
        size = int(np.prod(np.shape(_observed(model, rv))[:1], dtype=int))
        if size > rows:
            picked[rv.name] = np.sort(rng.choice(size, rows, replace=False)), size
    return picked


def _observed(model: Any, rv: Any) -> np.ndarray:
    value = model.rvs_to_values[rv]
    data = value.get_value() if isinstance(value, SharedVariable) else getattr(value, "data", None)
    return np.asarray(value.eval() if data is None else data)


def _outputs(
    model: Any, picked: Picked, pregrad: bool, guards: bool = True
) -> tuple[list[str], list[Variable]]:
    """logp, its gradient and the rows' logp; rewritten before differentiation if `pregrad`."""
    from pymc.pytensorf import rewrite_pregrad

    logp = model.logp()
    if not guards:
        (logp,) = without_guards([logp])
    free = list(model.continuous_value_vars)
    names, outputs = ["logp"], [logp]
    if free:
        cost = rewrite_pregrad(logp) if pregrad else logp
        names += [f"d logp / d {v}" for v in free]
        outputs += gradients([cost], free)
    for rv in model.observed_RVs:
        (by_row,) = model.logp(vars=[rv], sum=False)
        if not guards:
            (by_row,) = without_guards([by_row])
        if rv.name in picked:
            by_row = by_row[picked[rv.name][0]]
        if by_row.type.ndim:
            names.append(f"logp of {rv.name}, by row")
            outputs.append(by_row)
    return names, outputs


def _refuse_free_inputs(outputs: Sequence[Variable], values: Sequence[Variable]) -> None:
    unknown = [str(v) for v in explicit_graph_inputs(list(outputs)) if v not in values]
    if unknown:
        raise ValueError(
            f"The model depends on inputs without a value: {', '.join(unknown)}. Make them "
            "pm.Data, constants or random variables."
        )


def _places(model: Any, point: Any) -> tuple[list[tuple[np.ndarray, ...]], str]:
    start = model.initial_point()
    if point is None:
        return [_in_order(model, start)], "at the initial point"
    points = [point] if isinstance(point, Mapping) else point
    if (
        not isinstance(points, list | tuple)
        or not points
        or not all(isinstance(given, Mapping) for given in points)
    ):
        raise ValueError(
            f"point is a dict from names to values or a list of them, got {shown(point)}."
        )
    for given in points:
        unknown = [name for name in map(str, given) if name not in start]
        if unknown:
            raise ValueError(
                f"The point names {', '.join(unknown)}; the model's value variables are "
                f"{', '.join(start)}."
            )
    named = [start | {str(name): value for name, value in given.items()} for given in points]
    what = "at the point given" if len(named) == 1 else f"at {len(named)} points given"
    return [_in_order(model, place) for place in named], what


def _in_order(model: Any, place: Mapping[str, Any]) -> tuple[np.ndarray, ...]:
    return tuple(check_value(v, place[v.name]) for v in model.value_vars)


def _draws(model: Any, draws: Any, count: int) -> tuple[list[tuple[np.ndarray, ...]], str]:
    """Points of a posterior, taken into the space of the value variables."""
    posterior = getattr(draws, "posterior", draws)
    if posterior is draws and hasattr(draws, "prior"):
        posterior = draws.prior
    if hasattr(posterior, "to_dataset"):
        posterior = posterior.to_dataset()
    if not hasattr(posterior, "dims"):
        raise TypeError(
            "draws= takes what pm.sample returned for this model (a DataTree, InferenceData or "
            f"Dataset), got {shown(draws)}. Single points go to point=."
        )
    missing = [rv.name for rv in model.free_RVs if rv.name not in posterior]
    if missing:
        raise ValueError(
            f"The posterior lacks {', '.join(missing)}: draws= takes what pm.sample returned for "
            "this model."
        )
    for axis in ("chain", "draw"):
        # One draw that was picked out has lost its axes.
        if axis not in posterior.dims:
            posterior = posterior.reset_coords(drop=True).expand_dims(axis)
    stacked = posterior.stack(__draw__=("chain", "draw"))
    total = int(stacked.sizes["__draw__"])
    chosen = np.unique(np.linspace(0, total - 1, min(count, total)).astype(int))
    transformed = []
    for rv in model.free_RVs:
        transform = model.rvs_to_transforms[rv]
        value = rv if transform is None else transform.forward(rv, *rv.owner.inputs)
        transformed.append(pt.cast(value, model.rvs_to_values[rv].type.dtype))
    forward = pytensor.function(list(model.free_RVs), transformed, on_unused_input="ignore")
    order = {model.rvs_to_values[rv]: i for i, rv in enumerate(model.free_RVs)}
    places = []
    for index in chosen:
        draw = stacked.isel(__draw__=int(index))
        natural = [np.asarray(draw[rv.name].values, dtype=rv.type.dtype) for rv in model.free_RVs]
        found = forward(*natural)
        places.append(tuple(np.asarray(found[order[v]]) for v in model.value_vars))
    return places, f"at {len(places)} of {total} draws"
