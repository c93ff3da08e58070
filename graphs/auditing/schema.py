"""An audit as JSON: one layout for `Audit.to_dict` and for the command line."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from pytensor_stabilize.graphs.auditing.result import Audit, OutputAudit

# To be raised when a reader of the old layout would fail on the new one.
VERSION = 1

_NUMBER = {"anyOf": [{"type": "number"}, {"enum": ["inf", "-inf", "nan"]}]}
_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _array(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_NODE = _object(
    {
        "formula": _TEXT,
        "op": _TEXT,
        "local_ulps": _NUMBER,
        "inherited_ulps": _NUMBER,
        "effect_ulps": _NUMBER,
        "cause": _TEXT,
        "detail": _TEXT,
        "where": _TEXT,
        "bad_elements": _COUNT,
        "first_bad_elements": _array(_array(_COUNT)),
    }
)

_OUTPUT = _object(
    {
        "output": _TEXT,
        "mode": _TEXT,
        "dtype": _TEXT,
        "measured": _COUNT,
        "undefined": _COUNT,
        "undecided": _COUNT,
        "max_ulps": _NUMBER,
        "p999_ulps": _NUMBER,
        "no_digit": _NUMBER,
        "worst_point": _COUNT,
        "worst_element": _array(_COUNT),
        "worst_input": {"type": "object"},
        "worst_actual": _NUMBER,
        "worst_exact": _NUMBER,
        "bits": _COUNT,
        "condition_number": {"anyOf": [*_NUMBER["anyOf"], {"type": "null"}]},
        "cause": _TEXT,
        "blamed": {"anyOf": [_NODE, {"type": "null"}]},
        "nodes": _array(_NODE),
    }
)

_SIDE = {"anyOf": [{"type": "number"}, {"type": "null"}]}
_GUARD = _object(
    {
        "formula": _TEXT,
        "kind": {"enum": ["added", "bounded", "replaced"]},
        "value": _TEXT,
        "argument": _TEXT,
        "below": _SIDE,
        "above": _SIDE,
        "ends": {"anyOf": [_array(_NUMBER), {"type": "null"}]},
        "where": _TEXT,
    }
)
_UNGUARDED = _object(
    {
        "output": _TEXT,
        "point": _COUNT,
        "element": _array(_COUNT),
        "inputs": {"type": "object"},
        "exact": _NUMBER,
        "without": _NUMBER,
    }
)

SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Audit of a PyTensor graph, errors in ulps",
    **_object(
        {
            "schema": {"const": VERSION},
            "title": _TEXT,
            "note": _TEXT,
            "inputs": _array(_TEXT),
            "points": _COUNT,
            "modes": _array(_TEXT),
            "outputs": _array(_OUTPUT),
            "guards": _array(_GUARD),
            "unguarded": _array(_UNGUARDED),
        }
    ),
}


def as_dict(audit: Audit) -> dict[str, Any]:
    """The audit in the layout of `SCHEMA`."""
    return plain(
        {
            "schema": VERSION,
            "title": audit.title,
            "note": audit.note,
            "inputs": list(audit.inputs),
            "points": audit.points,
            "modes": list(audit.modes),
            "outputs": [_output(output) for output in audit.outputs],
            "guards": [asdict(guard) for guard in audit.guards],
            "unguarded": [asdict(found) for found in audit.unguarded],
        }
    )


def _output(audit: OutputAudit) -> dict[str, Any]:
    special = {"condition_number", "blamed", "nodes"}
    values = {name: getattr(audit, name) for name in _OUTPUT["properties"] if name not in special}
    return values | {
        "condition_number": audit.condition_number,
        "blamed": None if audit.blamed is None else _node(audit.blamed),
        "nodes": [_node(node) for node in audit.nodes],
    }


def _node(node: Any) -> dict[str, Any]:
    count, shown = node.elements
    own = {name: getattr(node, name) for name in _NODE["properties"] if hasattr(node, name)}
    return own | {"bad_elements": count, "first_bad_elements": shown}


def plain(value: Any) -> Any:
    """Replace what JSON cannot hold: tuples by lists, infinities and nan by their names."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
