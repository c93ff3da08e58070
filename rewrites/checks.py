"""Checks of arguments that functions of several modules share, and how a message shows a value."""

import io
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

# A message with the million numbers of a list, or with the whole of a rule, hides what it says.
SHOWN_CHARACTERS = 120


def shown(value: object) -> str:
    """`repr`, cut where it is long."""
    try:
        text = repr(value)
    except ValueError:
        # Python refuses to write integers of more than 4300 digits.
        text = f"<{type(value).__name__} that is too long to show>"
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."


def is_number(value: object) -> bool:
    """Whether it is a real number of Python or NumPy."""
    return isinstance(value, Real)


def check_bool(name: str, value: object) -> None:
    """Refuse what is neither True nor False: ``"no"`` and None would count as one of them.

    Raises
    ------
    TypeError
        `value` is not a bool.
    """
    if not isinstance(value, bool | np.bool):
        raise TypeError(f"{name} must be True or False, got {shown(value)}.")


def check_count(name: str, value: object, least: int) -> None:
    """Refuse what is no integer, or too small; True and False are no counts.

    Raises
    ------
    ValueError
        `value` is not an integer of at least `least`.
    """
    integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not integer or value < least:  # type: ignore[operator]
        raise ValueError(f"{name} must be an integer of at least {least}, got {shown(value)}.")


def check_text_file(where: str, file: object, also: str = "") -> None:
    """Refuse what cannot be printed to; a name is no open file.

    Raises
    ------
    TypeError
        `file` has no method `write`, or one that takes bytes.
    """
    if not hasattr(file, "write") or isinstance(file, io.RawIOBase | io.BufferedIOBase):
        raise TypeError(f"{where}: file must be None{also} or an open text file, got {file!r}.")


def check_writable(where: str, path: Any) -> Path:
    """Return a path that a file can be written to.

    Raises
    ------
    TypeError
        `path` is neither a string nor a path.
    IsADirectoryError, FileNotFoundError
        It is a folder, or its folder does not exist.
    """
    if not isinstance(path, str | PathLike):
        raise TypeError(f"{where} takes the name of a file (str or Path), got {shown(path)}.")
    file = Path(path)
    if file.is_dir():
        raise IsADirectoryError(f"{where}: {file} is a folder; name a file in it.")
    if not file.absolute().parent.is_dir():
        raise FileNotFoundError(f"{where}: there is no folder {file.absolute().parent}.")
    return file
