"""What came of the mutants: the outcome of each, and the table in docs/mutants.md."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mutants import COEFFICIENT, EQUIVALENT, KINDS, Mutant

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "mutants.md"
# What no test can tell from the original, unless it is known to be equivalent.
LEFT = ("survived", "never applied")
TEXT = {**KINDS, COEFFICIENT: "a coefficient of a kernel costs more than the kernel promises"}


def outcome(mutant: Mutant, results: dict[str, dict]) -> str:
    found = results.get(str(mutant))
    if not found:
        return "not tried"
    if found["caught"]:
        return "caught"
    if (mutant.subject, mutant.kind) in EQUIVALENT:
        return "equivalent"
    return "survived" if found["changed"] else "never applied"


def table(mutants: Sequence[Mutant], results: dict[str, dict]) -> str:
    """Counts of each kind, and the mutants that no test can tell from the original."""
    lines = ["| mutants | | there are | tried | caught | equivalent | survived |"]
    lines.append("|---|---|---|---|---|---|---|")
    outcomes = {mutant: outcome(mutant, results) for mutant in mutants}
    for kind, text in TEXT.items():
        counts = Counter(what for m, what in outcomes.items() if m.kind == kind)
        there_are, tried = counts.total(), counts.total() - counts["not tried"]
        survived = counts["survived"] + counts["never applied"]
        row = (f"`{kind}`", text, there_are, tried, counts["caught"], counts["equivalent"])
        lines.append("| " + " | ".join(map(str, (*row, survived))) + " |")
    for which in LEFT:
        if left := [m for m, what in outcomes.items() if what == which]:
            names = ", ".join(f"`{mutant}`" for mutant in left)
            lines += ["", f"{which.capitalize()}: {names}."]
    if EQUIVALENT:
        lines += ["", "Equivalent, because:", ""]
        lines += [f"- `{name}:{kind}`: {why}" for (name, kind), why in EQUIVALENT.items()]
    return "\n".join(lines)


def write_page(text: str) -> None:
    path = ROOT / "benchmarks" / "readme.py"
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location("readme", path)
    assert spec is not None
    assert spec.loader is not None
    readme = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(readme)
    PAGE.write_text(readme.fill(PAGE.read_text(), "mutants", text))
