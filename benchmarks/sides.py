"""The two sides of a comparison of times: PyTensor without our rules, and with them."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytensor_stabilize

SIDES = ("stock", "ours")


@contextmanager
def on_side(name: str) -> Iterator[None]:
    """Compile as stock PyTensor does, or with our rules.

    For stock they leave the database: a rule that is only switched off is still asked.
    """
    if name == "ours":
        yield
        return
    pytensor_stabilize.unregister()
    try:
        yield
    finally:
        pytensor_stabilize.register()
