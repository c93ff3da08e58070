"""What the fuzzer finds, and the table of what is known and not mended."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytensor
from fuzz_graphs import Program, UnbuildableError, build
from pytensor.compile.mode import Mode

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


def _underflows(finding: Finding) -> bool:
    """A value that is subnormal or nearly so, and not nan."""
    info = np.finfo(finding.program.dtype)
    _, ours, right = finding.numbers
    return abs(right) < info.tiny * 2 ** (info.nmant + 1) and np.isfinite(ours)


def _left_the_floats(finding: Finding) -> bool:
    limit = {"float64": 300, "float32": 40}[finding.program.dtype]
    far = any(abs(value) >= limit for _, value in finding.point)
    ours = finding.numbers[1]
    return far and (not np.isfinite(ours) or ours == 0)


def _is_huge(finding: Finding) -> bool:
    """Whether the square of an input is infinite, and ours not a number of ordinary size."""
    largest = np.sqrt(float(np.finfo(finding.program.dtype).max)) / 2
    return not np.isfinite(finding.numbers[1]) and any(
        np.any((np.abs(v) >= largest) & np.isfinite(v))
        for v in finding.values.values()
        if v.dtype.kind == "f"
    )


NUMBERS = ("worse", "worse than bad", "not finite")
# Operations that look at a row as a whole.
_ROWS = {"softmax", "log_softmax", "logsumexp"}


def _rows(finding: Finding) -> list[np.ndarray]:
    """What the operations that look at rows are given, as stock PyTensor computes it."""
    program = finding.program
    found = []
    for _, (operand,) in (step for step in program.steps if step[0] in _ROWS):
        if isinstance(operand, int):
            inner = replace(program, steps=program.steps[: operand + 1], order=0, together=False)
        else:
            inner = replace(program, steps=(("twice", (operand,)),), order=0, together=False)
        try:
            inputs, (output,) = build(inner)
        except UnbuildableError:
            continue
        run = pytensor.function(inputs, output, mode=Mode("py", None), on_unused_input="ignore")
        with np.errstate(all="ignore"):
            found.append(run(*[finding.values[v.name] for v in inputs]))
    return found


KNOWN = (
    Known(
        "empty softmax",
        "the gradient of logsumexp is a softmax, and PyTensor's refuses empty rows in C and in "
        "Python; in numba it does not",
        lambda f: (
            f.kind == "raises"
            and "zero-size array" in f.detail
            and any(row.size == 0 for row in _rows(f))
        ),
    ),
    Known(
        "infinite logit",
        "softmax subtracts the largest logit: inf - inf for all, where exp(x - logsumexp(x)) is "
        "nan for that one alone",
        lambda f: (
            f.kind in NUMBERS
            and np.isnan(f.numbers[1])
            and any(np.any(np.isinf(row)) for row in _rows(f))
        ),
    ),
    Known(
        "PyTensor's own second pass",
        "its rules write our result in another way when they see it again, a + b - (c - d) as one "
        "sum or an index moved to where it is read once, and no rule of ours has anything to do",
        lambda f: f.kind == "second pass" and f.detail == "PyTensor's own",
    ),
    Known(
        "ours after PyTensor's own",
        "as above, and rules of ours have something to do in what PyTensor wrote in another way",
        lambda f: f.kind == "second pass" and f.detail.endswith("after PyTensor's own"),
    ),
    Known(
        "infinite input",
        "x * sigmoid(-x) is inf * 0 at infinity; only named functions give the limit",
        lambda f: f.kind == "special",
    ),
    Known(
        "next to underflow",
        "a factor of the new product underflows where its value is subnormal, or nearly",
        lambda f: f.kind in NUMBERS and _underflows(f),
    ),
    Known(
        "next to overflow",
        "a factor of the new product overflows where the old one's do not: exp(x) at 710.3, where "
        "cosh(x) is still a float",
        lambda f: f.kind in NUMBERS and _left_the_floats(f),
    ),
    Known(
        "huge input",
        "y * exp(-x) * y is written with y**2, which is inf where y is beyond 1e154",
        lambda f: f.kind in NUMBERS and _is_huge(f),
    ),
)


def known(finding: Finding) -> Known | None:
    """The row of `KNOWN` that a finding belongs to."""
    return next((row for row in KNOWN if row.matches(finding)), None)
