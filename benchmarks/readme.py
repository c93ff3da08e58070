"""Run the scripts whose figures the README shows, and put what they print into it.

    python benchmarks/readme.py

A figure stands between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


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


def demo_tables(printed: str) -> str:
    """The two tables of the demo's output, from the first one's title to the last one's end."""
    lines = printed.splitlines()
    begin = next(i for i, line in enumerate(lines) if "in ulps of the truth" in line)
    end = max(i for i, line in enumerate(lines) if line.startswith("└"))
    return "\n".join(lines[begin : end + 1])


def fill(text: str, name: str, figure: str) -> str:
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    head, _, rest = text.partition(begin)
    _, found, tail = rest.partition(end)
    if not found:
        raise SystemExit(f"README.md has no block {name!r}.")
    return f"{head}{begin}{figure}\n{end}{tail}"


def main() -> None:
    text = README.read_text()
    figures = {
        "demo": code(demo_tables(output("examples/demo.py"))),
        "accuracy": output("benchmarks/accuracy.py"),
        "speed": output("benchmarks/sigmoid_gradient.py", "--sizes", "100000"),
        "compile time": code(output("benchmarks/compile_time.py", "--repeats", "9")),
    }
    for name, figure in figures.items():
        text = fill(text, name, figure)
    README.write_text(text)


if __name__ == "__main__":
    main()
