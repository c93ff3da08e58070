"""A graph as a program over balls, which computes what is asked for and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.op import HasInnerGraph
from pytensor.graph.traversal import toposort
from pytensor.scalar.basic import Switch
from pytensor.tensor.elemwise import Elemwise

from pytensor_stabilize.graphs.exact.balls import as_array, balls_of, has_balls
from pytensor_stabilize.graphs.exact.rules import (
    IfElse,
    Step,
    Undecided,
    UnsupportedOp,
    maker_for,
    refuse,
    refuse_complex,
)
from pytensor_stabilize.graphs.graphlike import is_real

HOW_TO_ADD = (
    "Teach it with pytensor_stabilize.graphs.register_exact({name}, function), where the function "
    "computes the op on flint.arb balls."
)


class Program:
    """A graph to run on balls.

    A value is computed when something that is asked for needs it: of a switch whose condition is
    the same for all elements, only the branch that it selects.  What stands in the graph twice, as
    the parts of a value do in its gradient, is computed once.

    Parameters
    ----------
    inputs, outputs
        Variables of a graph.  Every root of it must be an input or a constant.
    """

    def __init__(self, inputs: Sequence[Variable], outputs: Sequence[Variable]):
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.constants: dict[Variable, Any] = {}
        self.steps: list[tuple[Sequence[Variable], Step, Sequence[Variable]]] = []
        self.choices: set[Apply] = set()
        self.nodes: dict[Variable, tuple[Apply, Step, Sequence[Variable]]] = {}
        # Variables that have the value of an earlier one.
        self.twins: dict[Variable, Variable] = {}
        nodes = list(toposort(self.outputs, blockers=self.inputs))
        roots = {*self.outputs, *(i for node in nodes for i in node.inputs)} - set(self.inputs)
        self._take_constants([v for v in roots if v.owner is None])
        self._take_nodes(nodes)
        for variable in self.outputs:
            refuse_complex(variable, "the output")

    def _take_constants(self, roots: Sequence[Variable]) -> None:
        first: dict[Any, Constant] = {}
        for variable in roots:
            if not isinstance(variable, Constant):
                raise ValueError(f"{variable} is neither an input nor a constant.")
            twin = first.setdefault(variable.signature(), variable)
            if twin is not variable:
                self.twins[variable] = twin
            else:
                self.constants[variable] = constant_value(variable)

    def _take_nodes(self, nodes: Sequence[Apply]) -> None:
        first: dict[Any, Apply] = {}
        for node in nodes:
            inputs = [self.twins.get(i, i) for i in node.inputs]
            twin = first.setdefault((node.op, *inputs), node)
            if twin is not node:
                self.twins.update(zip(node.outputs, twin.outputs, strict=True))
                continue
            step = make_step(node)
            if _is_choice(node):
                self.choices.add(node)
            self.nodes.update(dict.fromkeys(node.outputs, (node, step, inputs)))
            self.steps.append((inputs, step, node.outputs))

    @classmethod
    def of_inner(cls, op: Any) -> Program:
        """The program of the graph inside an op."""
        assert isinstance(op, HasInnerGraph)
        inner = op.fgraph.unfreeze() if hasattr(op.fgraph, "unfreeze") else op.fgraph
        return cls(inner.inputs, inner.outputs)

    def step_of(self, variable: Variable) -> Step:
        """The step that computes a variable, from the values of its node's inputs."""
        return self.nodes[self.twins.get(variable, variable)][1]

    def run(self, values: Sequence[Any], into: dict[Variable, Any] | None = None) -> list[Any]:
        """Compute the outputs at the precision that is set in `flint.ctx`.

        Parameters
        ----------
        values
            One value an input.
        into
            Receives the values of all variables that were computed.
        """
        known = {} if into is None else into
        known.update(self.constants)
        known.update(zip(self.inputs, values, strict=True))
        if not self.choices:
            for inputs, step, outputs in self.steps:
                results = step(*[known[i] for i in inputs])
                if len(outputs) == 1:
                    known[outputs[0]] = results[0]
                else:
                    known.update(zip(outputs, results, strict=True))
        for output in self.outputs:
            self._compute(self.twins.get(output, output), known)
        if self.twins:
            known.update({v: known[twin] for v, twin in self.twins.items() if twin in known})
        return [known[output] for output in self.outputs]

    def _compute(self, output: Variable, known: dict[Variable, Any]) -> None:
        # No recursion: graphs are deeper than Python's stack.
        pending = [output]
        while pending:
            variable = pending[-1]
            if variable in known:
                pending.pop()
                continue
            node, step, inputs = self.nodes[variable]
            demanded = _demanded(node, inputs, known) if node in self.choices else inputs
            needed = [i for i in demanded if i not in known]
            if needed:
                pending += needed
                continue
            pending.pop()
            # The branch that is not selected may be missing.
            results = step(*[known.get(i) for i in inputs])
            known.update(zip(node.outputs, results, strict=True))

    def run_each(self, values: Sequence[Any], otherwise: Any) -> list[Any]:
        """Compute each output on its own, with `otherwise` for one that is not decided."""
        known = {**self.constants, **dict(zip(self.inputs, values, strict=True))}
        results = []
        for output in self.outputs:
            try:
                computed = self.twins.get(output, output)
                self._compute(computed, known)
            except Undecided:
                results.append(otherwise)
            else:
                results.append(known[computed])
        return results


