"""Where a graph is looked at: samples of its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

import numpy as np
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.traversal import ancestors
from pytensor.scalar.basic import Second
from pytensor.tensor.elemwise import DimShuffle, Elemwise

from pytensor_stabilize.rewrites.checks import is_number, shown

SAMPLINGS = ("uniform", "log", "ordinal", "mixed")
DEFAULT_RANGES = {
    "float64": (-1000.0, 1000.0),
    "float32": (-150.0, 150.0),
    "float16": (-20.0, 20.0),
}
# Of a range around zero, the smallest magnitude of a log-uniform sample is this part of its end.
LOG_SPAN = 1e-32


@dataclass(frozen=True)
class Range:
    """Numbers between two ends, and how they are spread.

    Parameters
    ----------
    lo, hi
        Ends, both included.
    sampling
        "uniform"; "log", uniform in the logarithm of the magnitude; "ordinal", uniform over the
        floats that lie in the range, most of which are tiny; "mixed", a third of each.

    Raises
    ------
    TypeError
        An end is no real number.
    ValueError
        The ends are not two finite numbers in order, or the sampling is not one of the four.
    """

    lo: float
    hi: float
    sampling: str = "mixed"

    def __post_init__(self) -> None:
        for end in (self.lo, self.hi):
            if not is_number(end):
                raise TypeError(f"The ends of a range are real numbers, got {shown(end)}.")
        if not (np.isfinite([self.lo, self.hi]).all() and self.lo < self.hi):
            raise ValueError(f"A range needs two finite ends, lo < hi, got {self.lo}, {self.hi}.")
        check_sampling(self.sampling)

    @classmethod
    def of(cls, value: Any, sampling: str) -> Range:
        """A range from ``(lo, hi)``, ``(lo, hi, sampling)`` or a Range."""
        if isinstance(value, Range):
            return value
        if not isinstance(value, tuple | list | np.ndarray) or len(value) not in (2, 3):
            raise ValueError(f"A range is (lo, hi) or (lo, hi, sampling), got {shown(value)}.")
        lo, hi, *rest = value
        return cls(lo, hi, *(rest or [sampling]))

    def sample(self, count: int, dtype: str, rng: np.random.Generator) -> np.ndarray:
        """`count` numbers of `dtype`, in order, those next to the ends among them."""
        if np.dtype(dtype).kind in "iub":
            least, largest = _integers_of(dtype)
            lo, hi = max(ceil(self.lo), least), min(floor(self.hi), largest)
            if lo > hi:
                raise ValueError(f"There is no integer of {dtype} from {self.lo} to {self.hi}.")
            return np.sort(rng.integers(lo, hi, count, endpoint=True, dtype=dtype))
        lo, hi = _inside(self.lo, self.hi, dtype)
        if not (lo <= hi and np.isfinite([lo, hi]).all()):
            raise ValueError(f"There is no number of {dtype} from {self.lo} to {self.hi}.")
        kinds = ("uniform", "log", "ordinal") if self.sampling == "mixed" else (self.sampling,)
        shares = np.diff(np.linspace(0, count, len(kinds) + 1).astype(int)).tolist()
        parts = [getattr(self, f"_{k}")(n, dtype, rng) for k, n in zip(kinds, shares, strict=True)]
        values = np.sort(np.concatenate(parts)).astype(dtype)
        return np.clip(values, lo, hi)

    def _uniform(self, count: int, dtype: str, rng: np.random.Generator) -> np.ndarray:
        if np.isfinite(self.hi - self.lo):
            return np.linspace(self.lo, self.hi, count)
        return 2 * np.linspace(self.lo / 2, self.hi / 2, count)

    def _ordinal(self, count: int, dtype: str, rng: np.random.Generator) -> np.ndarray:
        lo, hi = (to_ordinal(v, dtype) for v in _inside(self.lo, self.hi, dtype))
        places = [lo + (hi - lo) * i // max(count - 1, 1) for i in range(count)]
        return from_ordinal(places, dtype).astype(float)

    def _log(self, count: int, dtype: str, rng: np.random.Generator) -> np.ndarray:
        sides = [(s, self._magnitudes(s)) for s in (-1, 1)]
        present = [(sign, span) for sign, span in sides if span[1] > 0]
        shares = np.diff(np.linspace(0, count, len(present) + 1).astype(int)).tolist()
        return np.concatenate(
            [
                sign * np.exp(np.linspace(np.log(small), np.log(big), share))
                for (sign, (small, big)), share in zip(present, shares, strict=True)
            ]
        )

    def _magnitudes(self, sign: int) -> tuple[float, float]:
        near, far = sorted((sign * self.lo, sign * self.hi))
        return max(near, far * LOG_SPAN), max(far, 0.0)


def check_sampling(sampling: object) -> None:
    """Refuse what is no kind of sampling."""
    if not isinstance(sampling, str) or sampling not in SAMPLINGS:
        raise ValueError(f"sampling must be one of {SAMPLINGS}, got {shown(sampling)}.")


def _integers_of(dtype: str) -> tuple[int, int]:
    if dtype == "bool":
        return 0, 1
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def _inside(lo: float, hi: float, dtype: str) -> np.ndarray:
    """The outermost floats of a dtype inside a range, which rounding may have left."""
    with np.errstate(over="ignore"):
        ends = np.array([lo, hi]).astype(dtype)
    inward = np.nextafter(ends, np.array([np.inf, -np.inf], dtype))
    outside = np.array([float(ends[0]) < lo, float(ends[1]) > hi])
    return np.where(outside, inward, ends)


def to_ordinal(value: Any, dtype: str) -> int:
    """Position of a float among all floats of its dtype; 0 for zero, odd about it."""
    bits = np.asarray(value, dtype=dtype)
    integer = int(bits.view(f"i{bits.itemsize}"))
    return integer if integer >= 0 else -(integer & ((1 << (8 * bits.itemsize - 1)) - 1))


def from_ordinal(ordinals: Sequence[int], dtype: str) -> np.ndarray:
    """The floats at these positions: the inverse of `to_ordinal`."""
    magnitudes = np.array([abs(n) for n in ordinals], dtype=f"u{np.dtype(dtype).itemsize}")
    signs = np.array([-1 if n < 0 else 1 for n in ordinals])
    return (signs * magnitudes.view(dtype)).astype(dtype)


@dataclass(frozen=True)
class Points:
    """Values of a graph's inputs at the points where it is looked at.

    Attributes
    ----------
    inputs
        The graph's inputs.
    values
        For each point one array an input.
    sampled
        Positions of the inputs that vary from point to point.
    together
        Whether the graph works element by element, so that one call takes all points.
    """

    inputs: tuple[Variable, ...]
    values: tuple[tuple[np.ndarray, ...], ...]
    sampled: tuple[int, ...]
    together: bool = False

    def __len__(self) -> int:
        return len(self.values)

    def stacked(self) -> list[np.ndarray]:
        """One array an input for the call that takes all points."""
        columns = zip(*self.values, strict=True)
        return [
            np.concatenate(column) if i in self.sampled else column[0]
            for i, column in enumerate(columns)
        ]


def sample_points(
    inputs: Sequence[Variable],
    outputs: Sequence[Variable],
    given: Mapping[Variable, np.ndarray],
    ranges: Mapping[Variable, Range],
    shapes: Mapping[Variable, tuple[int, ...]],
    count: int,
    sampling: str,
    seed: int,
) -> Points:
    """Points for a graph: the values given, and samples for the inputs that have none.

    Several inputs are sampled as a Latin hypercube: each one's sample is spread over its whole
    range, and they are paired at random.

    Raises
    ------
    ValueError
        An input can be given no sample; the message says what to pass.
    """
    rng = np.random.default_rng(seed)
    free = [v for v in inputs if v not in given]
    rows = {len(a) for v, a in given.items() if _is_stacked(v, a)}
    if len(rows) > 1:
        raise ValueError(f"The inputs give different numbers of points: {sorted(rows)}.")
    if rows:
        (count,) = rows
    elif not free:
        count = 1
    unknown = [v for v in free if v.type.ndim and v not in shapes and None in v.type.shape]
    single = all(a.size == 1 or _is_stacked(v, a) for v, a in given.items())
    together = bool(unknown) and single and is_elementwise(outputs, inputs)
    if unknown and not together:
        raise ValueError(
            f"The shape of {', '.join(map(str, unknown))} is not known and matters here. "
            "Pass shapes={x: (3,)}, or values by inputs={x: array}."
        )
    columns: list[list[np.ndarray]] = []
    for variable in inputs:
        if variable in given:
            array = given[variable]
            columns.append(list(array) if _is_stacked(variable, array) else [array] * count)
            continue
        shape = (1,) * variable.type.ndim if together else _shape(variable, shapes)
        each = int(np.prod(shape, dtype=int))
        numbers = _range(variable, ranges, sampling).sample(count * each, variable.type.dtype, rng)
        if len(free) > 1 or each > 1:
            numbers = rng.permutation(numbers)
        columns.append(list(numbers.reshape((count, *shape))))
    sampled = tuple(i for i, v in enumerate(inputs) if v not in given or _is_stacked(v, given[v]))
    values = tuple(tuple(map(np.asarray, row)) for row in zip(*columns, strict=True))
    return Points(tuple(inputs), values or ((),), sampled, together)


def _is_stacked(variable: Variable, array: np.ndarray) -> bool:
    return array.ndim == variable.type.ndim + 1


def _shape(variable: Variable, shapes: Mapping[Variable, tuple[int, ...]]) -> tuple[int, ...]:
    return shapes.get(variable, variable.type.shape)


def _range(variable: Variable, ranges: Mapping[Variable, Range], sampling: str) -> Range:
    if variable in ranges:
        return ranges[variable]
    if variable.type.dtype not in DEFAULT_RANGES:
        raise ValueError(
            f"{variable} is of type {variable.type}: pass ranges={{{variable}: (lo, hi)}} "
            f"or inputs={{{variable}: values}}."
        )
    return Range(*DEFAULT_RANGES[variable.type.dtype], sampling)


def is_elementwise(outputs: Sequence[Variable], inputs: Sequence[Variable]) -> bool:
    """Whether each element of the outputs depends on the same element of the inputs only."""
    ndims = {v.type.ndim for v in (*inputs, *outputs)}
    if len(ndims) > 1:
        return False
    todo, seen = list(outputs), set(outputs)
    given = set(inputs)
    while todo:
        variable = todo.pop()
        node = variable.owner
        if variable in given or node is None:
            if node is None and variable not in given and not isinstance(variable, Constant):
                return False
            continue
        for operand in _operands(node):
            if operand is None:
                return False
            if operand not in seen:
                seen.add(operand)
                todo.append(operand)
    return True


def _operands(node: Apply) -> Sequence[Variable | None]:
    """What the elements of a node depend on; None if on elements elsewhere."""
    if isinstance(node.op, Elemwise):
        # The first operand of a fill gives nothing but its shape.
        return node.inputs[1:] if isinstance(node.op.scalar_op, Second) else node.inputs
    if isinstance(node.op, DimShuffle) and not node.inputs[0].type.ndim:
        return node.inputs
    depends = any(not isinstance(v, Constant) and v.owner is None for v in ancestors(node.inputs))
    return [None] if depends else ()
