"""The operation to blame for an output's largest error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from flint import arb, ctx
from pytensor.graph.basic import Variable
from pytensor.graph.fg import FunctionGraph

from pytensor_stabilize.graphs.auditing.causes import NOTABLE_ULPS
from pytensor_stabilize.graphs.auditing.localize import Localizer, lines_of
from pytensor_stabilize.graphs.auditing.result import OutputAudit
from pytensor_stabilize.graphs.auditing.sampling import Points
from pytensor_stabilize.graphs.auditing.ways import Way
from pytensor_stabilize.graphs.exact import Program, Undecided, UnsupportedOp
from pytensor_stabilize.graphs.exact.values import as_value
from pytensor_stabilize.graphs.explain import rewrite
from pytensor_stabilize.graphs.graphlike import shared_inputs, shared_value
from pytensor_stabilize.graphs.printing import debugprint

# Rewrites that compute the same from fewer, larger nodes and drop the traces of the small ones,
# and our lowering, which writes a sigmoid out in six nodes that nobody would recognise.
WHOLE_LOOPS = (
    "BlasOpt",
    "blas",
    "fusion",
    "fuse_indexed_into_elemwise",
    "inplace",
    "scan_save_mem",
    "sigmoids_share_exp",
)
# Inputs with more elements, and those of graphs with more values, are moved as a whole.
_ELEMENTS = 64
_VALUES = 20_000
# Relative step of the difference quotient, in bits: its own error is of that order.
_STEP_BITS = 100


class Blame:
    """Causes of the errors of one mode, at the worst points of its outputs.

    Parameters
    ----------
    way
        The mode.
    graph
        What it compiles.
    points
        Where the outputs were measured.
    question
        Condition numbers of the outputs.
    """

    def __init__(self, way: Way, graph: Sequence[Variable], points: Points, question: Question):
        self.fgraph = rewritten(graph, points.inputs, way)
        self.constants = [shared_value(v) for v in shared_inputs(graph)]
        self.points, self.question = points, question
        self._localizers: dict[int, Localizer | None] = {}

    @property
    def text(self) -> str:
        """The mode's graph, as `graphs.debugprint` shows it."""
        return str(debugprint(self.fgraph, file="str", print_inner_graphs=False))

    def of(self, audit: OutputAudit) -> OutputAudit:
        """Add condition number, nodes and cause to what was measured of an output."""
        if not audit.max_ulps > NOTABLE_ULPS:
            return audit
        point, element = audit.worst_point, audit.worst_element
        localizer = self._localizer(point, audit.bits)
        nodes = () if localizer is None else tuple(localizer.nodes(audit.index, element))
        condition = self.question.condition_number(point, audit.index, element, audit.bits)
        found = replace(audit, condition_number=condition, nodes=nodes)
        return replace(found, cause=_cause(found, localizer))

    def _localizer(self, point: int, bits: int) -> Localizer | None:
        if point not in self._localizers:
            values = [*self.points.values[point], *self.constants]
            try:
                self._localizers[point] = Localizer(self.fgraph, values, bits, self.question.lines)
            except (UnsupportedOp, Undecided):
                # A rewrite may bring an op of the linker's own, of which no truth is known.
                self._localizers[point] = None
        return self._localizers[point]


def rewritten(graph: Sequence[Variable], inputs: Sequence[Variable], way: Way) -> FunctionGraph:
    """The graph as a mode makes it, before fusion and lowering, with its inputs in order."""
    with way.rules():
        mode = way.mode.excluding(*WHOLE_LOOPS)
        return rewrite(list(graph), mode, [*inputs, *shared_inputs(graph)])