def constant_value(constant: Constant) -> Any:
    """Value of a constant: balls if it is real, else what it holds."""
    data = constant.data
    return balls_of(np.asarray(data), structural=True) if is_real(constant) else data


def _demanded(
    node: Apply, inputs: Sequence[Variable], known: dict[Variable, Any]
) -> Sequence[Variable]:
    """The inputs that a node needs, as far as its condition is known."""
    condition = inputs[0]
    if condition not in known:
        return (condition,)
    branch = selected(known[condition])
    if branch is None:
        return inputs
    count = len(node.outputs)
    then, other = inputs[1 : 1 + count], inputs[1 + count :]
    chosen, left = (then, other) if branch else (other, then)
    return chosen if _gives_the_shape(node, [condition, *chosen], left) else inputs


def _is_choice(node: Apply) -> bool:
    op = node.op
    if isinstance(op, IfElse):
        return True
    scalar = op.scalar_op if isinstance(op, Elemwise) else op
    return isinstance(scalar, Switch) and is_real(node.outputs[0])


def selected(condition: Any) -> bool | None:
    """The branch that a condition selects for all elements, None if not all agree."""
    if has_balls(condition):
        flat = as_array(condition).ravel().tolist()
        surely = all(ball > 0 or ball < 0 for ball in flat)
        never = all(ball.is_zero() for ball in flat)
    else:
        array = np.asarray(condition)
        surely, never = bool(array.all()), not array.any()
    # Of no elements all are true and all are false.
    return None if surely == never else surely


def _gives_the_shape(node: Apply, kept: Sequence[Variable], left: Sequence[Variable]) -> bool:
    """Whether what is left out cannot make the result of an Elemwise larger."""
    if isinstance(node.op, IfElse):
        return True
    patterns = [getattr(v.type, "broadcastable", ()) for v in kept]
    return all(
        broadcastable or not all(pattern[axis] for pattern in patterns)
        for v in left
        for axis, broadcastable in enumerate(getattr(v.type, "broadcastable", ()))
    )


def make_step(node: Apply) -> Step:
    """The step of a node; for an op that is not known, one that raises when it is reached."""
    refuse(node)
    maker = maker_for(node.op)
    problem: UnsupportedOp | None = None
    step: Callable[..., Any] | None = None
    if maker is not None:
        try:
            step = maker(node.op, node)
        except UnsupportedOp as error:
            problem = error
    if problem is None and step is not None:
        return discrete(node, step)

    def fail(*values: Any) -> Sequence[Any]:
        if problem is not None and " " in str(problem):
            raise problem
        op = getattr(node.op, "scalar_op", getattr(node.op, "core_op", node.op))
        name = type(op).__name__
        raise UnsupportedOp(
            f"truth() does not know the op {node.op} ({type(op).__module__}.{name}). "
            + HOW_TO_ADD.format(name=name)
        )

    return discrete(node, fail)


def discrete(node: Apply, step: Step) -> Step:
    """Let PyTensor itself compute a node of integers: that is exact."""
    if any(is_real(v) for v in (*node.inputs, *node.outputs)) or isinstance(
        node.op, HasInnerGraph | IfElse
    ):
        # To compile an inner graph takes longer than to interpret it.
        return step

    def run(*values: Any) -> Sequence[Any]:
        if any(has_balls(v) for v in values):
            return step(*values)
        storage: list[list[Any]] = [[None] for _ in node.outputs]
        node.op.perform(node, list(values), storage)  # type: ignore[attr-defined]
        return [cell[0] for cell in storage]

    return run
