"""Switches that the rules ask wherever they run.

A PyTensor mode cannot switch a rule off everywhere: PyMC's pre-gradient pass and nutpie query
the rewrite database themselves and drop what a mode or a config flag excludes.  So every rule
also asks here before it does anything.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from difflib import get_close_matches

from pytensor_stabilize.rewrites.checks import shown

ENVIRONMENT_VARIABLE = "PYTENSOR_STABILIZE_EXCLUDING"
# Both stand for every rule; the second is the tag that modes know.
ALL = ("all", "pytensor_stabilize")

_names: set[str] = set()
# A ContextVar and not a global: a rule switched off in one thread or task stays on in the others.
_excluded_here: ContextVar[frozenset[str]] = ContextVar("excluded_here", default=frozenset())
_excluded_in_process: frozenset[str] = frozenset()


def declare(names: Iterable[str]) -> None:
    """Make rule names known, so that a misspelt one is an error and not a silent no-op."""
    _names.update(names)


def known_names() -> tuple[str, ...]:
    """Names that the switches accept beside ``"all"``, sorted."""
    return tuple(sorted(_names))


def check_names(names: Iterable[object], where: str) -> frozenset[str]:
    """Return the rule names that `names` stands for.

    Raises
    ------
    TypeError
        A name is not a string.
    ValueError
        There is no name at all, or no rule of that name; the message lists the valid ones.
    """
    given = tuple(names)
    if not given:
        raise ValueError(f"{where} needs at least one rule name, or 'all'.")
    for name in given:
        if not isinstance(name, str):
            raise TypeError(f"{where} takes rule names (str), got {shown(name)}.")
        if name not in ALL and name not in _names:
            raise ValueError(
                f"{where}: there is no rule named {shown(name)}.{_meant(name)} "
                f"Valid names: {', '.join(known_names())}, or 'all'."
            )
    if any(name in ALL for name in given):
        return frozenset(_names)
    return frozenset(str(name) for name in given)


def _meant(name: str) -> str:
    close = get_close_matches(name, _names, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def read_environment(environ: Mapping[str, str] = os.environ) -> None:
    """Take the process-wide switches from `PYTENSOR_STABILIZE_EXCLUDING`.

    Raises
    ------
    ValueError
        The variable names a rule that does not exist.
    """
    global _excluded_in_process
    given = [name.strip() for name in environ.get(ENVIRONMENT_VARIABLE, "").split(",")]
    given = [name for name in given if name]
    _excluded_in_process = (
        check_names(given, f"The environment variable {ENVIRONMENT_VARIABLE} (separator: comma)")
        if given
        else frozenset()
    )


def excluded_in_process() -> frozenset[str]:
    """Names switched off for the whole process by the environment variable."""
    return _excluded_in_process


def excluded_here() -> frozenset[str]:
    """Names switched off by the `excluding` and `only` blocks around the caller."""
    return _excluded_here.get()


def is_switched_on(name: str) -> bool:
    """Whether neither a context manager nor the environment switches the rule off."""
    return name not in _excluded_here.get() and name not in _excluded_in_process


def is_any_switched_on() -> bool:
    """Whether at least one rule is on."""
    return not _names <= _excluded_here.get() | _excluded_in_process


@contextmanager
def _excluding(names: frozenset[str]) -> Iterator[None]:
    token = _excluded_here.set(_excluded_here.get() | names)
    try:
        yield
    finally:
        _excluded_here.reset(token)


def excluding(*names: str) -> AbstractContextManager[None]:
    """Switch rules off in everything that this thread compiles inside the block.

    Unlike ``mode.excluding`` this is obeyed wherever a rule runs: in PyMC's pre-gradient pass,
    in nutpie, in the inner graphs of Scan and OpFromGraph.  What was compiled before keeps its
    rewrites, the function that ``variable.eval`` caches on a variable included; a thread started
    inside the block begins with nothing switched off.

    Parameters
    ----------
    *names
        Rule names, or ``"all"``.

    Raises
    ------
    TypeError, ValueError
        A name is not a string or not the name of a rule.

    Examples
    --------
    >>> import pytensor, pytensor.tensor as pt, pytensor_stabilize
    >>> x = pt.dscalar("x")
    >>> with pytensor_stabilize.excluding("all"):
    ...     naive = pytensor.function([x], pt.grad(pt.sigmoid(x), x))
    >>> float(naive(40.0))
    0.0
    """
    return _excluding(check_names(names, "excluding()"))


def only(*names: str) -> AbstractContextManager[None]:
    """Switch every rule off except the ones named, inside the block.

    A rule that an outer `excluding` or the environment switches off stays off.

    Parameters
    ----------
    *names
        Rule names, or ``"all"``.

    Raises
    ------
    TypeError, ValueError
        A name is not a string or not the name of a rule.
    """
    return _excluding(frozenset(_names) - check_names(names, "only()"))
