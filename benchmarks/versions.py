"""The versions and the machine that a figure was measured on, in one line."""

import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = (
    "pytensor-stabilize",
    "pytensor",
    "numpy",
    "numba",
    "pymc",
    "jax",
    "torch",
    "python-flint",
)


def versions(*others: str) -> str:
    """Python, package versions, those of other interpreters, and processor architecture."""
    parts = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        if any(other.startswith(f"{package} ") for other in others):
            continue
        try:
            parts.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join([*parts, *others]) + f" on {platform.machine()}"
