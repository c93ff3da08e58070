"""Test the package with every release of PyTensor that it supports, and every Python here.

For each a throw-away environment is made, the package is installed as a wheel would be, and a fast
selection of the tests runs.  Each result goes to `docs/versions.md` as soon as it is known, in
place of the row that stood there for the same versions.  `make test-versions` runs it; arguments
are versions of PyTensor to run in place of all that the index has.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "versions.md"
# The seed rule, the op, scatters, lowering for each linker, memory, tools: none needs PyMC.
SMOKE = (
    "test_one_minus_sigmoid.py",
    "test_sigmoid_op.py",
    "test_lowering.py",
    "test_memory.py",
    "test_graph_tools.py",
    "test_scatters.py",
    "test_standing_back.py",
    "test_internals.py",
    "test_supported.py",
)
PYMC = ("test_pymc.py", "test_pymc_switches.py")
# PyMC 6.4 takes these and later ones.
FIRST_WITH_PYMC = (3, 3, 6)
TOOLS = ("pytest", "hypothesis", "python-flint", "rich", "jsonschema", "mpmath", "jax")
# The package says so itself, before anything is compiled.
REFUSAL = "ImportError: pytensor_stabilize works with"
ROW = "| {pytensor} | {python} | {numba} | {pymc} | {result} | {day} |"
GOOD = r"\d+ passed( |,[^|]*skipped )\||refused"
HEAD = ROW.format(
    pytensor="PyTensor", python="Python", numba="numba", pymc="PyMC", result="tests", day="on"
)


class Version(NamedTuple):
    pytensor: str
    python: Path

    @property
    def with_pymc(self) -> bool:
        return tuple(map(int, self.pytensor.split("."))) >= FIRST_WITH_PYMC


def released(python: Path) -> list[str]:
    """The releases of a supported minor version of PyTensor that the index has, oldest first."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (wanted,) = (d for d in project["dependencies"] if d.startswith("pytensor"))
    low, high = re.findall(r"[\d.]+", wanted)
    command = [python, "-m", "pip", "index", "versions", "pytensor"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (line,) = re.findall(r"^Available versions: (.*)$", listed, re.M)
    found = [v for v in line.split(", ") if re.fullmatch(r"[\d.]+", v)]

    low, high = numbers(low), numbers(high)
    return sorted((v for v in found if low[:2] <= numbers(v) < high), key=numbers)


def pythons() -> list[Path]:
    """This environment's Python, and a 3.13 if one is found."""
    found = [Path(sys.executable)]
    folders = sorted(Path.home().glob(".pyenv/versions/3.13.*/bin"))
    named = shutil.which("python3.13")
    candidates = [folder / "python3.13" for folder in folders] + ([Path(named)] if named else [])
    for candidate in candidates:
        # A shim of pyenv may name a version that this folder does not select.
        if not subprocess.run([candidate, "-c", ""], capture_output=True).returncode:
            return [*found, candidate]
    return found


def run(command: list, log: Path, **kwargs) -> bool:
    with log.open("a") as file:
        return not subprocess.run(
            list(map(str, command)), stdout=file, stderr=subprocess.STDOUT, **kwargs
        ).returncode


def source(folder: Path) -> Path:
    """A copy of what git tracks: a build leaves files behind, and tests must not see the folder."""
    copy = folder / "source"
    tracked = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in tracked:
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    return copy


def tested(version: Version, copy: Path, folder: Path) -> str:
    """A row of the table."""
    venv = folder / f"{version.pytensor}-{version.python.name}"
    log, python = folder / f"{venv.name}.log", venv / "bin" / "python"
    pinned = f"pytensor=={version.pytensor}"
    tools = [*TOOLS, pinned, *(["pymc~=6.4"] * version.with_pymc)]
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    print(f"PyTensor {version.pytensor}, {version.python}: log in {log}", flush=True)
    # The package last, as a user would add it, and without a build of its own environment.
    ready = (
        run([version.python, "-m", "venv", venv], log)
        and run([*pip, pinned, "setuptools>=77"], log)
        and run([*pip, "--no-deps", "--no-build-isolation", copy], log)
    )
    result = "not installed"
    tried = [python, "-c", "import pytensor_stabilize"]
    if ready and not run(tried, log, cwd=folder) and REFUSAL in log.read_text():
        result = "refused at import"
    elif ready and run([*pip, *tools], log):
        files = [*SMOKE, *(PYMC if version.with_pymc else ())]
        present = [copy / "tests" / name for name in files if (copy / "tests" / name).is_file()]
        environment = {"PYTENSOR_FLAGS": f"base_compiledir={folder}/compiled-{venv.name}"}
        run(
            [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *present],
            log,
            cwd=copy,
            env={"PATH": f"{venv}/bin:/usr/bin:/bin", "HOME": str(folder), **environment},
        )
        log_text = log.read_text()
        last = re.findall(r"^=* ?((?:\d+ \w+(?:, )?)+) in ", log_text, re.M)
        result = re.sub(r",? *\d+ warnings?", "", last[-1]) if last else "the tests did not run"
    row = ROW.format(
        pytensor=version.pytensor,
        python=installed(python, "Python"),
        numba=installed(python, "numba"),
        pymc=installed(python, "pymc"),
        result=result,
        day=date.today(),
    )
    shutil.rmtree(venv, ignore_errors=True)
    return row


def installed(python: Path, package: str) -> str:
    what = "platform.python_version()"
    if package != "Python":
        what = f"importlib.metadata.version({package!r})"
    code = f"import importlib.metadata, platform; print({what})"
    found = subprocess.run([str(python), "-c", code], capture_output=True, text=True)
    return found.stdout.strip() or "none"


def results(versions: list[Version]) -> Iterator[str]:
    """Rows of the table, one by one."""
    with tempfile.TemporaryDirectory(prefix="test-versions-") as name:
        folder = Path(name)
        copy = source(folder)
        for version in versions:
            row = tested(version, copy, folder)
            print(row, flush=True)
            if not re.search(GOOD, row):
                log = folder / f"{version.pytensor}-{version.python.name}.log"
                print(log.read_text()[-6000:], flush=True)
            yield row


def put_into_page(row: str) -> None:
    """Write a row in place of that of the same PyTensor and Python."""
    head, begin, rest = PAGE.read_text().partition("<!-- begin versions -->\n")
    block, end, tail = rest.partition("<!-- end versions -->")
    rows = {key(line): line for line in block.splitlines()[2:]}
    rows[key(row)] = row
    lines = [HEAD, "|---" * (HEAD.count("|") - 1) + "|", *(rows[k] for k in sorted(rows))]
    PAGE.write_text(head + begin + "\n".join(lines) + "\n" + end + tail)


def key(row: str) -> tuple[tuple[int, ...], ...]:
    """PyTensor's and Python's version in a row."""
    pytensor, python = row.split("|")[1:3]
    return numbers(pytensor), numbers(python)


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.strip().split(".") if number.isdigit())


def main(arguments: list[str]) -> int:
    ours, *others = pythons()
    chosen = arguments or released(ours)
    versions = [Version(v, ours) for v in chosen]
    # The newest release alone with the other Pythons.
    versions += [Version(chosen[-1], python) for python in others]
    good = True
    for row in results(versions):
        put_into_page(row)
        good = good and re.search(GOOD, row) is not None
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
