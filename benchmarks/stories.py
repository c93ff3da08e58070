"""The stories of the gallery in one table: what their scripts claim, and check, of both sides.

    python benchmarks/stories.py

Reads docs/gallery.md, which `make examples` writes from what the scripts print.
"""

import re
from pathlib import Path

GALLERY = Path(__file__).parents[1] / "docs" / "gallery.md"


def claimed(section: str, side: str) -> str:
    """What a script claims of one side, ``way, stock: text`` or ``what: stock a, ours b``."""
    found = []
    for what, text in re.findall(r"^- (.+): (.+)$", section, re.M):
        both = re.fullmatch(r"(?:(.+), )?stock (.+), ours (.+)", text)
        if both:
            of = f"{what}, {both[1]}" if both[1] else what
            found.append(f"{of}: {both[2 if side == 'stock' else 3]}")
        elif what == side:
            found.append(text)
        elif what.endswith(f", {side}"):
            found.append(f"{what.removesuffix(f', {side}')}: {text}")
    return "; ".join(found)


def table(page: str) -> str:
    """A Markdown table with a row for each section of the page that claims something."""
    lines = ["| story | stock | ours |", "|---|---|---|"]
    for name, section in re.findall(r"<!-- begin (\w+) -->\n(.*?)<!-- end \1 -->", page, re.S):
        title = re.search(r"^## (.+)$", section, re.M)
        cells = [claimed(section, side) for side in ("stock", "ours")]
        if title is not None and all(cells):
            lines.append(f"| [{title[1]}](examples/{name}.py) | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(GALLERY.read_text()))
