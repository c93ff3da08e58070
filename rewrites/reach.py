"""Where the values of a sigmoid go: the guard of the rules that mend a difference.

Mending one side of a fraction and leaving the other is worse than leaving both.  At x = 36 the
floats give ``1 - sigmoid(x)`` with an error of 4 %; in ``s * (1 - s) / (1 - s * t)`` numerator and
denominator have the same error, and the quotient is right until one of them is mended alone.
So before ``1 - sigmoid(x)`` is rewritten, the clients of ``sigmoid(x)`` are followed to the
divisions and logarithms that they end in, and those of ``1 - sigmoid(x)`` to the divisions.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph, Output
from pytensor.graph.op import HasInnerGraph
from pytensor.scalar import basic as ps
from pytensor.scalar.math import Erf, Erfc, Sigmoid, Softplus
from pytensor.tensor.basic import Alloc, Join, MakeVector, Split
from pytensor.tensor.blockwise import Blockwise
from pytensor.tensor.elemwise import CAReduce, Elemwise
from pytensor.tensor.extra_ops import CumOp
from pytensor.tensor.special import LogAddExp, LogSoftmax, LogSumExp, Softmax, XLog1PY, XLogY
from pytensor.tensor.subtensor import AdvancedIncSubtensor, IncSubtensor

from pytensor_stabilize.rewrites.describe import describe
from pytensor_stabilize.rewrites.matching import (
    MOVES,
    SigmoidUse,
    exact_constant,
    sigmoid_use,
    terms,
)

# Functions that pass a lost digit on and add no singularity to it.
_CARRIERS = (
    ps.Add,
    ps.Sub,
    ps.Mul,
    ps.Neg,
    ps.Sqr,
    ps.Sqrt,
    ps.Pow,
    ps.Abs,
    ps.Sign,
    ps.Cast,
    ps.Switch,
    ps.Clip,
    ps.Maximum,
    ps.Minimum,
    ps.Second,
    ps.TrueDiv,
    ps.Identity,
    ps.Exp,
    ps.Exp2,
    ps.Expm1,
    ps.Sin,
    ps.Sinh,
    ps.Tanh,
    Erf,
    # specialize makes sqr(s) * s of s**3, as one Composite
    ps.Composite,
)
# A trail ends in these: they are positive and smooth, so what cancelled before does no harm
# behind them.
_ENDS = (Sigmoid, Softplus, Erfc, ps.Cos, ps.Cosh)
_END_OPS = (Softmax, LogSoftmax, LogSumExp, LogAddExp)
# Behind a product of matrices these end a trail too: the layers of a network, whose biases no
# rule can know, would hold one another back otherwise.
_ENDS_OF_LAYERS = (ps.Exp, ps.Exp2, ps.Expm1, ps.Sin, ps.Tanh, Erf)
_LOGS = (ps.Log, ps.Log2, ps.Log10, ps.Log1p)
_LOG_OPS = (XLogY, XLog1PY)
# Ops that change no element; the sum of joined parts can be a difference.
_MOVERS = (*MOVES, Join, MakeVector, Split, Alloc, IncSubtensor, AdvancedIncSubtensor)
_JOINS = (Join, MakeVector, IncSubtensor, AdvancedIncSubtensor)
_LINEAR_NAMES = frozenset(
    ("Dot", "Dot22", "Dot22Scalar", "Gemv", "CGemv", "Gemm", "Ger", "CGer", "BatchedDot")
)
# A sigmoid whose values go further than this is left: the check must not cost what it protects.
_MAX_VISITED = 2000


@dataclass(frozen=True, slots=True)
class Trail:
    """What happened to the values of a sigmoid on the way to a variable.

    Attributes
    ----------
    difference
        The unmended difference that they went through, or None.
    joined, mixed
        Whether they went through a join, or a product of matrices.
    logged
        Whether they are behind a logarithm; followed through elementwise operations only.
    """

    difference: Variable | None = None
    joined: bool = False
    mixed: bool = False
    logged: bool = False

    @property
    def origin(self) -> str:
        """The difference in words, for the end of a sentence."""
        if self.difference is None:
            return ""
        return f" through {describe(self.difference, 2)}, which no rule mends yet"


def unmended_reach(fgraph: FunctionGraph, sigmoid: Variable) -> str | None:
    """Say where an unmended difference of `sigmoid` is divided by or put under a logarithm.

    Returns
    -------
    str or None
        The place in words, for `explain`; None if there is none.
    """
    todo: list[tuple[Variable, Trail]] = [(sigmoid, Trail())]
    seen = set(todo)
    while todo:
        variable, trail = todo.pop()
        for node, position in fgraph.clients.get(variable, ()):
            if isinstance(node.op, Output):
                continue
            outputs = list(_numbers(node))
            after = _cross(node, position, trail) if outputs else None
            if isinstance(after, str):
                return after
            steps = [(output, after) for output in outputs if after is not None]
            todo += [step for step in steps if step not in seen]
            seen.update(steps)
            if len(seen) > _MAX_VISITED:
                return f"more than {_MAX_VISITED} nodes"
    return None


def unmended_numerator(fgraph: FunctionGraph, mended: Variable, sigmoid: Variable) -> str | None:
    """Say which unmended difference of `sigmoid` is divided by `mended`, a complement of it.

    Returns
    -------
    str or None
        The difference as a formula; None if there is none.
    """
    todo: list[tuple[Variable, bool]] = [(mended, False)]
    seen = set(todo)
    while todo and len(seen) <= _MAX_VISITED:
        variable, inverted = todo.pop()
        for node, position in fgraph.clients.get(variable, ()):
            if isinstance(node.op, Output | HasInnerGraph) or _ends(node):
                continue
            inverts = _divides(node, position)
            if inverted or inverts:
                for other in node.inputs:
                    found = _unmended_difference(other, sigmoid) if other is not variable else None
                    if found is not None:
                        return found
            for output in _numbers(node):
                step = (output, inverted or inverts)
                if step not in seen:
                    seen.add(step)
                    todo.append(step)
    return None


def _unmended_difference(variable: Variable, sigmoid: Variable) -> str | None:
    """A difference on the way from `sigmoid` to `variable` that is not its complement."""
    for node in _carriers_before(variable):
        if _is_sum(node) and complement_use(node) is None and _may_cancel(node):
            below = {v for inner in _carriers_before(node.outputs[0]) for v in inner.inputs}
            if sigmoid in below:
                return describe(node.outputs[0], 2)
    return None


def _carriers_before(variable: Variable) -> Iterator[Apply]:
    """Nodes that carry values to `variable`, back to the ends of their trails."""
    todo, seen = [variable], {variable}
    while todo and len(seen) <= _MAX_VISITED:
        node = todo.pop().owner
        if node is None or _ends(node) or isinstance(node.op, HasInnerGraph):
            continue
        yield node
        for v in node.inputs:
            if v not in seen:
                seen.add(v)
                todo.append(v)


def _cross(node: Apply, position: int, trail: Trail) -> Trail | str | None:
    """Follow one client: the trail behind it, the harm that it does in words, or None: no harm."""
    if _ends(node):
        return None
    if not isinstance(node.op, Elemwise):
        return _cross_tensor_op(node, position, trail)
    scalar_op = node.op.scalar_op
    if isinstance(scalar_op, _LOGS):
        return _cross_log(node, trail)
    if _divides(node, position):
        return trail if trail.difference is None else f"a denominator{trail.origin}"
    if not isinstance(scalar_op, _CARRIERS):
        # gamma functions, inverse functions: singular somewhere, and nobody looked where
        return f"a {scalar_op}{trail.origin}"
    if trail.mixed and isinstance(scalar_op, _ENDS_OF_LAYERS):
        return None
    if _is_sum(node) and trail.difference is None:
        if complement_use(node) is not None:
            return None  # 1 - sigmoid itself: this is what the rules mend
        if _may_cancel(node):
            return replace(trail, difference=node.outputs[0])
    return trail


def _cross_log(node: Apply, trail: Trail) -> Trail | str | None:
    if trail.difference is not None:
        return f"a {node.op.scalar_op}{trail.origin}"
    use = sigmoid_use(node.inputs[0])
    if isinstance(node.op.scalar_op, ps.Log1p):
        if use is not None and use.sign < 0:
            return None  # log1p(-sigmoid): a rule of its own mends it
        if use is None:
            return f"a log1p{Trail(node.outputs[0]).origin}"
    if use is not None and not use.path:
        return None  # log(sigmoid): PyTensor's own rule mends it
    # log(p) is 0 where p is 1: -log(-log(p)) and log(1 - exp(log(p))) are differences as well.
    return replace(trail, difference=node.outputs[0], logged=True)


def _cross_tensor_op(node: Apply, position: int, trail: Trail) -> Trail | str | None:
    if trail.logged:
        return None
    if isinstance(node.op, _LOG_OPS):
        if position == 0:
            return trail
        if isinstance(node.op, XLog1PY) and trail.difference is None:
            use = sigmoid_use(node.inputs[1])
            return None if use is not None and use.sign < 0 else f"a log1p in {node.op}"
        return None if trail.difference is None else f"a log{trail.origin}"
    if isinstance(node.op, HasInnerGraph):
        return f"the inner graph of {node.op}, which the rules see only in part"
    if isinstance(node.op, _MOVERS):
        return replace(trail, joined=trail.joined or isinstance(node.op, _JOINS))
    core_op = node.op.core_op if isinstance(node.op, Blockwise) else node.op
    sums = isinstance(core_op, CAReduce | CumOp)
    if sums and not trail.joined:
        return trail
    if sums or type(core_op).__name__ in _LINEAR_NAMES:
        difference = node.outputs[0] if trail.difference is None else trail.difference
        return replace(trail, difference=difference, mixed=trail.mixed or not sums)
    return f"{core_op}, of which the rules know nothing"


def _ends(node: Apply) -> bool:
    if isinstance(node.op, _END_OPS):
        return True
    return isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, _ENDS)


def _divides(node: Apply, position: int) -> bool:
    """Whether the node divides by its input at `position`."""
    if not isinstance(node.op, Elemwise):
        return False
    scalar_op = node.op.scalar_op
    if isinstance(scalar_op, ps.TrueDiv):
        return position == 1
    if isinstance(scalar_op, ps.Pow) and position == 0:
        exponent = exact_constant(node.inputs[1])
        return exponent is None or exponent < 0
    return isinstance(scalar_op, ps.Reciprocal)


def _is_sum(node: Apply) -> bool:
    return isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, ps.Add | ps.Sub)


def _numbers(node: Apply) -> Iterator[Variable]:
    """Outputs that carry digits: no shapes, comparisons or random states."""
    for output in node.outputs:
        if str(getattr(output.type, "dtype", "")).startswith("float"):
            yield output


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
    if node is None or not isinstance(node.op, Elemwise):
        return None
    if not isinstance(node.op.scalar_op, ps.Mul):
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
