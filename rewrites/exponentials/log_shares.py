"""Logarithms of one exponential's share of a sum of several: choices between three things.

``log(exp(a) / (exp(a) + exp(b) + exp(c)))`` is ``a`` less the logarithm of the sum, which for large
a have every digit in common.
"""

from __future__ import annotations

import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.math import add, log, log1p, sub

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.additive import signed_terms
from pytensor_stabilize.rewrites.exponentials.monomials import Linear, combine, scaled
from pytensor_stabilize.rewrites.exponentials.rational import Reader
from pytensor_stabilize.rewrites.exponentials.shares import (
    Total,
    log_of_parts,
    read_total,
    total_of_log,
)
from pytensor_stabilize.rewrites.matching import FLOATS, exact_constant, is_a, scalar_op
from pytensor_stabilize.rewrites.rules import Interval, Left, Rule


def log_of_exponential_share(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``log(c exp(x) / S)``, and ``x - log(S)``, for an S of which it is a term."""
    (output,) = node.outputs
    if output.type.dtype not in FLOATS:
        return None
    reader = Reader(output.type.dtype)
    if node.op != log:
        return _argument_and_log(output, reader)
    (quotient,) = node.inputs
    if not is_a(scalar_op(quotient), ps.TrueDiv) or quotient.type.dtype != output.type.dtype:
        return None
    above, below = quotient.owner.inputs  # type: ignore[union-attr]
    total = read_total(below, reader)
    read = None if total is None else reader.product(above)
    if total is None or read is None or read.binomials:
        return None
    if total.parts.get(read.exponent) != read.factor:
        return None
    return pt.neg(_log_over(total, read.exponent, reader))


def _log_over(total: Total, x: Linear, reader: Reader) -> Variable:
    """``log(S / (c exp(x)))`` for the term of S with that exponent: of 1 and what is left."""
    c = total.parts[x]
    parts = {combine(own, x, -1): own_c / c for own, own_c in total.parts.items()}
    result = log_of_parts(parts, reader)
    if not x:
        return result
    # Two infinite exponents have no difference: of exp(-inf) the share is 0.
    exponent = reader.variable(x)
    end = pt.maximum(pt.neg(exponent), reader.constant(0))
    return pt.switch(pt.isinf(exponent), end, result)


def _argument_and_log(output: Variable, reader: Reader) -> Variable | None:
    """A sum with the logarithm of a total and the exponent of one of its terms."""
    summed = signed_terms(output)
    for i, (sign, term) in enumerate(summed):
        node = term.owner
        if node is None or node.op not in (log, log1p) or term.type.dtype != reader.dtype:
            continue
        total = total_of_log(node, reader)
        if total is None:
            continue
        others = {
            k: scaled(reader.exponent(v), own)
            for k, (own, v) in enumerate(summed)
            if k != i and v.type.dtype == reader.dtype and exact_constant(v) is None
        }
        for x, c in total.parts.items():
            used = _adding_up_to(scaled(x, -sign), others) if x and c == 1 else None
            # What else is added may be what cancels with the argument.
            if used is not None and len(used) == len(summed) - 1:
                result = _log_over(total, x, reader)
                return result if sign > 0 else pt.neg(result)
    return None


def _adding_up_to(wanted: Linear, terms: dict[int, Linear]) -> set[int] | None:
    """The terms that have nothing but parts of a linear combination, if they add up to it."""
    names = dict(wanted)
    used = {k for k, own in terms.items() if all(atom in names for atom, _ in own)}
    total: Linear = frozenset()
    for k in used:
        total = combine(total, terms[k])
    return used if used and total == wanted else None


LOG_SHARES: tuple[Rule, ...] = (
    Rule(
        name="log_of_exponential_share",
        before=lambda x: symbols.log(symbols.exp(x) / (2 + symbols.exp(x))),
        after=lambda x: -symbols.log1p(2 * symbols.exp(-x)),
        domain={"x": Interval(300.0, 700.0)},
        promise=4.0,
        mends="log(exp(a) / (1 + exp(a) + exp(b))) is 0 where a is 40 above b",
        databases=("stabilize", "specialize"),
        tracks=(log, add, sub),
        transform=log_of_exponential_share,
        needs=((ps.Exp, ps.Log), (ps.Exp, ps.Log1p)),
        tested_in="tests/test_exponential_shares.py",
        source="log(exp(x) / S) = -log(1 + (S - exp(x)) / exp(x))",
    ),
)
