"""What is computed with PyTorch: `torch_worker.py` runs this, on another interpreter.

So this and the modules that it imports are written for Python 3.10 and later.
"""

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accuracy_family import Member, torch_functions
from measured_time import Timer, timer
from speed_quantities import QUANTITIES, Backend

FUNCTIONS = torch.sigmoid, torch.nn.functional.softplus, torch.tanh


@dataclass(frozen=True)
class Recorded(Backend):
    """The derivatives of eager PyTorch, which runs a forward pass as often as it is written."""

    def value_and_slope(self, function: Callable, x: Any) -> list:
        x = x.detach().requires_grad_()
        value = function(x)
        (slope,) = torch.autograd.grad(value.sum(), x)
        return [value.detach(), slope]

    def second_order(self, function: Callable, x: Any, v: Any) -> list:
        x = x.detach().requires_grad_()
        value = function(x).sum()
        (slope,) = torch.autograd.grad(value, x, create_graph=True)
        (product,) = torch.autograd.grad((slope * v).sum(), x)
        return [value.detach(), slope.detach(), product]


EAGER = Recorded(*FUNCTIONS, lambda function, x: EAGER.value_and_slope(function, x)[1])
# Forward and backward pass in one graph, which the compiler fuses.
COMPILED = Backend(*FUNCTIONS, lambda function, x: torch.func.grad(lambda u: function(u).sum())(x))


class Service:
    """What may be asked for, by the name of the method."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self.timers: dict[str, Timer] = {}

    def version(self) -> str:
        return f"torch {torch.__version__} (Python {platform.python_version()})"

    def prepare(self, quantity: str, arrays: Sequence[np.ndarray]) -> dict[str, list | str]:
        """Make the functions of a quantity; their results, or the reason why there are none."""
        # Or the lambda would count as one seen before, and be compiled for arrays of any length.
        torch._dynamo.reset()
        build = QUANTITIES[quantity]
        given = [torch.from_numpy(array) for array in arrays]
        functions = {
            "eager": lambda x, y, v: build(EAGER, x, y, v),
            "compiled": torch.compile(
                lambda x, y, v: build(COMPILED, x, y, v),
                dynamic=False,
                fullgraph=True,
            ),
        }
        results: dict[str, list | str] = {}
        self.timers = {}
        for way, function in functions.items():
            try:
                results[way] = [output.numpy() for output in function(*given)]
            except Exception as error:
                results[way] = first_line(error)
            else:
                self.timers[way] = timer(lambda function=function: function(*given))
        return results

    def nanoseconds(self, way: str, count: int) -> int:
        """CPU time of so many calls of what was prepared last."""
        return self.timers[way](count)

    def values(
        self, member: Member, names: str, quantity: str, columns: Sequence[np.ndarray]
    ) -> np.ndarray:
        """Value or derivative of a function of the accuracy page."""
        (function,) = torch_functions(member, names, [quantity])
        return function(*columns)


def first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip().splitlines()[0]
