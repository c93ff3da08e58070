"""What the fuzzer finds, and the table of what is known and not mended."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from fuzz_graphs import Program, build

from pytensor_stabilize.graphs import to_python


@dataclass(frozen=True)
class Finding:
    """A property that a graph breaks.

    Attributes
    ----------
    kind
        "raises", "type", "second pass", "not finite" (where stock is finite and right), "worse"
        (where stock is good), "worse than bad", or "special" (an infinite or nan input).
    detail
        Which rule or error, or the numbers.
    program, values
        The graph and its inputs.
    point
        The values of the inputs that belong to the element, as far as they are aligned with it.
    numbers
        What stock and ours give, and the exact value.
    """

    kind: str
    detail: str
    program: Program
    values: Mapping[str, np.ndarray]
    point: tuple[tuple[str, float], ...] = ()
    numbers: tuple[float, float, float] = (np.nan, np.nan, np.nan)

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}\n  {self.program}\n  at {dict(self.point)}"

    def to_python(self) -> str:
        """A program that shows it."""
        inputs, outputs = build(self.program)
        given = {v.name: repr(self.values[v.name]) for v in inputs}
        lines = [to_python(outputs), "import numpy as np", "from numpy import array, float32"]
        lines += [f"# {self.kind}: {self.detail}".replace("\n", " ")]
        lines += [f"values = {{{', '.join(f'{k!r}: np.{v}' for k, v in given.items())}}}"]
        return "\n".join(lines)


@dataclass(frozen=True)
class Known:
    """A kind of finding that is known and not mended."""

    name: str
    reason: str
    matches: Callable[[Finding], bool]


def _is_subnormal(finding: Finding) -> bool:
    info = np.finfo(finding.program.dtype)
    return abs(finding.numbers[2]) < info.tiny * 2 ** (info.nmant + 1)


def _left_the_floats(finding: Finding) -> bool:
    limit = {"float64": 300, "float32": 40}[finding.program.dtype]
    far = any(abs(value) >= limit for _, value in finding.point)
    ours = finding.numbers[1]
    return far and (not np.isfinite(ours) or ours == 0)


NUMBERS = ("worse", "worse than bad", "not finite")
# Operations that look at a row as a whole.
_ROWS = {"softmax", "log_softmax", "logsumexp"}


def _has(finding: Finding, *names: str) -> bool:
    return any(name in names for name, _ in finding.program.steps)


KNOWN = (
    Known(
        "empty softmax",
        "the gradient of logsumexp is a softmax, and NumPy's version of that refuses empty rows",
        lambda f: f.kind == "raises" and _has(f, *_ROWS) and "zero-size array" in f.detail,
    ),
    Known(
        "infinite logit",
        "softmax subtracts the largest logit: inf - inf for all, where exp(x - logsumexp(x)) is "
        "nan for that one alone",
        lambda f: f.kind in NUMBERS and _has(f, *_ROWS) and np.isnan(f.numbers[1]),
    ),
    Known(
        "second pass of a softmax, or of a scatter",
        "rules of these families know functions by identity, and find in the second pass what was "
        "written in two ways in the first",
        lambda f: (
            f.kind == "second pass"
            and ("softmax" in f.detail or "scatter" in f.detail or _has(f, *_ROWS))
        ),
    ),
    Known(
        "PyTensor's own second pass",
        "its rules write our result in another way when they see it again, -(a * b) as -1 * a * b "
        "or exp(x) * exp(x) as exp(x + x), and rules of ours may have something to do in that",
        lambda f: f.kind == "second pass" and f.detail.endswith("PyTensor's own"),
    ),
    Known(
        "infinite input",
        "x * sigmoid(-x) is inf * 0 at infinity; only named functions give the limit",
        lambda f: f.kind == "special",
    ),
    Known(
        "next to underflow",
        "a factor of the new product underflows where its value is subnormal, or nearly",
        lambda f: f.kind in NUMBERS and _is_subnormal(f),
    ),
    Known(
        "next to overflow",
        "a factor of the new product overflows where the old one's do not: exp(x) at 710.3, where "
        "cosh(x) is still a float",
        lambda f: f.kind in NUMBERS and _left_the_floats(f),
    ),
)


def known(finding: Finding) -> Known | None:
    """The row of `KNOWN` that a finding belongs to."""
    return next((row for row in KNOWN if row.matches(finding)), None)
