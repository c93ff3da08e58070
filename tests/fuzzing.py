"""The fuzzer: what must hold for any graph, and how a graph that breaks it is made small.

Random programs (`fuzz_graphs`) are compiled with our rules and without, and compared with each
other and with the exact value.  The numbers are those of Python's functions, so that nothing is
compiled.  `fuzz_report.py` is the command.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytensor
from fuzz_condition import Sensitivity
from fuzz_findings import Finding
from fuzz_graphs import INPUTS, Program, UnbuildableError, build, smaller
from pytensor.compile.mode import Mode
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.traversal import ancestors

from pytensor_stabilize import excluding
from pytensor_stabilize.graphs import same_graph, truth, ulp_error
from pytensor_stabilize.rewrites.trace import recording

# Where stock is so good, ours must be as good, or as good as promised.
GOOD, PROMISE, SLACK = 8.0, 4.0, 2.0
# Ulps that each unit of the condition number may cost.
PER_CONDITION = 4.0
_SECONDS = 60


@dataclass
class Counts:
    """What was looked at."""

    graphs: Counter[str] = field(default_factory=Counter)
    points: Counter[str] = field(default_factory=Counter)


class TooSlowError(Exception):
    """An exact value or a rewriting takes too long."""


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raise `TooSlowError` in the block after some seconds."""

    def stop(*_: object) -> None:
        raise TooSlowError

    old = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)


def plain() -> Mode:
    """Everything that PyTensor rewrites, for Python's functions: nothing is compiled."""
    return Mode("py", "fast_run").excluding("fusion", "inplace", "sigmoids_share_exp")


def rewritten(inputs: Sequence[Variable], outputs: Sequence[Variable]) -> FunctionGraph:
    """The graph after PyTensor's rewriting; what a rewriter raises is raised."""
    graph = FunctionGraph(list(inputs), list(outputs), clone=True)
    plain().optimizer.rewrite(graph)
    return graph


def evaluated(graph: FunctionGraph, values: Sequence[np.ndarray]) -> list[np.ndarray]:
    """What a graph computes as it stands."""
    copy = graph.clone()
    function = pytensor.function(
        copy.inputs, copy.outputs, mode=Mode("py", None), on_unused_input="ignore"
    )
    with np.errstate(all="ignore"):
        return function(*values)


def findings(
    program: Program, values: Mapping[str, np.ndarray], counts: Counts | None = None
) -> list[Finding]:
    """The properties that a program breaks, one finding of each kind.

    An error is allowed up to ``max(4, stock + 2) + 4 (1 + condition)`` ulps, where stock's is at
    most 8; stock's error is the largest at the point and at six next to it.  The condition number
    is the sum of ``|x df/dx / f|`` over all inputs x and over all arguments of exponentials and
    their like: what it costs to round each of them once.  So a cancellation that is in the
    question is no finding, and one that a rewrite has made is.
    """
    counts = counts or Counts()
    try:
        # Without a compiler constants are folded by Python, and a Scan's body is run by it.
        with limited(_SECONDS), pytensor.config.change_flags(cxx="", on_opt_error="raise"):
            return _findings(program, values, counts)
    except TooSlowError:
        counts.graphs["too slow"] += 1
        return []


