"""docs/accuracy.md: the text, and the figures that stand in it."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PAGE = Path(__file__).parents[1] / "docs" / "accuracy.md"
BEGIN, END = "<!-- begin accuracy -->\n", "<!-- end accuracy -->"
LINKERS = ("numba", "numba, fast-math off", "cvm", "jax")
OTHERS = ("JAX itself", "PyTorch")
PROMISE = 4.0

# Why a figure stays above the promise: a pattern for "function, quantity, dtype, linker", the
# largest error that the reason covers, the reason.  The first that fits counts.  Those that name
# a rounded argument were checked: in ulps of |x f'(x)| these errors are within 4.3.
REASONS: tuple[tuple[str, float, str], ...] = (
    (
        r"^((1 - )?tanh|log cosh),.*jax$",
        np.inf,
        "XLA flushes `sigmoid(-2x)` to 0 where it is subnormal and four times it is normal",
    ),
    (r"^log1mexp, d²f.*float32, jax$", np.inf, "XLA flushes `expm1(x)²` to 0 below 1e-38"),
    (r"^gelu, d²f.*float64, jax$", np.inf, "XLA flushes exp(-x²/2), and -x³ times it is normal"),
    (
        r"^(silu|mish), .*jax$",
        np.inf,
        "XLA flushes `sigmoid(x)` to 0 where it is subnormal and x times it is normal",
    ),
    (
        r"^(silu|mish), ",
        1e3,
        "a factor such as `sigmoid(x)` is subnormal there, and has fewer digits than the product",
    ),
    (r"^(Phi|gelu), d", 1.5e3, "the rounding of t = x²/2 in exp(-t): within 4 (1 + t) ulp"),
    (
        r"^gelu, tanh form, ",
        1e3,
        "the rounding of t, the cubic, in exp(-2t): within 4 (1 + 2t) ulp",
    ),
    (
        r"^(logaddexp|log of a sigmoid difference), d",
        1e3,
        "the rounding of t = a - b in exp(t): within 4 (1 + abs(t)) ulp",
    ),
    (r"^log1mexp, d²f.*jax$", 1e3, "the rounding of t in exp(t): within 4 (1 + abs(t)) ulp"),
    (
        r"^cross entropy with logits, soft labels, df/dx",
        100,
        "y - sigmoid(x) where the two nearly meet: within 1 ulp of y",
    ),
)

HEAD = """# How accurate

Worst error in ulps of the true value, of each function of the family and of its first and second
derivatives: stock PyTensor → with our rules, and where. Beside them JAX's own functions (`jax.nn`,
`jax.grad`, `jit`) and PyTorch's, where they are installed. Made by

```
python benchmarks/accuracy.py --page     # all; --only REGEX: some of the functions;
                                         # --torch-python PATH: with PyTorch of another Python
python benchmarks/accuracy.py --check    # measures a part of the points; fails if we got worse
```

- The truth is that of the graph as it is written, correctly rounded (`graphs.truth`); the
  derivatives are what `pytensor.grad` makes of it.
- An error counts where the truth is a normal float. Near an ordinary zero of a derivative, where
  it changes sign, an ulp is that of `max(|f|, |x f'(x)|)`: the rounding of x alone costs more.
- inf means that a number was due and there is an infinity, nan, or more than 10^308 ulps.
- JAX and PyTorch are held to the function that they mean: where the PyTensor text has a rounded
  constant, such as `x / sqrt(2)`, to that of the exact constant.

"""


@dataclass(frozen=True)
class Figure:
    """Worst error and the point it is found at."""

    ulps: float
    at: str

    def __str__(self) -> str:
        return f"{ulps_text(self.ulps)} at {self.at}" if self.at else "-"


Cell = tuple[Figure, Figure]  # stock, ours
Rows = dict[tuple[str, str], dict[str, Cell | Figure]]  # by quantity and dtype, then by column


def ulps_text(error: float) -> str:
    return f"{error:.1f}" if error < 100 else f"{error:.2e}"


def title_of(quantity: str) -> str:
    """How a quantity ("value", "dx", "dab") stands on the page."""
    if quantity == "value":
        return "f"
    first, *second = quantity[1:]
    if not second:
        return f"df/d{first}"
    return f"d²f/d{first}²" if second == [first] else f"d²f/d{first}d{second[0]}"


def section(name: str, text: str, rows: Rows) -> str:
    """The table of one function."""
    columns = [*LINKERS, *OTHERS]
    present = [c for c in columns if any(c in cells for cells in rows.values())]
    lines = [
        f"### {name}\n",
        f"As written in PyTensor: `{text}`\n",
        f"| quantity | dtype | {' | '.join(present)} |",
        f"|---|---|{'---|' * len(present)}",
    ]
    for (quantity, dtype), cells in rows.items():
        texts = []
        for column in present:
            cell = cells.get(column)
            if cell is None:
                texts.append("-")
            else:
                texts.append(" → ".join(map(str, cell)) if isinstance(cell, tuple) else str(cell))
        lines.append(f"| {title_of(quantity)} | {dtype} | {' | '.join(texts)} |")
    return "\n".join(lines) + "\n"


def sections(page: str) -> dict[str, str]:
    """The tables of a page by the name of the function."""
    _, _, body = page.partition(BEGIN)
    parts = re.split(r"^### ", body.partition(END)[0].partition("\n## ")[0], flags=re.MULTILINE)
    return {part.partition("\n")[0]: f"### {part.rstrip()}\n" for part in parts[1:]}


def published(table: str) -> dict[tuple[str, str, str], float]:
    """Our figures in a table, by title, dtype and column."""
    rows = [
        [cell.strip() for cell in line.strip("| \n").split(" | ")]
        for line in table.splitlines()
        if line.startswith("| ")
    ]
    columns = rows[0][2:]
    found = {}
    for title, dtype, *cells in rows[1:]:
        for column, cell in zip(columns, cells, strict=True):
            if " → " in cell:
                found[title, dtype, column] = float(cell.partition(" → ")[2].partition(" at ")[0])
    return found


def above(tables: dict[str, str]) -> str:
    """The list of what stays above the promise, with the reason."""
    lines = []
    for name, table in tables.items():
        groups: dict[tuple[str, str], list[str]] = {}
        for (title, dtype, column), error in published(table).items():
            if error > PROMISE:
                what = f"{name}, {title}, {dtype}"
                reason = next(
                    (r for p, m, r in REASONS if error <= m and re.search(p, f"{what}, {column}")),
                    "not explained",
                )
                groups.setdefault((what, reason), []).append(f"{column} {ulps_text(error)}")
        lines += [
            f"| {what} | {'; '.join(cells)} | {reason} |"
            for (what, reason), cells in groups.items()
        ]
    if not lines:
        return f"Nothing exceeds {PROMISE:g} ulp.\n"
    return "| what | ulps | why |\n|---|---|---|\n" + "\n".join(lines) + "\n"


def page(tables: dict[str, str], versions: str) -> str:
    """The whole text."""
    body = f"{versions}\n\n" + "\n".join(tables.values())
    return f"{HEAD}{BEGIN}{body}\n## What exceeds {PROMISE:g} ulp\n\n{above(tables)}{END}\n"
