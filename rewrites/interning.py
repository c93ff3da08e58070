"""Use the nodes that a graph has in place of their likes in what a rule made.

Rules know variables by identity, and PyTensor merges equal nodes before its databases run, not
between two rules.  ``softplus(x)`` made twice would be two symbols of one sum until the graph is
rewritten a second time.
"""

from collections.abc import Hashable
from typing import Any

from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.variable import TensorConstant

from pytensor_stabilize.rewrites.matching import exact_constant, is_a, same_pattern, scalar_op_of


def interned(
    variable: Variable, node: Apply, fgraph: FunctionGraph, fresh: dict[Hashable, Apply]
) -> Variable:
    """A new variable that is to replace an output of `node`, made of nodes of the graph.

    What the graph does not have is made once: `fresh` knows what was made for other outputs.
    Nothing that is computed from `node` is taken, for each node is found by inputs that are known
    not to be: that would be a circle.
    """
    known: dict[Variable, Variable] = {}

    def of_graph(new: Variable) -> Variable:
        made = new.owner
        if made is None or made in fgraph.apply_nodes:
            return new
        if new not in known:
            folded = _folded(made)
            known[new] = folded if folded is not None else like(made, made.outputs.index(new))
        return known[new]

    def like(made: Apply, index: int) -> Variable:
        inputs = [of_graph(v) for v in made.inputs]
        clients = [fgraph.clients.get(v, []) for v in inputs if not isinstance(v, Constant)]
        for client, _ in min(clients, key=len, default=[]):
            if client is not node and client in fgraph.apply_nodes and _equal(client, made, inputs):
                return client.outputs[index]
        key = (made.op, *(v.signature() if isinstance(v, Constant) else v for v in inputs))
        twin = fresh.get(key)
        if twin is not None and twin.outputs[index].type == made.outputs[index].type:
            return twin.outputs[index]
        if any(old is not new for old, new in zip(made.inputs, inputs, strict=True)):
            made = made.clone_with_new_inputs(inputs)
        fresh[key] = made
        return made.outputs[index]

    return of_graph(variable)


def _folded(made: Apply) -> Variable | None:
    """A constant with dimensions added, as PyTensor would fold it: as such the graph has it."""
    constant = made.inputs[0] if made.inputs else None
    if not is_a(made.op, DimShuffle) or not is_a(constant, TensorConstant):
        return None
    storage: list[list[Any]] = [[None]]
    made.op.perform(made, [constant.data], storage)
    return TensorConstant(made.outputs[0].type, storage[0][0])


def same_up_to_order(a: Variable, b: Variable) -> bool:
    """Whether two variables are computed in the same way, but for the order of terms and factors.

    PyTensor's canonical form has an order of its own, so that a rule that changes nothing else
    would be undone and would fire for ever.
    """
    known: dict[tuple[Variable, Variable], bool] = {}

    def same(a: Variable, b: Variable) -> bool:
        if _same(a, b) or _same_value(a, b):
            return True
        if (a, b) not in known:
            known[a, b] = _is_like(a, b)
        return known[a, b]

    def _is_like(a: Variable, b: Variable) -> bool:
        first, second = a.owner, b.owner
        if first is None or second is None or a.type != b.type:
            return False
        if first.op != second.op:
            # PyTensor specializes 1 / x to the reciprocal of x.
            below = _turned_over(a), _turned_over(b)
            return None not in below and same(*below)  # type: ignore[arg-type]
        if first.outputs.index(a) != second.outputs.index(b):
            return False
        left = list(second.inputs)
        if len(first.inputs) != len(left):
            return False
        if not getattr(scalar_op_of(first), "commutative", False):
            return all(map(same, first.inputs, left))
        for v in first.inputs:
            place = next((i for i, w in enumerate(left) if same(v, w)), None)
            if place is None:
                return False
            left.pop(place)
        return True

    return same(a, b)


def _turned_over(variable: Variable) -> Variable | None:
    """The x of ``1 / x``, however it is written."""
    node, op = variable.owner, scalar_op_of(variable.owner)
    if is_a(op, ps.Reciprocal) or (is_a(op, ps.TrueDiv) and exact_constant(node.inputs[0]) == 1):
        return node.inputs[-1]
    return None


def _equal(client: Apply, made: Apply, inputs: list[Variable]) -> bool:
    return (
        type(client.op) is type(made.op)
        and len(client.inputs) == len(inputs)
        and all(_same(a, b) for a, b in zip(client.inputs, inputs, strict=True))
        and client.op == made.op
        and all(a.type == b.type for a, b in zip(client.outputs, made.outputs, strict=True))
    )


def _same_value(a: Variable, b: Variable) -> bool:
    """Whether both are one number, of whatever dtype: what they are in shows in its own type."""
    if not same_pattern(a, b):
        return False
    value = exact_constant(a)
    return value is not None and value == exact_constant(b)


def _same(a: Variable, b: Variable) -> bool:
    return a is b or (isinstance(a, Constant) and isinstance(b, Constant) and a.equals(b))