def _cause(audit: OutputAudit, localizer: Localizer | None) -> str:
    if localizer is None:
        return "not located"
    condition = audit.condition_number
    # A backward stable formula on exact inputs errs by about the condition number in ulps.
    if condition is not None and audit.max_ulps <= 2 * condition:
        return "sensitive question"
    node = audit.blamed
    if node is not None:
        return node.cause
    folded, computed = localizer.output_errors(audit)
    if folded > NOTABLE_ULPS:
        return "folded constant"
    # NumPy adds in pairs, which is better than what a linker's loop does.
    summed = audit.max_ulps <= localizer.longest_sum(audit.index)
    return "accumulated rounding" if computed > NOTABLE_ULPS or summed else "not located"


class Question:
    """The graph as it was asked about: its condition numbers, and the lines that made it.

    Condition numbers are difference quotients in exact arithmetic.

    Parameters
    ----------
    points
        The points.
    program
        The unrewritten graph.
    constants
        Values of its shared variables, which stand behind the inputs.
    """

    def __init__(self, points: Points, program: Program, constants: Sequence[np.ndarray]):
        self.points, self.program, self.constants = points, program, constants
        self._runs: dict[int, list[list[Any]]] = {}

    @cached_property
    def lines(self) -> dict[str, str]:
        """Lines of the user's code by formula."""
        return lines_of(self.program.outputs)

    def condition_number(
        self, point: int, output: int, element: tuple[int, ...], bits: int
    ) -> float | None:
        """Relative change of an element of an output for a relative change of the inputs.

        The sum over the elements of the inputs of ``|x df/dx / f|`` (Higham 2002, section 1.6);
        an input of many elements, or of a graph of many values, is moved as a whole.  Infinite
        where the output is 0 and its derivative is not; None where it cannot be told, and where
        all inputs are 0.
        """
        if point not in self._runs:
            with ctx.workprec(bits + 4 * _STEP_BITS):
                try:
                    self._runs[point] = self._moved_runs(self.points.values[point])
                except Undecided:
                    self._runs[point] = []
        if not self._runs[point]:
            return None
        found = [_at(values[output], element) for values in self._runs[point]]
        if not all(ball.is_finite() for ball in found):
            return None
        base, *moved = found
        if not moved:
            return None
        if base.is_zero():
            # Where the derivative is 0 as well, the question is not sensitive.
            first_order = arb(2) ** (-1.5 * _STEP_BITS)
            return float("inf") if any(abs(there) > first_order for there in moved) else None
        with ctx.workprec(bits + 4 * _STEP_BITS):
            changes = [(there - base) / base * arb(2) ** _STEP_BITS for there in moved]
        if not all(change.is_finite() for change in changes):
            return None
        return sum(abs(float(change.mid())) for change in changes)

    def _moved_runs(self, values: Sequence[np.ndarray]) -> list[list[Any]]:
        """Outputs at the point, and with each input moved."""
        given = zip(self.program.inputs, [*values, *self.constants], strict=True)
        arrays = [as_value(v, a) for v, a in given]
        known: dict[Variable, Any] = {}
        runs = [self.program.run(arrays, into=known)]
        large = sum(np.size(value) for value in known.values()) > _VALUES
        for position in range(len(self.points.inputs)):
            for moved in _moved(arrays[position], 1 if large else _ELEMENTS):
                runs.append(self.program.run([*arrays[:position], moved, *arrays[position + 1 :]]))
        return runs


def _at(value: Any, element: tuple[int, ...]) -> arb:
    return value[element] if isinstance(value, np.ndarray) else value


def _moved(value: Any, elements: int) -> list[Any]:
    """The value with each element, or all of them, made larger by a small part of itself."""
    factor = 1 + arb(2) ** -_STEP_BITS
    if isinstance(value, arb):
        return [] if value.is_zero() or not value.is_finite() else [value * factor]
    if not isinstance(value, np.ndarray) or value.dtype.kind != "O":
        return []
    if value.size > elements:
        return [value * factor]
    rows = []
    for index in np.ndindex(value.shape):
        row = value.copy()
        row[index] = row[index] * factor
        rows.append(row)
    return rows
