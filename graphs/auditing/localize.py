"""Which operation of a graph adds the error: local and inherited error of each node at a point.

The local error of a node is that of its float operation on the correctly rounded values of its
inputs (the model is Herbie's localize, Panchekha et al. 2015).  Its effect is the error of the
output if that node alone works in floats and all others exactly: a large local error that does
not reach the output is nobody's fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from types import MappingProxyType
from typing import Any

import numpy as np
from flint import ctx
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.traversal import ancestors, walk
from pytensor.tensor.elemwise import Elemwise

from pytensor_stabilize.graphs.auditing.causes import NOTABLE_ULPS, adds_many, entries, find_cause
from pytensor_stabilize.graphs.exact import Program, Undecided
from pytensor_stabilize.graphs.exact.values import as_value, round_value
from pytensor_stabilize.graphs.graphlike import is_real
from pytensor_stabilize.graphs.truth import Truth
from pytensor_stabilize.graphs.ulps import ulp_error
from pytensor_stabilize.rewrites.describe import describe, source_line

# Nodes whose effect on the output is computed, the worst first.
SUSPECTS = 5
_ELEMENTS_SHOWN = 5
# Operations of a formula that is looked up, operands that are, and variables of a graph that are
# remembered.
_LINE_DEPTH, _NEAREST, _LINES = 6, 30, 2000


@dataclass(frozen=True)
class NodeError:
    """What one node does to an output, at one point.

    Attributes
    ----------
    formula
        The node written out.
    op
        Name of its op.
    local_ulps
        Error of its own float operation on correctly rounded inputs, in ulps, at its worst
        element.
    inherited_ulps
        Error that the inputs, as computed in floats, hand to an exact operation, at that element.
    effect_ulps
        Error of the output if this node alone works in floats; nan if it was not computed.
    cause
        "cancellation", "overflow", "underflow", "amplified rounding" (the operation magnifies
        the rounding of its argument), "accumulated rounding" (a sum of many terms), "narrow
        dtype" (a float32 in a float64 graph), or "inaccurate operation"; empty if its local
        error is small.
    detail
        The numbers behind the cause.
    where
        Line of the user's code that made the node, or an empty string.
    elements
        How many elements have a notable local error, and the first of their indices.
    """

    formula: str
    op: str
    local_ulps: float
    inherited_ulps: float
    effect_ulps: float
    cause: str
    detail: str
    where: str
    elements: tuple[int, tuple[tuple[int, ...], ...]]


@dataclass
class _Examined:
    """A node, what it computes from correctly rounded inputs, and how wrong that is."""

    node: Apply
    position: int
    arguments: list[Any]
    results: list[Any]
    truth: Truth
    local: np.ndarray
    changed: list[Truth] | None = None
    described: NodeError | None = None

    @property
    def worst(self) -> tuple[int, ...]:
        """Index of the element with the largest local error."""
        if not self.local.size:
            return ()
        return tuple(map(int, np.unravel_index(int(np.argmax(self.local)), self.local.shape)))

    @property
    def output(self) -> Variable:
        """The output of the node that is looked at."""
        return self.node.outputs[self.position]

    def ulps_of(self, itemsize: int) -> float:
        """Its local error in ulps of a float of that size, which are finer than its own."""
        digits = {size: np.finfo(f"float{8 * size}").nmant for size in (2, 4, 8)}
        own = self.truth.value.dtype.itemsize
        return self.local_ulps * 2.0 ** max(digits[itemsize] - digits[own], 0)

    def is_suspect(self, itemsize: int) -> bool:
        """Whether its local error is notable for an output whose floats have that size."""
        return self.ulps_of(itemsize) > NOTABLE_ULPS

    @property
    def local_ulps(self) -> float:
        """Its local error."""
        return float(self.local[self.worst]) if self.local.size else 0.0


class Localizer:
    """The nodes of one graph at one point, exact and in floats, for all its outputs.

    Parameters
    ----------
    fgraph
        The graph, as it is compiled but not fused.
    values
        One array an input.
    bits
        Precision that decided the outputs.
    lines
        Lines of the user's code by formula, for nodes that have lost their trace.
    """

    def __init__(
        self,
        fgraph: FunctionGraph,
        values: Sequence[np.ndarray],
        bits: int,
        lines: Mapping[str, str] = MappingProxyType({}),
    ):
        self.fgraph, self.values, self.lines = fgraph, values, lines
        self.program = Program(fgraph.inputs, fgraph.outputs)
        # The error of a node is a difference, which needs more bits than the value.
        self.bits = 2 * bits
        self.known: dict[Variable, Any] = {}
        with ctx.workprec(self.bits):
            self.program.run(self._balls(fgraph.inputs, values), into=self.known)
            self.truths = {
                v: settle(round_value(v, b)) for v, b in self.known.items() if is_real(v)
            }
        # Correctly rounded values of what is real, exact ones of the rest.
        self.rounded = self.known | {v: _or_middle(t) for v, t in self.truths.items()}
        self.floats = self._run_in_floats()
        self.examined = [
            found
            for node in fgraph.toposort()
            for position in range(len(node.outputs))
            if (found := self._examine(node, position)) is not None
        ]

    def nodes(self, output: int, element: tuple[int, ...]) -> list[NodeError]:
        """The nodes that an output depends on, those with the largest effect on it first.

        Parameters
        ----------
        output
            Position of the output.
        element
            Index of the element of it that is asked about.
        """
        above = set(ancestors([self.fgraph.outputs[output]]))
        mine = [f for f in self.examined if f.output in above]
        wide = self.truths[self.fgraph.outputs[output]].value.dtype.itemsize
        suspects = [f for f in mine if f.is_suspect(wide)]
        effects = {
            f.output: self._effect(f, output, element)
            for f in sorted(suspects, key=lambda f: -f.ulps_of(wide))[:SUSPECTS]
        }
        found = [self._describe(f, effects.get(f.output, float("nan"))) for f in mine]
        return sorted(found, key=lambda n: (-np.nan_to_num(n.effect_ulps, nan=-1.0), -n.local_ulps))

    def _balls(self, variables: Sequence[Variable], values: Sequence[Any]) -> list[Any]:
        return [as_value(v, a) for v, a in zip(variables, values, strict=True)]

    def _run_in_floats(self) -> dict[Variable, Any]:
        """Every node that was reached, in floats, from the inputs on."""
        floats: dict[Variable, Any] = dict(zip(self.fgraph.inputs, self.values, strict=True))
        for node in self.fgraph.toposort():
            arguments = [_data(v, floats) for v in node.inputs]
            if any(a is None for a in arguments):
                continue
            results = perform(node, arguments)
            if results is not None:
                floats.update(zip(node.outputs, results, strict=True))
        return floats

    def output_errors(self, audit: Any) -> tuple[float, float]:
        """Errors of the rewritten graph's exact value, and of its nodes run in floats, in ulps."""
        output, element = self.fgraph.outputs[audit.index], audit.worst_element
        exact = np.asarray(audit.worst_exact, dtype=audit.dtype)
        values = (self.truths[output].value, self.floats.get(output))
        folded, computed = (
            float("nan")
            if value is None or np.shape(value) != self.truths[output].value.shape
            else float(ulp_error(np.asarray(value[element], dtype=audit.dtype), exact))
            for value in values
        )
        return folded, computed

    def longest_sum(self, output: int) -> int:
        """Number of terms of the longest sum that an output depends on."""
        above = set(ancestors([self.fgraph.outputs[output]]))
        sizes = [
            np.size(self.known.get(node.inputs[0], 0)) // max(np.size(self.known[found]), 1)
            for node in self.fgraph.toposort()
            if (found := node.outputs[0]) in above and found in self.known and adds_many(node)
        ]
        return max(sizes, default=0)

    def _examine(self, node: Apply, position: int) -> _Examined | None:
        truth = self.truths.get(node.outputs[position])
        arguments = [_data(v, self.rounded) for v in node.inputs]
        if truth is None or any(a is None for a in arguments):
            return None
        results = perform(node, arguments)
        if results is None or np.shape(results[position]) != truth.value.shape:
            return None
        # What is undefined or undecided inside has no error of its own.
        local = np.where(truth.decided, ulp_error(results[position], truth), 0.0)
        return _Examined(node, position, arguments, results, truth, local)

    def _effect(self, suspect: _Examined, output: int, element: tuple[int, ...]) -> float:
        """Error of the output when this node's float results stand in the exact graph."""
        changed = self._changed(suspect)
        exact = self.truths[self.fgraph.outputs[output]]
        if changed is None:
            return float("inf")
        new = changed[output]
        if new.value.shape != exact.value.shape or not new.decided[element]:
            return float("inf")
        return float(ulp_error(new.value, exact)[element])

    def _changed(self, suspect: _Examined) -> list[Truth] | None:
        """All outputs with this node's float results in the exact graph; None if undecided."""
        if suspect.changed is None:
            replaced = suspect.node.outputs
            program = Program([*self.fgraph.inputs, *replaced], self.fgraph.outputs)
            values = [*self.values, *map(np.asarray, suspect.results)]
            with ctx.workprec(self.bits):
                try:
                    outputs = program.run(self._balls(program.inputs, values))
                except Undecided:
                    return None
                suspect.changed = [
                    settle(round_value(v, o))
                    for v, o in zip(self.fgraph.outputs, outputs, strict=True)
                ]
        return suspect.changed

    def _inherited(self, f: _Examined) -> float:
        arguments = [_data(v, self.floats) for v in f.node.inputs]
        if any(a is None for a in arguments):
            return float("nan")
        value = self._exactly(f, arguments)
        return float("nan") if value is None else float(ulp_error(value.value, f.truth[f.worst]))

    def _exactly(self, f: _Examined, arguments: list[Any]) -> Truth | None:
        """Its exact result for floats at the worst element; None if that has another shape."""
        node, worst = f.node, f.worst
        arguments = [entries(node, np.asarray(a), worst) for a in arguments]
        with ctx.workprec(self.bits):
            step = self.program.step_of(f.output)
            value = step(*self._balls(node.inputs, arguments))[f.position]
            truth = settle(round_value(f.output, value))
        if isinstance(node.op, Elemwise):
            return truth
        return truth[worst] if truth.value.shape == f.truth.value.shape else None

    def _line_of(self, variable: Variable) -> str:
        """The line of the same formula in the user's graph, or of the nearest operand's.

        Where a gradient repeats what the user wrote, PyTensor may keep the trace of either.
        """
        nearest = takewhile(lambda found: found[0] < _NEAREST, enumerate(walk([variable], _above)))
        texts = (describe(v, _LINE_DEPTH) for _, v in nearest if v.owner is not None)
        return next((self.lines[text] for text in texts if text in self.lines), "")

    def _describe(self, f: _Examined, effect: float) -> NodeError:
        if f.described is None:
            output = f.output
            bad = np.argwhere(f.local > NOTABLE_ULPS)
            cause, detail = "", ""
            if len(bad):
                inputs = [self.truths.get(v) for v in f.node.inputs]
                exact = self._exactly(f, f.arguments)
                assert exact is not None
                cause, detail = find_cause(
                    f.node, f.results[f.position], exact, f.truth, inputs, f.worst
                )
            elif f.truth.value.dtype.itemsize < 8 and f.local_ulps:
                cause, detail = "narrow dtype", f"it is rounded to {f.truth.value.dtype}"
            op = f.node.op.scalar_op if isinstance(f.node.op, Elemwise) else f.node.op
            f.described = NodeError(
                formula=describe(output, depth=3),
                op=type(op).__name__,
                local_ulps=f.local_ulps,
                inherited_ulps=self._inherited(f),
                effect_ulps=float("nan"),
                cause=cause,
                detail=detail,
                where=source_line(output) or self._line_of(output),
                elements=(len(bad), tuple(tuple(map(int, r)) for r in bad[:_ELEMENTS_SHOWN])),
            )
        return replace(f.described, effect_ulps=effect)


