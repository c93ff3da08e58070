"""Guards that change a model: ``p + 1e-7``, ``clip(p, 1e-6, 1 - 1e-6)``, ``switch(eq(p, 1), ...)``.

A guard keeps a rounded probability away from 0 or 1.  Where it does so it also changes the exact
value, which no rewrite may mend: what it computes is what was asked for.  So an audit, which
compares with the exact value, would find nothing.  It says instead where a guard takes over, and
what the outputs would be without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.traversal import toposort
from pytensor.raise_op import CheckAndRaise
from pytensor.scalar import basic as ps
from pytensor.tensor.basic import Join, MakeVector
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.special import LogSoftmax, Softmax

from pytensor_stabilize.graphs.auditing.sampling import Points
from pytensor_stabilize.graphs.truth import Evaluator, Truth, import_exact
from pytensor_stabilize.rewrites.describe import describe, source_line
from pytensor_stabilize.rewrites.matching import MOVES, exact_constant, is_a, scalar_op_of

# A larger constant is a guessing rate, or a bound that the model means.
_SMALL = 1e-4
# A constant added to p is said to change it from where it is this part of p.
_NOTABLE = 0.01
# Arguments of this size are asked first, and smaller ones where no value is known there.
_FAR = (1000.0, 100.0, 40.0)  # at 100 the normal distribution needs too many bits
_BISECTIONS = 40
_MOST_NODES = 60
_BOUNDED = (ps.Tanh, ps.ArcTan, psm.Sigmoid, psm.Erf, psm.Erfc)
_SATURATING = (ps.Exp, psm.Softplus, *_BOUNDED)
_ARITHMETIC = (ps.Add, ps.Sub, ps.Mul, ps.Neg, ps.TrueDiv, ps.Reciprocal, ps.Sqr, ps.Pow)
_GUARDING = (ps.Clip, ps.Maximum, ps.Minimum, ps.Switch)
_COMPARISONS = (ps.EQ, ps.LT, ps.LE, ps.GT, ps.GE)
_PASSED = (*MOVES, CheckAndRaise)


@dataclass(frozen=True)
class Guard:
    """A guard on a probability.

    Attributes
    ----------
    formula
        The guarded value.
    kind
        "added" (``p + eps``), "bounded" (a clip, maximum, minimum, or a switch between p and a
        constant on an inequality), or "replaced" (a switch on ``p == limit``).
    value
        The value that is guarded, p.
    argument
        What p is a function of, or an empty string where that is not one argument.
    below, above
        The guard changes p where the argument is at most `below` or at least `above`: by 1 % of p
        if it is added; beyond its bounds; where p, rounded to its dtype, is the limit.  None where
        it never does, or where that is not known.
    ends
        What the guarded value comes to for large negative and positive arguments; None if not
        known.
    where
        Line of the user's code that made it, or an empty string.
    """

    formula: str
    kind: str
    value: str
    argument: str
    below: float | None
    above: float | None
    ends: tuple[float, float] | None
    where: str


@dataclass(frozen=True)
class Unguarded:
    """What guards do to one output, at the point where that is most.

    Attributes
    ----------
    output
        Its name.
    point
        Number of the point, and `element` the index of the element of the output.
    inputs
        The inputs there, by name.
    exact
        Its exact value there, with the guards, correctly rounded.
    without
        That without them.
    """

    output: str
    point: int
    element: tuple[int, ...]
    inputs: dict[str, Any]
    exact: float
    without: float


@dataclass(frozen=True)
class _Candidate:
    """A value and what a constant makes of it."""

    guarded: Variable
    value: Variable
    kind: str
    constant: Fraction


def find_guards(outputs: Sequence[Variable]) -> tuple[Guard, ...]:
    """The guards in an unrewritten graph, each once."""
    return tuple(dict.fromkeys(guard for _, guard in _guards(outputs)))


def without_guards(outputs: Sequence[Variable]) -> list[Variable]:
    """The graph with every guarded value as it is without its guard."""
    instead = {candidate.guarded: candidate.value for candidate, _ in _guards(outputs)}
    new: dict[Variable, Variable] = {}
    for node in toposort(outputs):
        inputs = [new.get(v, v) for v in node.inputs]
        changed = any(a is not b for a, b in zip(inputs, node.inputs, strict=True))
        made = node.op.make_node(*inputs).outputs if changed else node.outputs
        for old, variable in zip(node.outputs, made, strict=True):
            if old in instead:
                inner = instead[old]
                new[old] = pt.cast(new.get(inner, inner), old.type.dtype)
            elif changed:
                new[old] = variable
    return [new.get(v, v) for v in outputs]


def find_effects(
    names: Sequence[str], points: Points, exact: Sequence[Truth], without: Sequence[Truth]
) -> tuple[Unguarded, ...]:
    """Where the guards change each output most, or make it finite or infinite."""
    inputs = [v.name or "input" for v in points.inputs]
    found = []
    for name, one, other in zip(names, exact, without, strict=True):
        if one.value.shape != other.value.shape or not one.value.size:
            continue
        with np.errstate(all="ignore"):
            change = np.abs(one.value - other.value)
            change = np.where(change > np.spacing(np.abs(one.value)), change, 0.0)
        change = np.where(np.isinf(one.value) != np.isinf(other.value), np.inf, change)
        change = np.where(one.decided & other.decided & ~np.isnan(change), change, 0.0)
        at = tuple(map(int, np.unravel_index(int(np.argmax(change)), change.shape)))
        if change[at]:
            place = dict(zip(inputs, map(np.ndarray.tolist, points.values[at[0]]), strict=True))
            values = float(one.value[at]), float(other.value[at])
            found.append(Unguarded(name, at[0], at[1:], place, *values))
    return tuple(found)


def _guards(outputs: Sequence[Variable]) -> Iterator[tuple[_Candidate, Guard]]:
    for node in toposort(outputs):
        for candidate in _candidates(node):
            guard = _described(candidate)
            if guard is not None:
                yield candidate, guard


def _candidates(node: Apply) -> Iterator[_Candidate]:
    """What a node may guard, by its form."""
    op, output = scalar_op_of(node), node.outputs[0]
    if not is_a(op, ps.Add, ps.Sub, *_GUARDING) or np.dtype(output.type.dtype).kind != "f":
        return
    known = [exact_constant(v) for v in node.inputs]
    if is_a(op, ps.Add, ps.Sub) and len(known) == 2 and sum(c is None for c in known) == 1:
        constant = known[0] if known[1] is None else known[1]
        assert constant is not None
        value = node.inputs[known.index(None)]
        if 0 < abs(constant) <= _SMALL and (is_a(op, ps.Add) or known[0] is None):
            yield _Candidate(output, value, "added", constant)
        # 1 + eps - p: PyTensor has not seen the sum.
        elif is_a(op, ps.Sub) and known[1] is None and 0 < abs(constant - 1) <= _SMALL:
            one = pt.constant(np.asarray(1, dtype=output.type.dtype))
            yield _Candidate(output, one - value, "added", constant - 1)
    elif is_a(op, ps.Clip) and known[1] is not None and known[2] is not None:
        yield _Candidate(output, node.inputs[0], "bounded", known[1])
    elif is_a(op, ps.Maximum, ps.Minimum) and sum(c is None for c in known) == 1:
        (constant,) = (c for c in known if c is not None)
        yield _Candidate(output, node.inputs[known.index(None)], "bounded", constant)
    elif is_a(op, ps.Switch) and sum(c is None for c in known[1:]) == 1:
        value = node.inputs[1 + known[1:].index(None)]
        (constant,) = (c for c in known[1:] if c is not None)
        test = node.inputs[0].owner
        if test is None or not is_a(scalar_op_of(test), *_COMPARISONS) or value not in test.inputs:
            return
        limit = [c for c in map(exact_constant, test.inputs) if c is not None]
        if is_a(scalar_op_of(test), ps.EQ):
            if limit and 0 < abs(limit[0] - constant) <= _SMALL:
                yield _Candidate(output, value, "replaced", limit[0])
        elif limit:
            yield _Candidate(output, value, "bounded", constant)


def _described(candidate: _Candidate) -> Guard | None:
    """The guard, if it is one on a probability and close to its limit."""
    if candidate.value.type.ndim != candidate.guarded.type.ndim:
        return None
    arguments, bounded = _arguments(candidate.value)
    if not arguments and not bounded:
        return None
    formulas = describe(candidate.guarded, depth=4), describe(candidate.value, depth=3)
    line = source_line(candidate.guarded)
    unknown = Guard(formulas[0], candidate.kind, formulas[1], "", None, None, None, line)
    # What is no function of one argument is judged by its form.
    near = candidate.kind != "bounded" or _is_near_a_limit(candidate.constant)
    if len(arguments) != 1:
        return unknown if bounded and near else None
    (argument,) = arguments
    x = pt.scalar("x", dtype=candidate.guarded.type.dtype)
    guarded, value = (_of_scalar(v, argument, x) for v in (candidate.guarded, candidate.value))
    if guarded is None or value is None:
        return unknown if bounded and near else None
    try:
        at = _Values(Evaluator([guarded, value], [x]), str(x.type.dtype))
    except import_exact().UnsupportedOp:
        return unknown if bounded and near else None
    return _measured(candidate, unknown, describe(argument, depth=3), at)


class _Values:
    """A guarded value and the same without its guard, at an argument: correctly rounded."""

    def __init__(self, evaluator: Evaluator, dtype: str):
        self.evaluator, self.dtype = evaluator, dtype

    def __call__(self, x: float) -> tuple[float, float] | None:
        truths = self.evaluator([np.asarray(x, dtype=self.dtype)])
        if not all(truth.decided.all() for truth in truths):
            return None
        guarded, value = (float(truth.value) for truth in truths)
        return guarded, value

    def far(self, sign: int) -> tuple[float, tuple[float, float]] | None:
        """The largest argument on one side at which the values are known."""
        for size in _FAR:
            found = self(sign * size)
            if found is not None and all(map(np.isfinite, found)):
                return sign * size, found
        return None


def _measured(candidate: _Candidate, unknown: Guard, argument: str, at: _Values) -> Guard | None:
    """Where a guard takes over, by bisection; None if what it guards is no probability."""
    low, high = at.far(-1), at.far(1)
    if low is None or high is None:
        return None
    sides = [low, high]
    values = [value for _, (_, value) in sides]
    if not all(-1 <= v <= 1 for v in values) or values[0] == values[1]:
        return None
    limit = float(candidate.constant)

    def changes(guarded: float, value: float) -> bool:
        if candidate.kind == "replaced":
            return value == limit
        change = abs(guarded - value)
        return change >= _NOTABLE * abs(value) if candidate.kind == "added" else change > 0

    if candidate.kind == "bounded" and any(abs(g - v) > _SMALL for _, (g, v) in sides):
        return None
    found = [_first(at, end, changes) if changes(*pair) else None for end, pair in sides]
    if found == [None, None]:
        return None
    # A replaced value is one at infinity only.
    ends = None if candidate.kind == "replaced" else (low[1][0], high[1][0])
    return Guard(
        unknown.formula,
        unknown.kind,
        unknown.value,
        argument,
        found[0],
        found[1],
        ends,
        unknown.where,
    )


def _first(at: _Values, end: float, changes: Callable[[float, float], bool]) -> float:
    """The argument of least size, on the side of `end`, from which on a guard changes a value."""
    inside, outside = 0.0, end
    for _ in range(_BISECTIONS):
        middle = (inside + outside) / 2
        found = at(middle)
        if found is not None and changes(*found):
            outside = middle
        else:
            inside = middle
    return outside


def _is_near_a_limit(constant: Fraction) -> bool:
    return any(0 < abs(abs(constant) - limit) <= _SMALL for limit in (0, 1))


def _arguments(value: Variable) -> tuple[set[Variable], bool]:
    """What the saturating functions in a value are functions of, and whether one is bounded."""
    arguments, bounded, free = set(), False, False
    todo, seen = [value], {value}
    for variable in todo:
        node, op = variable.owner, scalar_op_of(variable.owner)
        if exact_constant(variable) is not None:
            continue
        if node is not None and is_a(node.op, Softmax, LogSoftmax):
            bounded = free = True
        elif is_a(op, *_SATURATING):
            assert node is not None
            bounded |= is_a(op, *_BOUNDED)
            arguments.add(_core(node.inputs[0]))
        elif node is None or len(seen) > _MOST_NODES:
            free = True
        elif is_a(op, *_ARITHMETIC, *_GUARDING, ps.Cast) or is_a(node.op, Join, MakeVector):
            inputs = node.inputs[1:] if is_a(op, ps.Switch) else node.inputs
            todo += [v for v in inputs if v not in seen]
            seen.update(inputs)
        elif is_a(node.op, *_PASSED) and node.inputs[0] not in seen:
            todo.append(node.inputs[0])
            seen.add(node.inputs[0])
        else:
            free = True
    # With another input beside it, one argument does not say where the guard takes over.
    return (set() if free else arguments), bounded


def _core(variable: Variable) -> Variable:
    """What an argument is an affine or a saturating function of, with constants alone."""
    while variable.owner is not None:
        node, op = variable.owner, scalar_op_of(variable.owner)
        free = [v for v in node.inputs if exact_constant(v) is None]
        affine = is_a(op, ps.Add, ps.Sub, ps.Mul, ps.TrueDiv, ps.Neg, ps.Cast, *_SATURATING)
        if is_a(node.op, DimShuffle):
            free, affine = node.inputs[:1], True
        if not affine or len(free) != 1:
            return variable
        variable = free[0]
    return variable


def _of_scalar(value: Variable, argument: Variable, x: Variable) -> Variable | None:
    """An elementwise value as a function of one element of its argument; None if it is not one."""
    made: dict[Variable, Variable | None] = {argument: x}

    def build(variable: Variable) -> Variable | None:
        if variable in made:
            return made[variable]
        constant, node = exact_constant(variable), variable.owner
        result: Variable | None = None
        if constant is not None:
            result = pt.constant(np.asarray(float(constant), dtype=variable.type.dtype))
        elif node is not None and is_a(node.op, Elemwise):
            inputs = [build(v) for v in node.inputs]
            if all(v is not None for v in inputs):
                result = Elemwise(node.op.scalar_op).make_node(*inputs).outputs[0]
        elif node is not None and is_a(node.op, *_PASSED):
            result = build(node.inputs[0])
        made[variable] = result
        return result

    return build(value)
