"""Sums of switches with one condition, added up branch by branch."""

from __future__ import annotations

from fractions import Fraction
from typing import cast

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.scalar import basic as ps
from pytensor.tensor.basic import Join, MakeVector
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.math import add, mul, sub

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.algebra.arguments import is_float
from pytensor_stabilize.rewrites.algebra.factoring import canonical
from pytensor_stabilize.rewrites.algebra.filters import may_cancel
from pytensor_stabilize.rewrites.algebra.forms import TooBigError
from pytensor_stabilize.rewrites.algebra.products import spelled_product
from pytensor_stabilize.rewrites.algebra.reading import Reader
from pytensor_stabilize.rewrites.arithmetic import as_dtype, product_of, signed_sum
from pytensor_stabilize.rewrites.matching import (
    exact_constant,
    is_a,
    same_pattern,
    scalar_op_of,
    strip_sign,
    terms,
)
from pytensor_stabilize.rewrites.rules import REAL, Interval, Left, Rule

_MOST_PARTS = 16
_MOST_LEVELS = 6
Split = tuple[Variable, Variable, Variable]


def sum_of_switches(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``switch(c, a, b) - switch(c, d, e) -> switch(c, a - d, b - e)``, where a branch cancels.

    The second derivative of ``switch(y, log(p), log(1 - p))`` is such a sum.
    """
    (output,) = node.outputs
    if not is_float(output):
        return None
    split = [(sign, term, _split(term)) for sign, term in terms(node)]
    conditions = [parts[0] for _, _, parts in split if parts is not None]
    shared = next((c for c in conditions if conditions.count(c) > 1), None)
    if shared is None:
        return _with_constants(output, split)
    branches: tuple[list[tuple[int, Variable]], ...] = ([], [])
    rest: list[tuple[int, Variable]] = []
    for sign, term, parts in split:
        if parts is None or parts[0] is not shared or not same_pattern(term, output):
            rest.append((sign, term))
            continue
        branches[0].append((sign, parts[1]))
        branches[1].append((sign, parts[2]))
    if len(branches[0]) < 2:
        return None
    sums = [signed_sum(branch) for branch in branches]
    if not any(map(hides_a_root, sums)):
        return Left("no root at a critical value is hidden by the branches")
    (switch, *_) = {_switch_of(term) for _, term, parts in split if parts and parts[0] is shared}
    merged = cast(Variable, switch(shared, *sums))
    return signed_sum([*rest, (1, merged)])


def _with_constants(
    output: Variable, split: list[tuple[int, Variable, Split | None]]
) -> Variable | Left | None:
    """``1 - switch(c, a, b) -> switch(c, 1 - a, 1 - b)``."""
    found = [(sign, term, parts) for sign, term, parts in split if parts is not None]
    rest = [(sign, term) for sign, term, parts in split if parts is None]
    if len(found) != 1 or not rest or any(exact_constant(term) is None for _, term in rest):
        return None
    ((sign, term, parts),) = found
    if not same_pattern(term, output):
        return None
    condition, *branches = parts
    sums = [signed_sum([*rest, (sign, branch)]) for branch in branches]
    if not any(map(hides_a_root, sums)):
        return None
    return cast(Variable, _switch_of(term)(condition, *sums))


def product_with_switch(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``f * switch(c, a, b) -> switch(c, f * a, f * b)``, where companions cancel in a branch.

    In a branch a switch with the same condition is what it is there: the derivative of
    ``log(switch(c, p, q))`` is ``switch(c, p', q') / switch(c, p, q)``.
    """
    (output,) = node.outputs
    if not is_float(output):
        return None
    inner = [v for v in node.inputs if _has_branches(v)]
    if node.op == mul and len(inner) == 1:
        (switch,) = inner
        others = [v for v in node.inputs if v is not switch]
    elif is_a(scalar_op_of(node), ps.Switch):
        switch, others = output, []
        if not _has_branches(switch):
            return None
    else:
        return None
    if not same_pattern(switch, output):
        return None
    condition, *branches = switch.owner.inputs  # type: ignore[union-attr]
    taken = [_taken(branch, condition, k) for k, branch in enumerate(branches, start=1)]
    made = [product_of([*others, branch]) for branch in taken]
    if not others and all(new is old for new, old in zip(taken, branches, strict=True)):
        return None
    if not all(map(shortens, made)) and (others or not any(map(shortens, made))):
        return None
    return cast(Variable, switch.owner.op(condition, *made))  # type: ignore[union-attr]


def _has_branches(variable: Variable) -> bool:
    """Whether it is a switch, and no guard with a number in place of what is not selected."""
    if not is_a(scalar_op_of(variable.owner), ps.Switch):
        return False
    return all(exact_constant(v) is None for v in variable.owner.inputs[1:])  # type: ignore[union-attr]


def _taken(variable: Variable, condition: Variable, branch: int, depth: int = 0) -> Variable:
    """A variable with the branches that its switches take beside their condition."""
    node = variable.owner
    if node is None or depth > _MOST_LEVELS or not is_a(node.op, Elemwise):
        return variable
    if is_a(node.op.scalar_op, ps.Switch) and node.inputs[0] is condition:
        if not _has_branches(variable) or not same_pattern(node.inputs[branch], variable):
            return variable
        return _taken(node.inputs[branch], condition, branch, depth + 1)
    inputs = [_taken(v, condition, branch, depth + 1) for v in node.inputs]
    if all(new is old for new, old in zip(inputs, node.inputs, strict=True)):
        return variable
    return cast(Variable, node.op(*inputs))


def shortens(variable: Variable) -> bool:
    """Whether companions cancel in a product."""
    reader = Reader()
    try:
        return bool(reader.survey(variable)) and spelled_product(reader, variable).saves
    except TooBigError:
        return False


def _split(term: Variable) -> Split | None:
    """A product with one switch in it as condition, first and second branch."""
    sign, core = strip_sign(term)
    node = core.owner
    if node is None:
        return None
    factors = list(node.inputs) if node.op == mul else [core]
    found = [v for v in factors if is_a(scalar_op_of(v.owner), ps.Switch)]
    if len(found) != 1 or not all(same_pattern(v, core) for v in factors if v in found):
        return None
    inner = found[0].owner
    others = [v for v in factors if v is not found[0]]
    condition, a, b = inner.inputs
    first, second = (product_of([*others, branch]) for branch in (a, b))
    if sign < 0:
        first, second = pt.neg(first), pt.neg(second)
    return condition, first, second


def _switch_of(term: Variable) -> Op:
    _, core = strip_sign(term)
    factors = core.owner.inputs if core.owner.op == mul else [core]
    return next(v.owner.op for v in factors if is_a(scalar_op_of(v.owner), ps.Switch))


def hides_a_root(total: Variable) -> bool:
    reader = Reader()
    try:
        if not reader.survey(total):
            return False
        read = reader.terms(total)
        return may_cancel(read) and bool(canonical(read, reader.is_leaf).hidden)
    except TooBigError:
        return False


def sum_with_join(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``1 - join(a, b) -> join(1 - a, 1 - b)``, where a part cancels."""
    (output,) = node.outputs
    if not is_float(output):
        return None
    joined: list[tuple[int, Apply]] = []
    constants: list[tuple[int, Fraction]] = []
    for sign, term in terms(node):
        value = exact_constant(term)
        own, core = strip_sign(term)
        if value is not None:
            constants.append((sign, value))
        elif core.owner is not None and is_a(core.owner.op, Join, MakeVector):
            joined.append((sign * own, core.owner))
    if len(joined) != 1 or not constants or len(constants) + 1 != len(node.inputs):
        return None
    ((sign, join),) = joined
    total = sum((outer * value for outer, value in constants), Fraction(0))
    if len(join.inputs) > _MOST_PARTS or Fraction(float(total)) != total:
        return None
    dtype = output.type.dtype
    one_sided = [
        signed_sum([(1, pt.constant(float(total), dtype=dtype)), (sign, as_dtype(part, dtype))])
        for part in join.inputs
    ]
    if not any(map(hides_a_root, one_sided)):
        return None
    return join.op(*one_sided)


BRANCHES: tuple[Rule, ...] = (
    Rule(
        name="sum_of_switches",
        before=lambda y, x: (
            symbols.switch(y > 0.5, symbols.sigmoid(x), 1 + 0 * x)
            - symbols.switch(y > 0.5, symbols.sigmoid(x) ** 2, symbols.sigmoid(x))
        ),
        after=lambda y, x: symbols.switch(
            y > 0.5, symbols.sigmoid(x) * symbols.sigmoid(-x), symbols.sigmoid(-x)
        ),
        domain={"y": Interval(0.0, 1.0), "x": Interval(-700.0, 700.0)},
        promise=4.0,
        mends="the Hessian of switch(y, log(p), log(1 - p)) cancels between its switches",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=sum_of_switches,
        needs=(ps.Switch,),
        source="Both switches take the same branch",
        # PyTensor merges these two itself, but not those of a second derivative.
        tested_in="tests/test_critical.py",
    ),
    Rule(
        name="product_with_switch",
        before=lambda y, x: (
            symbols.sigmoid(x)
            * (1 - symbols.sigmoid(x))
            * symbols.switch(y > 0.5, 1 / symbols.sigmoid(x), 1 / symbols.sigmoid(-x))
        ),
        after=lambda y, x: symbols.switch(y > 0.5, symbols.sigmoid(-x), symbols.sigmoid(x)),
        domain={"y": Interval(0.0, 1.0), "x": REAL},
        promise=4.0,
        mends="the derivative of log(switch(y, p, 1 - p)) is 0 / 0 where both vanish",
        databases=("stabilize", "specialize"),
        tracks=(mul, pt.switch),
        transform=product_with_switch,
        needs=(ps.Switch,),
        source="A switch beside its own condition takes that branch",
        tested_in="tests/test_spelled_otherwise.py",
    ),
    Rule(
        name="sum_with_join",
        before=lambda x: 1 - symbols.sigmoid(x),
        after=lambda x: symbols.sigmoid(-x),
        domain={"x": REAL},
        promise=4.0,
        mends="1 - join(p, r) is 0 where p or r is close to 1",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=sum_with_join,
        needs=(Join, MakeVector),
        source="Part by part",
        tested_in="tests/test_critical.py",
    ),
)
