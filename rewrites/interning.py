"""Use the nodes that a graph has in place of their likes in what a rule made.

Rules know variables by identity, and PyTensor merges equal nodes before its databases run, not
between two rules.  ``softplus(x)`` made twice would be two symbols of one sum until the graph is
rewritten a second time.
"""

from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph


def interned(variable: Variable, node: Apply, fgraph: FunctionGraph) -> Variable:
    """A new variable that is to replace an output of `node`, made of nodes of the graph.

    Nothing that is computed from `node` is taken, for each node is found by inputs that are known
    not to be: that would be a circle.
    """
    known: dict[Variable, Variable] = {}

    def of_graph(new: Variable) -> Variable:
        made = new.owner
        if made is None or made in fgraph.apply_nodes:
            return new
        if new not in known:
            known[new] = like(made, made.outputs.index(new))
        return known[new]

    def like(made: Apply, index: int) -> Variable:
        inputs = [of_graph(v) for v in made.inputs]
        clients = [fgraph.clients.get(v, []) for v in inputs if not isinstance(v, Constant)]
        for client, _ in min(clients, key=len, default=[]):
            if client is not node and client in fgraph.apply_nodes and _equal(client, made, inputs):
                return client.outputs[index]
        if all(old is new for old, new in zip(made.inputs, inputs, strict=True)):
            return made.outputs[index]
        return made.clone_with_new_inputs(inputs).outputs[index]

    return of_graph(variable)


def _equal(client: Apply, made: Apply, inputs: list[Variable]) -> bool:
    return (
        type(client.op) is type(made.op)
        and len(client.inputs) == len(inputs)
        and all(_same(a, b) for a, b in zip(client.inputs, inputs, strict=True))
        and client.op == made.op
        and all(a.type == b.type for a, b in zip(client.outputs, made.outputs, strict=True))
    )


def _same(a: Variable, b: Variable) -> bool:
    return a is b or (isinstance(a, Constant) and isinstance(b, Constant) and a.equals(b))
