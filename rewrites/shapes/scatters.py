"""Products and sums of scatters: the gradient of an index is written into zeros.

The gradient of ``log(1 - s[i])`` is ``zeros[i].inc(-1 / (1 - s[i])) * s * (1 - s)``: what cancels
stands on both sides of the write.  A write into zeros is linear, ``zeros[i].inc(v) * f`` is
``zeros[i].inc(v * f[i])``, whatever the index and however often an element is named.
"""

from __future__ import annotations

from fractions import Fraction
from typing import cast

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.tensor.math import add, mul, sub, true_div

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.algebra.arguments import (
    is_float,
)
from pytensor_stabilize.rewrites.algebra.building import Builder
from pytensor_stabilize.rewrites.algebra.factoring import Factored
from pytensor_stabilize.rewrites.algebra.limits import within_limits
from pytensor_stabilize.rewrites.algebra.products import spelled_product
from pytensor_stabilize.rewrites.algebra.survey import leaves_of
from pytensor_stabilize.rewrites.arithmetic import signed_sum
from pytensor_stabilize.rewrites.branches import hides_a_root
from pytensor_stabilize.rewrites.critical import readings
from pytensor_stabilize.rewrites.matching import (
    exact_constant,
    same_pattern,
    strip_sign,
    terms,
)
from pytensor_stabilize.rewrites.rules import REAL, Left, Rule, Transform
from pytensor_stabilize.rewrites.shapes.writes import (
    WRITES,
    Scatter,
    Term,
    is_zero,
    quotient,
    term_of,
    with_fewest_arguments,
    writes,
)


