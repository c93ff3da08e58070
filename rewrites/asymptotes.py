"""Functions beside the broken lines that they approach: ``softplus(x) - max(x, 0)``.

``tanh(x) - sign(x)`` and ``x tanh(x) - |x|`` cancel at both ends, so that no constant is near.
With ``z = |x|`` every function here is its line plus a tail in z, which is small where they are
close: ``tanh(x) = sign(x) - 2 sign(x) sigmoid(-2 z)``, ``softplus(x) = max(x, 0) + softplus(-z)``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

import pytensor.scalar.math as psm
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Variable, equal_computations
from pytensor.graph.fg import FunctionGraph
from pytensor.scalar import basic as ps
from pytensor.tensor.math import add, sub

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.additive import signed_terms, squared
from pytensor_stabilize.rewrites.algebra.arguments import as_multiple
from pytensor_stabilize.rewrites.arithmetic import (
    build_product,
    constant_like,
    difference_of,
    factors,
)
from pytensor_stabilize.rewrites.matching import (
    FLOATS,
    exact_constant,
    is_a,
    same_pattern,
    scalar_op,
)
from pytensor_stabilize.rewrites.rules import Interval, Left, Rule

_FUNCTIONS = (ps.Tanh, psm.Erf, psm.Erfc, psm.Sigmoid, psm.Softplus)
_BENDS = (ps.Abs, ps.Sign, ps.Maximum, ps.Switch)
_HALF = Fraction(1, 2)
# Of the argument: sigmoid(-1e4) is 0.
_TAILS_END = 10_000
_REASON = Left("no function approaches the broken line beside it")


class Line(NamedTuple):
    """``straight * x + bent * |x|``, or of `level` ``straight + bent * sign(x)``."""

    level: bool
    straight: Fraction = Fraction(0)
    bent: Fraction = Fraction(0)

    def plus(self, c: Fraction, other: Line) -> Line:
        return Line(self.level, self.straight + c * other.straight, self.bent + c * other.bent)

    def ends(self) -> tuple[Fraction, Fraction]:
        """How much of x, or of 1, it is at the right end and at the left one."""
        return self.straight + self.bent, self.straight - self.bent


class Approach(NamedTuple):
    """A function of x as a line and ``coefficient * tail * sign(x)**odd``."""

    taken: Counter[Variable]
    line: Line
    coefficient: Fraction
    tail: Counter[Variable]
    odd: bool = False


class Bend(NamedTuple):
    """A broken line of x, and what its sign is written with, which decides what it is at 0."""

    x: Variable
    line: Line
    sign: Variable | None = None


@dataclass
class _Group:
    """Terms with the same other factors: broken lines, and what approaches some."""

    whole: Line
    approached: Line
    bends: int = 0
    used: list[int] = field(default_factory=list)
    tails: list[tuple[Fraction, Counter[Variable]]] = field(default_factory=list)

    def cancels(self) -> bool:
        """Whether functions take the lines away at one end."""
        ends = zip(self.whole.ends(), self.approached.ends(), strict=True)
        return self.bends > 0 and any(not whole and own for whole, own in ends)


def function_beside_its_line(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """Write functions by their tails where a broken line in the sum takes the rest away."""
    (output,) = node.outputs
    dtype = str(output.type.dtype)
    if dtype not in FLOATS:
        return None
    signed = signed_terms(output)
    read = [(sign, *factors(term)) for sign, term in signed]
    found = _first_bend([v for _, _, counted in read for v in counted], dtype)
    if found is None:
        return None
    x = found.x
    sign = pt.sign(x) if found.sign is None else found.sign
    for (_, rest), group in _groups(x, sign, read).items():
        if not group.cancels():
            continue
        made = [*group.tails, _what_is_left(group.whole, x, sign)]
        terms = [
            (1 if c > 0 else -1, build_product(abs(c), _product(counted, rest), dtype))
            for c, counted in made
            if c
        ]
        kept = [term for i, term in enumerate(signed) if i not in group.used]
        result = difference_of([*kept, *terms])
        return result if same_pattern(result, output) else None
    return _REASON


def _product(counted: Counter[Variable], rest: Iterable[tuple[Variable, int]]) -> Counter[Variable]:
    """Both together; a sum of counters would leave out what is divided by."""
    found = Counter(dict(rest))
    found.update(counted)
    return found


def _what_is_left(whole: Line, x: Variable, sign: Variable) -> tuple[Fraction, Counter[Variable]]:
    """What is 0 at one end, in one piece: added up by parts it would round the tail."""
    right, left = whole.ends()
    if whole.level:
        one = constant_like(1, x)
        half = pt.add(one, sign) if right else pt.sub(one, sign)
        return (right or left) / 2, Counter([half])
    zero = constant_like(0, x)
    return right or left, Counter([pt.maximum(x, zero) if right else pt.minimum(x, zero)])


def _first_bend(variables: list[Variable], dtype: str) -> Bend | None:
    """A broken line, if a function stands beside it."""
    if not any(is_a(scalar_op(v), *_FUNCTIONS, ps.Sqrt) for v in variables):
        return None
    bends = [bend for v in variables if (bend := _bend(v)) is not None]
    return next((bend for bend in bends if bend.x.type.dtype == dtype), None)


def _bend(variable: Variable) -> Bend | None:
    """Read a broken line."""
    op = scalar_op(variable)
    if not is_a(op, *_BENDS, ps.Add, ps.Sub):
        return None
    inputs = variable.owner.inputs  # type: ignore[union-attr]
    if is_a(op, ps.Add, ps.Sub):
        return _half(variable)
    if is_a(op, ps.Switch):
        return _switched(*inputs)
    if is_a(op, ps.Maximum):
        others = [v for v in inputs if exact_constant(v) is None]
        if len(others) != 1 or not any(exact_constant(v) == 0 for v in inputs):
            return None
        return _of_multiple(others[0], Line(False, _HALF, _HALF))
    return _of_multiple(inputs[0], Line(is_a(op, ps.Sign), bent=Fraction(1)))


def _of_multiple(variable: Variable, line: Line) -> Bend | None:
    """A line of ``k x`` as one of x."""
    k, x = _multiple(variable)
    if not k:
        return None
    if line.level:
        return Bend(x, Line(True, line.straight, line.bent if k > 0 else -line.bent))
    return Bend(x, Line(False, k * line.straight, abs(k) * line.bent))


def _multiple(variable: Variable) -> tuple[Fraction, Variable]:
    found = as_multiple(variable)
    core = found.core
    if isinstance(core, Variable) and same_pattern(core, variable):
        return found.coefficient, core
    return Fraction(1), variable


def _half(variable: Variable) -> Bend | None:
    """``x + |x|`` or ``1 + sign(x)``, half of which is written."""
    parts = signed_terms(variable)
    bends = [(s, v, b) for s, v in parts if is_a(scalar_op(v), ps.Abs, ps.Sign) and (b := _bend(v))]
    if len(parts) != 2 or len(bends) != 1:
        return None
    ((side, bent, bend),) = bends
    ((other, straight),) = [part for part in parts if part[1] is not bent]
    level = bend.line.level
    k = exact_constant(straight) if level else Fraction(int(straight is bend.x))
    if not k:
        return None
    return Bend(bend.x, Line(level, other * k, side * bend.line.bent))


def _switched(condition: Variable, one: Variable, other: Variable) -> Bend | None:
    """``switch(x > 0, x, 0)``, or a switch between two numbers."""
    if not is_a(scalar_op(condition), ps.GT, ps.GE):
        return None
    x, threshold = condition.owner.inputs  # type: ignore[union-attr]
    if exact_constant(threshold) != 0:
        return None
    above, below = exact_constant(one), exact_constant(other)
    if x is one and below == 0:
        return Bend(x, Line(False, _HALF, _HALF))
    if above is None or below is None or above == below or above == -below:
        return None
    sign = pt.switch(condition, constant_like(1, x), constant_like(-1, x))
    return Bend(x, Line(True, (above + below) / 2, (above - below) / 2), sign)


_Read = tuple[int, Fraction, Counter[Variable]]
_Key = tuple[bool, frozenset[tuple[Variable, int]]]


def _groups(x: Variable, sign: Variable, read: list[_Read]) -> dict[_Key, _Group]:
    """What is added up, by the factors beside functions and lines of x."""
    found: dict[_Key, _Group] = {}
    for i, (side, constant, counted) in enumerate(read):
        c = side * constant
        approach = next(filter(None, (_approach(v, x, counted) for v in counted)), None)
        bend = _bend_in(counted, x, sign)
        if approach is not None:
            taken, line = approach.taken, approach.line
        elif bend is not None:
            taken, line = bend
        else:
            level = counted[x] != 1
            taken, line = Counter() if level else Counter([x]), Line(level, Fraction(1))
        rest = frozenset((v, n - taken[v]) for v, n in counted.items() if n != taken[v])
        none = Line(line.level)
        group = found.setdefault((line.level, rest), _Group(none, none))
        group.used.append(i)
        group.whole = group.whole.plus(c, line)
        if approach is not None:
            group.approached = group.approached.plus(c, line)
            tail = Counter([sign] if approach.odd else [])
            tail.update(approach.tail)
            group.tails.append((c * approach.coefficient, tail))
        elif bend is not None:
            group.bends += 1
    return found


def _bend_in(
    counted: Counter[Variable], x: Variable, sign: Variable
) -> tuple[Counter[Variable], Line] | None:
    """A broken line of x among factors."""
    for v, n in counted.items():
        found = _bend(v)
        if found is None or found.x is not x:
            continue
        if n == 1 and (not found.line.level or equal_computations([_sign(found)], [sign])):
            return Counter([v]), found.line
        if n == -1 and counted[x] == 1 and is_a(scalar_op(v), ps.Abs):
            return Counter({v: -1, x: 1}), Line(True, bent=1 / found.line.bent)
    return None


def _sign(bend: Bend) -> Variable:
    return pt.sign(bend.x) if bend.sign is None else bend.sign


def _approach(v: Variable, x: Variable, counted: Counter[Variable]) -> Approach | None:
    """A factor, and x beside it, as a broken line and a tail."""
    op = scalar_op(v)
    if is_a(op, ps.Sqrt):
        return _root(v, x) if counted[v] == -1 and counted[x] == 1 else None
    if not is_a(op, *_FUNCTIONS) or counted[v] != 1 or v.type.dtype != x.type.dtype:
        return None
    k, core = _multiple(v.owner.inputs[0])  # type: ignore[union-attr]
    if core is not x:
        return None
    side = 1 if k > 0 else -1
    size = pt.abs(x) if abs(k) == 1 else pt.mul(constant_like(float(abs(k)), x), pt.abs(x))
    if is_a(op, psm.Softplus):
        line, tail = Line(False, k / 2, abs(k) / 2), pt.softplus(-size)
        return Approach(Counter([v]), line, Fraction(1), Counter([tail]))
    beside = counted[x] == 1
    taken = Counter([v, x]) if beside else Counter([v])
    # tanh(k x) = sign(k x) - 2 sign(k x) sigmoid(-2 |k x|)
    coefficient, straight, bent = Fraction(-side), Fraction(0), Fraction(side)
    if is_a(op, ps.Tanh):
        coefficient, tail = 2 * coefficient, pt.sigmoid(-(2 * size))
    elif is_a(op, psm.Sigmoid):
        straight, bent, tail = _HALF, bent / 2, pt.sigmoid(-size)
    else:
        tail = pt.erfc(size)
        if is_a(op, psm.Erfc):
            coefficient, straight, bent = -coefficient, Fraction(1), -bent
    line = Line(not beside, straight, bent)
    if not beside:
        return Approach(taken, line, coefficient, Counter([tail]), odd=True)
    # Where the tail is 0 the x beside it may be large, or infinite.
    beyond = constant_like(float(_TAILS_END / abs(k)), x)
    return Approach(taken, line, coefficient, Counter([tail, pt.minimum(pt.abs(x), beyond)]))


def _root(root: Variable, x: Variable) -> Approach | None:
    """``x / sqrt(x**2 + c) = sign(x) - sign(x) c / (r (r + |x|))``, r the root."""
    parts = signed_terms(root.owner.inputs[0])  # type: ignore[union-attr]
    squares = [v for s, v in parts if s > 0 and squared(v) is x]
    others = [s * (exact_constant(v) or 0) for s, v in parts if v not in squares]
    c = Fraction(others[0]) if len(squares) == len(others) == 1 else Fraction(0)
    if c <= 0:
        return None
    tail = Counter({root: -1, pt.add(root, pt.abs(x)): -1})
    return Approach(Counter({root: -1, x: 1}), Line(True, bent=Fraction(1)), -c, tail, odd=True)


ASYMPTOTES: tuple[Rule, ...] = (
    Rule(
        name="function_beside_its_line",
        before=lambda x: x * symbols.tanh(x) - abs(x),
        after=lambda x: -2 * symbols.minimum(abs(x), x * 0 + 10_000) * symbols.sigmoid(-2 * abs(x)),
        domain={"x": Interval(-300.0, 300.0)},
        promise=4.0,
        mends="tanh(x) - sign(x), softplus(x) - max(x, 0) and silu(x) - relu(x) are 0 far out",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=function_beside_its_line,
        needs=tuple((bend, kind) for bend in _BENDS for kind in (*_FUNCTIONS, ps.Sqrt)),
        source="tanh(z) = 1 - 2 / (1 + exp(2 z)), erf(z) = 1 - erfc(z)",
    ),
)
