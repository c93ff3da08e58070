"""Points at which floats are special, and what must hold there of any rule."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytensor
import pytensor.tensor as pt
from fuzz_condition import Sensitivity
from helpers import linker
from pytensor.compile.mode import Mode

from pytensor_stabilize import excluding
from pytensor_stabilize.graphs import truth, ulp_error
from pytensor_stabilize.rewrites.branch_free.general import LEAST, OVERFLOWS
from pytensor_stabilize.rewrites.branch_free.kernels import FORMATS
from pytensor_stabilize.rewrites.normal.kernels import LARGE, SHORT
from pytensor_stabilize.rewrites.rules import Rule

# Where stock is so good, ours must be as good, or as good as promised.
GOOD, SLACK = 4.0, 2.0
# Ulps that each unit of the condition number may cost.
PER_CONDITION = 4.0
# All points of one argument, some of each of two, few of three.
MOST = {1: 200, 2: 24, 3: 11}


def around(numbers: list[float], dtype: str) -> np.ndarray:
    """The numbers and their neighbours in both directions, with both signs."""
    at = np.array(numbers, dtype)
    at = np.concatenate([at, -at])
    ends = [np.nextafter(at, np.asarray(end, dtype)) for end in (-np.inf, np.inf)]
    return np.concatenate([at, *ends])


def special_numbers(dtype: str) -> np.ndarray:
    """Zeros, infinities, nan, subnormals, the ends of the normal floats, and their neighbours."""
    info = np.finfo(dtype)
    plain = [0.0, 1.0, float(info.tiny), float(info.max), float(info.eps), float(info.eps / 2)]
    with np.errstate(over="ignore", under="ignore"):
        return np.concatenate([np.array([np.inf, -np.inf, np.nan], dtype), around(plain, dtype)])


def thresholds(dtype: str) -> list[float]:
    """Where kernels, PyTensor's functions and rounding change from one case to another."""
    info, form = np.finfo(dtype), FORMATS[dtype]
    overflows, underflows = math.log(float(info.max)), -math.log(float(info.tiny))
    vanishes = -math.log(float(info.tiny)) + (info.nmant + 1) * math.log(2)
    rounds = (info.nmant + 1) * math.log(2)
    return [
        *(form.vanishes, OVERFLOWS[dtype], -LEAST[dtype], LARGE if dtype == "float64" else 1e30),
        *(overflows, underflows, vanishes, rounds, rounds / 2, SHORT),
        *(0.5, 2 / 3, 4 / 3, 0.25, 0.2, math.log(2), math.log(2) / 2, math.log(3), 0.7),
        *(math.sqrt(float(info.tiny)), math.sqrt(float(info.max)), 27.3, 9.2, 38.5, 19.0),
    ]


def points(rule: Rule, dtype: str) -> list[np.ndarray]:
    """Columns of points for the arguments of a rule: each with each, and with itself."""
    columns = []
    for interval in rule.domain.values():
        inner = [end for end in (interval.lo, interval.hi) if math.isfinite(end)]
        with np.errstate(over="ignore", under="ignore"):
            more = around([*inner, *thresholds(dtype)], dtype)
        column = np.concatenate([special_numbers(dtype), more])
        _, first = np.unique(column.view(f"u{column.itemsize}"), return_index=True)
        columns.append(column[np.sort(first)])
    count = MOST[len(columns)]
    rng = np.random.default_rng(20261129)
    if len(columns) == 1:
        return columns
    chosen = []
    for column in columns:
        rest = rng.permutation(column[9:])[: max(count - 9, 3)]
        chosen.append(np.concatenate([column[:9], rest]))
    grid = [g.ravel() for g in np.meshgrid(*chosen)]
    same = columns[0]
    return [np.concatenate([g, same]) for g in grid]


def computed(how: str, args, outputs, columns) -> list[np.ndarray]:
    """What a linker makes of a graph; "py" compiles nothing."""
    with np.errstate(all="ignore"):
        if how == "py":
            # Without a compiler constants are folded by Python.
            with pytensor.config.change_flags(cxx=""):
                mode = Mode("py", "fast_run").excluding("fusion", "inplace")
                return pytensor.function(args, outputs, mode=mode)(*columns)
        with linker(how) as mode:
            return pytensor.function(args, outputs, mode=mode)(*columns)


@dataclass(frozen=True)
class Finding:
    """What a rule does wrong at a point."""

    kind: str
    rule: str
    at: tuple[float, ...]
    numbers: tuple[float, float, float]
    errors: tuple[float, float]

    def __str__(self) -> str:
        (stock, ours, right), (before, after) = self.numbers, self.errors
        return (
            f"{self.kind} at {self.at}: stock {stock!r}, ours {ours!r}, truth {right!r}; "
            f"ulps {before:.3g}, {after:.3g}"
        )


def findings(rule: Rule, dtype: str, how: str) -> list[Finding]:
    """What a rule makes worse at special points.

    "nan" of a nan that is lost, "special" of a nan that an infinite input makes where stock has a
    number and the truth is not known, "not finite" and "worse" where stock is right.  An error may
    be as large as promised or as stock's, and 4 ulps more for each unit of the condition number.
    """
    args = [pt.vector(name, dtype=dtype) for name in rule.domain]
    output, columns = rule.before(*args), points(rule, dtype)
    # PyTensor's own rule for log(erfc(x)) fails for float32.
    with excluding("all"), pytensor.config.change_flags(on_opt_error="ignore"):
        (stock,) = computed(how, args, [output], columns)
    (ours,) = computed(how, args, [output], columns)
    exact = truth(output, dict(zip(args, columns, strict=True)))
    if stock.dtype.kind != "f":
        errors = [np.zeros(stock.shape), np.where(stock == ours, 0.0, np.inf)]
    else:
        # What is computed in float32 is measured in its ulps.
        wide = 2.0**-29 if (dtype, stock.dtype) == ("float32", "float64") else 1.0
        errors = [wide * ulp_error(a, exact) for a in (stock, ours)]
    given_nan = np.any([np.isnan(c) for c in columns], axis=0)
    given_inf = np.any([np.isinf(c) for c in columns], axis=0)
    lost = np.isnan(ours) & ~np.isnan(stock)
    good = exact.decided & (errors[0] <= GOOD)
    with np.errstate(invalid="ignore"):
        kinds = {
            "nan": given_nan & np.isnan(stock) & ~np.isnan(ours),
            "special": given_inf & ~given_nan & exact.undecided & lost,
            "not finite": good & np.isfinite(stock) & ~np.isfinite(ours) & (errors[1] > GOOD),
            "worse": good & ~(errors[1] <= np.maximum(rule.promise, errors[0] + SLACK)),
        }
    found: dict[int, str] = {}
    for kind, where in kinds.items():
        found |= {int(i): kind for i in np.flatnonzero(where) if int(i) not in found}
    worse = [i for i, kind in found.items() if kind == "worse"]
    if worse:
        sensitivity = Sensitivity(args, [output], [c[worse] for c in columns])
        for element, i in enumerate(worse):
            allowed = max(rule.promise, errors[0][i] + SLACK)
            allowed += PER_CONDITION * (1 + sensitivity.at(0, (element,)))
            if errors[1][i] <= allowed:
                del found[i]
    return [
        Finding(
            kind,
            rule.name,
            tuple(float(c[i]) for c in columns),
            (float(stock[i]), float(ours[i]), float(exact.value[i])),
            (float(errors[0][i]), float(errors[1][i])),
        )
        for i, kind in sorted(found.items())
    ]
