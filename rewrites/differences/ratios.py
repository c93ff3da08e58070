"""Quotients by a difference of one function at two arguments: the gradients of its logarithm.

A term is read as opaque factors times a polynomial in f(a) and f(b), over a power of
``f(a) - f(b)``.  Terms of a sum with the same opaque factors are added exactly, so that the
large parts that they share cancel before anything is rounded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.math import add, mul, neg, sqr, sub, true_div

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.arithmetic import as_dtype, build_product, factors, signed_sum
from pytensor_stabilize.rewrites.differences import forms
from pytensor_stabilize.rewrites.differences.divided import Product, divided_by_pairs
from pytensor_stabilize.rewrites.differences.pairs import (
    EXP,
    SIGMOID,
    TANH,
    Family,
    Pair,
    family_of,
    key_of,
)
from pytensor_stabilize.rewrites.differences.table import (
    ONE,
    SLOPE_A,
    SLOPE_B,
    A,
    B,
    D,
    Poly,
    plus,
    power,
    ratio_of,
    rebuild_exp,
    rebuild_sigmoid,
    times,
)
from pytensor_stabilize.rewrites.matching import exact_constant, terms
from pytensor_stabilize.rewrites.rules import REAL, Interval, Left, Rule, Transform

_MOST_LEVELS = 4
_LARGEST_POWER = 4


@dataclass(slots=True)
class Read:
    """A term: opaque factors, a polynomial, and the power of D below the bar."""

    opaque: Counter[Variable]
    top: Poly
    below: int


class Reader:
    """Reads terms relative to one pair."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.sign_a, self.key_a = key_of(pair.plus)
        self.sign_b, self.key_b = key_of(pair.minus)

    def term(self, constant: Fraction, counted: Counter[Variable]) -> Read:
        """Read a product, see `factors`."""
        top: Poly = {(0, 0): constant}
        opaque: Counter[Variable] = Counter()
        below = 0
        for v, exponent in counted.items():
            c = self.difference(v)
            if c is not None:
                below -= exponent
                top = times(top, {(0, 0): c**exponent})
                continue
            p = self.poly(v) if 0 < exponent <= _LARGEST_POWER else None
            if p is None:
                opaque[v] += exponent
            else:
                top = times(top, power(p, exponent))
        if below < 0:
            top, below = times(top, power(D, -below)), 0
        return Read(opaque, top, below)

    def difference(self, v: Variable) -> Fraction | None:
        """The number c with ``v == c * (f(a) - f(b))``; f is the sigmoid where it is tanh."""
        if v.owner is None or v.owner.op not in (add, sub):
            return None
        p = self.poly(v)
        return None if p is None else ratio_of(p, D)

    def poly(self, v: Variable, level: int = 0) -> Poly | None:
        """`v` as a polynomial in f(a) and f(b), None if it is none."""
        constant = exact_constant(v)
        if constant is not None:
            return {(0, 0): constant} if constant else {}
        node = v.owner
        if node is None or level > _MOST_LEVELS:
            return None
        if node.op in (add, sub):
            total: Poly = {}
            for sign, term in terms(node):
                p = self.poly(term, level + 1)
                if p is None:
                    return None
                total = plus(total, p, Fraction(sign))
            return total
        if node.op in (mul, sqr, neg):
            parts = [self.poly(i, level + 1) for i in node.inputs]
            result = ONE if node.op != neg else {(0, 0): Fraction(-1)}
            for p in parts * (2 if node.op == sqr else 1):
                if p is None:
                    return None
                result = times(result, p)
            return result
        return self._atom(v)

    def _atom(self, v: Variable) -> Poly | None:
        family = family_of(v)
        if family is None or family is not self.pair.family:
            return None
        if family is EXP:
            return self._exp(v)
        sign, key = key_of(v)
        for own_sign, own_key, value, outer in (
            (self.sign_a, self.key_a, A, self.pair.signs[0]),
            (self.sign_b, self.key_b, B, self.pair.signs[1]),
        ):
            if key != own_key:
                continue
            same = sign == own_sign * outer
            if family is TANH:
                return plus(
                    {(0, 0): Fraction(-1)} if same else ONE, value, Fraction(2 * (same * 2 - 1))
                )
            return value if same else plus(ONE, value, Fraction(-1))
        return None

    def _exp(self, v: Variable) -> Poly | None:
        """Powers and products too: PyTensor merges ``exp(a) * exp(b)`` to ``exp(a + b)``."""
        for function, value in ((self.pair.plus, A), (self.pair.minus, B)):
            if v is function or key_of(v) == key_of(function):
                return value
        if not all(_is_plain(u) for u in (v, self.pair.plus, self.pair.minus)):
            return None
        wanted, a, b = (_linear(_inner(u)) for u in (v, self.pair.plus, self.pair.minus))
        for i, j in ((2, 0), (1, 1), (0, 2), (2, 1), (1, 2), (3, 0), (0, 3), (2, 2)):
            total = {k: i * a.get(k, 0) + j * b.get(k, 0) for k in {**a, **b}}
            if {k: c for k, c in total.items() if c} == wanted:
                return {(i, j): Fraction(1)}
        return None


