"""Pictures of an audit: the error over an input, on a linear and on an ordinal axis."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from pytensor_stabilize.graphs.auditing.result import Audit, OutputAudit
from pytensor_stabilize.graphs.auditing.sampling import to_ordinal

COLOURS = ("#c0392b", "#1f6f8b", "#d68910", "#1e8449", "#6c3483", "#566573")
# What has no error stands at the lower edge, what is infinitely wrong at the upper one.
_FLOOR, _CEILING = 2.0**-5, 2.0**66


def save(audit: Audit, path: str | Path) -> None:
    """Save the picture of all outputs; the suffix says in which format."""
    figure = draw(audit)
    figure.savefig(path, dpi=130)


def as_png(audit: Audit) -> bytes:
    """The picture as a PNG."""
    buffer = BytesIO()
    draw(audit).savefig(buffer, dpi=110, format="png")
    return buffer.getvalue()


def draw(audit: Audit) -> Any:
    """One row an output, with the modes in colours: left a linear axis, right an ordinal one."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "Pictures need matplotlib: pip install 'pytensor-stabilize[plot]' "
            "(or pip install matplotlib)."
        ) from error
    names = list(dict.fromkeys(o.output for o in audit.outputs))
    figure = Figure(figsize=(10, 2.7 * len(names) + 0.6), layout="constrained")
    figure.suptitle(audit.title)
    grid = figure.subplots(len(names), 2, squeeze=False, sharey=True)
    for row, name in zip(grid, names, strict=True):
        mine = [o for o in audit.outputs if o.output == name]
        for axes, ordinal in zip(row, (False, True), strict=True):
            _panel(axes, mine, ordinal)
        row[0].set_title(name, loc="left", fontsize="medium")
        row[0].set_ylabel("error, ulps")
    grid[0][1].legend(loc="best", fontsize="small", framealpha=0.8)
    return figure


def _panel(axes: Any, outputs: list[OutputAudit], ordinal: bool) -> None:
    digits = np.finfo(outputs[0].dtype).nmant
    axes.set_yscale("log", base=2)
    axes.set_ylim(_FLOOR / 2, _CEILING * 2**5)
    label, positions, ticks = _axis(outputs[0], ordinal)
    marks = [(2.0**digits, 2.0**digits * 1.5, "no correct digit")]
    if any((output.errors >= _CEILING).any() for output in outputs):
        marks.append((_CEILING, _CEILING / 2**8, "nan, infinite, or off this scale"))
    for height, at, text in marks:
        axes.axhline(height, color="0.7", linewidth=0.8, linestyle=":")
        if not ordinal:
            where = axes.get_yaxis_transform()
            axes.text(0.01, at, text, color="0.45", fontsize="small", transform=where)
    for i, (output, colour) in enumerate(zip(outputs, COLOURS * 9, strict=False)):
        errors = _largest(output)
        known = ~np.isnan(errors)
        heights = np.clip(errors[known], _FLOOR, _CEILING)
        # The first mode's points are larger, so that they show behind the others.
        size = (5 if len(positions) > 60 else 8) - 1.5 * (i % 3)
        axes.plot(
            positions[known],
            heights,
            ".",
            color=colour,
            markersize=size,
            label=output.mode,
            alpha=0.8,
        )
    axes.set_xlabel(label)
    if ticks is not None:
        axes.set_xticks(*ticks)


def _largest(output: OutputAudit) -> np.ndarray:
    """The largest error of each point."""
    rows = output.errors.reshape((len(output.errors), -1))
    if not rows.size:
        return np.full(len(rows), np.nan)
    return np.where(
        np.isnan(rows).all(axis=1), np.nan, np.nanmax(np.where(np.isnan(rows), -1, rows), axis=1)
    )


def _axis(output: OutputAudit, ordinal: bool) -> tuple[str, np.ndarray, Any]:
    """Label, position of each point, and ticks of the horizontal axis."""
    points = output.points
    scalars = [i for i in points.sampled if points.values[0][i].size == 1]
    columns = {i: [row[i].ravel()[0] for row in points.values] for i in scalars}
    varied = [i for i in scalars if len(set(columns[i])) > 1]
    if not varied:
        return "point", np.arange(len(points), dtype=float), None
    column, name = columns[varied[0]], str(points.inputs[varied[0]])
    values = np.array(column, dtype=float)
    if not ordinal or not np.issubdtype(np.asarray(column[0]).dtype, np.floating):
        return name, values, None
    dtype = str(np.asarray(column[0]).dtype)
    places = np.array([float(to_ordinal(v, dtype)) for v in column])
    marks = _marks(values)
    return (
        f"{name}, spaced as the floats are",
        places,
        ([float(to_ordinal(m, dtype)) for m in marks], [f"{m:.0e}" if m else "0" for m in marks]),
    )


def _marks(values: np.ndarray) -> list[float]:
    """Powers of ten, some on either side of zero."""
    marks: set[float] = {0.0} if values.min() <= 0 <= values.max() else set()
    for sign in (-1.0, 1.0):
        mine = np.abs(values[np.sign(values) == sign])
        mine = mine[np.isfinite(mine) & (mine > 0)]
        if mine.size:
            lo, hi = np.floor(np.log10([mine.min(), mine.max()]))
            powers = np.unique(np.round(np.linspace(lo, hi, 4)))
            # The smallest would be written over the zero.
            marks |= {sign * 10.0**e for e in (powers[1:] if 0.0 in marks else powers)}
    return sorted(m for m in marks if values.min() <= m <= values.max())
