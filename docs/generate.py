"""The pages that are made when the site is built: the rules, and parts of the README.

The README is the one place where these parts are written; the site shows them in pages of
their own.
"""

import inspect
import re
from pathlib import Path

import pytensor.tensor as pt

from pytensor_stabilize import RULES
from pytensor_stabilize.rewrites.describe import describe
from pytensor_stabilize.rewrites.rules import Rule

README = Path(__file__).parents[1] / "README.md"
# Title of the README's section, and the page that shows it.
SECTIONS = {
    "Install": "install",
    "Use": "quickstart",
    "What it mends": "mends",
    "Find where your own model loses digits": "tools",
    "Switch it off": "switches",
    "How good": "speed",
    "Limits": "limits",
}
TITLES = {"quickstart": "Quick start", "tools": "Tools", "switches": "Switches"}
TITLES |= {"speed": "Accuracy and speed, measured"}


def section(text: str, title: str) -> str:
    """A section of the README, links and pictures as seen from docs/."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    if found is None:
        raise ValueError(f"The README has no section {title!r}.")
    return found[1].strip().replace("](docs/", "](")


def entry(rule: Rule) -> str:
    """A rule as a part of the page."""
    arguments = [pt.dscalar(name) for name in inspect.signature(rule.before).parameters]
    before, after = (describe(side(*arguments), 8) for side in (rule.before, rule.after))
    domain = ", ".join(f"{name} in {interval}" for name, interval in rule.domain.items())
    lines = [f"## {rule.name}", f"```\n{before}\n    ->  {after}\n```"]
    lines.append(f"Mends: {escaped(rule.mends)}.")
    opt_in = "; only where a mode includes it" if rule.opt_in else ""
    lines.append(
        f"For {escaped(domain)}; within {rule.promise:g} ulp (float64); runs in "
        f"{', '.join(rule.databases)}{opt_in}."
    )
    if rule.source:
        lines.append(f"Source: {escaped(rule.source)}")
    return "\n\n".join(lines)


def escaped(text: str) -> str:
    """Text in which nothing is markup."""
    return re.sub(r"([\\*_`<>\[\]$|])", r"\\\1", text)


def rules_page() -> str:
    head = (
        f"# The rules\n\n{len(RULES)} rules, made from `pytensor_stabilize.RULES`. Each has a "
        "before and an after, a domain, a promise in ulps and the failure that it mends; from the "
        "same table it is registered, tested and explained.\n\n"
        "The two sides are examples of an identity, not patterns: see [](design-notes.md)."
    )
    return "\n\n".join([head, *map(entry, RULES)]) + "\n"


def pages() -> dict[str, str]:
    """Name and text of each page that is made."""
    text = README.read_text()
    made = {
        page: f"# {TITLES.get(page, title)}\n\n{section(text, title)}\n"
        for title, page in SECTIONS.items()
    }
    return made | {"rules": rules_page()}


def write_pages(folder: Path) -> None:
    """Write the pages where Sphinx looks for them; what did not change keeps its date."""
    target = folder / "made"
    target.mkdir(exist_ok=True)
    for name, text in pages().items():
        path = target / f"{name}.md"
        # From the folder `made` everything else is one level up.
        text = re.sub(r"\]\((?!https?:|#|\.\./|\))([^)]+)\)", r"](../\1)", text)
        text = text.replace("[](../design-notes.md)", "[the design notes](../design-notes.md)")
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
