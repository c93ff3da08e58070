"""Where the values of a sigmoid go: the guard of the rules that mend a difference.

Mending a numerator and leaving its denominator is worse than leaving both.  At x = 36 the floats
give ``1 - sigmoid(x)`` with an error of 4 %; in ``s * (1 - s) / (c + (1 - c) * s - 1)`` numerator
and denominator have the same error, and the quotient is right until one of them is mended alone.
So before ``1 - sigmoid(x)`` is rewritten, the clients of ``sigmoid(x)`` are followed to the
divisions and logarithms that they end in.
"""

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph, Output
from pytensor.graph.op import HasInnerGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.special import LogAddExp, LogSoftmax, LogSumExp, Softmax, XLog1PY, XLogY

from pytensor_stabilize.rewrites.describe import describe
from pytensor_stabilize.rewrites.matching import (
    SigmoidUse,
    exact_constant,
    sigmoid_use,
    terms,
)

# Elementwise ops behind which a cancelled digit stays cancelled.
_CARRIERS = (
    ps.Add,
    ps.Sub,
    ps.Mul,
    ps.Neg,
    ps.Sqr,
    ps.Sqrt,
    ps.Pow,
    ps.Cast,
    ps.Switch,
    ps.Clip,
    ps.Maximum,
    ps.Minimum,
    ps.Second,
    ps.TrueDiv,
    ps.Identity,
    # specialize makes sqr(s) * s of s**3, as one Composite
    ps.Composite,
)
_LOGS = (ps.Log, ps.Log2, ps.Log10, ps.Log1p)
# Exponentials of what goes in: a cancelled digit in an exponent does no harm that mending adds to.
_EXPONENTIAL_OPS = (Softmax, LogSoftmax, LogSumExp, LogAddExp)
_LOG_OPS = (XLogY, XLog1PY)
# A sigmoid whose values go further than this is left: the check must not cost what it protects.
_MAX_VISITED = 2000


def unmended_reach(fgraph: FunctionGraph, sigmoid: Variable) -> str | None:
    """Say where an unmended difference of `sigmoid` is divided by or put under a logarithm.

    Returns
    -------
    str or None
        The place in words, for `explain`; None if there is none.
    """
    todo: list[tuple[Variable, str]] = [(sigmoid, "")]
    seen = set(todo)
    while todo:
        variable, difference = todo.pop()
        for node, position in fgraph.clients.get(variable, ()):
            if isinstance(node.op, Output):
                continue
            verdict = _cross(node, position, difference)
            if verdict is None:
                continue
            place, difference_after = verdict
            if place:
                return f"{place} through {difference_after}"
            for output in node.outputs:
                step = (output, difference_after)
                # Shapes, comparisons and random states carry no digits of the sigmoid.
                is_number = str(getattr(output.type, "dtype", "")).startswith("float")
                if is_number and step not in seen:
                    seen.add(step)
                    todo.append(step)
            if len(seen) > _MAX_VISITED:
                return f"more than {_MAX_VISITED} nodes"
    return None


def _cross(node: Apply, position: int, difference: str) -> tuple[str, str] | None:
    """Follow one client.

    Returns None where the trail ends harmlessly, else ``(place, difference)``: `place` is the
    division or logarithm that was reached behind `difference`, or empty to go on.
    """
    if isinstance(node.op, _EXPONENTIAL_OPS):
        return None
    if isinstance(node.op, _LOG_OPS):
        if position == 0:
            return "", difference
        if isinstance(node.op, XLog1PY):
            difference = difference or f"1 + {describe(node.inputs[1], 2)}"
        return ("a log", difference) if difference else None
    if isinstance(node.op, HasInnerGraph):
        return f"the inner graph of {node.op}", "inputs that the rules see only in part"
    if not isinstance(node.op, Elemwise):
        # Indexing, joins, reductions, products of matrices: the values go on.
        return "", difference
    scalar_op = node.op.scalar_op
    if isinstance(scalar_op, _LOGS):
        if isinstance(scalar_op, ps.Log1p) and not difference:
            use = sigmoid_use(node.inputs[0])
            if use is not None and use.sign < 0:
                return None  # log1p(-sigmoid): a rule of its own mends it
            if use is None:
                difference = f"1 + {describe(node.inputs[0], 2)}"
        return (f"a {scalar_op}", difference) if difference else None
    divides = (isinstance(scalar_op, ps.TrueDiv) and position == 1) or isinstance(
        scalar_op, ps.Reciprocal
    )
    if divides or (isinstance(scalar_op, ps.Pow) and position == 0 and _may_be_negative(node)):
        return ("a denominator", difference) if difference else None
    if not isinstance(scalar_op, _CARRIERS):
        return None
    if isinstance(scalar_op, ps.Add | ps.Sub) and not difference:
        if complement_use(node) is not None:
            return None  # 1 - sigmoid itself: this is what the rules mend
        if _may_cancel(node):
            return "", f"{describe(node.outputs[0], 2)}, which no rule mends yet"
    return "", difference


def _may_be_negative(power: Apply) -> bool:
    exponent = exact_constant(power.inputs[1])
    return exponent is None or exponent < 0


def _may_cancel(node: Apply) -> bool:
    """Whether an add or sub node can be a difference; sums of like signs cannot."""
    signs = set()
    for sign, term in terms(node):
        constant = exact_constant(term)
        if constant is not None:
            signs.add(sign if constant >= 0 else -sign)
            continue
        coefficient = _sign_of_multiple(term)
        if coefficient is None:
            return True
        signs.add(sign * coefficient)
    return len(signs) > 1


def _sign_of_multiple(term: Variable) -> int | None:
    """Sign of a constant multiple of a sigmoid, None for anything else."""
    use = sigmoid_use(term)
    if use is not None:
        return use.sign
    node = term.owner
    if (
        node is None
        or not isinstance(node.op, Elemwise)
        or not isinstance(node.op.scalar_op, ps.Mul)
    ):
        return None
    sign = 1
    for factor in node.inputs:
        constant = exact_constant(factor)
        if constant is not None:
            sign *= 1 if constant >= 0 else -1
        else:
            use = sigmoid_use(factor)
            if use is None:
                return None
            sign *= use.sign
    return sign


def complement_use(node: Apply) -> tuple[int, SigmoidUse] | None:
    """Return ``(1, use)`` for exactly ``1 - sigmoid(x)``, ``(-1, use)`` for ``sigmoid(x) - 1``."""
    pairs = list(terms(node))
    if len(pairs) != 2:
        return None
    for (sign_a, a), (sign_b, b) in (pairs, pairs[::-1]):
        use = sigmoid_use(b)
        if use is None:
            continue
        constant = exact_constant(a)
        sign = -sign_b * use.sign
        if constant is not None and constant * sign_a == sign:
            return sign, use
    return None