def _above(variable: Variable) -> Sequence[Variable]:
    return variable.owner.inputs if variable.owner is not None else ()


def lines_of(outputs: Sequence[Variable]) -> dict[str, str]:
    """Lines of the user's code by the formula that they made."""
    made = (v for v in ancestors(outputs) if v.owner is not None)
    found = ((describe(v, _LINE_DEPTH), source_line(v)) for v in islice(made, _LINES))
    return {formula: line for formula, line in found if line}


def settle(truth: Truth) -> Truth:
    """Take the nearest float of what is known to many digits and still undecided.

    Inside a graph ``log(exp(x)) * y`` may lie exactly between two floats; either will do there.
    """
    if not truth.undecided.any():
        return truth
    assert truth.balls is not None
    narrow = np.array(
        [b.is_finite() and (b.is_exact() or b.rel_accuracy_bits() > 60) for b in truth.balls.flat]
    ).reshape(truth.value.shape)
    settled = truth.undecided & narrow
    value = np.where(settled, _or_middle(truth), truth.value)
    return replace(truth, value=value, status=np.where(settled, np.int8(0), truth.status))


def _or_middle(truth: Truth) -> np.ndarray:
    """The value, and where it is not decided the middle of its ball: ``x - max(x)`` is near 0."""
    if not truth.undecided.any():
        return truth.value
    assert truth.balls is not None
    middle = [float(b.mid()) if b.is_finite() else np.nan for b in truth.balls.flat]
    shaped = np.array(middle).reshape(truth.value.shape).astype(truth.value.dtype)
    return np.where(truth.undecided, shaped, truth.value)


def _data(variable: Variable, values: dict[Variable, Any]) -> Any:
    return variable.data if isinstance(variable, Constant) else values.get(variable)


def perform(node: Apply, arguments: Sequence[Any]) -> list[Any] | None:
    """Outputs of one node by PyTensor's own Python code; None where it has none."""
    storage: list[list[Any]] = [[None] for _ in node.outputs]
    try:
        with np.errstate(all="ignore"):
            node.op.perform(node, [_copy(a) for a in arguments], storage)  # type: ignore[attr-defined]
    except Exception:
        # Loops and C-only ops have no perform that can be called alone: they are not examined.
        return None
    return [cell[0] for cell in storage]


def _copy(value: Any) -> Any:
    # An op that works inplace may overwrite what it is given.
    return value.copy() if isinstance(value, np.ndarray) else value
