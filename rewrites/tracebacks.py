"""The lines that PyTensor notes with each variable: searched once in a pass of rules, not per node.

To search the user's line takes PyTensor half of the time that it takes to make a node.  What is
made while a pass runs has one line, the one that asked for the pass.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from types import FrameType

import pytensor
from pytensor.configdefaults import config
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.utils import simple_extract_stack

# Frames of these are between a rewriter and the line that asked for a function.
_REWRITERS = tuple(str(Path(file).parent) + os.sep for file in (__file__, pytensor.__file__))

# Passes under way, in all threads, and PyTensor's setting before the first of them.
_lock = Lock()
_depth = 0
_limit = 0


@contextmanager
def untraced() -> Iterator[int]:
    """Spare PyTensor the search for lines; gives its setting before, the number of frames."""
    global _depth, _limit
    with _lock:
        if not _depth:
            _limit, config.traceback__limit = config.traceback__limit, 0
        _depth += 1
    try:
        yield _limit
    finally:
        with _lock:
            _depth -= 1
            if not _depth:
                config.traceback__limit = _limit


def show_the_callers_line(fgraph: FunctionGraph, limit: int) -> None:
    """Give what has no line, in a graph, the line that asked for it, with so many frames."""
    without = [
        output
        for node in fgraph.apply_nodes
        for output in node.outputs
        if not getattr(output.tag, "trace", None)
    ]
    if not without:
        return
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_REWRITERS):
        frame = frame.f_back
    seen = simple_extract_stack(frame, limit=limit if limit > 0 else None)
    for output in without:
        output.tag.trace = [seen]
