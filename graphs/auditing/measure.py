"""Error in ulps of compiled functions against the truth of their graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import explicit_graph_inputs

from pytensor_stabilize.graphs.auditing.guards import (
    Unguarded,
    find_effects,
    find_guards,
    without_guards,
)
from pytensor_stabilize.graphs.auditing.progress import Progress, check_display
from pytensor_stabilize.graphs.auditing.result import Audit, OutputAudit, joined, summarise
from pytensor_stabilize.graphs.auditing.sampling import (
    Points,
    Range,
    check_sampling,
    sample_points,
)
from pytensor_stabilize.graphs.auditing.ways import Way, ways_of
from pytensor_stabilize.graphs.graphlike import (
    is_real,
    outputs_of,
    shared_inputs,
    shared_value,
)
from pytensor_stabilize.graphs.truth import Evaluator, Truth, by_variable, check_value, import_exact
from pytensor_stabilize.rewrites.checks import check_count, shown
from pytensor_stabilize.rewrites.describe import describe

DEFAULT_MODES = ("stock", "ours")
DEFAULT_POINTS = 1000
# Points whose truth is computed between two steps of the progress bar.
_CHUNK = 200


def audit(
    variables: Variable | Sequence[Variable],
    inputs: Mapping[Any, Any] | None = None,
    ranges: Mapping[Any, Any] | None = None,
    modes: Sequence[Any] = DEFAULT_MODES,
    wrt: Any = None,
    order: int = 1,
    *,
    shapes: Mapping[Any, tuple[int, ...]] | None = None,
    points: int = DEFAULT_POINTS,
    sampling: str = "mixed",
    seed: int = 0,
    nodes: bool = True,
    progress: bool | None = None,
    title: str = "",
) -> Audit:
    """Measure how far a graph, as compiled, is from its exact value, and find the cause.

    All outputs and derivatives are compiled into one function by each mode, because what is
    compiled together changes what is rewritten; audit a part alone to see it alone.

    Parameters
    ----------
    variables
        A variable or a list of variables.
    inputs
        Values of inputs, by variable or name: an array of the input's dimensions holds for all
        points; one with a further first axis gives one value a point, as a posterior does.
    ranges
        ``(lo, hi)`` or ``(lo, hi, sampling)`` for inputs to sample.  An input in neither is
        sampled on [-1000, 1000] (float32: [-150, 150]).
    modes
        "stock" (without our rules), "ours", each also with a linker or mode of PyTensor as in
        "ours:cvm", or pairs ``(label, Mode)``.
    wrt
        Inputs to differentiate by: a variable, a name, a list of them, or "all".  The gradient is
        that of the sum of all outputs, so for an elementwise graph its derivative.
    order
        1: first derivatives.  2: second ones too, the gradient of the sum of the first.
    shapes
        Shapes of tensor inputs to sample whose static shape is not known.  An elementwise graph
        needs none: its points are then the elements of one call.
    points
        Number of points to sample.
    sampling
        "uniform", "log", "ordinal" or "mixed"; see `Range`.
    seed
        Seed of the random pairing of several inputs.
    nodes
        Whether to look for the operation to blame at each output's worst point.
    progress
        Whether to show a progress bar; by default on a terminal.
    title
        What the report is called.

    Returns
    -------
    Audit

    Raises
    ------
    ImportError
        python-flint is not installed.
    TypeError
        `variables` is not made of variables, an output is not real, or an option is of another
        type than it has to be.
    ValueError
        An input has no range and no shape, a range holds no number of the input's dtype, a name
        is unknown, a mode does not exist or stands twice, or a derivative does not exist.
    UnsupportedOp
        The graph has an op of which no truth is known.
    """
    import_exact()
    outputs = outputs_of(variables, "audit()")
    if not isinstance(order, int | np.integer) or isinstance(order, bool) or order not in (1, 2):
        raise ValueError(f"order must be 1 or 2, got {shown(order)}.")
    if order == 2 and wrt is None:
        raise ValueError('order=2 needs wrt=: the inputs to differentiate by, or "all".')
    check_sampling(sampling)
    check_count("points", points, 1)
    check_count("seed", seed, 0)
    check_display(nodes, progress)
    if not isinstance(title, str):
        raise TypeError(f"title must be a text, got {shown(title)}.")
    ways = ways_of(modes)
    free = list(explicit_graph_inputs(outputs))
    names = unique([output_name(v, i, len(outputs)) for i, v in enumerate(outputs)])
    derivatives = find_derivatives(outputs, names, find_inputs(wrt, free), order)
    everything = [*outputs, *derivatives.values()]
    check_real(everything, free)
    given = {v: check_values(v, a) for v, a in by_variable(inputs, free, "inputs: ").items()}
    spread = {v: Range.of(r, sampling) for v, r in by_variable(ranges, free, "ranges: ").items()}
    sizes = by_variable(shapes, free, "shapes: ")
    check_shapes(sizes)
    twice = [str(v) for v in free if v in given and (v in spread or v in sizes)]
    if twice:
        raise ValueError(f"{', '.join(twice)}: pass values by inputs=, or a range, but not both.")
    where = sample_points(free, everything, given, spread, sizes, points, sampling, seed)
    return run_audit(
        where,
        everything,
        [*names, *derivatives],
        lambda way: everything,
        ways,
        unguarded=lambda: _differentiated(
            without_guards(outputs), names, find_inputs(wrt, free), order
        ),
        nodes=nodes,
        progress=progress,
        title=title or f"audit of {', '.join(names)}",
    )


def _differentiated(
    outputs: Sequence[Variable], names: Sequence[str], wrt: Sequence[Variable], order: int
) -> list[Variable]:
    return [*outputs, *find_derivatives(outputs, names, wrt, order).values()]


def output_name(variable: Variable, index: int, count: int) -> str:
    """What tables call an output."""
    return variable.name or (describe(variable, depth=4) if count < 10 else f"output {index}")


def input_name(variable: Variable) -> str:
    """What tables call an input."""
    return variable.name or "input"


def unique(names: Sequence[str]) -> list[str]:
    """The names, numbered from the second on where one stands several times."""
    counts: dict[str, int] = {}
    found = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        found.append(name if counts[name] == 1 else f"{name}#{counts[name]}")
    return found


def check_shapes(shapes: Mapping[Variable, Any]) -> None:
    """Refuse what is no shape of the variable."""
    for variable, shape in shapes.items():
        ndim = variable.type.ndim
        good = isinstance(shape, tuple | list) and len(shape) == ndim
        if not good or not all(_is_length(n) for n in shape):
            raise ValueError(
                f"shapes: {variable} has {ndim} dimensions, so its shape is a tuple of as many "
                f"positive integers; got {shown(shape)}."
            )
        static = variable.type.shape
        if any(known not in (None, n) for known, n in zip(static, shape, strict=True)):
            raise ValueError(
                f"shapes: {variable} has the static shape {static}, which {shape} is not."
            )


def _is_length(n: Any) -> bool:
    return isinstance(n, int | np.integer) and not isinstance(n, bool) and bool(n > 0)


def find_derivatives(
    outputs: Sequence[Variable], names: Sequence[str], wrt: Sequence[Variable], order: int
) -> dict[str, Variable]:
    """First and second derivatives by what tables call them."""
    if not wrt:
        return {}
    what = names[0] if len(names) == 1 and names[0].isidentifier() else "f"
    what = what if len(names) == 1 else "sum"
    labels = unique([input_name(v) for v in wrt])
    try:
        first = gradients([pt.sum(v) for v in outputs], wrt)
        found = {f"d {what} / d {v}": g for v, g in zip(labels, first, strict=True)}
        if order == 2:
            second = [gradients([pt.sum(g)], [v])[0] for g, v in zip(first, wrt, strict=True)]
            found |= {f"d2 {what} / d {v}2": g for v, g in zip(labels, second, strict=True)}
    except Exception as error:
        raise ValueError(
            f"PyTensor cannot differentiate {what} by {', '.join(map(str, wrt))}: {_brief(error)}"
        ) from error
    return found


def _brief(error: Exception) -> str:
    """Type and first line of an exception, which may have none."""
    return ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])


def gradients(terms: Sequence[Variable], wrt: Sequence[Variable]) -> list[Variable]:
    """Gradient of the sum of `terms`, 0 by what they do not depend on."""
    total = pt.add(*terms) if len(terms) > 1 else terms[0]
    return pt.grad(total, list(wrt), disconnected_inputs="ignore")  # type: ignore[return-value]


def find_inputs(wrt: Any, free: Sequence[Variable]) -> list[Variable]:
    """The inputs that `wrt` names."""
    if wrt is None:
        return []
    if isinstance(wrt, str) and wrt == "all":
        found = [v for v in free if is_real(v)]
        if not found:
            raise ValueError('wrt="all": the graph has no real input to differentiate by.')
        return found
    wanted = [wrt] if isinstance(wrt, Variable | str) else wrt
    if not isinstance(wanted, list | tuple) or not all(
        isinstance(w, Variable | str) for w in wanted
    ):
        raise TypeError(
            f'wrt takes an input, its name, a list of them, or "all"; got {shown(wrt)}.'
        )
    if not wanted:
        raise ValueError("wrt is empty: name an input, or leave it out for values alone.")
    found = list(by_variable(dict.fromkeys(wanted), free, "wrt: "))
    for variable in found:
        if not is_real(variable):
            raise ValueError(
                f"wrt: {variable} is of type {variable.type}; derivatives are by real inputs."
            )
    return found


def check_real(outputs: Sequence[Variable], inputs: Sequence[Variable]) -> None:
    """Refuse outputs that have no error in ulps, and complex inputs."""
    for variable in inputs:
        if getattr(variable.type, "dtype", "").startswith("complex"):
            raise TypeError(f"audit() works with real inputs; {variable} is of {variable.type}.")
    for variable in outputs:
        if not is_real(variable):
            raise TypeError(
                f"audit() measures real outputs; {variable} is of type {variable.type}."
            )


def check_values(variable: Variable, value: Any) -> np.ndarray:
    """Values of an input, for all points or with the points along a first axis."""
    try:
        array = np.asarray(value)
    except ValueError:
        # Rows of different lengths.
        array = np.asarray(None)
    if array.dtype.kind not in "bifu":
        raise ValueError(f"{shown(value)} is no value for {variable}: pass real numbers.")
    if array.ndim != variable.type.ndim + 1:
        return check_value(variable, value)
    if not len(array):
        raise ValueError(f"No points are given for {variable}: its array is empty.")
    return np.stack([check_value(variable, row) for row in array])


def run_audit(
    points: Points,
    outputs: Sequence[Variable],
    names: Sequence[str],
    compiled_from: Callable[[Way], Sequence[Variable]],
    ways: Sequence[Way],
    *,
    unguarded: Callable[[], Sequence[Variable]],
    nodes: bool,
    progress: bool | None,
    title: str,
    note: str = "",
) -> Audit:
    """Audit prepared points: the common part of `audit` and `audit_model`.

    Parameters
    ----------
    outputs
        What truth is computed of.
    compiled_from
        For each mode the variables that it compiles, which have the same exact values.
    unguarded
        The outputs without the guards on their probabilities, if they have any.
    """
    # Here and not above: it needs python-flint.
    from pytensor_stabilize.graphs.auditing.blame import Blame, Question

    inputs = unique([input_name(v) for v in points.inputs])
    shared = shared_inputs(outputs)
    constants = [shared_value(v) for v in shared]
    evaluator = Evaluator(outputs, [*points.inputs, *shared])
    question = Question(points, evaluator.program, constants) if nodes else None
    graphs: dict[str, str] = {}
    notes = [note] if note else []
    with Progress(progress) as bar:
        exact = _exact_values(evaluator, points, constants, bar)
        guards = find_guards(outputs)
        effects: tuple[Unguarded, ...] = ()
        if guards:
            other = Evaluator(unguarded(), [*points.inputs, *shared])
            effects = find_effects(
                names, points, exact, _exact_values(other, points, constants, bar)
            )
        audits: list[OutputAudit] = []
        for way in bar.over(ways, "compile and run"):
            with way.rules():
                graph = list(compiled_from(way))
            function = way.compile(points.inputs, graph)
            actual, raised = call(function, points, exact)
            notes += [f"{way.label} raised {raised}"] if raised else []
            found = [
                summarise(name, way, i, points, inputs, values, truth)
                for i, (name, values, truth) in enumerate(zip(names, actual, exact, strict=True))
            ]
            if raised:
                # What a function that raises computed is not known, so nothing is to blame.
                found = [replace(a, cause="raised" if a.measured else "") for a in found]
            elif question is not None:
                blame = Blame(way, graph, points, question)
                graphs[way.label] = blame.text
                found = [blame.of(a) for a in bar.over(found, f"causes, {way.label}")]
            audits += found
    audits.sort(key=lambda a: a.index)
    note = "; ".join(notes)
    return Audit(tuple(audits), tuple(inputs), len(points), title, note, graphs, guards, effects)


def _exact_values(
    evaluator: Evaluator, points: Points, constants: Sequence[np.ndarray], bar: Progress
) -> list[Truth]:
    rows = [[*row, *constants] for row in points.values]
    chunks = [rows[i : i + _CHUNK] for i in range(0, len(rows), _CHUNK)]
    parts = [evaluator.many(chunk) for chunk in bar.over(chunks, "exact values")]
    return [joined(pieces) for pieces in zip(*parts, strict=True)]


def call(
    function: Callable[..., Any], points: Points, exact: Sequence[Truth]
) -> tuple[list[np.ndarray], str]:
    """Outputs of a compiled function with the points along the first axis.

    Returns
    -------
    outputs : list of ndarray
        nan at a point where the function raises an exception: that is no number.
    raised : str
        The first exception and how many there were, or an empty string.
    """
    missing = [np.full(t.value.shape[1:], np.nan, t.value.dtype) for t in exact]
    calls = [points.stacked()] if points.together else points.values
    rows, raised = [], []
    for values in calls:
        try:
            with np.errstate(all="ignore"):
                rows.append([np.asarray(output) for output in function(*values)])
        except Exception as error:
            rows.append(missing)
            raised.append(_brief(error))
    if points.together:
        full = [np.broadcast_to(o, (len(points), *o.shape[1:])) for o in rows[0]]
        outputs = [o.reshape(t.value.shape) for o, t in zip(full, exact, strict=True)]
    else:
        outputs = [np.stack(column) for column in zip(*rows, strict=True)]
    return outputs, f"{raised[0]} ({len(raised)} of {len(calls)} calls)" if raised else ""
