"""Where logp and dlogp of PyMC models first go wrong, with stock PyTensor and with our rules.

    python benchmarks/models.py            # print the tables
    python benchmarks/models.py --write    # and put them into docs/models.md
    python benchmarks/models.py --write --only ordered   # some of the rows

The models are those of tests/model_table.py, which the tests hold to what it says.
"""

import argparse
import re
import sys
import warnings
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from model_errors import (
    BEYOND,
    QUANTITIES,
    compiled,
    exact_values,
    quick_mode,
    settings,
    wrong,
    wrong_beyond,
)
from model_table import CASES, Case
from readme import EXAMPLE, audited, code, fill
from versions import versions

PAGE = ROOT / "docs" / "models.md"
SIZES = {
    "float64": [1, 2, 3, 5, 8, 10, *range(12, 41), 45, 50, 60, 80, 100, 200, 300, 500, 700],
    "float32": [1, 2, 3, 5, *np.arange(12, 41) / 2, 22, 25, 30, 35, 40, 50, 60, 80],
}
DTYPES = tuple(SIZES)
Cell = tuple[str, str]  # stock, ours


def first_wrong(name, function, exact: dict[float, np.ndarray], dtype: str) -> str:
    """The smallest |eta| at which a result is wrong, and at which it is no number any more."""
    found: dict[str, tuple[float, str]] = {}
    for size in SIZES[dtype]:
        kinds: dict[str, list[float]] = {}
        for eta in (float(size), -float(size)):
            value = exact[eta]
            if np.isfinite(value).any() and wrong(name, got := function(eta), value, dtype):
                kinds.setdefault(_kind(got[np.isfinite(value)]), []).append(eta)
        for kind, etas in kinds.items():
            sign = "±" if len(etas) == 2 else "-" if etas[0] < 0 else ""
            found.setdefault(kind or "wrong", (size, f"{sign}{size:g}{kind}"))
    shown = sorted(found.values())[: 1 if "wrong" not in found else 2]
    if len(shown) == 2 and shown[0] != found["wrong"]:
        shown = shown[:1]
    return ", ".join(text for _, text in shown) or "-"


def _kind(result: np.ndarray) -> str:
    if np.isnan(result).any():
        return " nan"
    infinite = result[np.isinf(result)]
    return f" {infinite[0]:g}" if infinite.size else ""


def measure(case: Case) -> dict[str, dict[str, Cell]]:
    """For logp and dlogp, by dtype: where stock and ours go wrong."""
    found: dict[str, dict[str, Cell]] = {name: {} for name in QUANTITIES}
    for dtype in DTYPES:
        with settings(dtype), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            at = [sign * float(size) for size in SIZES[dtype] for sign in (1, -1)]
            exact = exact_values(case.meant or case.build, at)
            ways = [compiled(case.build, stock, quick_mode()) for stock in (True, False)]
            for name in QUANTITIES:
                values = dict(zip(at, exact[name], strict=True))
                stock, ours = (first_wrong(name, way[name], values, dtype) for way in ways)
                found[name][dtype] = stock, ours
    return found


def row(case: Case, found: dict[str, dict[str, Cell]]) -> str:
    cells = [
        " / ".join(found[name][dtype][i] for dtype in DTYPES) for i in (0, 1) for name in QUANTITIES
    ]
    cells = ["" if cell == "- / -" else cell for cell in cells]
    return f"| {case.text} | {' | '.join(cells)} |"


def table(rows: list[str]) -> str:
    head = (
        "| model | stock, logp | stock, dlogp | ours, logp | ours, dlogp |\n|---|---|---|---|---|"
    )
    return "\n".join([head, *rows])


def left(cases: list[Case]) -> str:
    """What is not mended, with the reason."""
    lines = ["| model | right to abs(a) = | why not beyond |", "|---|---|---|"]
    for case in cases:
        if case.until:
            ends = " / ".join(f"{case.until[dtype]:g}" for dtype in DTYPES)
            lines.append(f"| {case.text} | {ends} | {case.left} |")
    return "\n".join(lines)


def guard_example() -> str:
    """What an audit says of a guard."""
    source = EXAMPLE.replace("p * (1 - p)", "pt.log(p + 1e-7)")
    printed = audited(source, "--wrt", "x", "--range", "x=-50:50")
    return code(printed[printed.index("guards, which") :])


def beyond() -> str:
    """Which models go wrong where sigmoid(-a) is no normal float."""
    lines = []
    for dtype in DTYPES:
        wrong_ones: dict[bool, list[str]] = {True: [], False: []}
        for case in CASES:
            with settings(dtype), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exact = exact_values(case.meant or case.build, BEYOND[dtype])
                for stock, found in wrong_ones.items():
                    functions = compiled(case.build, stock, quick_mode())
                    if wrong_beyond(functions, exact, dtype):
                        found.append(case.text)
        stock, ours = (wrong_ones[s] for s in (True, False))
        lines.append(
            f"At |a| = {BEYOND[dtype][0]:g} in {dtype}, {len(stock)} of the {len(CASES)} models "
            f"are wrong with stock, {len(ours)} with our rules: {'; '.join(ours)}."
        )
    return "\n\n".join(lines)


def published(page: str) -> dict[str, str]:
    """The rows of the page by model: what is not measured again stays."""
    lines = [line for line in page.splitlines() if line.count(" | ") == 4]
    return {line.strip("| ").split(" | ")[0]: line for line in lines}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", metavar="REGEX", help="models by name")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/models.md")
    options = parser.parse_args()
    rows = published(PAGE.read_text())
    for case in CASES:
        if re.search(options.only, case.name):
            rows[case.text] = row(case, measure(case))
            print(rows[case.text], flush=True)
    known = [rows[case.text] for case in CASES if case.text in rows]
    figures = {"models": f"{versions()}\n\n{table(known)}", "models left": left(CASES)}
    if not options.only:
        figures["models beyond"] = beyond()
        figures["guard example"] = guard_example()
        print(figures["models beyond"])
    if options.write:
        text = PAGE.read_text()
        for name, figure in figures.items():
            text = fill(text, name, figure)
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
