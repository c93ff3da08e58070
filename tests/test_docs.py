"""The pages: their programs run, the made ones are whole, and what they point to is there."""

import importlib.util
import re
from pathlib import Path

import pytest

from pytensor_stabilize import RULES

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(DOCS.glob("*.md"))


@pytest.fixture(scope="module")
def generate():
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def programs(page: str) -> str:
    return "\n".join(re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(), re.S))


def test_the_rule_that_is_added_as_an_example():
    names: dict = {}
    exec(programs("adding-a-rule.md"), names)
    assert names["error"].max() < names["RULE"].promise
    stock = names["y"] * names["pt"].log(names["y"]) - names["x"] * names["pt"].log(names["x"])
    without = names["ulp_error"](stock.eval({names["x"]: names["points"]}), names["exact"])
    assert without[-1] > 1e15, "a rule does it by now: the page needs another example"


def test_the_first_program_prints_what_it_says(capsys):
    program = programs("index.md")
    exec(program, {})
    assert capsys.readouterr().out.strip() == re.search(r"# ([\d.e-]+), not 0", program)[1]


def test_every_rule_has_its_part_of_the_page(generate):
    titles = re.findall(r"^## (\w+)$", generate.rules_page(), re.M)
    assert titles == [rule.name for rule in RULES]


def test_the_pages_made_of_the_readme_are_whole(generate):
    for name, text in generate.pages().items():
        assert len(text) > 100, name
        assert text.count("```") % 2 == 0, name


@pytest.mark.parametrize("page", [*PAGES, DOCS.parent / "README.md"], ids=lambda path: path.name)
def test_no_line_break_in_code_looks_like_a_list(page):
    """Markdown ends the paragraph there, and shows the backquotes."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)
    for paragraph in prose.split("\n\n"):
        lines = paragraph.split("\n")
        for i, line in enumerate(lines[1:], start=1):
            if re.match(r"\s*[-+*>#] ", line):
                assert "\n".join(lines[:i]).count("`") % 2 == 0, line


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_pictures_are_there_and_small(page):
    for picture in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text()):
        assert (DOCS / picture).stat().st_size < 250_000, picture
