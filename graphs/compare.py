"""Structural comparison of graphs, up to the names of their inputs."""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from html import escape

import numpy as np
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import AbstractFunctionGraph
from pytensor.graph.op import Op
from pytensor.scalar.basic import Composite, ScalarOp
from pytensor.tensor.elemwise import Elemwise

from pytensor_stabilize.graphs.counts import op_name
from pytensor_stabilize.graphs.graphlike import Graph, GraphView, inner_graphs, view
from pytensor_stabilize.rewrites.describe import describe


@dataclass(frozen=True, slots=True)
class _Place:
    """A node, its number, and what the inputs of the inner graph around it stand for."""

    node: Apply
    number: int
    scope: Mapping[Variable, Variable]

    def __str__(self) -> str:
        return describe(self.node.outputs[0], scope=self.scope)


class _Numbering:
    """Gives equal numbers to variables that compute the same thing.

    A Composite stands for the scalar operations in it, applied to its inputs: fusion does not
    make a graph another one.
    """

    def __init__(self, a: GraphView, b: GraphView) -> None:
        self._numbers: dict[Hashable, int] = {}
        # A variable that both graphs take is the same input in both, wherever it appears first.
        self._shared = set(a.inputs) & set(b.inputs)

    def number(self, key: Hashable) -> int:
        return self._numbers.setdefault(key, len(self._numbers))

    def of_graph(
        self, graph: GraphView | AbstractFunctionGraph
    ) -> tuple[dict[Variable, int], list[_Place]]:
        own = [variable for variable in graph.inputs if variable not in self._shared]
        numbers = {v: self.number(("input", i, v.type)) for i, v in enumerate(own)}
        numbers |= {v: self.number(("shared", v)) for v in graph.inputs if v in self._shared}
        nodes = graph.nodes if isinstance(graph, GraphView) else graph.toposort()
        places = self._number_nodes(nodes, numbers, {})
        for output in graph.outputs:
            self._leaf(output, numbers)
        return numbers, places

    def _number_nodes(
        self,
        nodes: Iterable[Apply],
        numbers: dict[Variable, int],
        scope: Mapping[Variable, Variable],
    ) -> list[_Place]:
        places: list[_Place] = []
        for node in nodes:
            children = [self._leaf(v, numbers) for v in node.inputs]
            scalar_op = node.op.scalar_op if isinstance(node.op, Elemwise) else node.op
            if isinstance(scalar_op, Composite):
                inner = scalar_op.fgraph
                inner_numbers = dict(zip(inner.inputs, children, strict=True))
                # An inner input in a scope of its own, an outer input as it is.
                outer = {i: scope.get(o, o) for i, o in zip(inner.inputs, node.inputs, strict=True)}
                places += self._number_nodes(inner.toposort(), inner_numbers, outer)
                for output, inner_output in zip(node.outputs, inner.outputs, strict=True):
                    numbers[output] = self._leaf(inner_output, inner_numbers)
                continue
            if isinstance(scalar_op, ScalarOp) and getattr(scalar_op, "commutative", False):
                children.sort()
            op = self._op(scalar_op)
            for index, output in enumerate(node.outputs):
                # The shape of an elementwise result follows from its operands.
                type_ = output.type.dtype if isinstance(scalar_op, ScalarOp) else output.type
                numbers[output] = self.number((op, index, tuple(children), type_))
            inner_places = [self.of_graph(fgraph)[1] for fgraph in inner_graphs(node.op)]
            places += [place for inner in inner_places for place in inner]
            if not inner_places:
                places.append(_Place(node, numbers[node.outputs[0]], scope))
        return places

    def _leaf(self, variable: Variable, numbers: dict[Variable, int]) -> int:
        if variable not in numbers:
            if isinstance(variable, Constant):
                numbers[variable] = self.number(("constant", _constant_key(variable)))
            else:
                numbers[variable] = self.number(("free", variable))
        return numbers[variable]

    def _op(self, op: Op) -> Hashable:
        parts = []
        for fgraph in inner_graphs(op):
            numbers, _ = self.of_graph(fgraph)
            parts.append(tuple(numbers[output] for output in fgraph.outputs))
        return (type(op), *parts) if parts else op


