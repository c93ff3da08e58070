"""Sums of switches with one condition, added up branch by branch."""

from __future__ import annotations

from pytensor.graph.basic import Apply, Variable
from pytensor.scalar import basic as ps
from pytensor.tensor.math import add, mul, sub

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.algebra.arguments import is_float, scalar_op
from pytensor_stabilize.rewrites.algebra.factoring import canonical, may_cancel
from pytensor_stabilize.rewrites.algebra.forms import TooBigError
from pytensor_stabilize.rewrites.algebra.memory import remembering
from pytensor_stabilize.rewrites.algebra.reading import Reader
from pytensor_stabilize.rewrites.arithmetic import product_of, signed_sum
from pytensor_stabilize.rewrites.matching import same_pattern, strip_sign, terms
from pytensor_stabilize.rewrites.rules import Interval, Left, Rule

Split = tuple[Variable, Variable, Variable]


@remembering
def sum_of_switches(node: Apply, visited: dict[Apply, None]) -> Variable | Left | None:
    """``switch(c, a, b) - switch(c, d, e) -> switch(c, a - d, b - e)``, where a branch cancels.

    The second derivative of ``switch(y, log(p), log(1 - p))`` is such a sum.
    """
    (output,) = node.outputs
    if not is_float(output):
        return None
    split = [(sign, term, _split(term, visited)) for sign, term in terms(node)]
    conditions = [parts[0] for _, _, parts in split if parts is not None]
    shared = next((c for c in conditions if conditions.count(c) > 1), None)
    if shared is None:
        return None
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
    if not any(map(_hides_a_root, sums)):
        return Left("no root at a critical value is hidden by the branches")
    (switch,) = {_switch_of(term) for _, term, parts in split if parts and parts[0] is shared}
    return signed_sum([*rest, (1, switch(shared, *sums))])


def _split(term: Variable, visited: dict[Apply, None]) -> Split | None:
    """A product with one switch in it as condition, first and second branch."""
    sign, core = strip_sign(term)
    node = core.owner
    if node is None:
        return None
    visited[node] = None
    factors = list(node.inputs) if node.op == mul else [core]
    found = [v for v in factors if isinstance(scalar_op(v.owner), ps.Switch)]
    if len(found) != 1 or not all(same_pattern(v, core) for v in factors if v in found):
        return None
    inner = found[0].owner
    visited[inner] = None
    others = [v for v in factors if v is not found[0]]
    condition, a, b = inner.inputs
    first, second = (product_of([*others, branch]) for branch in (a, b))
    if sign < 0:
        first, second = -first, -second
    return condition, first, second


def _switch_of(term: Variable) -> object:
    _, core = strip_sign(term)
    factors = core.owner.inputs if core.owner.op == mul else [core]
    return next(v.owner.op for v in factors if isinstance(scalar_op(v.owner), ps.Switch))


def _hides_a_root(total: Variable) -> bool:
    reader = Reader()
    try:
        if not reader.survey(total):
            return False
        read = reader.terms(total)
        return may_cancel(read) and bool(canonical(read, reader.is_leaf).hidden)
    except TooBigError:
        return False


BRANCHES: tuple[Rule, ...] = (
    Rule(
        name="sum_of_switches",
        # With a factor at one switch: without, PyTensor merges the two itself.
        before=lambda y, x: (
            symbols.switch(y > 0.5, symbols.sigmoid(x), 1 + 0 * x)
            - symbols.switch(y > 0.5, symbols.sigmoid(x), 1 + 0 * x) * symbols.sigmoid(x)
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
    ),
)
