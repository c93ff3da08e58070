"""Sums with a 1 beside a row: a reference category, ``x[i] - log(1 + sum(exp(x)))``, and indices.

The 1 is the exponential of a logit that is 0 and stands in no row.  With S the sum,
``log(exp(x[i]) / (1 + S))`` is ``log(softmax(x)[i]) + log(S / (1 + S))``: both are negative, and
neither over- nor underflows.
"""

from __future__ import annotations

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.math import Sum, add, log1p, sub
from pytensor.tensor.special import LogSoftmax, Softmax
from pytensor.tensor.subtensor import AdvancedSubtensor, Subtensor

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.additive import signed_terms, with_complement
from pytensor_stabilize.rewrites.arithmetic import difference_of
from pytensor_stabilize.rewrites.matching import (
    FLOATS,
    constant_exponent,
    is_a,
    same_pattern,
)
from pytensor_stabilize.rewrites.rules import Interval, Left, Rule
from pytensor_stabilize.rewrites.softmax.components import complement
from pytensor_stabilize.rewrites.softmax.forms import Forms
from pytensor_stabilize.rewrites.softmax.matching import adds_up, axes_of, is_exp


def _of_total(total: Variable) -> tuple[Variable, int, bool] | None:
    """``(x, axis, kept)`` of ``sum(exp(x))``, and whether the sum keeps its dimension."""
    dtype = total.type.dtype
    expanded: tuple[int, ...] = ()
    if total.owner is not None and is_a(total.owner.op, DimShuffle):
        if not total.owner.op.is_expand_dims:
            return None
        expanded = tuple(total.owner.op.augment)
        total = total.owner.inputs[0]
    if total.owner is None or type(total.owner.op) is not Sum or not is_exp(total.owner.inputs[0]):
        return None
    x = total.owner.inputs[0].owner.inputs[0]  # type: ignore[union-attr]
    axes = axes_of(total.owner)
    if len(axes) != 1 or x.type.dtype != dtype or expanded not in ((), axes):
        return None
    return x, axes[0], bool(expanded)


def logit_and_reference(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``x[i] - log(1 + S) -> log_softmax(x)[i] - softplus(-log(S))``, of rows as well."""
    (output,) = node.outputs
    if output.type.dtype not in FLOATS:
        return None
    signed = signed_terms(output)
    for at, (sign, term) in enumerate(signed):
        inner = term.owner
        if inner is None or inner.op != log1p:  # PyTensor's form of log(1 + S)
            continue
        found = _of_total(inner.inputs[0])
        if found is None:
            continue
        for i, (own, logit) in enumerate(signed):
            parts = _parts(fgraph, logit, *found) if own == -sign else None
            if parts is not None:
                rest = [t for k, t in enumerate(signed) if k not in (i, at)]
                result = difference_of([*rest, (own, parts[0]), (sign, parts[1])])
                return result if same_pattern(result, output) else None
    return None


def _parts(
    fgraph: FunctionGraph, logit: Variable, x: Variable, axis: int, kept: bool
) -> tuple[Variable, Variable] | None:
    """``log(softmax(x))`` where the logit is taken, and minus ``log(S / (1 + S))``."""
    part = LogSoftmax(axis=(axis,))(x)
    if logit is x:
        kept = True
    else:
        node = logit.owner
        if kept or node is None or not is_a(node.op, Subtensor, AdvancedSubtensor):
            return None
        forms = Forms(fgraph, x, axis, x.type.dtype)
        index = forms.index_of(node) if node.inputs[0] is x else None
        if index is None:
            return None
        part = forms.pick(part, index)
    return part, pt.softplus(pt.neg(pt.logsumexp(x, axis=axis, keepdims=kept)))


def one_minus_sum_of_squares(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``1 - sum(p**2) -> sum(p (1 - p))``: Gini's and Simpson's index."""
    (output,) = node.outputs
    if output.type.dtype not in FLOATS:
        return None

    def other(total: Variable) -> tuple[int, Variable] | None:
        made = _of_squares(total)
        return None if made is None or made.type.dtype != output.type.dtype else (1, made)

    return with_complement(output, other)


def _of_squares(total: Variable) -> Variable | None:
    """``sum(p (1 - p))`` of ``sum(p**2)``, for the softmax p over the axis of the sum."""
    node = total.owner
    if node is None or type(node.op) is not Sum:
        return None
    square = node.inputs[0].owner
    if square is None or constant_exponent(square) != 2:
        return None
    (p, *_) = square.inputs
    axes = axes_of(node)
    if len(axes) != 1 or not adds_up(p, axes[0]):
        return None
    other = complement(p)
    return None if other is None else pt.sum(pt.mul(p, other), axis=node.op.axis)


# Two logits of which one is far below: the row states the case of a single one.
REFERENCE: tuple[Rule, ...] = (
    Rule(
        name="logit_and_reference",
        before=lambda x: x - symbols.log(1 + symbols.exp(x)),
        after=lambda x: -symbols.softplus(-x),
        domain={"x": Interval(-700.0, 700.0)},
        promise=4.0,
        mends="x[i] - log(1 + sum(exp(x))) is 0 where x[i] is 40 above the others",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=logit_and_reference,
        needs=((Sum, ps.Exp, ps.Log1p),),
        tested_in="tests/test_reference.py",
        source="log(exp(a) / (1 + S)) = (a - log(S)) + log(S / (1 + S))",
    ),
    Rule(
        name="one_minus_sum_of_squares",
        before=lambda x: 1 - symbols.sigmoid(x) ** 2 - symbols.sigmoid(-x) ** 2,
        after=lambda x: 2 * symbols.sigmoid(x) * symbols.sigmoid(-x),
        domain={"x": Interval(-700.0, 700.0)},
        promise=4.0,
        mends="1 - sum(softmax(x)**2) is 0 where one component rounds to 1",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=one_minus_sum_of_squares,
        needs=((Sum, Softmax),),
        tested_in="tests/test_reference.py",
        source="The components add up to 1",
    ),
)
