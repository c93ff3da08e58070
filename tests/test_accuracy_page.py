"""docs/accuracy.md: it is complete, and what it says still holds."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="the sdist has no benchmarks")


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the benchmarks' modules at hand."""
    return subprocess.run(
        [sys.executable, "-c", code], cwd=BENCHMARKS, capture_output=True, text=True, check=False
    )


def test_page_has_every_figure_of_the_family():
    done = run(
        "from accuracy import FAMILY, LIMITS, graph_of\n"
        "from accuracy_page import LINKERS, PAGE, published, sections, title_of\n"
        "tables = sections(PAGE.read_text())\n"
        "for member in FAMILY:\n"
        "    table = tables[member.name]\n"
        "    assert f'`{member.text}`' in table, member.name\n"
        "    wanted = {(title_of(q), d, c) for q in graph_of(member, 'float64').quantities\n"
        "              for d in LIMITS for c in LINKERS}\n"
        "    assert set(published(table)) == wanted, member.name\n"
        "assert set(tables) == {member.name for member in FAMILY}\n"
    )
    assert not done.returncode, done.stderr


def test_page_explains_what_exceeds_the_promise():
    done = run(
        "from accuracy_causes import NOT_EXPLAINED, XLA_TANH\n"
        "from accuracy_page import PAGE, published, reasons, sections\n"
        "text = PAGE.read_text()\n"
        "assert len(reasons(text)) > 100 and NOT_EXPLAINED not in text\n"
        "tanh = published(sections(text)['tanh'])\n"
        "assert {d: tanh['f', d, 'jax'] for d in XLA_TANH} == XLA_TANH, tanh\n"
    )
    assert not done.returncode, done.stderr


def test_page_is_made_again_of_its_own_tables_and_reasons():
    """Functions that are not measured again keep them."""
    done = run(
        "from accuracy_page import BEGIN, PAGE, page, reasons, sections\n"
        "text = PAGE.read_text()\n"
        "versions = text.partition(BEGIN)[2].partition('\\n')[0]\n"
        "assert page(sections(text), reasons(text), versions) == text\n"
    )
    assert not done.returncode, done.stderr


def test_reason_holds_at_every_point_or_there_is_none():
    done = run(
        "import numpy as np\n"
        "from accuracy_causes import NOT_EXPLAINED, reason\n"
        "x, ulp = np.array([0.5, -10.0, -20.0]), np.ones(3)\n"
        "bound = 4 * (1 + x * x / 2)\n"
        "def why(errors, what='Phi, df/dx, float64, cvm', **more):\n"
        "    return reason(what, errors, ulp, [x], **more)\n"
        "assert why(np.full(3, 4.0)) == ''\n"
        "assert why(bound).startswith('the rounding of t')\n"
        "for i in range(3):\n"
        "    beyond = bound.copy()\n"
        "    beyond[i] += 0.01\n"
        "    assert why(beyond) == NOT_EXPLAINED\n"
        "    assert why(beyond, margin=1.0) != NOT_EXPLAINED\n"
        "assert why(bound, 'no such function') == NOT_EXPLAINED\n"
    )
    assert not done.returncode, done.stderr


@pytest.mark.parametrize("name", ["sigmoid", "log sigmoid"])
def test_figures_still_hold(name):
    pytest.importorskip("flint")
    command = ["accuracy.py", "--check", "--only", f"^{name}$", "--linker", "cvm", "--points", "40"]
    done = subprocess.run(
        [sys.executable, *command], cwd=BENCHMARKS, capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stdout + done.stderr


def test_check_fails_on_a_figure_that_got_worse(tmp_path):
    """The same check, of a page that claims an error of 0 everywhere."""
    pytest.importorskip("flint")
    done = run(
        "import re, accuracy\n"
        "from pathlib import Path\n"
        "text = accuracy.PAGE.read_text()\n"
        f"accuracy.PAGE = Path({str(tmp_path / 'page.md')!r})\n"
        "accuracy.PAGE.write_text(re.sub('→ [0-9.e+inf]+ at', '→ 0.0 at', text))\n"
        "accuracy.MARGIN = 0.1\n"
        "members = [m for m in accuracy.FAMILY if m.name == '1 - sigmoid']\n"
        "worse = accuracy.check(members, ['cvm'], 20)\n"
        "assert worse >= 3, worse\n"
    )
    assert not done.returncode, done.stdout + done.stderr
    assert "1 - sigmoid, df/dx, float64, cvm: " in done.stdout
    assert "published are 0.0 ulp" in done.stdout
    assert "figures are worse than docs/accuracy.md says" in done.stdout


def test_check_fails_on_a_figure_that_its_reasons_do_not_explain():
    pytest.importorskip("flint")
    done = run(
        "import accuracy, accuracy_causes\n"
        "accuracy_causes.CAUSES = ()\n"
        "members = [m for m in accuracy.FAMILY if m.name == 'Phi']\n"
        "assert accuracy.check(members, ['cvm'], 20) >= 2\n"
    )
    assert not done.returncode, done.stdout + done.stderr
    assert "Phi, df/dx, float64, cvm: the reasons for " in done.stdout
