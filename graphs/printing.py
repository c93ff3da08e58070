"""PyTensor's debugprint with marks on the nodes that our rules made."""

import re
from typing import Any

from pytensor.graph.basic import Variable
from pytensor.printing import debugprint as pytensor_debugprint

from pytensor_stabilize.graphs.graphlike import Graph, compiled_function, view
from pytensor_stabilize.rewrites.checks import check_text_file

_ID = re.compile(r"\[id \S+\]")


def debugprint(graph: Graph, file: Any = None, **kwargs: Any) -> Any:
    """Print a graph as `pytensor.dprint` does, and mark the nodes that our rules made.

    A mark is `` <- one_minus_sigmoid`` at the end of the line.  A fused node carries the names
    of all rules that made something inside it.

    Parameters
    ----------
    graph
        A compiled function or FunctionGraph; for variables, which are not rewritten yet, it
        prints what PyTensor prints.
    file
        As in `pytensor.dprint`: None prints, "str" returns a string, else a text stream.
    **kwargs
        Handed on to `pytensor.dprint`.

    Raises
    ------
    TypeError
        `graph` is not a graph, or `file` is none of the three.
    """
    if file is not None and file != "str":
        check_text_file("debugprint()", file, ', "str"')
    marks = view(graph, "debugprint()").marks
    ids: dict[Any, str] = kwargs.pop("used_ids", {})
    graph = compiled_function(graph) or graph
    text = str(pytensor_debugprint(graph, file="str", used_ids=ids, **kwargs))  # type: ignore[arg-type]
    if marks is not None:
        names = {ids[key]: rules for key, rules in _by_id_key(marks.marks, ids).items()}
        text = "\n".join(_mark(line, names) for line in text.split("\n"))
    if file == "str":
        return text
    print(text.rstrip("\n"), file=file)
    return file


def _by_id_key(
    marks: dict[Variable, frozenset[str]], ids: dict[Any, str]
) -> dict[Any, frozenset[str]]:
    """Marks by the object that debugprint gives an id to: a node, or a variable without one."""
    by_key: dict[Any, frozenset[str]] = {}
    for variable, names in marks.items():
        for key in (variable, variable.owner):
            if key is not None and key in ids:
                by_key[key] = by_key.get(key, frozenset()) | names
    return by_key


def _mark(line: str, names: dict[str, frozenset[str]]) -> str:
    match = _ID.search(line)
    rules = names.get(match.group()) if match is not None else None
    return f"{line}  <- {', '.join(sorted(rules))}" if rules else line
