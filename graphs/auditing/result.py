"""What an audit found, and how it is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor_stabilize.graphs.auditing.causes import NOTABLE_ULPS
from pytensor_stabilize.graphs.auditing.sampling import Points
from pytensor_stabilize.graphs.auditing.ways import Way
from pytensor_stabilize.graphs.truth import Truth, widened
from pytensor_stabilize.graphs.ulps import ulp_error
from pytensor_stabilize.rewrites.checks import check_writable

if TYPE_CHECKING:
    from pytensor_stabilize.graphs.auditing.guards import Guard, Unguarded
    from pytensor_stabilize.graphs.auditing.localize import NodeError


@dataclass(frozen=True, eq=False)
class OutputAudit:
    """Errors of one output, as one mode compiles it.

    Attributes
    ----------
    output, mode
        What the tables call them.
    index
        Position among the audited outputs.
    dtype
        Of the output.
    measured, undefined, undecided
        Number of values with a known truth, without a real value, and at a tie that no precision
        decides.  Errors are those of the measured ones.
    max_ulps, p999_ulps
        Largest error and 99.9th percentile, in ulps; nan if nothing was measured.
    no_digit
        Share of measured values with no correct digit: relative error of a half or more.
    worst_point
        Number of the point with the largest error, and `worst_element` the index of the element
        of the output there.
    worst_input
        The inputs there, by name.
    worst_actual, worst_exact
        What the function returns there and the correctly rounded value.
    bits
        Precision that the truth needed, in bits.
    condition_number
        Relative change of that element for a relative change of the inputs, summed over their
        elements; None if it was not computed.
    cause
        "" if the largest error is small; "sensitive question" if a change of the inputs by one
        ulp would change the output as much; else the cause of the node to blame.  If no single
        node is: "folded constant" (a constant that the rewriting rounded explains it),
        "accumulated rounding" (the nodes together do), "raised" (the function raised an
        exception there), or "not located".
    nodes
        The nodes at that point, those with the largest effect on the output first.
    errors
        Error of every value, in ulps, with the points along the first axis; inf where nan or an
        infinity stands for a number, nan where there is no truth.
    """

    output: str
    mode: str
    index: int
    dtype: str
    measured: int
    undefined: int
    undecided: int
    max_ulps: float
    p999_ulps: float
    no_digit: float
    worst_point: int
    worst_element: tuple[int, ...]
    worst_input: dict[str, Any]
    worst_actual: float
    worst_exact: float
    bits: int
    errors: np.ndarray = field(repr=False)
    points: Points = field(repr=False)
    condition_number: float | None = None
    cause: str = ""
    nodes: tuple[NodeError, ...] = field(default=(), repr=False)

    @property
    def blamed(self) -> NodeError | None:
        """The node with the largest effect, if its own error is notable and reaches the output."""
        suspects = [n for n in self.nodes if n.cause and n.effect_ulps > NOTABLE_ULPS]
        return max(suspects, key=lambda n: n.effect_ulps, default=None)


@dataclass(frozen=True, eq=False)
class Audit:
    """Errors of a graph, by output and mode; prints as a table.

    Attributes
    ----------
    outputs
        One `OutputAudit` for each output and mode.
    inputs
        Names of the inputs.
    points
        Number of points.
    title
        What was audited.
    note
        What was sampled or left out.
    graphs
        Each mode's graph, before fusion, as text.
    guards
        The guards on probabilities, ``p + 1e-7`` and the like: they change the exact value, so
        that no error shows it.
    unguarded
        What the guards do to each output that they change at the points looked at.
    """

    outputs: tuple[OutputAudit, ...]
    inputs: tuple[str, ...]
    points: int
    title: str = "audit"
    note: str = ""
    graphs: dict[str, str] = field(default_factory=dict, repr=False)
    guards: tuple[Guard, ...] = ()
    unguarded: tuple[Unguarded, ...] = ()

    @property
    def modes(self) -> tuple[str, ...]:
        """Labels of the modes, in the order asked for."""
        return tuple(dict.fromkeys(audit.mode for audit in self.outputs))

    @property
    def max_ulps(self) -> dict[str, float]:
        """Largest error of any output, by mode; nan if nothing was measured."""
        measured = [(a.mode, a.max_ulps) for a in self.outputs if a.measured]
        return {
            mode: max((ulps for label, ulps in measured if label == mode), default=float("nan"))
            for mode in self.modes
        }

    def __getitem__(self, key: tuple[str, str]) -> OutputAudit:
        """The result for ``(output, mode)``."""
        for audit in self.outputs:
            if (audit.output, audit.mode) == key:
                return audit
        names = ", ".join(dict.fromkeys(repr(a.output) for a in self.outputs))
        raise KeyError(f"{key!r}: the outputs are {names}, the modes {', '.join(self.modes)}.")

    def __str__(self) -> str:
        from pytensor_stabilize.graphs.auditing.text import as_text

        return as_text(self)

    def plot(self, path: str | Path) -> None:
        """Save a picture of the errors over an input, on a linear and on an ordinal axis.

        Raises
        ------
        ImportError
            matplotlib is not installed.
        TypeError, OSError, ValueError
            `path` is no name of a file, a folder, in no folder, or of a format that matplotlib
            does not know.
        """
        from pytensor_stabilize.graphs.auditing.plot import save

        save(self, check_writable("Audit.plot()", path))

    def to_html(self, path: str | Path) -> None:
        """Save one page with tables, pictures and graphs, which needs no network.

        Raises
        ------
        ImportError
            matplotlib is not installed.
        TypeError, OSError
            `path` is no name of a file, a folder, or in no folder.
        """
        from pytensor_stabilize.graphs.auditing.page import as_html

        # Before the page is made, which takes its time.
        file = check_writable("Audit.to_html()", path)
        file.write_text(as_html(self), encoding="utf-8")

    def to_dict(self) -> dict[str, Any]:
        """The audit as plain numbers, strings, lists and dicts, which JSON can hold.

        Infinities and nan are the strings "inf", "-inf" and "nan".  The layout is described by
        ``pytensor_stabilize.graphs.auditing.schema.SCHEMA``, and the command line prints the same.
        """
        from pytensor_stabilize.graphs.auditing.schema import as_dict

        return as_dict(self)

    def to_json(self) -> str:
        """`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)


def joined(pieces: Sequence[Truth]) -> Truth:
    """Truth of all points from that of consecutive groups of them."""
    shape = np.broadcast_shapes(*(p.value.shape[1:] for p in pieces))

    def join(arrays: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate([widened(a, (len(a), *shape)) for a in arrays])

    return Truth(
        join([p.value for p in pieces]),
        join([p.status for p in pieces]),
        join([p.offset for p in pieces]),
        max(p.bits for p in pieces),
    )


def summarise(
    name: str,
    way: Way,
    index: int,
    points: Points,
    names: Sequence[str],
    actual: np.ndarray,
    truth: Truth,
) -> OutputAudit:
    """Count and rank the errors of one output in one mode.

    Raises
    ------
    ValueError
        The function's result has another shape than the truth: the graph's shape is not what its
        type says.
    """
    exact = truth
    if truth.value.shape != actual.shape:
        try:
            exact = _broadcast(truth, actual.shape)
        except ValueError as error:
            raise ValueError(
                f"{name}: the function returns shape {actual.shape[1:]}, the graph has "
                f"{truth.value.shape[1:]}."
            ) from error
    errors = ulp_error(actual.astype(exact.value.dtype), exact)
    errors = np.where(exact.decided, errors, np.nan)
    flat = errors.ravel()
    known = flat[~np.isnan(flat)]
    place = int(np.nanargmax(flat)) if known.size else 0
    worst = tuple(map(int, np.unravel_index(place, errors.shape))) if flat.size else (0,)
    point, element = worst[0], worst[1:]
    return OutputAudit(
        output=name,
        mode=way.label,
        index=index,
        dtype=str(exact.value.dtype),
        measured=int(exact.decided.sum()),
        undefined=int(exact.undefined.sum()),
        undecided=int(exact.undecided.sum()),
        max_ulps=float(known.max()) if known.size else float("nan"),
        # The error that 999 of 1000 values do not exceed, itself one that was measured.
        p999_ulps=float(np.sort(known)[int(np.ceil(0.999 * known.size)) - 1])
        if known.size
        else float("nan"),
        no_digit=_no_digit(actual, exact, errors),
        worst_point=point,
        worst_element=element,
        worst_input={name: a.tolist() for name, a in zip(names, points.values[point], strict=True)},
        worst_actual=float(actual[worst]) if flat.size else float("nan"),
        worst_exact=float(exact.value[worst]) if flat.size else float("nan"),
        bits=truth.bits,
        errors=errors,
        points=points,
    )


def _broadcast(truth: Truth, shape: tuple[int, ...]) -> Truth:
    value, status, offset = (widened(a, shape) for a in (truth.value, truth.status, truth.offset))
    return Truth(value, status, offset, truth.bits)


def _no_digit(actual: np.ndarray, exact: Truth, errors: np.ndarray) -> float:
    decided = exact.decided
    if not decided.any():
        return float("nan")
    with np.errstate(invalid="ignore", over="ignore"):
        wrong = np.abs(actual - exact.value) >= np.abs(exact.value) / 2
    # Near the smallest float a rounding is a large part of the value, and no fault.
    wrong = (wrong | ~np.isfinite(errors) | (np.isfinite(actual) != np.isfinite(exact.value))) & (
        errors > 1
    )
    return float(wrong[decided].mean())
