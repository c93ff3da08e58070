"""Every story of examples/ runs in its short form, and shows what it claims."""

import importlib
import re
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
# The demo and the machines have tests of their own; the others are no stories.
OTHERS = {"demo", "audit_demo", "storytelling", "many_devices", "many_workers"}
STORIES = sorted({path.stem for path in EXAMPLES.glob("*.py")} - OTHERS)


@pytest.fixture
def stories(monkeypatch, tmp_path):
    monkeypatch.setenv("EXAMPLES_QUICK", "1")
    monkeypatch.setenv("EXAMPLES_OUT", str(tmp_path))
    monkeypatch.syspath_prepend(EXAMPLES)
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if name == "storytelling" or name in STORIES:
            del sys.modules[name]


@pytest.mark.parametrize("name", STORIES)
def test_story(name, stories, tmp_path, capsys):
    """A claim that does not hold ends the story with SystemExit."""
    stories(name).main()
    claims = re.findall(r"^- ", capsys.readouterr().out, re.M)
    assert len(claims) >= 2
    (picture,) = tmp_path.iterdir()
    assert picture.name == f"{name}.png"
    assert 5_000 < picture.stat().st_size < 100_000


def test_a_claim_that_does_not_hold_ends_the_story(stories):
    with pytest.raises(SystemExit, match="two is three"):
        stories("storytelling").claim("two is three", 2 == 3)


def test_each_story_begins_with_a_title_and_a_text():
    for name in STORIES:
        cells = (EXAMPLES / f"{name}.py").read_text().split("# %%")
        assert cells[1].startswith(" [markdown]\n# # "), name
        assert len(cells[1].split()) > 40, name
