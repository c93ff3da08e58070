"""Build sdist and wheel from a clean copy, check their contents, import the wheel elsewhere."""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "pytensor_stabilize"
FACE = {"__init__.py", "__main__.py", "py.typed"}
FOLDERS = ("rewrites", "graphs")
SDIST_FILES = {
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "constraints.txt",
    "pyproject.toml",
}
KEPT_DOT_NAMES = {".ci", ".python-version"}
BUILT = {"__pycache__", "build", "dist"}

IMPORT_ALL = f"""
import importlib, pkgutil, sys
from importlib.metadata import version
import {PACKAGE} as p
import {PACKAGE}.graphs
assert "site-packages" in p.__file__, p.__file__
assert p.__version__ == version("pytensor-stabilize"), p.__version__
for module in pkgutil.walk_packages(p.__path__, p.__name__ + ".", onerror=lambda name: None):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            # What computes on balls, or for JAX, is imported when it is asked for.
            if error.name not in sys.argv[1:]:
                raise
"""
FIRST_USE = f"import {PACKAGE} as p; p.show_config()"


def ignored(folder: str, names: list[str]) -> set[str]:
    """Names that a fresh clone would not have."""
    return {
        name
        for name in names
        if name in BUILT
        or (name.startswith(".") and name not in KEPT_DOT_NAMES)
        or name.endswith(".egg-info")
        or Path(folder, name, "pyvenv.cfg").exists()
    }


def run(*command: object, cwd: Path, **environment: str) -> str:
    """Output of a command that sees no PYTHONPATH; a failure ends the whole check."""
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        cwd=cwd,
        env=inherited | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\nerror: this command failed: {' '.join(words)}")
    return done.stdout


def below(folder: Path, *patterns: str) -> set[str]:
    """Files of a folder that match, as paths from the root of the copy."""
    found = (path for pattern in patterns for path in folder.rglob(pattern))
    return {path.relative_to(folder.parent).as_posix() for path in found if path.is_file()}


def package_files(source: Path) -> set[str]:
    """Every module and type marker that the package has to carry."""
    face = {name for name in FACE if (source / name).exists()}
    return face.union(*(below(source / name, "*.py", "py.typed") for name in FOLDERS))


def insist(what: str, names: set[str]) -> None:
    if names:
        sys.exit(f"error: {what}: {', '.join(sorted(names))}")


def check_wheel(wheel: Path, source: Path) -> int:
    names = set(zipfile.ZipFile(wheel).namelist())
    inside = {n.removeprefix(f"{PACKAGE}/") for n in names if n.startswith(f"{PACKAGE}/")}
    metadata = {n for n in names if n.split("/")[0].endswith(".dist-info")}
    allowed = FACE.union(*(below(source / name, "*") for name in FOLDERS))
    insist("the wheel lacks", package_files(source) - inside)
    insist("the wheel should not hold", inside - allowed)
    insist(
        "the wheel holds more than the package",
        names - metadata - {f"{PACKAGE}/{n}" for n in inside},
    )
    insist("the root may hold no other modules", {p.name for p in source.glob("*.py")} - FACE)
    if not any(name.endswith("/licenses/LICENSE") for name in metadata):
        sys.exit("error: the wheel lacks LICENSE")
    return len(names)


def check_sdist(sdist: Path, source: Path) -> int:
    with tarfile.open(sdist) as archive:
        files = {member.name for member in archive if member.isfile()}
    names = {name.partition("/")[2] for name in files}
    tests = below(source / "tests", "*.py")
    if not tests:
        sys.exit("error: there are no tests")
    examples = below(source / "examples", "*.py")
    insist("the sdist lacks", (package_files(source) | SDIST_FILES | tests | examples) - names)
    insist("the sdist should not hold", {n for n in names if BUILT & set(n.split("/"))})
    return len(names)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        source, dist, elsewhere = work / "source", work / "dist", work / "elsewhere"
        elsewhere.mkdir()
        shutil.copytree(ROOT, source, ignore=ignored, symlinks=True)
        constraints = source / "constraints.txt"

        run(
            sys.executable,
            "-m",
            "build",
            "--outdir",
            dist,
            source,
            cwd=elsewhere,
            PIP_CONSTRAINT=str(constraints),
        )
        (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
        print(f"{sdist.name}: {check_sdist(sdist, source)} files, complete")
        print(f"{wheel.name}: {check_wheel(wheel, source)} files, complete and nothing else")

        venv.create(work / "venv", with_pip=True)
        python = work / "venv" / "bin" / "python"
        run(python, "-m", "pip", "install", "-q", wheel, "-c", constraints, cwd=elsewhere)
        run(python, "-m", "pip", "check", cwd=elsewhere)
        run(python, "-c", IMPORT_ALL, "flint", "jax", cwd=elsewhere)
        print(run(python, "-c", FIRST_USE, cwd=elsewhere).rstrip())
        truth = f"pytensor-stabilize[truth] @ {wheel.as_uri()}"
        run(python, "-m", "pip", "install", "-q", truth, "-c", constraints, cwd=elsewhere)
        run(python, "-c", IMPORT_ALL, "jax", cwd=elsewhere)
        print("installed in a clean environment; every module can be imported there")
        print(run(python, "-m", PACKAGE, "rules", cwd=elsewhere).splitlines()[0])


if __name__ == "__main__":
    main()
