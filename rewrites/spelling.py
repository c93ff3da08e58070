"""What a rule made, spelled as PyTensor's canonical form would have it.

PyTensor's canonicalize pass runs before the rules and not after them.  What they leave in another
spelling, ``-(a * b)`` for ``-1 * a * b`` or a product in a product, is rewritten when the graph is
rewritten a second time, and our rules then see another graph.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.math import Sum, add, mul, neg, sub, true_div

from pytensor_stabilize.rewrites.matching import FLOATS, exact_constant, is_a, scalar_op


def spelled(variable: Variable, fgraph: FunctionGraph) -> Variable:
    """What a rule made for a graph, with the nodes that are new in it spelled canonically."""
    uses = Counter(v for node in _new_nodes(variable, fgraph) for v in node.inputs)
    known: dict[Variable, Variable] = {}

    def new(old: Variable) -> Variable:
        node = old.owner
        if node is None or node in fgraph.apply_nodes or not node.inputs:
            return old
        if old not in known:
            inputs = [new(v) for v in node.inputs]
            alone = inputs[0].owner not in fgraph.apply_nodes and uses[node.inputs[0]] == 1
            made = respelled(node, inputs, alone)
            if made is None or made.type != old.type:
                same = all(v is w for v, w in zip(inputs, node.inputs, strict=True))
                made = old if same else node.clone_with_new_inputs(inputs).outputs[0]
            known[old] = made
        return known[old]

    return new(variable)


def spelled_clients(
    old: Variable, new: Variable, fgraph: FunctionGraph
) -> Iterator[tuple[Variable, Variable]]:
    """What is computed from an output that a rule replaces, spelled with the new one in it."""
    clients = fgraph.clients.get(old, [])
    if new.owner is None:
        return
    for client, _ in clients:
        if client not in fgraph.apply_nodes or client.inputs.count(old) != 1:
            continue
        if any(_holds(v, old) for v in client.inputs):
            continue  # a * (-1 * a), opened, would bring back the old one
        inputs = [new if v is old else v for v in client.inputs]
        made = respelled(client, inputs, alone=len(clients) == 1)
        if made is not None and made.type == client.outputs[0].type:
            yield client.outputs[0], made


def respelled(node: Apply, inputs: list[Variable], alone: bool) -> Variable | None:
    """The output of a node of such inputs in its canonical spelling; None if it is in it.

    Products become part of other products, and quotients of products with a number.  Sums are left
    as they are, and other products of quotients: in another order they might cancel or overflow.
    `alone` says that nothing else uses the first of the inputs.
    """
    output = node.outputs[0]
    if is_a(node.op, Sum) and node.op.axis is not None:
        if len(node.op.axis) < inputs[0].type.ndim:
            return None
        total = Sum(axis=None, dtype=node.op.dtype, acc_dtype=node.op.acc_dtype)
        return total.make_node(inputs[0]).outputs[0]
    if not is_a(node.op, Elemwise) or output.type.dtype not in FLOATS:
        return None
    if node.op == neg and not alone:
        # A gradient is shorter with respect to a * b alone than to a and b in a * b and -1 * a * b.
        return None
    if node.op in (mul, neg):
        return _product(inputs, output, -1 if node.op == neg else 1)
    if node.op == sub:
        return _difference(inputs)
    if node.op == true_div:
        return _quotient(inputs, output)
    if is_a(node.op.scalar_op, ps.Abs) and _is(inputs[0], mul):
        return _absolute(inputs[0], output)
    return None


def _product(inputs: list[Variable], output: Variable, sign: int) -> Variable | None:
    """``-(a * b)`` and ``a * (2 * b)``: one product with one constant, which comes first."""
    factors: list[Variable] = []
    below: list[Variable] = []
    taken = False
    scaled = sum(exact_constant(v) is None for v in inputs) == 1
    for v in inputs:
        if v.type.dtype != output.type.dtype:
            factors.append(v)
        elif _is(v, mul):
            factors += _operands(v)
            taken = True
        elif scaled and _is(v, true_div) and _has_number(_operands(v)[0]):
            above, divisor = _operands(v)
            factors += _operands(above) if _is(above, mul) else [above]
            below.append(divisor)
            taken = True
        else:
            factors.append(v)
    if sum(is_a(scalar_op(v), ps.Exp, ps.Pow) for v in factors) > 1:
        return None  # of exp(x) * s * exp(x) PyTensor makes exp(2 x), which overflows sooner
    constants = [v for v in factors if exact_constant(v) is not None]
    if not taken and (sign < 0 or len(constants) < 2):
        return None
    others = [v for v in factors if exact_constant(v) is None]
    number = _multiplied(constants, output, sign)
    if number is None or not (others or below):
        return None
    if number == -1 and len(others) == 1 and not below:
        return neg(others[0])
    if number != 1 or not others:
        others = [pt.constant(number, dtype=output.type.dtype), *others]
    top = mul(*others) if len(others) > 1 else others[0]
    return true_div(top, below[0]) if below else top


def _has_number(variable: Variable) -> bool:
    """Whether a number is a factor."""
    factors = _operands(variable) if _is(variable, mul) else [variable]
    return any(exact_constant(v) is not None for v in factors)


def _quotient(inputs: list[Variable], output: Variable) -> Variable | None:
    """``2 * a / (4 * b)``: the constants of both are one, above."""
    above, below = inputs
    if not _is(below, mul) or below.type.dtype != output.type.dtype:
        return None
    constants = [v for v in _operands(below) if exact_constant(v) is not None]
    others = [v for v in _operands(below) if exact_constant(v) is None]
    number = _multiplied(constants, output, 1)
    if not constants or not others or not number or not _is_power_of_two(number):
        return None
    factor = pt.constant(1 / number, dtype=output.type.dtype)
    top = _product([factor, above], output, 1)
    top = mul(factor, above) if top is None else top
    return true_div(top, mul(*others) if len(others) > 1 else others[0])


def _difference(inputs: list[Variable]) -> Variable | None:
    """``a - 1`` is ``-1 + a``."""
    number = exact_constant(inputs[1])
    if not number or _is(inputs[0], add):
        return None
    return add(pt.constant(-float(number), dtype=inputs[1].type.dtype), inputs[0])


def _absolute(product: Variable, output: Variable) -> Variable | None:
    """``|2 a|`` is ``2 |a|``."""
    constants = [v for v in _operands(product) if exact_constant(v) is not None]
    others = [v for v in _operands(product) if exact_constant(v) is None]
    number = _multiplied(constants, output, 1)
    if not constants or not others or number is None:
        return None
    inner = pt.abs(mul(*others) if len(others) > 1 else others[0])
    size = pt.constant(abs(number), dtype=output.type.dtype)
    return inner if abs(number) == 1 else mul(size, inner)


def _multiplied(constants: list[Variable], output: Variable, sign: int) -> float | None:
    """The product of constants and a sign, rounded once; None if it is no normal float."""
    number = Fraction(sign)
    for v in constants:
        value = exact_constant(v)
        assert value is not None
        number *= value
    info = np.finfo(output.type.dtype)
    if not info.tiny <= abs(number) <= info.max:
        return None
    return float(np.dtype(output.type.dtype).type(float(number)))


def _is_power_of_two(number: float) -> bool:
    return np.frexp(abs(number))[0] == 0.5


def _is(variable: Variable, op: object) -> bool:
    return variable.owner is not None and variable.owner.op == op


def _operands(variable: Variable) -> list[Variable]:
    assert variable.owner is not None
    return list(variable.owner.inputs)


def _holds(variable: Variable, inner: Variable, depth: int = 2) -> bool:
    """Whether one variable is computed from another, in so many steps."""
    if variable.owner is None or not depth:
        return False
    below = variable.owner.inputs
    return inner in below or any(_holds(v, inner, depth - 1) for v in below)


def _new_nodes(variable: Variable, fgraph: FunctionGraph) -> list[Apply]:
    """The nodes that a variable is computed by and that a graph does not have."""
    found: dict[Apply, None] = {}
    todo = [variable]
    while todo:
        node = todo.pop().owner
        if node is not None and node not in found and node not in fgraph.apply_nodes:
            found[node] = None
            todo += node.inputs
    return list(found)
