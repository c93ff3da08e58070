"""Run every story of examples/ in full and write the gallery: docs/gallery.md and its pictures.

    python benchmarks/gallery.py [name ...]

With names, only those are run, and the rest of the page stays as it is.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from readme import code, demo_tables
from versions import versions

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
PAGE = ROOT / "docs" / "gallery.md"
PICTURES = Path("docs/figures/gallery")
# From what fails in one line to what needs a longer look; what is not named comes last.
ORDER = ("beta_prior", "forced_choice", "ordered_logistic", "cross_entropy", "demo")
ORDER += ("beta_regression", "gated_mixture", "probit", "discrete_survival", "nested_choice")
ORDER += ("guarded_link", "saturated_network")
NO_STORIES = {"storytelling", "audit_demo", "many_devices", "many_workers"}
HEAD = """# Gallery

Models that fail with stock PyTensor, and the same models after one import. Each section is a script
of `examples/`, with what it printed and the picture that it saved; `make examples` runs them all
and writes this page. Starts are counted over 50 of PyMC's jittered ones: how many have a finite
logp, and how many a finite gradient as well. "find_MAP" is what the optimiser says of itself;
logp and the largest element of its gradient, at its result, are computed with our rules. Seconds
include compilation. Where our rules change nothing, or do not help, it says so.
"""


def stories() -> list[str]:
    names = {path.stem for path in EXAMPLES.glob("*.py")} - NO_STORIES
    return [*ORDER, *sorted(names - set(ORDER))]


def cells(name: str) -> list[str]:
    """The texts between the code of a script."""
    parts = re.split(r"^# %%", (EXAMPLES / f"{name}.py").read_text(), flags=re.M)
    return [
        "\n".join(line.removeprefix("#").removeprefix(" ") for line in part.splitlines()[1:])
        for part in parts
        if part.startswith(" [markdown]")
    ]


def model_of(name: str) -> str:
    """The function that builds the model, if the story has one."""
    source = (EXAMPLES / f"{name}.py").read_text()
    found = re.search(r"^def build_model\(.*?(?=^\S)", source, re.M | re.S)
    return f"```python\n{found[0].rstrip()}\n```\n\n" if found else ""


def section(name: str) -> str:
    """Run a story; its text, model, picture and output as a section of the page."""
    environment = os.environ | {"EXAMPLES_OUT": str(PICTURES), "DEMO_OUT": "docs/figures"}
    command = [sys.executable, "-W", "ignore", str(EXAMPLES / f"{name}.py")]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    first, *rest = cells(name)
    title, _, text = first.strip().partition("\n")
    picture = f"figures/gallery/{name}.png"
    printed = done.stdout.partition("\nsaved ")[0].strip()
    if name == "demo":
        picture, printed, rest = "figures/sigmoid_gradient_error.png", demo_tables(printed), []
    more = [part.strip().partition("\n")[2].strip() for part in rest]
    text = "\n\n".join([text.strip(), *filter(None, more)])
    lead = f"## {title.removeprefix('# ')}\n\n`examples/{name}.py`\n\n{text}\n\n{model_of(name)}"
    return f"{lead}![{title.removeprefix('# ')}]({picture})\n\n{code(printed)}"


def blocks(page: str) -> dict[str, str]:
    found = re.findall(r"<!-- begin (\w+) -->\n(.*?)\n<!-- end \1 -->", page, re.S)
    return dict(found)


def main() -> None:
    known = blocks(PAGE.read_text()) if PAGE.exists() else {}
    for name in sys.argv[1:] or stories():
        print(name, flush=True)
        known[name] = section(name)
        parts = [
            f"<!-- begin {story} -->\n{known[story]}\n<!-- end {story} -->"
            for story in stories()
            if story in known
        ]
        PAGE.write_text("\n\n".join([f"{HEAD}\n{versions()}", *parts]) + "\n")


if __name__ == "__main__":
    main()
