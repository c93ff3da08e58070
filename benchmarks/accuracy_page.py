"""docs/accuracy.md: the text, and the figures that stand in it."""

import re
from dataclasses import dataclass
from pathlib import Path

from accuracy_causes import NOT_EXPLAINED, PROMISE

PAGE = Path(__file__).parents[1] / "docs" / "accuracy.md"
BEGIN, END = "<!-- begin accuracy -->\n", "<!-- end accuracy -->"
LINKERS = ("numba", "numba, fast-math off", "cvm", "jax")
OTHERS = ("JAX itself", "PyTorch")

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
  derivatives are what `pytensor.grad` makes of it, but for one constant: where its derivative of
  erf and erfc has 2 / sqrt(pi) in floating point, the truth has the number.  The second derivative
  of log Phi subtracts, and magnifies the rounding of that constant x² times.
- An error counts where the truth is a normal float. Near an ordinary zero of a derivative, where
  it changes sign, an ulp is that of `max(|f|, |x f'(x)|)`: the rounding of x alone costs more.
- inf means that a number was due and there is an infinity, nan, or more than 10^308 ulps.
- JAX and PyTorch are held to the function that they mean: where the PyTensor text has a rounded
  constant, such as `x / sqrt(2)`, to that of the exact constant.

"""

EXCEEDS = f"What exceeds {PROMISE:g} ulp"

WHY = f"""\
The reasons are checked: each has a bound at every point (`accuracy_causes.py`), and nowhere
is the error larger than {PROMISE:g} ulp and what the figure's reasons allow there.

"""


@dataclass(frozen=True)
class Figure:
    """Worst error, the point it is found at, and why it exceeds the promise if it does."""

    ulps: float
    at: str
    why: str = ""

    def __str__(self) -> str:
        return f"{ulps_text(self.ulps)} at {self.at}" if self.at else "-"


Cell = tuple[Figure, Figure]  # stock, ours
Rows = dict[tuple[str, str], dict[str, Cell | Figure]]  # by quantity and dtype, then by column
Reasons = dict[tuple[str, str], str]  # by "function, quantity, dtype" and column


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


def reasons(page: str) -> Reasons:
    """The reasons that stand on a page."""
    _, _, body = page.partition(f"\n## {EXCEEDS}\n")
    found = {}
    for line in body.partition(END)[0].splitlines():
        what, *rest = line.strip("| ").split(" | ")
        if len(rest) == 2:
            for cell in rest[0].split("; "):
                found[what, cell.rpartition(" ")[0]] = rest[1]
    return found


def reasons_of(name: str, rows: Rows) -> Reasons:
    """The reasons that were found in measuring one function."""
    return {
        (f"{name}, {title_of(quantity)}, {dtype}", column): cell[1].why
        for (quantity, dtype), cells in rows.items()
        for column, cell in cells.items()
        if isinstance(cell, tuple) and cell[1].why
    }


def above(tables: dict[str, str], whys: Reasons) -> str:
    """The list of what stays above the promise, with the reason."""
    lines = []
    for name, table in tables.items():
        groups: dict[tuple[str, str], list[str]] = {}
        for (title, dtype, column), error in published(table).items():
            if error > PROMISE:
                what = f"{name}, {title}, {dtype}"
                why = whys.get((what, column), NOT_EXPLAINED)
                groups.setdefault((what, why), []).append(f"{column} {ulps_text(error)}")
        lines += [
            f"| {what} | {'; '.join(cells)} | {why} |" for (what, why), cells in groups.items()
        ]
    if not lines:
        return f"Nothing exceeds {PROMISE:g} ulp.\n"
    return WHY + "| what | ulps | why |\n|---|---|---|\n" + "\n".join(lines) + "\n"


def page(tables: dict[str, str], whys: Reasons, versions: str) -> str:
    """The whole text."""
    body = f"{versions}\n\n" + "\n".join(tables.values())
    return f"{HEAD}{BEGIN}{body}\n## {EXCEEDS}\n\n{above(tables, whys)}{END}\n"
