"""The flat layout: what the wheel lists is what the folders hold."""

import importlib.metadata
import tomllib
from pathlib import Path

import pytensor_stabilize

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_subpackage_is_listed():
    folders = {
        "pytensor_stabilize." + ".".join(path.parent.relative_to(ROOT).parts)
        for top in ("rewrites", "graphs")
        for path in (ROOT / top).rglob("__init__.py")
    } | {"pytensor_stabilize"}
    settings = PROJECT["tool"]["setuptools"]
    assert set(settings["packages"]) == folders
    assert set(settings["package-dir"]) == folders


def test_root_modules_are_few():
    """Every module at the root lands in the wheel."""
    assert {path.name for path in ROOT.glob("*.py")} <= {"__init__.py", "__main__.py"}


def test_the_version_is_one():
    assert pytensor_stabilize.__version__ == importlib.metadata.version("pytensor-stabilize")


def test_rewrites_do_not_import_graphs():
    for path in (ROOT / "rewrites").rglob("*.py"):
        assert "pytensor_stabilize.graphs" not in path.read_text(), path


def test_no_file_is_too_long():
    for folder in ("rewrites", "graphs", "tests", "examples", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            assert len(path.read_text().splitlines()) <= 400, path


def test_doctests():
    import doctest
    import sys

    import pytensor_stabilize.graphs  # noqa: F401

    failures = attempts = 0
    for name, module in sorted(sys.modules.items()):
        if name.startswith("pytensor_stabilize"):
            result = doctest.testmod(module)
            failures, attempts = failures + result.failed, attempts + result.attempted
    assert attempts >= 8
    assert not failures


def test_the_readmes_first_program_prints_what_it_says():
    import re
    import subprocess
    import sys

    program = re.search(r"```python\n(import .*?)```", (ROOT / "README.md").read_text(), re.S)
    assert program is not None
    wanted = re.search(r"# ([\d.e-]+), not 0", program[1])
    done = subprocess.run(
        [sys.executable, "-c", program[1]], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == wanted[1]


def test_the_readmes_programs_run_one_after_the_other(capsys, monkeypatch):
    import re

    monkeypatch.chdir(ROOT)
    programs = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    names: dict = {}
    printed = []
    for program in programs:
        exec(program, names)
        printed.append(capsys.readouterr().out)
    assert len(programs) >= 5
    logp, slope = re.search(r"# ([\d.-]+) \[([\d.-]+)\]; without", programs[1]).groups()
    assert printed[1] == f"{logp} [{slope}]\n"
    assert "-inf" in printed[4]


def test_the_readme_names_every_rule_and_no_other():
    text = (ROOT / "README.md").read_text()
    block = text.partition("<!-- begin rules -->")[2].partition("<!-- end rules -->")[0]
    for title, opt_in in (("The rules: ", False), ("Only where a mode includes them: ", True)):
        listed = block.partition(title)[2].partition(".\n")[0]
        names = [name.strip("` \n") for name in listed.split(",")]
        assert names == [rule.name for rule in pytensor_stabilize.RULES if rule.opt_in == opt_in]