@within_limits
def product_with_scatter(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``zeros[i].inc(v) * f -> zeros[i].inc(v * f[i])``, where functions in v and f cancel."""
    (output,) = node.outputs
    term = term_of(output) if is_float(output) else None
    if term is None:
        return None
    if not term.meets:
        return None
    result, saved = _multiplied(term, output.type.dtype)
    if not saved:
        return None
    outer = [v for v, n in term.rest if n > 0]
    return quotient([result, *outer], [v for v, n in term.rest if n < 0])


def _multiplied(term: Term, dtype: str) -> tuple[Variable, bool]:
    """The write after the multiplication, and whether anything cancels in it."""
    scatter = term.scatter
    value, saved = _shortest(with_fewest_arguments(scatter.is_basic, term.value), dtype)
    base = None
    if not is_zero(scatter.base):
        sign, core = strip_sign(scatter.base)
        if writes(core.owner):
            inner = term._replace(sign=sign, scatter=Scatter(core))
            base, gained = _multiplied(inner, dtype)
        else:
            base, gained = _shortest(term.base, dtype)
        saved |= gained
    result = scatter.write(value, base)
    return (result if term.sign > 0 else pt.neg(result)), saved


def _shortest(variable: Variable, dtype: str) -> tuple[Variable, bool]:
    for reader in readings(variable):
        found = spelled_product(reader, variable)
        if found.coefficient and found.saves:
            factored = Factored(found.coefficient, found.factors)
            return Builder(reader, dtype).product(factored), True
    return variable, False


@within_limits
def sum_of_scatters(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``zeros[i].inc(v) * f + zeros[i].inc(w) * g -> zeros[i].inc(v * f[i] + w * g[i])``."""
    (output,) = node.outputs
    if not is_float(output):
        return None
    groups: list[list[tuple[int, Term]]] = []
    others: list[tuple[int, Variable]] = []
    apart = False
    todo = list(terms(node))
    for sign, variable in todo:
        term = term_of(variable) if same_pattern(variable, output) else None
        if term is None or term.rest or _replaces(term.scatter):
            others.append((sign, variable))
            continue
        known = (g for g in groups if g[0][1].scatter.writes_like(term.scatter))
        group = next(known, None)
        if group is None:
            groups.append(group := [])
        group.append((sign * term.sign, term))
        if not is_zero(term.scatter.base):
            apart = True
            todo.append((sign * term.sign, term.base))
    meet = any(sum(term.has_functions for _, term in group) > 1 for group in groups)
    apart = apart and sum(bool(leaves_of(v)) for _, v in others) > 1
    return _written(groups, others, output) if meet or apart else None


def _replaces(scatter: Scatter) -> bool:
    """Whether what stood in the places is lost: ``a[i].set(v)`` is not ``a + zeros[i].set(v)``."""
    return not is_zero(scatter.base) and scatter.nodes[0].op.set_instead_of_inc


def _written(
    groups: list[list[tuple[int, Term]]], others: list[tuple[int, Variable]], output: Variable
) -> Variable:
    """The other terms, with the sum of each group written to them.

    PyTensor makes that of a sum with a scatter, and would make it of ours.
    """
    result = signed_sum(others) if others else None
    added: list[tuple[int, Variable]] = []
    for group in groups:
        scatter = group[0][1].scatter
        total = _total(group)
        zeros = scatter.base if is_zero(scatter.base) else pt.zeros_like(scatter.base)
        if result is None:
            result = scatter.write(total, zeros)
        elif not scatter.increments:
            added.append((1, scatter.write(total, zeros)))
        else:
            base = result if same_pattern(result, output) else pt.add(zeros, result)
            result = scatter.increment(total, base)
    return signed_sum([(1, cast(Variable, result)), *added])


def _total(group: list[tuple[int, Term]]) -> Variable:
    """What the terms of a group write together."""
    scatter = group[0][1].scatter
    for _, term in group:
        term.scatter.gathered = scatter.gathered

    def build(lower: bool) -> Variable:
        return signed_sum([(sign, term.value(lower)) for sign, term in group])

    return with_fewest_arguments(scatter.is_basic, build)


def sum_with_write(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``1 - zeros[i].set(p) -> ones[i].set(1 - p)``, where the difference cancels."""
    (output,) = node.outputs
    total, written = Fraction(0), list[tuple[int, Variable]]()
    for sign, variable in terms(node):
        value = exact_constant(variable)
        own, core = strip_sign(variable)
        if value is not None:
            total += sign * value
        elif writes(core.owner) and same_pattern(variable, output):
            written.append((sign * own, core))
        else:
            return None
    if len(written) != 1 or len(node.inputs) != 2 or not is_float(output):
        return None
    ((sign, variable),) = written
    scatter = Scatter(variable)
    if not (is_zero(scatter.base) and scatter.sets) or Fraction(float(total)) != total:
        return None
    number = pt.constant(float(total), dtype=output.type.dtype)
    difference = signed_sum([(1, number), (sign, scatter.value)])
    return scatter.set(difference, number) if hides_a_root(difference) else None


def _table(name: str, mends: str, tracks: tuple[Op, ...], transform: Transform) -> Rule:
    return Rule(
        name=name,
        before=lambda x: (
            (1 / (1 - symbols.sigmoid(x))) * symbols.sigmoid(x) * (1 - symbols.sigmoid(x))
        ),
        after=symbols.sigmoid,
        domain={"x": REAL},
        promise=4.0,
        mends=mends,
        databases=("stabilize", "specialize"),
        tracks=tracks,
        transform=transform,
        needs=WRITES,
        source="zeros[i].inc(v) * f is zeros[i].inc(v * f[i])",
        tested_in="tests/test_scatters.py",
    )


SCATTERS: tuple[Rule, ...] = (
    _table(
        "product_with_scatter",
        "the gradient of log(1 - s[i]) is inf * 0",
        (mul, true_div),
        product_with_scatter,
    ),
    _table(
        "sum_of_scatters",
        "the second derivative of log(1 - s[i]) is a difference of what is inf",
        (add, sub),
        sum_of_scatters,
    ),
    _table(
        "sum_with_write",
        "1 - set_subtensor(zeros[i], p) is 0 where p is close to 1",
        (add, sub),
        sum_with_write,
    ),
)