def _is_plain(v: Variable) -> bool:
    """Whether it is the function itself, not moved about or cast."""
    return v.owner is not None and type(getattr(v.owner.op, "scalar_op", None)) is ps.Exp


def _inner(v: Variable) -> Variable:
    assert v.owner is not None
    return v.owner.inputs[0]


def _linear(v: Variable) -> dict[Variable, Fraction]:
    """`v` as a sum of multiples."""
    found: dict[Variable, Fraction] = {}
    todo = [(Fraction(1), v)]
    while todo:
        c, u = todo.pop()
        node = u.owner
        if node is not None and node.op in (add, sub):
            todo += [(c * sign, term) for sign, term in terms(node)]
            continue
        own, counted = factors(u)
        if len(counted) == 1 and (u is not (core := next(iter(counted)))) and counted[core] == 1:
            todo.append((c * own, core))
        else:
            found[u] = found.get(u, Fraction(0)) + c
    return {k: c for k, c in found.items() if c}


def _rebuild(pair: Pair, top: Poly, below: int, dtype: str) -> tuple[Fraction, Variable] | None:
    if not top:
        return None
    a, b = pair.arguments(dtype)
    if pair.family is EXP:
        return rebuild_exp(top, below, a, b)
    if pair.family is TANH:
        a, b = forms.times(2, a), forms.times(2, b)
    return rebuild_sigmoid(top, below, a, b)


