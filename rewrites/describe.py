"""Short readable text for pieces of a graph, and the user's source line that made them."""

import linecache
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType

import numpy as np
import pytensor
from pytensor.graph.basic import Constant, Variable
from pytensor.scalar.basic import ScalarOp
from pytensor.tensor.basic import ScalarFromTensor, TensorFromScalar
from pytensor.tensor.elemwise import DimShuffle, Elemwise

from pytensor_stabilize.rewrites.branch_free.ops import KernelOp
from pytensor_stabilize.rewrites.matching import is_a

# scalar op class -> (symbol, precedence); the right operands of - / ** bind one tighter
_INFIX = {"Add": ("+", 1), "Sub": ("-", 1), "Mul": ("*", 2), "TrueDiv": ("/", 2), "Pow": ("**", 4)}
_ATOM = 9
_OPERANDS = 6

# Number of operands to look at for a line of their own.
_NEAREST = 30
_ROOT = Path(__file__).parents[1]
# Frames below these are library code: the user's line is the nearest one outside.
_LIBRARIES = tuple(
    str(folder) + os.sep
    for folder in (
        Path(pytensor.__file__).parent,
        _ROOT / "rewrites",
        _ROOT / "graphs",
        *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
    )
)


def describe(
    variable: Variable, depth: int = 4, scope: Mapping[Variable, Variable] | None = None
) -> str:
    """Return `variable` as a formula, with an ellipsis below `depth` operations.

    Parameters
    ----------
    variable
        What to describe.
    depth
        Number of nested operations to write out.
    scope
        What to write for the inputs of an inner graph: the outer variables that they stand for.
    """
    return _describe(variable, depth, scope or {}, expand=True)[0]


def _describe(
    variable: Variable, depth: int, scope: Mapping[Variable, Variable], expand: bool = False
) -> tuple[str, int]:
    if variable in scope:
        return _describe(scope[variable], depth, {}, expand)
    if is_a(variable, Constant):
        return _constant(variable), _ATOM
    node = variable.owner
    if node is None:
        return variable.name or str(variable), _ATOM
    if variable.name and not expand:
        return variable.name, _ATOM
    if is_a(node.op, DimShuffle, TensorFromScalar, ScalarFromTensor):
        return _describe(node.inputs[0], depth, scope, expand)
    if depth == 0:
        return "...", _ATOM
    # A join of hundreds of parts would fill the screen, and take long.
    operands = [_describe(i, depth - 1, scope) for i in node.inputs[:_OPERANDS]]
    if len(node.inputs) > _OPERANDS:
        operands.append(("...", _ATOM))
    scalar_op = node.op.scalar_op if is_a(node.op, Elemwise) else node.op
    kind = type(scalar_op).__name__
    if not isinstance(scalar_op, ScalarOp):
        return f"{kind}({', '.join(text for text, _ in operands)})", _ATOM
    if kind == "Neg":
        text, rank = operands[0]
        return (f"-{text}" if rank > 2 else f"-({text})"), 2
    if kind in _INFIX:
        symbol, own = _INFIX[kind]
        pieces = []
        for position, (text, rank) in enumerate(operands):
            needed = own + 1 if position and kind in ("Sub", "TrueDiv", "Pow") else own
            pieces.append(text if rank >= needed else f"({text})")
        return f" {symbol} ".join(pieces), own
    function = scalar_op.name if is_a(scalar_op, KernelOp) else kind.lower()
    return f"{function}({', '.join(text for text, _ in operands)})", _ATOM


def _constant(constant: Constant) -> str:
    try:
        value = np.asarray(constant.data)
    except ValueError:
        return str(constant)
    if value.dtype.kind not in "biuf" or value.size == 0 or (value != value.flat[0]).any():
        return constant.name or "constant"
    number = value.flat[0].item()
    return str(number).removesuffix(".0")


def source_line(variable: Variable) -> str:
    """Return ``file:line: code`` of the innermost user frame that built `variable`, or ``""``.

    The file is named from the working directory if it lies below it.  Frames inside installed
    packages, the standard library and this package are passed over: of a gradient it is the line
    that asked for it.  Where that is the line that is running now, as for the logp that PyMC
    builds while it is reported on, the nearest operand with a line of its own has the answer.
    """
    running = set(_running_lines())
    fallback = ""
    for current in _nearest(variable):
        for filename, line, code in _user_frames(current):
            text = f"{_short(filename)}:{line}: {linecache.getline(filename, line).strip() or code}"
            if (filename, line) not in running:
                return text
            fallback = fallback or text
    return fallback


def nearest_trace(variable: Variable) -> list:
    """The trace of a variable, or of the nearest operand that has one."""
    traces = (getattr(v.tag, "trace", None) for v in _nearest(variable))
    return next(filter(None, traces), [])


def _nearest(variable: Variable) -> Iterator[Variable]:
    """A variable and what it is computed from, some thirty of it, the nearest first."""
    todo, seen = [variable], {variable}
    for current in todo:
        # Where an input was made says nothing of what was made of it.
        if current is variable or current.owner is not None:
            yield current
        if current.owner is not None and len(todo) < _NEAREST:
            fresh = [i for i in current.owner.inputs if i not in seen]
            seen.update(fresh)
            todo += fresh


def _short(filename: str) -> str:
    """The file as seen from the working directory, if it lies below it."""
    here = os.getcwd() + os.sep
    return filename.removeprefix(here)


def _running_lines() -> Iterator[tuple[str, int]]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back


def _user_frames(variable: Variable) -> Iterator[tuple[str, int, str]]:
    """The innermost user frame of each of the variable's traces."""
    traces = getattr(variable.tag, "trace", None) or []
    # A single trace is a list of frames, a merged one a list of such lists.
    if traces and isinstance(traces[0], tuple):
        traces = [traces]
    for trace in traces:
        for frame in reversed(trace):
            if not _is_library(frame[0]):
                yield frame[0], frame[1], str(frame[3] or "").strip()
                break


def _is_library(filename: str) -> bool:
    return filename.startswith(_LIBRARIES)
