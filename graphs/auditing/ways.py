"""The ways to compile a graph that an audit compares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor
from pytensor.compile.mode import Mode, get_default_mode, get_mode
from pytensor.graph.basic import Variable

from pytensor_stabilize.rewrites import excluding
from pytensor_stabilize.rewrites.checks import shown

RULE_SETS = ("stock", "ours")


@dataclass(frozen=True)
class Way:
    """Compilation with or without our rules, by one of PyTensor's modes.

    Attributes
    ----------
    label
        What tables call it.
    mode
        PyTensor's mode.
    stock
        Whether our rules are switched off.
    """

    label: str
    mode: Mode
    stock: bool

    def rules(self) -> AbstractContextManager[None]:
        """Context in which graphs are rewritten this way."""
        return excluding("all") if self.stock else nullcontext()

    def compile(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable]
    ) -> Callable[..., list[np.ndarray]]:
        """A function of the inputs that returns all outputs."""
        with self.rules():
            return pytensor.function(
                list(inputs), list(outputs), mode=self.mode, on_unused_input="ignore"
            )


def ways_of(specs: Any) -> list[Way]:
    """What ``modes=`` means: several entries, or one by itself.

    Raises
    ------
    TypeError
        It is no list.
    ValueError
        An entry means nothing, there is none, or two have the same label.
    """
    if isinstance(specs, str):
        specs = [specs]
    if not isinstance(specs, list | tuple):
        raise TypeError(f"modes is a list such as ['stock', 'ours'], got {shown(specs)}.")
    ways = [way_of(spec) for spec in specs]
    if not ways:
        raise ValueError("modes is empty: name at least one, such as 'ours'.")
    labels = [way.label for way in ways]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ValueError(f"modes: {', '.join(twice)} stands twice; results are found by its name.")
    return ways


def way_of(spec: Any) -> Way:
    """What one entry of ``modes=`` means.

    Parameters
    ----------
    spec
        "stock" or "ours"; one of them with a linker or mode of PyTensor, as in "ours:cvm" or
        "stock:FAST_COMPILE"; or a pair of a label and a Mode, compiled with our rules.

    Raises
    ------
    ValueError
        `spec` is none of these, or PyTensor knows no such mode.
    """
    if isinstance(spec, Way):
        return spec
    if isinstance(spec, tuple) and len(spec) == 2 and isinstance(spec[1], Mode):
        return Way(str(spec[0]), spec[1], stock=False)
    rules, colon, name = spec.partition(":") if isinstance(spec, str) else ("", "", "")
    if rules not in RULE_SETS or bool(colon) != bool(name):
        raise ValueError(
            f"A mode is 'stock', 'ours', one of them with a linker as in 'ours:cvm', or a pair "
            f"(label, Mode); got {shown(spec)}."
        )
    try:
        mode = get_mode(name.upper()) if name else get_default_mode()
    except Exception as error:
        raise ValueError(f"PyTensor knows no mode {name!r}: {error}") from error
    return Way(spec, mode, stock=rules == "stock")
