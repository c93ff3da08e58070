"""A progress bar for what may take long, if rich is there and somebody is watching."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from pytensor_stabilize.rewrites.checks import check_bool

T = TypeVar("T")


def check_display(nodes: Any, progress: Any) -> None:
    """Refuse what is no choice of what to look for and to show."""
    check_bool("nodes", nodes)
    if progress is not None:
        check_bool("progress, which may be None too,", progress)


class Progress:
    """Context in which loops show how far they are.

    Parameters
    ----------
    show
        True, False, or None for a bar on a terminal only.

    Raises
    ------
    ImportError
        A bar is asked for and rich is not installed.
    """

    def __init__(self, show: bool | None):
        self._bar: Any = None
        if show or (show is None and sys.stderr.isatty()):
            try:
                from rich.console import Console
                from rich.progress import Progress as Bar
            except ImportError:
                if show:
                    raise
                return
            # On the error stream, so that a report can be piped.
            console = Console(stderr=True, force_terminal=show or None)
            self._bar = Bar(console=console, transient=True)

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def over(self, items: Sequence[T], what: str) -> Iterator[T]:
        """Go through `items` and show it."""
        if self._bar is None:
            yield from items
            return
        yield from self._bar.track(items, description=what, total=len(items))
