"""Sums of some components of a softmax: what is missing to 1 is the sum of the others.

``1 - p[:k].sum()`` and its logarithm are the tail probabilities and the grouped or censored
categories of a categorical model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations
from math import inf
from typing import Any, NamedTuple, cast

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.math import Sum, add, log, log1p, sub
from pytensor.tensor.special import Softmax
from pytensor.tensor.subtensor import (
    AdvancedSubtensor,
    Subtensor,
    indices_from_subtensor,
    set_subtensor,
)

from pytensor_stabilize.rewrites import symbols
from pytensor_stabilize.rewrites.matching import FLOATS, is_a
from pytensor_stabilize.rewrites.rules import REAL, Left, Rule
from pytensor_stabilize.rewrites.softmax.generators import of_any_shape
from pytensor_stabilize.rewrites.softmax.matching import (
    axes_of,
    is_near,
    is_softmax,
    row_sum,
    softmax_axes,
)
from pytensor_stabilize.rewrites.softmax.reader import Reader
from pytensor_stabilize.rewrites.softmax.terms import RowSum, Term, merged, of_key
from pytensor_stabilize.rewrites.softmax.transforms import of_sum
from pytensor_stabilize.rewrites.symbols import Value


class Part(NamedTuple):
    """Components of a softmax `p` along an axis, that `pick` takes and that are added up.

    `shape` says how the dimensions of the sum are shuffled, to have more of length 1; `entry` is
    the index along the axis.
    """

    p: Variable
    axis: int
    shape: tuple[int | str, ...]
    pick: Apply
    entry: Any
    is_sum: bool


def part_of(term: Term) -> Part | None:
    """The components that a factor alone is the sum of, or the only one that it is."""
    ((variable, power),) = term.powers if len(term.powers) == 1 else ((None, 0),)
    if isinstance(variable, RowSum) and len(variable.powers) == 1:
        ((summed_up, own),) = variable.powers
        variable = row_sum(summed_up, variable.axes) if isinstance(summed_up, Variable) else None
        power *= own
    if power != 1 or not isinstance(variable, Variable):
        return None
    node = variable.owner
    shape: tuple[int | str, ...] = tuple(range(variable.type.ndim))
    if node is not None and is_a(node.op, DimShuffle) and node.op.is_expand_dims:
        shape = node.op.new_order
        node = node.inputs[0].owner
    is_sum = node is not None and type(node.op) is Sum
    pick = of_any_shape(node.inputs[0]).owner if is_sum and node is not None else node
    if node is None or pick is None or not is_a(pick.op, Subtensor, AdvancedSubtensor):
        return None
    p = pick.inputs[0]
    axes = softmax_axes(p)
    if axes is None or len(axes) != 1 or (entry := entry_along(pick, axes[0])) is None:
        return None
    summed: tuple[int, ...] = ()
    if is_sum:
        summed = axes_of(node)
    takes_one = not isinstance(entry, slice | np.ndarray)
    # An index takes the dimension away, anything else leaves it to the sum.
    if summed != (() if takes_one else axes):
        return None
    return Part(p, axes[0], shape, pick, entry, is_sum)


def entry_along(pick: Apply, axis: int) -> Any:
    """The index along the axis, if that is the only one: a slice, an int or a scalar, an array."""
    entries = indices_from_subtensor(pick.inputs[1:], pick.op.idx_list)
    others = [entry for dim, entry in enumerate(entries) if dim != axis]
    if len(entries) <= axis or any(entry != slice(None) for entry in others):
        return None
    entry = entries[axis]
    if not is_a(pick.op, AdvancedSubtensor):
        return entry
    # Each component once: whole numbers, none of them negative and none twice.
    data = entry.data if isinstance(entry, Constant) else None
    if data is None or data.ndim != 1 or data.dtype.kind not in "iu" or (data < 0).any():
        return None
    return data if len(np.unique(data)) == data.size else None


def _range(part: Part) -> tuple[float, float] | None:
    """From which component to which a part goes, if that is known."""
    entry = part.entry
    length = part.p.type.shape[part.axis]  # type: ignore[attr-defined]
    if isinstance(entry, np.ndarray):
        return None
    if not isinstance(entry, slice):
        number = _number(entry, None, length)
        return None if number is None else (number, number + 1)
    start, stop = _number(entry.start, 0, length), _number(entry.stop, inf, length)
    known = start is not None and stop is not None and _number(entry.step, 1, None) == 1
    return (start, stop) if known else None  # type: ignore[return-value]


def _number(entry: object, default: float | None, length: int | None) -> float | None:
    """An index that counts from the first component; None if it is not known."""
    data = getattr(entry, "data", entry)
    if data is None:
        return default
    if isinstance(data, Variable):
        return None
    number = int(data)  # type: ignore[call-overload]
    if number < 0:
        return None if length is None else max(number + length, 0)
    return number


def others_of(parts: Sequence[Part]) -> Variable | None:
    """The sum of the components that are in none of the parts; None if one might be in two."""
    p, axis = parts[0].p, parts[0].axis
    if len(parts) > 1:
        ranges = [_range(part) for part in parts]
        for one, other in combinations(ranges, 2):
            if one is None or other is None or max(one[0], other[0]) < min(one[1], other[1]):
                return None
    rest = _without(p, parts)
    return cast(Variable, pt.sum(rest, axis=axis).dimshuffle(parts[0].shape))


def _without(p: Variable, parts: Sequence[Part]) -> Variable:
    """The components that are in none of the parts, or all of them with zeros in these."""
    first = parts[0]
    entry = first.entry
    one_sided = isinstance(entry, slice) and (entry.start is None) != (entry.stop is None)
    if len(parts) == 1 and one_sided and entry.step is None:
        # p[k:] for p[:k], whatever k is: no copy of the row.
        others = (slice(None),) * first.axis + (slice(entry.stop, entry.start),)
        return p[others]  # type: ignore[index]
    for part in parts:
        taken = part.pick.op.make_node(p, *part.pick.inputs[1:]).outputs[0]
        p = set_subtensor(taken, np.zeros((), dtype=p.type.dtype))
    return p


def find_missing(reader: Reader, terms: list[Term]) -> list[Term] | None:
    """``c - c * part - c * part ...``."""
    for large in terms:
        for group in _groups(large, terms):
            parts = [part for _, part in group]
            # Components alone, the polynomials in them with all else, have a rule of their own.
            if any(part.is_sum for part in parts):
                new = others_of(parts)
                if new is not None:
                    used = [large, *(small for small, _ in group)]
                    others = [t for t in terms if all(t is not u for u in used)]
                    return [*others, large.times(of_key(new))]
    return None


def _groups(large: Term, terms: list[Term]) -> Iterator[list[tuple[Term, Part]]]:
    """The parts of each softmax that are subtracted from a term, as multiples of it."""
    found: dict[tuple, list[tuple[Term, Part]]] = {}
    for small in terms:
        ratio = small.times(large, -1)
        if small is large or ratio.coefficient != -1:
            continue
        if (part := part_of(ratio)) is not None:
            found.setdefault(part[:3], []).append((small, part))
    yield from found.values()


def log_of_parts(fgraph: FunctionGraph, node: Apply) -> Variable | Left | None:
    """``log(part)`` and ``log(1 - part)``, each above 1/2 of what is missing to 1."""
    (argument,) = node.inputs
    if argument.type.dtype not in FLOATS or not is_near(argument, is_softmax):
        return None
    terms = merged(Reader(fgraph, argument.type.dtype).read(argument))
    wanted = Fraction(-1 if node.op == log1p else 1)
    parts: list[Part] = []
    for term in terms:
        part = part_of(term)
        if part is None or term.coefficient != wanted or part[:3] != (parts or [part])[0][:3]:
            return None
        parts.append(part)
    if not any(part.is_sum for part in parts):
        return None
    missing = others_of(parts)
    if missing is None or missing.type.ndim != argument.type.ndim:
        return None
    total = argument if wanted > 0 else pt.neg(argument)
    half = pt.constant(0.5, dtype=argument.type.dtype)
    # Not of the sums as they stand: the rule would find them again.
    small, missing = pt.minimum(total, half), pt.minimum(missing, half)
    above, below = pt.log1p(pt.neg(missing)), pt.log(small)
    if wanted < 0:
        above, below = pt.log(missing), pt.log1p(pt.neg(small))
    return pt.switch(pt.gt(total, half), above, below)


def share_of_three(a: Value, b: Value) -> Value:
    """The first component of a softmax with three, the last of them of the logit 0."""
    return symbols.exp(a) / (symbols.exp(a) + symbols.exp(b) + 1)


def last_of_three(a: Value, b: Value) -> Value:
    return 1 / (symbols.exp(a) + symbols.exp(b) + 1)


PARTS: tuple[Rule, ...] = (
    Rule(
        name="one_minus_softmax_parts",
        before=lambda a, b: 1 - share_of_three(a, b) - share_of_three(b, a),
        after=last_of_three,
        domain={"a": REAL, "b": REAL},
        promise=4.0,
        mends="1 - p[:k].sum() is 0 where these are nearly all",
        databases=("stabilize", "specialize"),
        tracks=(add, sub),
        transform=of_sum(find_missing, is_softmax),
        needs=((Softmax, Subtensor), (Softmax, AdvancedSubtensor)),
        sees_clients=True,
        tested_in="tests/test_softmax_parts.py",
        source="The components add up to 1",
    ),
    Rule(
        name="log_of_softmax_parts",
        before=lambda a, b: symbols.log(share_of_three(a, b) + share_of_three(b, a)),
        after=lambda a, b: symbols.log1p(-last_of_three(a, b)),
        domain={"a": REAL, "b": REAL},
        promise=4.0,
        mends="log(p[:k].sum()) is 0 where these are nearly all, log(1 - p[:k].sum()) -inf",
        databases=("specialize",),
        tracks=(log, log1p),
        transform=log_of_parts,
        needs=((Softmax, Subtensor), (Softmax, AdvancedSubtensor)),
        tested_in="tests/test_softmax_parts.py",
        source="The components add up to 1",
    ),
)
