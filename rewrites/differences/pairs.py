"""Find pairs ``c * f(a) - c * f(b)`` in sums, for f in sigmoid, tanh and exp.

Either side may have its elements moved about, cast, or joined with constants that f takes at
infinity: the cumulative probabilities ``join(0, sigmoid(x), 1)`` of an ordered logistic model are
``sigmoid(join(-inf, x, inf))``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations, permutations
from math import inf

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.scalar import basic as ps
from pytensor.scalar.math import Sigmoid
from pytensor.tensor.basic import Join, MakeVector
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.math import neg
from pytensor.tensor.subtensor import AdvancedIncSubtensor, IncSubtensor

from pytensor_stabilize.rewrites.arithmetic import as_dtype, factors
from pytensor_stabilize.rewrites.matching import (
    MOVES,
    exact_constant,
    is_a,
    is_float_cast,
    scalar_op_of,
    signed_key,
    strip_sign,
    terms,
)
from pytensor_stabilize.rewrites.memory import once

_JOINS = (Join, MakeVector)
_SETS = (IncSubtensor, AdvancedIncSubtensor)
_MOST_TERMS = 12
_MOST_LEVELS = 6
_ARITHMETIC = (ps.Mul, ps.TrueDiv, ps.Add, ps.Sub, ps.Neg, ps.Sqr)
# Levels of arithmetic between a sum and the functions in its terms.
_NEAR = 3


@dataclass(frozen=True, slots=True)
class Family:
    """A function, and the arguments at which it takes the constants that it is joined with."""

    name: str
    values: dict[Fraction, float]

    def __hash__(self) -> int:
        return hash(self.name)


SIGMOID = Family("sigmoid", {Fraction(0): -inf, Fraction(1): inf})
TANH = Family("tanh", {Fraction(-1): -inf, Fraction(0): 0.0, Fraction(1): inf})
EXP = Family("exp", {Fraction(0): -inf, Fraction(1): 0.0})
_FAMILIES = {Sigmoid: SIGMOID, ps.Tanh: TANH, ps.Exp: EXP}


def family_of(variable: Variable) -> Family | None:
    """The family that `variable`, without a sign of its own, is a function of."""
    for _ in range(_MOST_LEVELS):
        node = variable.owner
        if node is None:
            return None
        if is_a(node.op, Elemwise):
            if type(node.op.scalar_op) in _FAMILIES:
                return _FAMILIES[type(node.op.scalar_op)]
            if not is_float_cast(node):
                return None
        elif is_a(node.op, *_JOINS) or (isinstance(node.op, _SETS) and node.op.set_instead_of_inc):
            return _family_of_parts(_parts(node))
        elif not is_a(node.op, *MOVES):
            return None
        variable = node.inputs[0]
    return None


def _parts(node: Apply) -> list[Variable]:
    return node.inputs[:2] if is_a(node.op, *_SETS) else node.inputs


def _family_of_parts(parts: list[Variable]) -> Family | None:
    constants = [exact_constant(part) for part in parts]
    families = {family_of(p) for p, c in zip(parts, constants, strict=True) if c is None}
    if len(families) != 1 or None in families:
        return None
    (family,) = families
    assert family is not None
    return family if all(c is None or c in family.values for c in constants) else None


def moved(variable: Variable, path: Iterable[Apply]) -> Variable:
    """Move the elements of `variable` as the nodes of `path` do, innermost first."""
    for node in path:
        variable = node.op.make_node(variable, *node.inputs[1:]).outputs[0]
    return variable


class Arguments:
    """The x with ``variable == f(x)``, built once for each variable, in `dtype` or wider."""

    def __init__(self, family: Family, dtype: str) -> None:
        self.family = family
        self.dtype = dtype
        self._built: dict[Variable, Variable] = {}

    def of(self, variable: Variable) -> Variable:
        """The argument; `family_of` has found the family."""
        if variable not in self._built:
            self._built[variable] = self._build(variable)
        return self._built[variable]

    def _build(self, variable: Variable) -> Variable:
        node = variable.owner
        assert node is not None
        if is_a(node.op, *MOVES):
            return moved(self.of(node.inputs[0]), [node])
        if is_a(node.op, Elemwise):
            if type(node.op.scalar_op) not in _FAMILIES:
                return self.of(node.inputs[0])
            # Cast before anything is subtracted: integers wrap, and float32 loses digits.
            wide = np.promote_types(variable.type.dtype, self.dtype)
            return as_dtype(node.inputs[0], str(wide))
        inner = [self._part(part) for part in _parts(node)]
        common = str(np.result_type(*(v.type.dtype for v in inner)))
        inner = [as_dtype(v, common) for v in inner]
        if is_a(node.op, MakeVector):
            return MakeVector(common).make_node(*inner).outputs[0]
        more = node.inputs[2:] if is_a(node.op, *_SETS) else []
        return node.op.make_node(*inner, *more).outputs[0]

    def _part(self, part: Variable) -> Variable:
        constant = exact_constant(part)
        if constant is None:
            return self.of(part)
        value = np.asarray(self.family.values[constant], dtype=self.dtype)
        if isinstance(part, Constant):
            return pt.constant(np.full_like(part.data, value, dtype=self.dtype))
        return pt.second(part, value)


def key_of(variable: Variable) -> tuple[int, Hashable]:
    """As `signed_key`, of the argument of a function whose elements may be moved about."""
    path: list[Hashable] = []
    while True:
        node = variable.owner
        assert node is not None
        if is_a(node.op, *MOVES):
            path.append((node.op, tuple(node.inputs[1:])))
        elif not is_a(node.op, Elemwise):
            return 1, (variable, *path)
        elif type(node.op.scalar_op) in _FAMILIES:
            sign, key = signed_key(node.inputs[0])
            return sign, (key, *path)
        variable = node.inputs[0]


@dataclass(slots=True)
class Pair:
    """``constant * product(coefficient) * (f(a) - f(b))``, and the terms that stand beside it.

    Attributes
    ----------
    kind
        "difference"; or "sum" for ``1 + f(a) - f(b)`` and its like, which is
        ``f(a) + f(-b)``: nothing cancels in it.
    """

    family: Family
    constant: Fraction
    coefficient: Counter[Variable]
    plus: Variable
    minus: Variable
    signs: tuple[int, int]
    kind: str
    rest: list[tuple[int, Variable]] = field(default_factory=list)

    def arguments(self, dtype: str) -> tuple[Variable, Variable]:
        """Arguments a and b, the second one of the other sign if the kind is "sum"."""
        arguments = Arguments(self.family, dtype)
        a, b = arguments.of(self.plus), arguments.of(self.minus)
        wide = str(np.result_type(a.type.dtype, b.type.dtype))
        signed = zip(self.signs, (as_dtype(a, wide), as_dtype(b, wide)), strict=True)
        first, second = (v if sign > 0 else neg(v) for sign, v in signed)
        return first, second

    @property
    def is_bare(self) -> bool:
        """Whether it is a constant times a difference, with nothing beside it."""
        return self.kind == "difference" and not self.rest and not self.coefficient


def flat_terms(node: Apply) -> list[tuple[int, Variable]]:
    """Signed terms of a sum of sums."""
    (pattern,) = {v.type.broadcastable for v in node.outputs}
    found: list[tuple[int, Variable]] = []
    todo = [(sign, term, 0) for sign, term in terms(node)]
    while todo and len(found) + len(todo) <= _MOST_TERMS:
        sign, term, level = todo.pop(0)
        own, core = strip_sign(term)
        inner = core.owner
        if (
            inner is not None
            and type(scalar_op_of(inner)) in (ps.Add, ps.Sub)
            and level < _MOST_LEVELS
            and core.type.broadcastable == pattern
        ):
            more = [(own * sign * s, t, level + 1) for s, t in terms(inner)]
            todo = more + todo
        else:
            found.append((own * sign, core))
    return found + [(sign, term) for sign, term, _ in todo]


# Family, size of the constant, and the other factors: terms that can pair have the same.
_Read = tuple[int, Fraction, Counter[Variable]]
_Bucket = tuple[str, Fraction, frozenset[tuple[Variable, int]]]


@dataclass(frozen=True, slots=True)
class _Candidate:
    sign: int
    index: int
    function: Variable


def find_pair(node: Apply) -> Pair | None:
    """The pair that an `add` or `sub` node holds, if there is just one way to pair.

    Six rules ask for it, one for each function and use.
    """
    return once(node.outputs[0], "pair", lambda: _find_pair(node))


def _find_pair(node: Apply) -> Pair | None:
    (output,) = node.outputs
    if np.dtype(output.type.dtype).kind != "f" or not may_hold_pair(node):
        return None
    summed = flat_terms(node)
    if not 2 <= len(summed) <= _MOST_TERMS:
        return None
    read = [(sign, *factors(term)) for sign, term in summed]
    buckets: dict[_Bucket, list[_Candidate]] = {}
    families: dict[_Bucket, Family] = {}
    for index, (sign, constant, counted) in enumerate(read):
        for v, power in counted.items():
            family = family_of(v) if power == 1 and constant else None
            if family is None:
                continue
            others = frozenset((o, p) for o, p in counted.items() if o is not v)
            bucket = (family.name, abs(constant), others)
            own = sign if constant > 0 else -sign
            buckets.setdefault(bucket, []).append(_Candidate(own, index, v))
            families[bucket] = family
    for bucket, candidates in buckets.items():
        if len(candidates) == 2 and candidates[0].index != candidates[1].index:
            pair = _pair(families[bucket], bucket, candidates, summed, read)
            if pair is not None:
                return pair
    return _crossed(summed, read) or _over_another(summed, read)


def _crossed(summed: list[tuple[int, Variable]], read: list[_Read]) -> Pair | None:
    """``s(a) s(-b) - s(-a) s(b)``, which is ``s(a) - s(b)``: another rule writes it so."""
    sides = [
        {key_of(v): v for v, power in counted.items() if power == 1 and family_of(v) is SIGMOID}
        for _, _, counted in read
    ]
    for i, j in combinations(range(len(read)), 2):
        if read[i][2] == read[j][2]:
            continue  # s(a) s(-a) twice: what cancels altogether is no difference
        own = [sign * constant for sign, constant, _ in (read[i], read[j])]
        found = [(v, sides[j][-s, k]) for (s, k), v in sides[i].items() if (-s, k) in sides[j]]
        if sum(own) or not own[0] or len(found) != 2:
            continue
        (a, minus_a), (b, minus_b) = found
        left = _without(read[i][2], a, b)
        if left == _without(read[j][2], minus_a, minus_b):
            rest = [term for k, term in enumerate(summed) if k not in (i, j)]
            return Pair(SIGMOID, own[0], left, a, b, (1, -1), "difference", rest)
    return None


def _over_another(summed: list[tuple[int, Variable]], read: list[_Read]) -> Pair | None:
    """``1 - s(a) / s(b)``, one minus a ratio of survivals, as ``(s(b) - s(a)) / s(b)``."""
    for i, j in permutations(range(len(read)), 2):
        own = [sign * constant for sign, constant, _ in (read[i], read[j])]
        whole, part = read[i][2], read[j][2]
        change = {v: part[v] - whole[v] for v in {**whole, **part} if part[v] != whole[v]}
        if sum(own) or not own[0] or sorted(change.values()) != [-1, 1]:
            continue
        below, above = sorted(change, key=lambda v: change[v])
        if whole[below] or not family_of(above) is family_of(below) is SIGMOID:
            continue
        if key_of(above)[1] != key_of(below)[1]:
            left = Counter({**whole, below: -1})
            rest = [term for k, term in enumerate(summed) if k not in (i, j)]
            return Pair(SIGMOID, own[0], left, below, above, (1, 1), "difference", rest)
    return None


def _without(counted: Counter[Variable], *factors: Variable) -> Counter[Variable]:
    return Counter({v: p for v, p in counted.items() if v not in factors})


def may_hold_pair(node: Apply) -> bool:
    """Cheap test, asked of every sum in a graph: whether one function stands near it twice."""
    found: dict[str, Variable] = {}
    todo = [(v, 0) for v in node.inputs]
    for variable, level in todo:
        inner = variable.owner
        if inner is None:
            continue
        if type(scalar_op_of(inner)) in _ARITHMETIC:
            todo += [(v, level + 1) for v in inner.inputs] if level < _NEAR else []
            continue
        family = family_of(variable)
        if family is not None and found.setdefault(family.name, variable) is not variable:
            return True
    return False


def _pair(
    family: Family,
    bucket: _Bucket,
    candidates: list[_Candidate],
    summed: list[tuple[int, Variable]],
    read: list[_Read],
) -> Pair | None:
    _, constant, others = bucket
    first, second = sorted(candidates, key=lambda c: -c.sign)
    indices = {first.index, second.index}
    units = Fraction(0)
    rest = []
    for index, (sign, own, counted) in enumerate(read):
        if index in indices:
            continue
        if own and frozenset(counted.items()) == others:
            units += sign * own / constant
        elif own:
            rest.append(summed[index])
        elif not counted:
            continue
        else:
            return None
    how = _arrangement(family, (first.sign, second.sign), units)
    keys = [key_of(candidate.function)[1] for candidate in (first, second)]
    if how is None or keys[0] == keys[1]:
        return None  # one argument: the rules for one function see it
    for _, term in rest:
        # 1 - p - r + p r is (1 - p) (1 - r): no pair may be taken out of it.
        uses = (v for v in factors(term)[1] if family_of(v) is family)
        if any(key_of(v)[1] in keys for v in uses):
            return None
    sign, signs, kind = how
    coefficient = Counter(dict(others))
    return Pair(
        family, sign * constant, coefficient, first.function, second.function, signs, kind, rest
    )


def _arrangement(
    family: Family, signs: tuple[int, int], units: Fraction
) -> tuple[int, tuple[int, int], str] | None:
    """Write ``+-f(a) +-f(b) + units`` as ``sign * (f(+-a) -+ f(+-b))``."""
    if signs == (1, -1) and not units:
        return 1, (1, 1), "difference"
    if family is not SIGMOID:
        return None
    known: dict[tuple[int, int, Fraction | int], tuple[int, tuple[int, int], str]] = {
        (1, 1, -1): (1, (1, -1), "difference"),
        (-1, -1, 1): (1, (-1, 1), "difference"),
        (1, -1, 1): (1, (1, -1), "sum"),
        (1, -1, -1): (-1, (-1, 1), "sum"),
        (-1, -1, 2): (1, (-1, -1), "sum"),
        (1, 1, -2): (-1, (-1, -1), "sum"),
    }
    return known.get((*signs, units))
