"""Do something as soon as a module is imported that we do not import ourselves."""

import sys
from collections.abc import Callable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

Action = Callable[[ModuleType], None]
_waiting: dict[str, Action] = {}


def after_import(name: str, action: Action) -> None:
    """Call `action` with a module: now if it is imported, else as soon as it is."""
    module = sys.modules.get(name)
    if module is not None:
        action(module)
        return
    _waiting[name] = action
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds the modules that are waited for as everybody else does."""

    def find_spec(self, name, path=None, target=None) -> ModuleSpec | None:  # type: ignore[no-untyped-def]
        action = _waiting.pop(name, None)
        if action is None:
            return None
        # It is not waited for now, so that the other finders are asked.
        spec = find_spec(name)
        if spec is None or spec.loader is None:
            _waiting[name] = action
            return None
        spec.loader = _ActingLoader(spec.loader, action)
        return spec


class _ActingLoader(Loader):
    def __init__(self, loader: Loader, action: Action) -> None:
        self._loader = loader
        self._action = action

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        try:
            self._loader.exec_module(module)
        except BaseException:
            # It may be imported again, with what it lacked.
            _waiting[module.__name__] = self._action
            raise
        self._action(module)
        if not _waiting:
            sys.meta_path[:] = [f for f in sys.meta_path if not isinstance(f, _Finder)]

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
        # inspect.getsource and tracebacks ask the loader for the source.
        return getattr(self._loader, name)
