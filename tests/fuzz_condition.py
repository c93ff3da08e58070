"""Condition numbers of a graph's outputs, by exact difference quotients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytensor
import pytensor.scalar.math as psm
from flint import arb, ctx
from pytensor.graph.basic import Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps

from pytensor_stabilize.graphs.exact import Program, Undecided
from pytensor_stabilize.graphs.exact.values import as_value
from pytensor_stabilize.rewrites.matching import scalar_op_of

_STEP = 100  # bits of the relative step
# What has an argument that was rounded: exp(t) is right to 4 (1 + |t|) ulp and no better.
_OF_AN_ARGUMENT = (
    *(ps.Exp, ps.Expm1, ps.Sinh, ps.Cosh, ps.Tanh, ps.Sin, ps.Cos),
    *(psm.Sigmoid, psm.Softplus, psm.Erf, psm.Erfc, psm.Erfcx, psm.Log1mexp),
)


class Sensitivity:
    """Condition numbers of the elements of outputs at one point, by exact difference quotients."""

    def __init__(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], values: Sequence[np.ndarray]
    ) -> None:
        self._arguments = inputs, outputs, values
        self._runs: list | None = None

    def at(self, output: int, element: tuple[int, ...]) -> float:
        """Of one element; infinite where it is not known, 0 where nothing can be moved."""
        if self._runs is None:
            self._runs = self._run(*self._arguments)
        if not self._runs:
            return np.inf
        with ctx.workprec(8 * _STEP):
            base, *others = (_at(run[output], element) for run in self._runs)
            if not base.is_finite() or base.is_zero():
                return np.inf
            changes = [abs((there - base) / base) * arb(2) ** _STEP for there in others]
            if not all(change.is_finite() for change in changes):
                return np.inf
            return sum(float(change.mid()) for change in changes)

    @staticmethod
    def _run(
        inputs: Sequence[Variable], outputs: Sequence[Variable], values: Sequence[np.ndarray]
    ) -> list:
        graph = FunctionGraph(list(inputs), list(outputs), clone=True)
        factors: dict[Variable, Variable] = {}
        for node in list(graph.toposort()):
            argument = node.inputs[0] if node.inputs else None
            if not isinstance(scalar_op_of(node), _OF_AN_ARGUMENT) or argument.owner is None:
                continue
            if argument not in factors:
                factor = pytensor.tensor.scalar(dtype="float64")
                graph.add_input(factor)
                factors[argument] = argument * factor.astype(argument.type.dtype)
            graph.change_node_input(node, 0, factors[argument])
        program = Program(graph.inputs, graph.outputs)
        given = [*values, *[np.array(1.0)] * len(factors)]
        balls = [as_value(v, a) for v, a in zip(program.inputs, given, strict=True)]
        with ctx.workprec(8 * _STEP):
            factor = 1 + arb(2) ** -_STEP
            try:
                runs = [program.run(balls)]
                for i, (variable, ball) in enumerate(zip(program.inputs, balls, strict=True)):
                    if variable.type.dtype in ("float32", "float64"):
                        runs.append(program.run([*balls[:i], ball * factor, *balls[i + 1 :]]))
            except (Undecided, ArithmeticError):
                return []
        return runs


def _at(value: object, element: tuple[int, ...]) -> arb:
    return value[element] if isinstance(value, np.ndarray) else value