def quotient(family: Family) -> Transform:
    """Make the transform of products and sums that are divided by ``f(a) - f(b)``."""

    def transform(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
        (output,) = node.outputs
        if np.dtype(output.type.dtype).kind != "f":
            return None
        divided = divided_by_pairs(node)
        if divided is None:
            return None
        for pair in divided.pairs:
            if pair.family is family:
                for i, read in enumerate(divided.readings):
                    as_whole = i == 0 and len(divided.readings) > 1
                    result = _mend(pair, divided.summed, read, output, as_whole)
                    if result is not None:
                        return result
        return None

    return transform


def _mend(
    pair: Pair,
    summed: list[tuple[int, Variable]],
    read: list[Product],
    output: Variable,
    as_whole: bool,
) -> Variable | None:
    """Rebuild the group of terms, or of a single product, that has a stable form."""
    reader = Reader(pair)
    need = len(read) if as_whole else min(len(read), 2)
    groups: dict[Hashable, list[int]] = {}
    parsed = []
    for index, product in enumerate(read):
        term = reader.term(product.constant, product.counted)
        parsed.append(term)
        groups.setdefault(frozenset(term.opaque.items()), []).append(index)
    dtype = output.type.dtype
    for members in groups.values():
        below = max(parsed[i].below for i in members)
        if below == 0 or len(members) < need:
            continue
        whole_terms = {read[i].term for i in members}
        if sum(product.term in whole_terms for product in read) != len(members):
            continue  # a part of what was multiplied out
        top: Poly = {}
        for i in members:
            top = plus(top, times(parsed[i].top, power(D, below - parsed[i].below)))
        rebuilt = _rebuild(pair, top, below, dtype)
        if rebuilt is not None:
            own, counted = factors(as_dtype(rebuilt[1], dtype))
            c, whole = rebuilt[0] * own, parsed[members[0]].opaque.copy()
            whole.update(counted)
        else:
            alone = read[members[0]]
            factored = None
            if need == 1:
                factored = _factor_out(reader, alone.constant, alone.counted, dtype)
            if factored is None:
                continue
            c, whole = factored
        result = build_product(c, whole, dtype)
        rest = [term for i, term in enumerate(summed) if i not in whole_terms]
        return signed_sum([(1, result), *rest])
    return None


def _factor_out(
    reader: Reader, constant: Fraction, counted: Counter[Variable], dtype: str
) -> tuple[Fraction, Counter[Variable]] | None:
    """Take single ratios out of a product that has no form as a whole."""
    left: Counter[Variable] = Counter()
    below = 0
    for v, exponent in counted.items():
        c = reader.difference(v)
        if c is None:
            left[v] += exponent
        else:
            below -= exponent
            constant *= c**exponent
    taken = []
    for _ in range(below):
        found = _take_one(reader, left)
        rebuilt = None if found is None else _rebuild(reader.pair, found[2], 1, dtype)
        if found is None or rebuilt is None:
            return None
        own, parts = factors(as_dtype(rebuilt[1], dtype))
        constant *= found[0] * rebuilt[0] * own
        left.subtract(found[1])
        taken.append(parts)
    for parts in taken:
        left.update(parts)
    return (constant, Counter({v: p for v, p in left.items() if p})) if taken else None


def _take_one(
    reader: Reader, left: Counter[Variable]
) -> tuple[Fraction, list[Variable], Poly] | None:
    """One or two factors that make the numerator of a ratio, and what they are a multiple of."""
    read = ((v, reader.poly(v)) for v, p in left.items() if p > 0)
    polys = {v: p for v, p in read if p}
    for slope in (A, B) if reader.pair.family is EXP else (SLOPE_A, SLOPE_B):
        for v, p in polys.items():
            c = ratio_of(p, slope)
            if c is not None:
                return c, [v], slope
            for u, q in polys.items():
                c = ratio_of(times(p, q), slope) if u is not v else None
                if c is not None:
                    return c, [u, v], slope
    return None


_SOURCE = "f'(a) / (f(a) - f(b)) with f(a) - f(b) written as in the rules for the difference"

RATIO_RULES: tuple[Rule, ...] = tuple(
    Rule(
        name=name,
        before=before,
        after=after,
        domain={"a": domain, "b": domain},
        promise=promise,
        mends="the gradient of log(f(a) - f(b)) is 0 / 0 in the tails, inf where f(a) = f(b)",
        databases=("stabilize", "specialize"),
        tracks=(true_div, mul, add, sub),
        transform=quotient(family),
        source=_SOURCE,
    )
    for name, family, before, after, domain, promise in (
        (
            "sigmoid_difference_ratio",
            SIGMOID,
            lambda a, b: (
                symbols.sigmoid(a)
                * (1 - symbols.sigmoid(a))
                / (symbols.sigmoid(a) - symbols.sigmoid(b))
            ),
            forms.sigmoid_ratio,
            REAL,
            8.0,
        ),
        (
            "tanh_difference_ratio",
            TANH,
            lambda a, b: (
                (1 - symbols.tanh(a) * symbols.tanh(a)) / (symbols.tanh(a) - symbols.tanh(b))
            ),
            forms.tanh_ratio,
            Interval(-350.0, 350.0),
            8.0,
        ),
        (
            "exp_difference_ratio",
            EXP,
            lambda a, b: symbols.exp(a) / (symbols.exp(a) - symbols.exp(b)),
            forms.exp_ratio,
            # LLVM's fast-math merges exp(a) exp(-b) again, and rounds a - b: 4 (1 + |a - b|).
            Interval(-2.0, 2.0),
            6.0,
        ),
    )
)
