"""PyTensor's lazy choice between values."""

from pytensor.conditional.op import IfElse

__all__ = ["IfElse"]
