"""Make PyMC's logprob inference see PyTensor's sigmoid where a model uses ours.

PyMC infers the density of ``sigmoid(Normal)`` by looking at the ops of the graph, in a rewrite
database of its own.  It is told to unwrap our Sigmoid before it looks, now if PyMC is imported
already, else as soon as it is.
"""

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

from pytensor_stabilize.rewrites.ops import unwrapping_pass

_MODULE = "pymc.logprob.rewriting"
_NAME = "pytensor_stabilize_unwrap_sigmoid"
# PyMC's first own pass has position 0.
_POSITION = -1.0


def unwrap_in_pymc() -> None:
    """Register the unwrapping in PyMC's logprob database, now or when PyMC is imported."""
    module = sys.modules.get(_MODULE)
    if module is not None:
        _register(module)
    elif not any(isinstance(finder, _AfterImport) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterImport())


def _register(module: ModuleType) -> None:
    database = module.logprob_rewrites_db
    if _NAME not in database:
        database.register(_NAME, unwrapping_pass(), "basic", position=_POSITION)


class _AfterImport(MetaPathFinder):
    """Finds PyMC's module as everybody else does, and registers when it has run."""

    _busy = False

    def find_spec(self, name, path=None, target=None) -> ModuleSpec | None:  # type: ignore[no-untyped-def]
        if name != _MODULE or self._busy:
            return None
        self._busy = True
        try:
            spec = find_spec(name)
        finally:
            self._busy = False
        if spec is not None and spec.loader is not None:
            spec.loader = _RegisteringLoader(spec.loader)
        return spec


class _RegisteringLoader(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        _register(module)
        sys.meta_path[:] = [f for f in sys.meta_path if not isinstance(f, _AfterImport)]

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
        # inspect.getsource and tracebacks ask the loader for the source.
        return getattr(self._loader, name)
