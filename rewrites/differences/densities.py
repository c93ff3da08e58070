"""Differences of the derivatives of one function at two arguments.

What the gradient of ``sigmoid(c1 - eta) - sigmoid(c0 - eta)`` leaves, the probability of an
ordered category.  It vanishes where the arguments are equal, and where they are opposite.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.scalar.math import Sigmoid
from pytensor.tensor.math import add, sub

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.arithmetic import as_dtype, build_product, factors, signed_sum
from pytensor_stabilize.rewrites.checked import is_only_checked
from pytensor_stabilize.rewrites.differences import forms
from pytensor_stabilize.rewrites.differences.pairs import (
    SIGMOID,
    TANH,
    Arguments,
    Family,
    family_of,
    flat_terms,
    key_of,
    may_hold_pair,
)
from pytensor_stabilize.rewrites.rules import REAL, Left, Rule

_MOST_TERMS = 12


@dataclass(frozen=True, slots=True)
class _Density:
    """A term ``constant * product(others) * D(u)``, or with ``tanh(u)**2`` in place of D(u)."""

    index: int
    constant: Fraction
    others: Counter[Variable]
    function: Variable
    key: Hashable

    @property
    def bucket(self) -> Hashable:
        """What two terms have in common that can be a difference."""
        family = family_of(self.function)
        assert family is not None
        return family.name, abs(self.constant), frozenset(self.others.items())


def _densities(index: int, sign: int, term: Variable) -> Iterator[_Density]:
    constant, counted = factors(term)
    if not constant:
        return
    found: dict[tuple[int, Hashable], Variable] = {}
    for v, power in counted.items():
        family: Family | None = family_of(v) if power in (1, 2) else None
        if family is TANH and power == 2:
            others = Counter({o: p for o, p in counted.items() if o is not v})
            yield _Density(index, sign * constant, others, v, key_of(v)[1])
        if family is SIGMOID and power == 1:
            found[key_of(v)] = v
    for (own, key), v in found.items():
        other = found.get((-own, key))
        if own > 0 and other is not None:
            others = Counter({o: p for o, p in counted.items() if o is not v and o is not other})
            yield _Density(index, sign * constant, others, v, key)


def density_difference(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``c p q - c p' q'``, and ``c tanh(a)**2 - c tanh(b)**2``, as a product."""
    (output,) = node.outputs
    if np.dtype(output.type.dtype).kind != "f" or not may_hold_pair(node):
        return None
    summed = flat_terms(node)
    if len(summed) > _MOST_TERMS:
        return None
    buckets: dict[Hashable, list[_Density]] = defaultdict(list)
    for index, (sign, term) in enumerate(summed):
        for density in _densities(index, sign, term):
            buckets[density.bucket].append(density)
    for pair in buckets.values():
        if len(pair) != 2 or pair[0].constant + pair[1].constant or pair[0].key == pair[1].key:
            continue
        rest = [term for k, term in enumerate(summed) if k not in {d.index for d in pair}]
        if _are_used(pair, rest):
            continue
        if is_only_checked(fgraph, output):
            return Left("its value is only checked against bounds", lasts=False)
        return signed_sum([(1, _built(pair, str(output.type.dtype))), *rest])
    return None


def _are_used(pair: list[_Density], rest: list[tuple[int, Variable]]) -> bool:
    """Whether a term beside the two has a function of one of their arguments: see `pairs`."""
    keys = {density.key for density in pair}
    used = (v for _, term in rest for v in factors(term)[1] if family_of(v) is not None)
    return any(key_of(v)[1] in keys for v in used)


def _built(pair: list[_Density], dtype: str) -> Variable:
    family = family_of(pair[0].function)
    assert family is not None
    arguments = Arguments(family, dtype)
    a, b = (arguments.of(density.function) for density in pair)
    wide = str(np.result_type(a.type.dtype, b.type.dtype))
    a, b = (as_dtype(v, wide) for v in (a, b))
    form = forms.sigmoid_density_difference if family is SIGMOID else forms.tanh_square_difference
    own, product = factors(as_dtype(form(a, b), dtype))
    product.update(pair[0].others)
    return build_product(pair[0].constant * own, product, dtype)


DENSITY_RULES: tuple[Rule, ...] = (
    Rule(
        name="sigmoid_density_minus_density",
        before=lambda a, b: (
            symbols.sigmoid(a) * symbols.sigmoid(-a) - symbols.sigmoid(b) * symbols.sigmoid(-b)
        ),
        after=forms.sigmoid_density_difference,
        domain={"a": REAL, "b": REAL},
        promise=6.0,
        mends="the gradient of sigmoid(a + b) - sigmoid(a) is lost where b or 2a + b is small",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=density_difference,
        needs=(Sigmoid, ps.Tanh),
        source="p q - p' q' = (p - p') (q - p') for p = sigmoid(a), p' = sigmoid(b), p + q = 1",
    ),
)
