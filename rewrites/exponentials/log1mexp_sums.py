"""``log(exp(x) - 1) - x``, what the inverse of softplus differs from x by.

``log(exp(x) - 1)`` is written ``log1mexp(-x) + x``, in which -x cancels exactly.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from fractions import Fraction

import pytensor.scalar.math as psm
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.tensor.math import add, sub

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.additive import signed_terms
from pytensor_stabilize.rewrites.arithmetic import build_product, difference_of, factors
from pytensor_stabilize.rewrites.matching import FLOATS, is_a, same_pattern, scalar_op
from pytensor_stabilize.rewrites.rules import Interval, Left, Rule

_Key = frozenset[tuple[Variable, int]]


def argument_cancels(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """Take out of a sum what stands in it with both signs, also in a bracket with log1mexp."""
    (output,) = node.outputs
    if output.type.dtype not in FLOATS:
        return None
    signed = signed_terms(output)
    read = [(sign, *factors(term)) for sign, term in signed]
    if len(signed) < 2 or not any(_holds_log1mexp(v) for _, _, counted in read for v in counted):
        return None
    found = _without_opposites(signed, read) or _without_argument(signed, read)
    if found is None:
        return None
    result = difference_of(found)
    return result if same_pattern(result, output) else None


_Signed = list[tuple[int, Variable]]
_Read = list[tuple[int, Fraction, Counter[Variable]]]


def _holds_log1mexp(variable: Variable) -> bool:
    if is_a(scalar_op(variable), psm.Log1mexp):
        return True
    return _is_sum(variable) and any(
        is_a(scalar_op(v), psm.Log1mexp) for _, v in signed_terms(variable)
    )


def _is_sum(variable: Variable) -> bool:
    return variable.owner is not None and variable.owner.op in (add, sub)


def _without_opposites(signed: _Signed, read: _Read) -> _Signed | None:
    """Terms less those that are one product, and add up to 0 of it."""
    alike: dict[_Key, list[int]] = defaultdict(list)
    for i, (_, _, counted) in enumerate(read):
        alike[frozenset(counted.items())].append(i)
    gone = {
        i
        for key, at in alike.items()
        if key and len(at) > 1 and not sum(read[i][0] * read[i][1] for i in at)
        for i in at
    }
    return [term for i, term in enumerate(signed) if i not in gone] if gone else None


def _without_argument(signed: _Signed, read: _Read) -> _Signed | None:
    """``c (log1mexp(-x) + x) - c x`` without the x."""
    for i, (sign, constant, counted) in enumerate(read):
        brackets = [v for v in counted if counted[v] == 1 and _is_sum(v) and _holds_log1mexp(v)]
        if len(brackets) != 1:
            continue
        (bracket,) = brackets
        inner = signed_terms(bracket)
        for k, (own, term) in enumerate(inner):
            c, rest = factors(term)
            rest.update({v: n for v, n in counted.items() if v is not bracket})
            wanted = -sign * constant * own * c
            for j, (other, d, factors_of_other) in enumerate(read):
                if j == i or factors_of_other != rest or other * d != wanted:
                    continue
                left = difference_of(inner[:k] + inner[k + 1 :])
                if not same_pattern(left, bracket):
                    continue
                # What is left may be a factor already.
                changed = Counter({v: n for v, n in counted.items() if v is not bracket})
                changed[left] += 1
                product = build_product(constant, changed, str(bracket.type.dtype))
                kept = [t for n, t in enumerate(signed) if n not in (i, j)]
                return [*kept, (sign, product)]
    return None


LOG1MEXP_SUMS: tuple[Rule, ...] = (
    Rule(
        name="log_expm1_minus_argument",
        before=lambda x: symbols.log1mexp(-x) + x - x,
        after=lambda x: symbols.log1mexp(-x),
        domain={"x": Interval(1e-300, 700.0)},
        promise=4.0,
        mends="log(exp(x) - 1) - x is 0 from 37 on",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=argument_cancels,
        needs=(psm.Log1mexp,),
        tested_in="tests/test_log1mexp_sums.py",
        source="log(exp(x) - 1) = x + log(1 - exp(-x))",
    ),
)
