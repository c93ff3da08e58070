"""Count the operations of a graph."""

from collections import Counter

from pytensor.graph.op import Op
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import CAReduce, Elemwise

from pytensor_stabilize.graphs.graphlike import Graph, inner_graphs, view
from pytensor_stabilize.rewrites import Sigmoid


def op_counts(graph: Graph) -> Counter[str]:
    """Count the scalar and tensor operations of a graph.

    Operations inside Composite, OpFromGraph, Scan and fused loops are counted in place of the op
    that holds them; the body of a Scan counts once, however often it runs.

    Parameters
    ----------
    graph
        A compiled function, a FunctionGraph, a variable or a list of variables.

    Returns
    -------
    collections.Counter
        Number of nodes by name: "exp" or "sigmoid" for elementwise operations, "sum" for
        reductions, else the op's class name.

    Raises
    ------
    TypeError
        `graph` is none of these.

    Examples
    --------
    >>> import pytensor.tensor as pt
    >>> from pytensor_stabilize.graphs import op_counts
    >>> x = pt.dvector("x")
    >>> sorted(op_counts(pt.exp(x) + pt.exp(2 * x)).items())
    [('DimShuffle', 1), ('add', 1), ('exp', 2), ('mul', 1)]
    """
    counts: Counter[str] = Counter()
    todo = list(view(graph, "op_counts()").nodes)
    while todo:
        op = todo.pop().op
        inner = list(inner_graphs(op))
        for fgraph in inner:
            todo.extend(fgraph.toposort())
        if not inner:
            counts[op_name(op)] += 1
    return counts


def op_name(op: Op) -> str:
    """Short name of an op: that of its scalar op where it has one."""
    if isinstance(op, Blockwise):
        return op_name(op.core_op)
    if isinstance(op, CAReduce):
        reductions = {"add": "sum", "mul": "prod", "maximum": "max", "minimum": "min"}
        reduced = op_name(op.scalar_op)
        return reductions.get(reduced, f"reduce_{reduced}")
    if isinstance(op, Elemwise):
        return op_name(op.scalar_op)
    if isinstance(op, Sigmoid):
        return "sigmoid"
    name = getattr(op, "name", None)
    if isinstance(name, str) and name:
        return name
    kind = type(op).__name__
    # Scalar ops without a name of their own are spelt in lower case, as their functions are.
    return kind.lower() if type(op).__module__.startswith("pytensor.scalar") else kind
