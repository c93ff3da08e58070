"""What a Python file offers to look at: models, variables, and functions that return them."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytensor.tensor as pt
from pytensor.graph.basic import Constant, Variable

from pytensor_stabilize.graphs.graphlike import compiled_function, is_real
from pytensor_stabilize.graphs.report import is_pymc_model


class FileError(Exception):
    """A file that does not import, or that does not offer what was asked for."""


@dataclass(frozen=True)
class Offer:
    """Something in a file that can be audited.

    Attributes
    ----------
    name
        Its name in the file.
    kind
        "model", "variable", "variables" or "function".
    value
        The thing itself.
    """

    name: str
    kind: str
    value: Any

    @property
    def variables(self) -> list[Variable]:
        """The variables that it is, or that it returns."""
        return [self.value] if isinstance(self.value, Variable) else list(self.value)

    def variables_rewritten(self) -> list[Variable]:
        """What a program compiles of it: of a model logp and dlogp, as PyMC makes them."""
        if self.kind != "model":
            return self.variables
        return [self.value.logp(), self.value.dlogp()]


def split(target: str) -> tuple[Path, str]:
    """File and name of ``FILE.py:NAME``."""
    path, colon, name = target.rpartition(":")
    # A colon may stand in a path; a name of the file ends with what Python calls a name.
    if colon and name.isidentifier() and path.endswith(".py"):
        return Path(path), name
    return Path(target), ""


def load(path: Path) -> ModuleType:
    """Import a file as a module, with its own folder first on the path.

    Raises
    ------
    FileError
        There is no such file, or it raises an exception.
    """
    if not path.is_file():
        raise FileError(f"there is no file {path}")
    path = path.absolute()
    # Under a name of its own: a file called random.py must not become everybody's `random`.
    spec = importlib.util.spec_from_file_location(f"_audited_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise FileError(f"{path} is no Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    folder = str(path.parent)
    sys.path.insert(0, folder)
    sys.modules[module.__name__] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        line = _line_in(error, path)
        reason = " ".join(str(error).split()) or "no message"
        raise FileError(
            f"{path.name}{line} does not import: {type(error).__name__}: {reason}"
        ) from error
    finally:
        # Its functions may import its neighbours later, but after what is installed.
        sys.path.remove(folder)
        sys.path.append(folder)
    return module


def _line_in(error: BaseException, path: Path) -> str:
    """The last line of the file in an error's trace."""
    lines = []
    trace = error.__traceback__
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename) == path:
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    if isinstance(error, SyntaxError) and error.lineno is not None:
        lines.append(error.lineno)
    return f":{lines[-1]}" if lines else ""


def offers(target: str) -> list[Offer]:
    """All that the file of ``FILE.py[:NAME]`` offers; with a name, that alone.

    Raises
    ------
    FileError
        The file does not import, has no such name, or that is nothing to look at.
    """
    path, name = split(target)
    module = load(path)
    if not name:
        found = [
            offer
            for key, value in vars(module).items()
            if not key.startswith("_") and (offer := _offer(key, value, module)) is not None
        ]
        if not found:
            named = ", ".join(f"{path}:{key}" for key in _names(module))
            raise FileError(
                f"{path} offers no PyMC model or PyTensor variable"
                + (f"; name a function: {named}" if named else " or function")
            )
        return _without_parts(found)
    if not hasattr(module, name):
        raise FileError(f"{path} has no {name}; it offers {', '.join(_names(module)) or 'nothing'}")
    value = getattr(module, name)
    if compiled_function(value) is not None:
        raise FileError(
            f"{name} is a compiled function, which has forgotten the graph that it was made from; "
            "name the variables"
        )
    if callable(value) and not isinstance(value, Variable) and not is_pymc_model(value):
        return [_called(name, value)]
    if isinstance(value, Variable) and value.owner is None:
        raise FileError(f"{name} is an input, of which there is nothing to audit")
    offer = _offer(name, value, module)
    if offer is None:
        raise FileError(
            f"{name} is a {type(value).__name__}; name a PyMC model, a PyTensor variable, a list "
            "of variables, or a function that returns one"
        )
    return [offer]


def _names(module: ModuleType) -> list[str]:
    """All that can be named, functions with parameters too."""
    return [
        key
        for key, value in vars(module).items()
        if not key.startswith("_")
        and (_offer(key, value, module) is not None or _is_own(value, module))
    ]


def _is_own(value: Any, module: ModuleType) -> bool:
    return inspect.isfunction(value) and value.__module__ == module.__name__


def _offer(name: str, value: Any, module: ModuleType) -> Offer | None:
    if is_pymc_model(value) and not isinstance(value, type):
        return Offer(name, "model", value)
    if isinstance(value, Variable) and value.owner is not None and is_real(value):
        return Offer(name, "variable", value)
    if isinstance(value, list | tuple) and value and all(isinstance(v, Variable) for v in value):
        return Offer(name, "variables", list(value))
    if _is_own(value, module) and not _required(value):
        return Offer(name, "function", value)
    return None


def _required(function: Any) -> list[str]:
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.default is p.empty and p.kind not in (2, 4)]


def _without_parts(found: list[Offer]) -> list[Offer]:
    """Models alone where there are any: their variables and helpers are parts of them."""
    models = [o for o in found if o.kind == "model"]
    graphs = [o for o in found if o.kind in ("variable", "variables")]
    return models or graphs or found


def _called(name: str, function: Any) -> Offer:
    """What a function returns for float64 scalars named after its parameters."""
    try:
        signature = inspect.signature(function)
        scalars = {parameter: pt.dscalar(parameter) for parameter in _required(function)}
        keywords = {k: v for k, v in scalars.items() if signature.parameters[k].kind == 3}
        value = function(*(v for k, v in scalars.items() if k not in keywords), **keywords)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise FileError(f"{name}() fails: {type(error).__name__}: {reason}") from error
    if is_pymc_model(value):
        return Offer(name, "model", value)
    variables = [value] if isinstance(value, Variable) else value
    if (
        not isinstance(variables, list | tuple)
        or not variables
        or not all(isinstance(v, Variable) and not isinstance(v, Constant) for v in variables)
    ):
        raise FileError(
            f"{name}() returns a {type(value).__name__}; it must return a PyMC model, a PyTensor "
            "variable or a list of variables"
        )
    return Offer(name, "variables", list(variables))


def pick(found: list[Offer], target: str) -> Offer | None:
    """The only offer, called if it is a function; None if there are several."""
    if len(found) > 1:
        return None
    (offer,) = found
    return _called(offer.name, offer.value) if offer.kind == "function" else offer
