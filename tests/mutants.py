"""The mutants of `mutation.py`: each rule and each coefficient of a kernel, broken on purpose."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.abc import MetaPathFinder
from math import log

import numpy as np

FOLDER = "pytensor_stabilize.rewrites"
TABLE = "tests/test_rules_table.py"
# Of a rule: what becomes of its result.
KINDS = {
    "off": "the rule never fires",
    "sign": "its result has the other sign, or is the other truth value",
    "ulps": "its result is wrong by twice its promise",
    "small": "its result is 0 where it is below 2**-54 in size",
    "row": "the `after` of its row is wrong by 2**-100",
}
COEFFICIENT = "coefficient"
# Kinds that a value has to show, not a comparison of graphs.
OF_VALUES = ("ulps", "small")
# Rules that the lowering does, which have no transform, and the tests of the lowering.
LATE = {
    "sigmoids_share_exp": ("lowering.LoweringPass", "tests/test_lowering.py"),
    "slopes_for_jax": ("jax_lowering.JaxLoweringPass", "tests/test_jax.py"),
}
# Rules of which the table's tests, on the domain of the row, do not show all that others do.
ELSEWHERE = {
    "function_of_discrete": "tests/test_one_minus_sigmoid.py",
    "exp_difference_ratio": "tests/test_differences.py",
    "log_sigmoid_minus_sigmoid": "tests/test_differences.py",
    "log_tanh_minus_tanh": "tests/test_differences.py",
    "log_exp_minus_exp": "tests/test_differences.py",
    "difference_of_squares": "tests/test_additive.py",
    "quotient_of_exponential_sums": "tests/test_pullbacks.py",
    "sum_over_exponential_sums": "tests/test_pullbacks.py",
    "erf_difference_ratio_plus_argument": "tests/test_normal_forms.py",
}
# Mutants that no test can tell from the original, with the reason.
EQUIVALENT: dict[tuple[str, str], str] = {
    (rule, kind): "its results are truth values"
    for rule in ("guard_at_limit", "tie_of_increasing")
    for kind in OF_VALUES
}


@dataclass(frozen=True)
class Mutant:
    """What is broken, how, and the files whose tests must fail for it."""

    subject: str
    kind: str
    files: tuple[str, ...]
    only: str = ""  # of these files the tests that are asked first, as pytest's -k

    def __str__(self) -> str:
        return f"{self.subject}:{self.kind}"


def of_rules() -> Iterator[Mutant]:
    from pytensor_stabilize import RULES

    for rule in RULES:
        other = LATE.get(rule.name, ("", ""))[1] or ELSEWHERE.get(rule.name, "")
        files = tuple(filter(None, (other, rule.tested_in or TABLE)))
        for kind in KINDS:
            if kind != "row":
                yield Mutant(rule.name, kind, files)
        yield Mutant(rule.name, "row", (TABLE,))


class Breaker:
    """Breaks one rule in this process, and counts how often that changed a result."""

    def __init__(self, kind: str, promise: float) -> None:
        self.kind, self.promise = kind, promise
        self.changed = 0

    def result(self, value):
        import pytensor.tensor as pt

        dtype = value.type.dtype
        if dtype == "bool" and self.kind == "sign":
            self.changed += 1
            return pt.invert(value)
        if dtype not in ("float64", "float32"):
            return value
        self.changed += 1
        if self.kind == "sign":
            return -value
        if self.kind == "ulps":
            return value * np.asarray(1 + 2 * self.promise * np.finfo(dtype).eps, dtype)
        least = np.asarray(2.0**-54, dtype)
        return pt.switch(pt.lt(pt.abs(value), least), np.asarray(0, dtype), value)

    def of_pass(self, value):
        if self.kind != "off":
            return self.result(value)
        self.changed += 1
        return None

    def transform(self, original, fgraph, node):
        from pytensor.graph.basic import Variable

        found = original(fgraph, node)
        if self.kind == "off":
            self.changed += isinstance(found, Variable | list)
            return None
        if isinstance(found, list):
            return [self.result(v) for v in found]
        return self.result(found) if isinstance(found, Variable) else found


def break_rule(name: str, kind: str) -> Breaker:
    """Break a rule of `RULES` in place, so that a later registration has it broken as well."""
    from pytensor_stabilize import RULES

    rule = next(r for r in RULES if r.name == name)
    breaker = Breaker(kind, rule.promise)
    if kind == "row":
        from flint import arb

        after = rule.after
        # Only its exact side is asked: no PyTensor variable is multiplied with a ball.
        wrong: Callable = lambda *args: after(*args) * (1 + arb(2) ** -100)  # noqa: E731
        object.__setattr__(rule, "after", wrong)
        breaker.changed = 1
    elif name in LATE:
        _wrap_pass(name, breaker.of_pass)
    else:
        object.__setattr__(rule, "transform", partial(breaker.transform, rule.transform))
    return breaker


def note_rules(note: Callable[[str], None]) -> None:
    """Call `note` with the name of each rule that has a result, from here on."""
    from pytensor.graph.basic import Variable

    from pytensor_stabilize import RULES

    def noting(rule, original, fgraph, node):
        found = original(fgraph, node)
        if isinstance(found, Variable | list):
            note(rule.name)
        return found

    for rule in RULES:
        if rule.name in LATE:
            _wrap_pass(rule.name, lambda new, name=rule.name: note(name) or new)
        else:
            object.__setattr__(rule, "transform", partial(noting, rule, rule.transform))


def _wrap_pass(name: str, wrapper: Callable) -> None:
    """Let what a pass of the lowering puts into a graph go through `wrapper`; None is dropped."""
    module, _, cls = LATE[name][0].partition(".")
    owner = getattr(import_module(f"{FOLDER}.{module}"), cls)
    replace = owner._replace

    def wrapped(self, fgraph, old, new):
        if (changed := wrapper(new)) is not None:
            replace(self, fgraph, old, changed)

    owner._replace = wrapped


# Of the branch-free kernels: how far the argument of the polynomial goes, the powers of the
# function's argument in front of it, the steps between its powers, and a size of the result.
REACH = {
    "EXP": (log(2) / 2, 2, 1, 1.0),
    "EXPM1": (log(2), 2, 1, 1.0),
    "LOG1P": (0.2, 3, 2, 0.25),
}
# Ulps of the result that a broken coefficient costs at the end of its range, at least.  The
# kernels promise less than 1, those of the normal family 4 to 8.
COSTS = {"branch_free": 1.0, "normal": 8.0}
_KERNELS = ("tests/test_kernels.py", "tests/test_kernels_exp.py")
_NORMAL = ("tests/test_normal.py", "tests/test_normal_forms.py")


def of_coefficients() -> Iterator[Mutant]:
    # Of the normal family, what shows each table soonest.
    first = {
        "EXCESS": "mills or log_erfc",
        "SECOND": "erfcx and not log",
        "SLOPE": "log_cdf or log_erfcx",
    }
    for name in _coefficients("branch_free"):
        yield Mutant(
            f"branch_free.{name}", COEFFICIENT, _KERNELS, f"accuracy and {name.split()[1]}"
        )
    for name in _coefficients("normal"):
        only = first.get(name.split()[0], "difference") + " and float64"
        yield Mutant(f"normal.{name}", COEFFICIENT, _NORMAL, only)


def _coefficients(family: str) -> Iterator[str]:
    module = import_module(f"{FOLDER}.{family}.coefficients")
    for name, table in vars(module).items():
        if not name.isupper():
            continue
        rows = table.items() if isinstance(table, dict) else [("float64", table)]
        for dtype, row in rows:
            for i, entry in enumerate(row):
                parts = [f" {j}" for j in range(len(entry))] if isinstance(entry, tuple) else [""]
                yield from (f"{name} {dtype} {i}{part}" for part in parts)


def _changed(family: str, name: str, dtype: str, row: tuple, index: int, value: float) -> float:
    """A coefficient that is wrong by so much that the results are wrong by `COSTS`."""
    eps = np.finfo(dtype).eps
    if name in REACH:
        end, before, step, size = REACH[name]
        change = eps * size / end ** (before + step * (len(row) - 1 - index))
    elif name == "NODES":
        change = eps / row[index][1]
    elif name == "LOG2":
        # So often it is subtracted where exp becomes the least float.
        change = eps * log(2) / -log(np.finfo(dtype).smallest_subnormal)
    else:
        change = eps  # polynomials in t, |t| <= 1
    change = max(COSTS[family] * change, float(np.spacing(np.asarray(abs(value), dtype))))
    return value + change


def break_coefficient(subject: str) -> None:
    """Break a coefficient in a process that has not imported the package yet."""
    family, _, address = subject.partition(".")
    name, dtype, *indices = address.split()

    def change(module) -> None:
        table = getattr(module, name)
        row = table[dtype] if isinstance(table, dict) else table
        i, *part = map(int, indices)
        entry = row[i]
        if part:
            wrong = _changed(family, name, dtype, row, i, entry[part[0]])
            new = (*entry[: part[0]], wrong, *entry[part[0] + 1 :])
        else:
            new = _changed(family, name, dtype, row, i, entry)
        row = (*row[:i], new, *row[i + 1 :])
        setattr(module, name, {**table, dtype: row} if isinstance(table, dict) else row)

    sys.meta_path.insert(0, _Changing(f"{FOLDER}.{family}.coefficients", change))
    if family == "normal":
        # What numba keeps on disk, it keeps under the text of the file, which is not broken.
        dispatch = import_module(f"{FOLDER}.normal.numba_dispatch")
        dispatch._DIGEST = f"mutant {subject}"


class _Changing(MetaPathFinder):
    """Changes one module as soon as it is executed."""

    def __init__(self, name: str, change: Callable) -> None:
        self.name, self.change = name, change

    def find_spec(self, fullname, path=None, target=None):
        if fullname != self.name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        assert spec is not None
        assert spec.loader is not None
        execute = spec.loader.exec_module

        def exec_module(module) -> None:
            execute(module)
            self.change(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