def _constant_key(variable: Constant) -> Hashable:
    data = variable.data
    if isinstance(data, np.ndarray | np.generic | int | float):
        array = np.asarray(data)
        # A 0-d constant and its broadcast copy are the same number.
        if array.size == 1:
            return str(array.dtype), array.tobytes()
        return str(array.dtype), array.shape, array.tobytes()
    signature = variable.signature()
    return signature if isinstance(signature, Hashable) else id(data)


def same_graph(a: Graph, b: Graph) -> bool:
    """Whether two graphs compute the same thing in the same way.

    Names of inputs do not count, nor does the order of the operands of commutative operations,
    nor fusion: a Composite equals the operations that it was made of.  A variable that both take
    is the same input in both; the others correspond by position (of a function) or by first
    appearance (of variables).

    Parameters
    ----------
    a, b
        Compiled functions, FunctionGraphs, variables or lists of variables.

    Raises
    ------
    TypeError
        `a` or `b` is none of these.
    """
    views = view(a, "same_graph()"), view(b, "same_graph()")
    numbering = _Numbering(*views)
    first, second = ([numbering.of_graph(v)[0][output] for output in v.outputs] for v in views)
    return first == second


@dataclass(frozen=True)
class GraphDiff:
    """What one graph computes and the other does not.

    Attributes
    ----------
    only_a, only_b
        Formulas of the nodes that have no equal in the other graph, outermost last.
    counts_a, counts_b
        Operation counts of those nodes.
    rules_a, rules_b
        Names of our rules that fired when each graph was compiled, with counts.
    """

    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    counts_a: Counter[str]
    counts_b: Counter[str]
    rules_a: Counter[str]
    rules_b: Counter[str]

    @property
    def rules(self) -> tuple[str, ...]:
        """Names of the rules that fired more often in one of the graphs."""
        names = set(self.rules_a) | set(self.rules_b)
        return tuple(sorted(n for n in names if self.rules_a[n] != self.rules_b[n]))

    def __bool__(self) -> bool:
        return bool(self.only_a or self.only_b)

    def __str__(self) -> str:
        if not self:
            return "The graphs are the same."
        lines = [f"- {text}" for text in self.only_a] + [f"+ {text}" for text in self.only_b]
        for sign, counts in (("-", self.counts_a), ("+", self.counts_b)):
            if counts:
                lines.append(f"{sign} ops: {_counts(counts)}")
        for name, rules in (("first", self.rules_a), ("second", self.rules_b)):
            if rules:
                lines.append(f"rules that fired in the {name}: {_counts(rules)}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        colours = {"-": "#b00020", "+": "#00702d"}
        rows = []
        for line in str(self).splitlines():
            colour = colours.get(line[:1], "inherit")
            rows.append(f'<div style="color:{colour}">{escape(line)}</div>')
        return f'<div style="font-family:monospace;white-space:pre">{"".join(rows)}</div>'


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def diff(a: Graph, b: Graph) -> GraphDiff:
    """Compare two graphs node by node.

    Parameters
    ----------
    a, b
        Compiled functions, FunctionGraphs, variables or lists of variables.  Names of the rules
        that fired are known for compiled functions and FunctionGraphs.

    Returns
    -------
    GraphDiff
        False in a condition if the graphs are the same; prints as a diff, in colour in a
        notebook.

    Raises
    ------
    TypeError
        `a` or `b` is none of these.
    """
    views = view(a, "diff()"), view(b, "diff()")
    numbering = _Numbering(*views)
    (numbers_a, places_a), (numbers_b, places_b) = map(numbering.of_graph, views)
    lacking_b = _missing(places_a, set(numbers_b.values()) | {p.number for p in places_b})
    lacking_a = _missing(places_b, set(numbers_a.values()) | {p.number for p in places_a})
    return GraphDiff(
        tuple(map(str, lacking_b)),
        tuple(map(str, lacking_a)),
        Counter(op_name(place.node.op) for place in lacking_b),
        Counter(op_name(place.node.op) for place in lacking_a),
        *(rules_fired(graph) for graph in views),
    )


def _missing(places: list[_Place], present: set[int]) -> list[_Place]:
    """The first place of each number that is not present."""
    first: dict[int, _Place] = {}
    for place in places:
        if place.number not in present:
            first.setdefault(place.number, place)
    return list(first.values())


def rules_fired(graph: GraphView) -> Counter[str]:
    """How often each of our rules fired when the graph was compiled; empty for variables."""
    return Counter(event.rule for event in graph.marks.events) if graph.marks else Counter()
