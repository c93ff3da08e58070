"""An audit as text: a table of errors, and what is to blame."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pytensor_stabilize.graphs.auditing.result import Audit, OutputAudit

if TYPE_CHECKING:
    from pytensor_stabilize.graphs.auditing.guards import Guard, Unguarded

COLUMNS = (
    "output",
    "mode",
    "max ulp",
    "99.9 %",
    "no digit",
    "worst at",
    "is",
    "should be",
    "cause",
)
_SHOWN = 3
GUARDS_TITLE = (
    "guards, which change the exact value; the errors above are those of the model with them"
)
ADVICE = (
    "Leave them out: the rules keep logarithms, products and gradients of such probabilities right",
    "without a guard. In PyMC, Bernoulli(logit_p=...) needs none with stock PyTensor either.",
)


def number(value: float, digits: int = 3) -> str:
    """A number for a table."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return f"{value:.{digits}g}"


def place(inputs: dict[str, Any]) -> str:
    """The worst input: small ones in full, large arrays by their shape."""
    parts = []
    for name, value in inputs.items():
        numbers = _flat(value)
        if len(numbers) == 1:
            parts.append(f"{name} = {number(numbers[0], 6)}")
        elif len(numbers) <= _SHOWN:
            parts.append(f"{name} = [{', '.join(number(v, 4) for v in numbers)}]")
        else:
            parts.append(f"{name}: {len(numbers)} values")
    text = ", ".join(parts[:_SHOWN])
    return text + (", ..." if len(parts) > _SHOWN else "")


def _flat(value: Any) -> list[float]:
    return [v for row in value for v in _flat(row)] if isinstance(value, list) else [value]


def row_of(audit: OutputAudit) -> tuple[str, ...]:
    """The cells of one output in one mode."""
    # At a single point the inputs are the same for all, and the heading may name them.
    where = place(audit.worst_input) if len(audit.points) > 1 else ""
    if audit.worst_element and any(n > 1 for n in audit.errors.shape[1:]):
        where = f"{where} [{', '.join(map(str, audit.worst_element))}]".strip()
    if not audit.measured:
        where = ""
    return (
        audit.output,
        audit.mode,
        number(audit.max_ulps),
        number(audit.p999_ulps),
        "-" if math.isnan(audit.no_digit) else f"{100 * audit.no_digit:.3g} %",
        where,
        number(audit.worst_actual, 6),
        number(audit.worst_exact, 6),
        audit.cause,
    )


def heading(audit: Audit) -> str:
    """What was looked at, in one line."""
    points = f"{audit.points} point{'s' if audit.points != 1 else ''}"
    return f"{audit.title}: {points}" + (f"; {audit.note}" if audit.note else "")


def as_text(audit: Audit) -> str:
    """The table, and below it the nodes to blame and the points without truth."""
    rows = [COLUMNS, *(row_of(output) for output in audit.outputs)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    right = {2, 3, 4, 6, 7}
    lines = [heading(audit), ""]
    for row in rows:
        cells = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
        if row is COLUMNS:
            lines.append("  ".join("-" * width for width in widths))
    for about, said in _grouped(audit):
        lines += ["", about, *said]
    if audit.guards:
        lines += ["", *guard_lines(audit)]
    return "\n".join(lines)


def guard_lines(audit: Audit) -> list[str]:
    """What the guards do, what the outputs would be without them, and what to write instead."""
    lines = [GUARDS_TITLE]
    for guard in audit.guards:
        lines.append(f"  {guard.formula}")
        if guard.below is None and guard.above is None:
            lines.append("    where it takes over is not known: that depends on several inputs")
        for sign, bound, end in (("<=", guard.below, 0), (">=", guard.above, 1)):
            if bound is not None:
                lines.append(f"    {guard.argument} {sign} {number(bound)}: {_says(guard, end)}")
        if guard.where:
            lines.append(f"    made at {guard.where}")
    changed = [
        f"{o.output} {_at(o)}: {number(o.exact, 6)}, {number(o.without, 6)}"
        for o in audit.unguarded
    ]
    if changed:
        lines += [
            "  exact values with and without them, where they differ most:",
            *(f"    {c}" for c in changed),
        ]
    else:
        lines.append("  they change nothing at the points looked at")
    return [*lines, *(f"  {line}" for line in ADVICE)]


def _at(found: Unguarded) -> str:
    where = place(found.inputs)
    return f"[{', '.join(map(str, found.element))}] at {where}" if found.element else f"at {where}"


def _says(guard: Guard, end: int) -> str:
    """What a guard does on one side."""
    if guard.kind == "replaced":
        return f"{guard.value} rounds to its limit, which exactly it never is"
    assert guard.ends is not None
    left = guard.ends[end]
    what = f"it ends at {number(left, 9)}"
    if 0 < left < 0.5:
        what += f", the logarithm at {number(math.log(left))}"
    if guard.kind == "added":
        return f"1 % of {guard.value} and more; {what}"
    return f"{what}; the gradient there is 0"


def _grouped(audit: Audit) -> list[tuple[str, list[str]]]:
    """What there is to say of each output, once where two modes fail in the same way."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for output in audit.outputs:
        said = _details(output)
        if said:
            groups.setdefault((output.output, *said), []).append(output.mode)
    return [(f"{key[0]}: {', '.join(modes)}", list(key[1:])) for key, modes in groups.items()]


def _details(audit: OutputAudit) -> list[str]:
    """Lines on what was not measured, and on the cause of a large error."""
    lines = []
    without = [
        f"{count} {what}"
        for count, what in ((audit.undefined, "undefined"), (audit.undecided, "undecided"))
        if count
    ]
    if without:
        lines.append(f"  {audit.measured} values measured, {', '.join(without)}")
    node = audit.blamed
    if audit.cause and (node is None or audit.cause != node.cause):
        lines.append(f"  {audit.cause}")
    if audit.condition_number is not None:
        lines.append(f"  condition number of the question: {number(audit.condition_number)}")
    if node is not None:
        lines.append(
            f"  {node.cause} in {node.formula}: {number(node.local_ulps)} ulp of its own, "
            f"{number(node.effect_ulps)} ulp in the output"
        )
        if node.detail:
            lines.append(f"    {node.detail}")
        count, shown = node.elements
        if count > 1:
            some = ", ".join(str(list(index)) for index in shown)
            lines.append(f"    at {count} elements: {some}{', ...' if count > len(shown) else ''}")
        if node.where:
            lines.append(f"    made at {node.where}")
    return lines
