"""Run the scripts whose figures the README and pages in docs/ show, and put them there.

    python benchmarks/readme.py     # TORCH_PYTHON=PATH before it: with PyTorch of that Python

A figure stands between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``.
"""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from tempfile import TemporaryDirectory

from versions import versions

from pytensor_stabilize import RULES

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
FRESH = ("--list", "fresh", "--within", "45", "--failures", "--top", "0")
NATURAL = ("--list", "natural", "--within", "45", "--failures", "--top", "0")
SPEED = ("--picture", "docs/figures/speed.png", "--repeats", "5")
REPORT = ROOT / "docs" / "demo-report.md"
SAMPLING = ROOT / "docs" / "sampling.md"
SATURATION = ROOT / "docs" / "saturation.md"


def output(script: str, *arguments: str) -> str:
    """What a script of the repo prints."""
    environment = os.environ | {"DEMO_OUT": "docs/figures"}
    command = [sys.executable, str(ROOT / script), *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.strip()


def code(text: str) -> str:
    return f"```\n{text}\n```"


def rule_names() -> str:
    """The sentences that name every rule."""
    sentences = [
        f"{title}: " + ", ".join(f"`{rule.name}`" for rule in RULES if rule.opt_in == opt_in) + "."
        for title, opt_in in (("The rules", False), ("Only where a mode includes them", True))
    ]
    return "\n\n".join(
        textwrap.fill(sentence, 120, break_long_words=False, break_on_hyphens=False)
        for sentence in sentences
    )


def demo_tables(printed: str) -> str:
    """The two tables of the demo's output, from the first one's title to the last one's end."""
    lines = printed.splitlines()
    begin = next(i for i, line in enumerate(lines) if "in ulps of the truth" in line)
    end = max(i for i, line in enumerate(lines) if line.startswith("└"))
    return "\n".join(lines[begin : end + 1])


EXAMPLE = """import pytensor.tensor as pt

x = pt.dscalar("x")
p = pt.sigmoid(x)
y = p * (1 - p)
"""


def totals(printed: str) -> str:
    """The table of counts at the end of what `spellings.py` prints."""
    start = printed.index("quantities within")
    lines = printed[start:].splitlines()
    end = next(i for i, line in enumerate(lines) if line.startswith("all "))
    return "\n".join(lines[: end + 1])


def audited(source: str, *options: str) -> str:
    """What the command prints for y of a file."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "file.py").write_text(source)
        command = [sys.executable, "-m", "pytensor_stabilize", "audit", "file.py:y", *options]
        done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.rstrip()


def audit_example() -> str:
    """A file and what the command prints for it."""
    return f"```python\n{EXAMPLE}```\n\nit prints\n\n{code(audited(EXAMPLE))}"


def demo_report() -> str:
    """The versions, and the table that the audit of the demo's model prints."""
    printed = output("examples/audit_demo.py").partition("\nsaved ")[0].rstrip()
    return f"{versions()}\n\n{code(printed)}"


def fill(text: str, name: str, figure: str) -> str:
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    head, _, rest = text.partition(begin)
    _, found, tail = rest.partition(end)
    if not found:
        raise SystemExit(f"There is no block {name!r} to fill.")
    return f"{head}{begin}{figure}\n{end}{tail}"


def fill_printed(text: str, printed: str) -> str:
    """Fill the blocks of a page with what a script printed between the same markers."""
    for name, figure in re.findall(r"<!-- begin (.+?) -->\n(.*?)\n<!-- end \1 -->", printed, re.S):
        text = fill(text, name, figure)
    return text


def main() -> None:
    text = README.read_text()
    figures = {
        "rules": rule_names(),
        "stories": output("benchmarks/stories.py"),
        "audit example": audit_example(),
        "truth": output("benchmarks/truth.py"),
        "demo": code(demo_tables(output("examples/demo.py"))),
        "spellings": code(totals(output("benchmarks/spellings.py", "--failures", "--top", "0"))),
        "held-out spellings": code(
            totals(
                output("benchmarks/spellings.py", "--list", "held-out", "--failures", "--top", "0")
            )
        ),
        "fresh spellings": code(totals(output("benchmarks/spellings.py", *FRESH))),
        "natural spellings": code(totals(output("benchmarks/spellings.py", *NATURAL))),
        "accuracy": output("benchmarks/accuracy.py"),
        "speed": output("benchmarks/speed.py", *SPEED),
        "compile time": output("benchmarks/compile_time.py", "--repeats", "5", "--cold", "2"),
    }
    for name, figure in figures.items():
        text = fill(text, name, figure)
    README.write_text(text)
    REPORT.write_text(fill(REPORT.read_text(), "report", demo_report()))
    SAMPLING.write_text(fill(SAMPLING.read_text(), "sampling", output("benchmarks/sampling.py")))
    printed = output("benchmarks/saturation_figure.py")
    SATURATION.write_text(fill_printed(SATURATION.read_text(), printed))


if __name__ == "__main__":
    main()
