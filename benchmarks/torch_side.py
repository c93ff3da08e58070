"""PyTorch in a process of its own, on an interpreter that has it.

For the Python of the benchmarks PyTorch may come with gigabytes for graphics cards only, while
another Python has it for the processor: `--torch-python`, or TORCH_PYTHON in the environment,
names that one.
"""

import argparse
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from accuracy_family import Member
from measured_time import Timer

SCRIPT = Path(__file__).with_name("torch_worker.py")
VARIABLE = "TORCH_PYTHON"


class Unusable(Exception):
    """The process did not start, or ended."""


class Refused(RuntimeError):
    """PyTorch cannot do what it was asked for."""


class Worker:
    """The process, which lives until this one ends.

    Parameters
    ----------
    python
        The interpreter.

    Raises
    ------
    Unusable
        It does not run, or has no PyTorch.

    Attributes
    ----------
    version
        Of PyTorch and of its Python.
    notes
        Why some functions could not be timed.
    """

    def __init__(self, python: str) -> None:
        self.python = python
        self.notes: list[str] = []
        # One thread compiles too, in that process and not in helpers that would live on.
        environment = os.environ | {"TORCHINDUCTOR_COMPILE_THREADS": "1"}
        try:
            self.process = subprocess.Popen(
                [python, str(SCRIPT)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        except OSError as error:
            raise Unusable(f"{python!r} does not run: {error.strerror}.") from None
        try:
            self.version: str = self.reply()
        except Refused as error:
            raise Unusable(f"{python!r} has no PyTorch: {error}.") from None

    def ask(self, name: str, *arguments: Any) -> Any:
        """What a method of the process's `Service` returns."""
        assert self.process.stdin is not None
        try:
            pickle.dump((name, arguments), self.process.stdin)
            self.process.stdin.flush()
        except OSError:
            raise Unusable(f"The process of {self.python!r} ended.") from None
        return self.reply()

    def reply(self) -> Any:
        assert self.process.stdout is not None
        try:
            done, value = pickle.load(self.process.stdout)
        # Reading what another program writes can fail in any way.
        except Exception:
            self.process.kill()
            raise Unusable(f"{self.python!r} does not answer as Python does.") from None
        if not done:
            raise Refused(value)
        return value

    def prepared(
        self, quantity: str, arrays: Sequence[np.ndarray]
    ) -> tuple[dict[str, list[np.ndarray]], dict[str, Timer]]:
        """Results and timers by column, of the ways that PyTorch can go."""
        results, timers = {}, {}
        for way, result in self.ask("prepare", quantity, arrays).items():
            if isinstance(result, str):
                self.notes.append(f"No time of PyTorch, {way}, for {quantity}: {result}")
                continue
            results[f"PyTorch, {way}"] = result
            timers[f"PyTorch, {way}"] = partial(self.ask, "nanoseconds", way)
        return results, timers

    def functions(
        self, member: Member, names: str, quantities: Sequence[str]
    ) -> list[Callable[..., np.ndarray]]:
        """Value and derivatives of a function of the accuracy page, as `torch_functions` makes."""

        def function_of(quantity: str) -> Callable[..., np.ndarray]:
            return lambda *columns: self.ask("values", member, names, quantity, columns)

        return [function_of(quantity) for quantity in quantities]


def add_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--torch-python",
        metavar="PATH",
        default=os.environ.get(VARIABLE) or (sys.executable if find_spec("torch") else None),
        help=f"a Python that has PyTorch (default: {VARIABLE} in the environment, or this one)",
    )


def chosen(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Worker | None:
    """The worker that the options ask for; without an interpreter, none."""
    if options.torch_python is None:
        return None
    try:
        return Worker(options.torch_python)
    except Unusable as error:
        parser.error(f"argument --torch-python: {error}")


@cache
def worker_here(python: str) -> Worker:
    """One for each process that asks: a pipe serves two processes badly."""
    return Worker(python)
