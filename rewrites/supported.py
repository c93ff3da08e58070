"""Which Python and PyTensor this package runs with; anything else ends its import.

An error and not a warning: rules that look into another PyTensor than they were tested with may
give wrong numbers, which nobody sees, where an import that fails is seen at once.  pip refuses the
same versions; who gets here has gone around it.
"""

import os
import re
import sys
import warnings

import pytensor

PYTHON = (3, 12)
# From the first, below the second.  pyproject.toml says the same.
PYTENSOR = (3, 3, 5), (3, 4)
# For those who try the next release of PyTensor.
ANYWAY = "PYTENSOR_STABILIZE_ANY_PYTENSOR"


def check_versions(python: tuple[int, ...], version: str, anyway: bool) -> None:
    """Refuse versions that are not supported.

    Parameters
    ----------
    python, version
        What runs: Python's version as numbers, PyTensor's as it says itself.
    anyway
        Whether another PyTensor is only worth a warning.

    Raises
    ------
    ImportError
        One of the two is not supported; the message says which are.
    """
    if python < PYTHON:
        raise ImportError(
            f"pytensor_stabilize needs Python {_text(PYTHON)} or later; this is {_text(python)}."
        )
    first, end = PYTENSOR
    accepted = f"PyTensor from {_text(first)} on and below {_text(end)}"
    numbers = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    if numbers is not None and first <= tuple(map(int, numbers.groups("0"))) < end:
        return
    problem = f"pytensor_stabilize works with {accepted}; installed is {version}."
    if not anyway:
        raise ImportError(
            f"{problem} Install one of these (pip install 'pytensor>={_text(first)},<{_text(end)}')"
            f", or a pytensor-stabilize that is made for it. {ANYWAY}=1 in the environment makes "
            "this a warning, to try it."
        )
    warnings.warn(f"{problem} Its results are not tested.", UserWarning, stacklevel=2)


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


check_versions(
    sys.version_info[:2], pytensor.__version__, os.environ.get(ANYWAY, "") not in ("", "0")
)
