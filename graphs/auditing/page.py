"""An audit as one page that needs no network."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape

from pytensor_stabilize.graphs.auditing.plot import as_png
from pytensor_stabilize.graphs.auditing.result import Audit, OutputAudit
from pytensor_stabilize.graphs.auditing.text import COLUMNS, guard_lines, heading, number, row_of

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem;
       color: #222; }
table { border-collapse: collapse; margin: 1rem 0; font-size: 14px; }
th, td { padding: .25rem .6rem; text-align: left; border-bottom: 1px solid #ddd; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
tr.bad td { background: #fbeae8; }
code, pre { font: 13px/1.4 ui-monospace, monospace; }
pre { background: #f6f6f6; padding: .8rem; overflow-x: auto; }
img { max-width: 100%; }
summary { cursor: pointer; margin: .4rem 0; }
"""
_NUMBERS = {2, 3, 4, 6, 7}
_NODE_COLUMNS = ("node", "local ulp", "inherited ulp", "effect ulp", "cause", "made at")
_NODES_SHOWN = 40


def as_html(audit: Audit) -> str:
    """The page."""
    picture = b64encode(as_png(audit)).decode()
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(audit.title)}</title>',
        f"<style>{STYLE}</style></head><body>",
        f"<h1>{escape(audit.title)}</h1>",
        f"<p>{escape(heading(audit))}. Errors are in ulps of the exact value.</p>",
        _summary(audit),
        f'<img alt="error over the input" src="data:image/png;base64,{picture}">',
        *(_section(output) for output in audit.outputs),
        _guards(audit),
        "<h2>The compiled graphs, before fusion</h2>",
        *(
            f"<details><summary>{escape(mode)}</summary><pre>{escape(graph)}</pre></details>"
            for mode, graph in audit.graphs.items()
        ),
        "</body></html>",
    ]
    return "\n".join(parts)


def _table(
    head: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]], numbers: set[int]
) -> str:
    """A table of cells that are escaped already; each row has a class."""
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = [f"<table><thead><tr>{names}</tr></thead><tbody>"]
    for kind, cells in rows:
        marked = (
            f'<td class="n">{cell}</td>' if i in numbers else f"<td>{cell}</td>"
            for i, cell in enumerate(cells)
        )
        lines.append(f'<tr class="{kind}">{"".join(marked)}</tr>')
    return "".join([*lines, "</tbody></table>"])


def _summary(audit: Audit) -> str:
    rows = [("bad" if o.cause else "", [escape(cell) for cell in row_of(o)]) for o in audit.outputs]
    return _table(COLUMNS, rows, _NUMBERS)


def _section(audit: OutputAudit) -> str:
    facts = [f"{audit.measured} values measured"]
    facts += [f"{audit.undefined} undefined"] if audit.undefined else []
    facts += [f"{audit.undecided} undecided"] if audit.undecided else []
    facts.append(f"truth decided with {audit.bits} bits")
    if audit.condition_number is not None:
        facts.append(f"condition number {number(audit.condition_number)} at the worst point")
    parts = [
        f"<h2>{escape(audit.output)}, {escape(audit.mode)}</h2>",
        f"<p>{escape('; '.join(facts))}.</p>",
    ]
    node = audit.blamed
    if node is not None:
        parts.append(
            f"<p><b>{escape(node.cause)}</b> in <code>{escape(node.formula)}</code>: "
            f"{escape(node.detail)}</p>"
        )
    if audit.nodes:
        parts.append(_nodes(audit))
    return "\n".join(parts)


def _guards(audit: Audit) -> str:
    if not audit.guards:
        return ""
    title, *lines = guard_lines(audit)
    return f"<h2>Guards</h2><p>{escape(title)}.</p><pre>{escape(chr(10).join(lines))}</pre>"


def _nodes(audit: OutputAudit) -> str:
    rows = [
        (
            "bad" if node.cause else "",
            [
                f"<code>{escape(node.formula)}</code>",
                number(node.local_ulps),
                number(node.inherited_ulps),
                "" if node.effect_ulps != node.effect_ulps else number(node.effect_ulps),
                escape(node.cause),
                f"<code>{escape(node.where)}</code>",
            ],
        )
        for node in audit.nodes[:_NODES_SHOWN]
    ]
    count = len(audit.nodes)
    what = f"{count} nodes" if count <= _NODES_SHOWN else f"{_NODES_SHOWN} of {count} nodes"
    return (
        f"<details{' open' if audit.blamed else ''}><summary>errors of {what} at the worst point"
        f"</summary>{_table(_NODE_COLUMNS, rows, {1, 2, 3})}</details>"
    )
