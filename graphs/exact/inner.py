"""Ops that hold a graph: OpFromGraph, Blockwise, IfElse and Scan, on balls."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pytensor.compile.builders import OpFromGraph
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.scan.op import Scan
from pytensor.tensor.blockwise import Blockwise

from pytensor_stabilize.graphs.exact.balls import (
    STRUCTURAL_ZERO,
    as_array,
    condition,
    from_array,
    has_balls,
    object_array,
    shape_of,
)
from pytensor_stabilize.graphs.exact.program import Program, make_step, selected
from pytensor_stabilize.graphs.exact.rules import IfElse, Step, Undecided, register
from pytensor_stabilize.graphs.graphlike import is_real
from pytensor_stabilize.rewrites.internals import core_node


@register(OpFromGraph)
def op_from_graph(op: Op, node: Apply) -> Step:
    """Step of an OpFromGraph, symbolic ops such as softmax among them: its inner graph."""
    inner = Program.of_inner(op)
    return lambda *values: inner.run(values)


@register(IfElse)
def if_else(op: Any, node: Apply) -> Step:
    """Step of an IfElse, whose condition is one value."""
    count = op.n_outs

    def step(condition: Any, *branches: Any) -> Sequence[Any]:
        branch = selected(condition)
        if branch is None:
            raise Undecided("the condition of an IfElse is not decided")
        return branches[:count] if branch else branches[count:]

    return step


@register(Blockwise)
def blockwise(op: Any, node: Apply) -> Step:
    """Step of a Blockwise: the core op, for each index of the batch."""
    core_ndims = [len(signature) for signature in op.inputs_sig]
    core = make_step(core_node(op, node.inputs))

    def step(*values: Any) -> list[Any]:
        arrays = [v if _is_typed(v) else as_array(v) for v in values]
        batches = [a.shape[: a.ndim - n] for a, n in zip(arrays, core_ndims, strict=True)]
        batch = np.broadcast_shapes(*batches)
        full = [
            np.broadcast_to(a, (*batch, *a.shape[a.ndim - n :]))
            for a, n in zip(arrays, core_ndims, strict=True)
        ]
        rows = [
            # The ellipsis keeps an element of a core without dimensions an array.
            core(*(a[*index, ...] if _is_typed(a) else from_array(a[*index, ...]) for a in full))
            for index in np.ndindex(*batch)
        ]
        return [_stack([row[i] for row in rows], batch) for i in range(len(node.outputs))]

    return step


def _is_typed(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype != object


def _stack(results: list[Any], batch: tuple[int, ...]) -> Any:
    if results and all(_is_typed(np.asarray(r)) for r in results):
        return np.stack(results).reshape((*batch, *np.shape(results[0])))
    core = shape_of(results[0]) if results else ()
    flat = [ball for result in results for ball in as_array(result).ravel().tolist()]
    return from_array(object_array(flat, (*batch, *core)))


@register(Scan)
def scan(op: Op, node: Apply) -> Step:
    """Step of a Scan: its inner graph, as often as it asks for, in Python."""
    inner = Program.of_inner(op)

    def step(*values: Any) -> list[Any]:
        if has_balls(values[0]):
            raise Undecided("the number of steps of a Scan is not decided")
        results = _ScanRun(op, inner, values).outputs()
        return [_for_variable(v, r) for v, r in zip(node.outputs, results, strict=True)]

    return step


def _for_variable(variable: Variable, value: Any) -> Any:
    """Balls for a real variable, what PyTensor itself would compute for a discrete one."""
    if is_real(variable) or not has_balls(value):
        return value
    return condition(value, variable.type.dtype)


class _ScanRun:
    """One run of a Scan: buffers that are read at taps and written one step ahead.

    The order of inputs and outputs, and the circular buffers, are those that PyTensor's Scan
    documents for its `perform`.
    """

    def __init__(self, op: Any, inner: Program, values: Sequence[Any]):
        self.info, self.inner = op.info, inner
        self.steps = int(values[0])
        self.sequences = [as_array(v) for v in op.outer_seqs(values)]
        tapped = [*op.outer_mitmot(values), *op.outer_mitsot(values), *op.outer_sitsot(values)]
        self.buffers = [as_array(v).copy() for v in tapped]
        self.taps = [
            *self.info.mit_mot_in_slices,
            *self.info.mit_sot_in_slices,
            *self.info.sit_sot_in_slices,
        ]
        # PyTensor counts the positions of a mit_mot from its oldest tap, in or out.
        self.oldest = [-min(*taps, 0) for taps in self.taps]
        self.position = [o % max(len(b), 1) for o, b in zip(self.oldest, self.buffers, strict=True)]
        self.untraced = list(op.outer_untraced_sit_sot(values))
        self.collected: list[list[Any]] = [[] for _ in range(self.info.n_nit_sot)]
        self.kept = [int(v) for v in op.outer_nitsot(values)]
        self.constants = list(op.outer_non_seqs(values))
        self.nitsot_ndim = [v.type.ndim for v in op.inner_nitsot_outs(op.inner_outputs)]
        self.done = 0

    def outputs(self) -> list[Any]:
        while self.done < self.steps and self._step():
            pass
        tapped = [self._finished(i) for i in range(len(self.buffers))]
        return [*tapped, *(self._collected(i) for i in range(len(self.kept))), *self.untraced]

    def _step(self) -> bool:
        t, info = self.done, self.info
        # The buffers hold balls, of integers too: these are what the inner graph takes.
        arguments = [from_array(_row(s, t)) for s in self.sequences]
        for buffer, taps, at in zip(self.buffers, self.taps, self.position, strict=True):
            arguments += [from_array(_row(buffer, (at + tap) % len(buffer))) for tap in taps]
        given = [*arguments, *self.untraced, *self.constants]
        pairs = zip(self.inner.inputs, given, strict=True)
        results = iter(self.inner.run([_for_variable(v, value) for v, value in pairs]))
        # All are computed before any is written: the buffers are read at several taps.
        new = [next(results) for _ in range(info.n_mit_mot_outs)]
        written = iter(new)
        single = [next(results) for _ in range(info.n_mit_sot + info.n_sit_sot)]
        for i, buffer in enumerate(self.buffers):
            if i < info.n_mit_mot:
                for tap in info.mit_mot_out_slices[i]:
                    buffer[self.position[i] + tap] = from_array(as_array(next(written)))
            else:
                buffer[self.position[i]] = from_array(as_array(single[i - info.n_mit_mot]))
            self.position[i] = (self.position[i] + 1) % len(buffer)
        for rows in self.collected:
            rows.append(as_array(next(results)))
        self.untraced = [next(results) for _ in self.untraced]
        self.done += 1
        if not info.as_while:
            return True
        stop = selected(next(results))
        if stop is None:
            raise Undecided("the condition that ends a Scan is not decided")
        return not stop

    def _finished(self, i: int) -> np.ndarray:
        buffer, end = self.buffers[i], self.done + self.oldest[i]
        if i < self.info.n_mit_mot or len(buffer) == end:
            return buffer
        if len(buffer) < end:
            return np.roll(buffer, -self.position[i], axis=0)
        unused = buffer[end:]
        unused[...] = object_array([STRUCTURAL_ZERO] * unused.size, unused.shape)
        return self._ended(buffer)

    def _ended(self, rows: np.ndarray) -> np.ndarray:
        """What PyTensor keeps where a condition ended the loop early."""
        return rows[: len(rows) - (self.steps - self.done)]

    def _collected(self, i: int) -> np.ndarray:
        rows = self.collected[i][-self.kept[i] :] if self.kept[i] else []
        shape = rows[0].shape if rows else (0,) * self.nitsot_ndim[i]
        flat = [ball for row in rows for ball in row.ravel().tolist()]
        missing = self.kept[i] - len(rows) if rows else 0
        flat += [STRUCTURAL_ZERO] * (missing * int(np.prod(shape, dtype=int)))
        collected = object_array(flat, (len(rows) + missing, *shape))
        return self._ended(collected) if missing else collected


def _row(array: np.ndarray, index: int) -> np.ndarray:
    # A slice and a reshape keep an array where an index alone would give its element.
    return array[index : index + 1].reshape(array.shape[1:])