def _findings(program: Program, values: Mapping[str, np.ndarray], counts: Counts) -> list[Finding]:
    try:
        inputs, outputs = build(program)
    except UnbuildableError:
        counts.graphs["not built"] += 1
        return []
    given = [np.asarray(values[v.name]) for v in inputs]
    try:
        with excluding("all"):
            stock = rewritten(inputs, outputs)
        before = evaluated(stock, given)
    except TooSlowError:
        raise
    except Exception:
        counts.graphs["stock raises"] += 1
        return []
    counts.graphs["compiled"] += 1
    try:
        ours = rewritten(inputs, outputs)
        after = evaluated(ours, given)
    except TooSlowError:
        return [Finding("raises", "takes too long", program, values)]
    except Exception as error:
        lines = str(error).splitlines() or [""]
        return [Finding("raises", f"{type(error).__name__}: {lines[0]}", program, values)]
    found: list[Finding] = []
    types = [(a.type, b.type) for a, b in zip(stock.outputs, ours.outputs, strict=True)]
    if any(a != b and not a.is_super(b) for a, b in types):
        found.append(Finding("type", str(types), program, values))
    if any(a.shape != b.shape for a, b in zip(before, after, strict=True)):
        found.append(Finding("type", "the shape differs", program, values))
    rules = second_pass(ours, stock)
    if rules is not None:
        found.append(Finding("second pass", rules, program, values))
    if not any(f.kind == "type" for f in found):
        found += _numbers(program, values, inputs, outputs, stock, (before, after), counts)
    return found


def second_pass(ours: FunctionGraph, stock: FunctionGraph) -> str | None:
    """What changes the graph when it is rewritten again; None if nothing of ours does."""
    try:
        return _second_pass(ours, stock)
    except TooSlowError:
        raise
    except Exception as error:
        # PyTensor writes log(1 - u) as log1p(-u), and then cannot negate an unsigned integer.
        try:
            with excluding("all"):
                plain().optimizer.rewrite(stock.clone())
        except Exception:
            return None
        return f"{type(error).__name__}: {error}"


def _second_pass(ours: FunctionGraph, stock: FunctionGraph) -> str | None:
    again = ours.clone()
    with recording() as recorder:
        plain().optimizer.rewrite(again)
    if same_graph(ours, again):
        return None
    fired = ", ".join(sorted({e.rule for e in recorder.events if e.outcome == "fired"}))
    with excluding("all"):
        plain().optimizer.rewrite(own := ours.clone())
        plain().optimizer.rewrite(twice := stock.clone())
    if same_graph(ours, own):
        return fired
    if fired:
        return f"{fired}, after PyTensor's own"
    return "PyTensor's own" if same_graph(stock, twice) else None


