"""Sums which a compiler must add as they are written.

With numba's fast-math flags LLVM makes ``B + y * (A - B)`` of ``y * A + (1 - y) * B``, and that has
lost A where y is 1 and B is larger by many orders: the likelihood of a label, far out.  Of the
elements ``(x - top) - log1p(r)`` of a log-softmax it makes ``x - (top + log1p(r))``, and that is 0
where the logarithm is small: the element that is the largest.
"""

from collections.abc import Iterator

import pytensor.scalar.basic as ps
from pytensor.graph.basic import Apply, Variable

from pytensor_stabilize.rewrites.branch_free import ops
from pytensor_stabilize.rewrites.matching import FLOATS, exact_constant, scalar_op_of

# Of nested operations that are looked into: a sum of a thousand terms may be as many deep.
DEPTH = 5


def is_interpolation(node: Apply) -> bool:
    """Whether a sum has a factor y in one of its terms, and 1 - y or y - 1 in another.

    Or whether the logarithm of a number close to 1 is subtracted from a difference.
    """
    if not isinstance(scalar_op_of(node), ps.Add | ps.Sub):
        return False
    if node.outputs[0].type.dtype not in FLOATS:
        return False
    if len({v.type.dtype for v in (*node.inputs, *node.outputs)}) > 1:
        return False
    if isinstance(scalar_op_of(node), ps.Sub):
        difference, logarithm = (scalar_op_of(v.owner) for v in node.inputs)
        if isinstance(difference, ps.Sub) and isinstance(logarithm, ps.Log1p):
            return True
    terms = [set(factors(term)) for term in node.inputs]
    if sum(map(bool, terms)) < 2:
        return False
    return any(
        complement is not None and any(complement in other for other in terms if other is not term)
        for term in terms
        for complement in map(complement_of, term)
    )


def strict_sum(node: Apply) -> Variable:
    """The sum, in additions that no compiler transforms."""
    op = ops.strict_add if isinstance(scalar_op_of(node), ps.Add) else ops.strict_sub
    total, *others = node.inputs
    for term in others:
        total = op.make_node(total, term).outputs[0]
    return total


def factors(variable: Variable, within: bool = False, depth: int = DEPTH) -> Iterator[Variable]:
    """Factors of the products that a variable is a sum of, without signs and casts."""
    node = variable.owner
    scalar_op = scalar_op_of(node)
    if node is None or not depth or not isinstance(scalar_op, ps.Mul | ps.Neg | ps.TrueDiv):
        if within:
            yield bare(variable)
        elif node is not None and depth and isinstance(scalar_op, ps.Add | ps.Sub):
            for term in node.inputs:
                yield from factors(term, depth=depth - 1)
        return
    within = within or not isinstance(scalar_op, ps.Neg)
    for factor in node.inputs[:1] if isinstance(scalar_op, ps.TrueDiv) else node.inputs:
        yield from factors(factor, within, depth - 1)


def bare(variable: Variable) -> Variable:
    """The variable without signs and casts around it."""
    while variable.owner is not None and isinstance(scalar_op_of(variable.owner), ps.Neg | ps.Cast):
        (variable,) = variable.owner.inputs
    return variable


def complement_of(variable: Variable) -> Variable | None:
    """y, of 1 - y, y - 1 and -1 + y."""
    node = variable.owner
    if node is None or len(node.inputs) != 2:
        return None
    if not isinstance(scalar_op_of(node), ps.Add | ps.Sub):
        return None
    one, other = node.inputs
    if exact_constant(one) is None:
        one, other = other, one
    constant = exact_constant(one)
    return bare(other) if constant is not None and abs(constant) == 1 else None
