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


def versions() -> str:
    """Python, package versions, and processor architecture."""
    parts = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            parts.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(parts) + f" on {platform.machine()}"