def _numbers(
    program: Program,
    values: Mapping[str, np.ndarray],
    inputs: Sequence[Variable],
    outputs: Sequence[Variable],
    stock_graph: FunctionGraph,
    computed: tuple[list[np.ndarray], list[np.ndarray]],
    counts: Counts,
) -> list[Finding]:
    """Findings about the elements of the outputs."""
    givens = {v: values[v.name] for v in inputs}
    special = any(not np.all(np.isfinite(v)) for v in givens.values())
    found: dict[str, Finding] = {}
    try:
        with limited(_SECONDS // 2):
            exact = truth(list(outputs), givens)
    except TooSlowError:
        counts.graphs["truth too slow"] += 1
        exact = [None] * len(outputs)
    except Exception as error:
        counts.graphs[f"no truth: {type(error).__name__}"] += 1
        exact = [None] * len(outputs)
    nearby = _Nearby(stock_graph, inputs, outputs, [values[v.name] for v in inputs])
    # What was computed in float32 on the way is measured in its ulps.
    narrow = 2.0**-29 if any(v.type.dtype == "float32" for v in _real(outputs)) else 1.0
    sensitivity = Sensitivity(inputs, outputs, [values[v.name] for v in inputs])
    for output, (stock, ours, right) in enumerate(zip(*computed, exact, strict=True)):
        errors = [np.full(stock.shape, np.nan)] * 2
        if stock.dtype.kind == "f" and right is not None and right.value.shape == stock.shape:
            errors = [
                np.atleast_1d(ulp_error(a, right)).reshape(stock.shape) for a in (stock, ours)
            ]
        for element in np.ndindex(stock.shape):
            wide = narrow if stock.dtype == "float64" else 1.0
            stock_error, error = (float(e[element]) * wide for e in errors)
            status = 0 if right is None else int(right.status[element])
            numbers = float(stock[element]), float(ours[element])
            kind = _kind(*numbers, (stock_error, error), status, special)
            counts.points[kind] += 1
            if kind in ("ok", "undecided") or kind in found:
                continue
            if kind.startswith("worse"):
                stock_error = max([stock_error, *nearby(output, element, wide)])
                condition = sensitivity.at(output, element)
                bound = max(PROMISE, stock_error + SLACK) + PER_CONDITION * (1 + condition)
                if kind == "worse than bad":
                    bound = 4 * bound
                if not error > bound:
                    counts.points["within the condition number"] += 1
                    continue
            exactly = np.nan if right is None else float(right.value[element])
            detail = f"stock {numbers[0]!r}, ours {numbers[1]!r}, truth {exactly!r}; "
            detail += f"ulps {stock_error:.3g}, {error:.3g}"
            point = _point(values, inputs, element)
            found[kind] = Finding(kind, detail, program, values, point, (*numbers, exactly))
    return list(found.values())


class _Nearby:
    """Errors of stock at points next to one: that it is right at the one may be luck."""

    def __init__(
        self,
        graph: FunctionGraph,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        values: Sequence[np.ndarray],
    ) -> None:
        self._arguments = graph, inputs, outputs, values
        self._errors: list[list[np.ndarray]] | None = None

    def __call__(self, output: int, element: tuple[int, ...], wide: float) -> list[float]:
        """Of one element; none where the exact value is not known."""
        if self._errors is None:
            self._errors = list(self._measured(*self._arguments))
        found = [float(errors[output][element]) * wide for errors in self._errors]
        return [error for error in found if error < np.inf]

    @staticmethod
    def _measured(
        graph: FunctionGraph,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        values: Sequence[np.ndarray],
    ) -> Iterator[list[np.ndarray]]:
        for steps in (-5, -2, -1, 1, 3, 4):
            moved = [v + steps * np.spacing(v) if v.dtype.kind == "f" else v for v in values]
            exact = truth(list(outputs), dict(zip(inputs, moved, strict=True)))
            computed = evaluated(graph, moved)
            yield [np.atleast_1d(ulp_error(a, t)) for a, t in zip(computed, exact, strict=True)]


def _real(outputs: Sequence[Variable]) -> list[Variable]:
    """What a graph computes, and its inputs; constants count as what they are."""
    return [
        v for v in ancestors(outputs) if hasattr(v.type, "dtype") and not isinstance(v, Constant)
    ]


def _kind(
    stock: float, ours: float, errors: tuple[float, float], status: int, special: bool
) -> str:
    """What an element shows; "ok", "undecided", or the kind of a finding."""
    if np.isnan(errors[0]) or status:
        # Nothing is known of it.  What stock says of an infinite or nan input holds as well.
        if np.isnan(ours) and not np.isnan(stock):
            return "special" if special else "undecided"
        if np.isnan(stock) and not np.isnan(ours):
            return "undecided"
        return "undecided" if stock != ours else "ok"
    if not np.isfinite(ours) and np.isfinite(stock) and errors[0] <= GOOD:
        return "not finite" if errors[1] > GOOD else "ok"
    if errors[1] <= max(PROMISE, errors[0] + SLACK):
        return "ok"
    return "worse" if errors[0] <= GOOD else "worse than bad"


def _point(
    values: Mapping[str, np.ndarray], inputs: Sequence[Variable], element: tuple[int, ...]
) -> tuple[tuple[str, float], ...]:
    named = []
    for v in inputs:
        value = np.asarray(values[v.name])
        flat = value.ravel()
        index = element[-1] if element and INPUTS[v.name][1] == (None,) else 0
        if flat.size:
            named.append((v.name, flat[min(index, flat.size - 1)].item()))
    return tuple(named)


def shrunk(finding: Finding) -> Finding:
    """A finding of the same kind in a program that nothing makes smaller."""
    again = True
    while again:
        again = False
        for program in smaller(finding.program):
            same = [f for f in findings(program, finding.values) if f.kind == finding.kind]
            if same:
                finding, again = same[0], True
                break
    return finding
