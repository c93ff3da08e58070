"""PyTensor's inside is used in `rewrites/internals` alone."""

import ast
import builtins
import types
from pathlib import Path

import pytest

import pytensor_stabilize

ROOT = Path(pytensor_stabilize.__file__).parent
INSIDE = ROOT / "rewrites" / "internals"
MODULES = ("pytensor.link", "pytensor.tensor.rewriting", "pytensor.compile.executor")
# No page of the manual shows them, and they have moved before.
UNDOCUMENTED = {
    "EquilibriumGraphRewriter",
    "FinalizedOpFromGraph",
    "IfElse",
    "equilibrium",
    "get_active_mode",
}
ATTRIBUTES = ("getattr", "hasattr", "setattr", "delattr")
# What Python itself, its data classes and its named tuples have.
PYTHONS = {"_replace", "_asdict", "_fields", "_getframe", "__file__", "__subclasses__"}
PYTHONS |= {
    name
    for kind in (object, type, list, dict, float, Exception, types.FunctionType, types.ModuleType)
    for name in dir(kind)
}
PYTHONS |= set(dir(builtins)) | {"__version__", "__all__", "__name__", "__traceback__"}
FILES = sorted(
    path
    for folder in ("rewrites", "graphs")
    for path in (ROOT / folder).rglob("*.py")
    if INSIDE not in path.parents
)


def own_names(trees: list[ast.Module]) -> set[str]:
    """Underscored names that this package itself defines."""
    found = set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in ("self", "cls"):
                found.add(node.attr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


TREES = {path: ast.parse(path.read_text()) for path in FILES}
OWN = own_names(list(TREES.values()))


def uses_of_the_inside(tree: ast.Module) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names = {alias.name for alias in node.names}
            theirs = module.partition(".")[0] == "pytensor"
            if theirs and (
                any(f"{module}.{name}".startswith(MODULES) for name in names)
                or names & UNDOCUMENTED
                or any(name.startswith("_") for name in names)
            ):
                found.append(f"from {module} import {', '.join(sorted(names))}")
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.startswith(MODULES)]
        elif isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            if node.attr not in OWN | PYTHONS:
                found.append(f".{node.attr}")
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ATTRIBUTES:
            name = node.args[1]
            if isinstance(name, ast.Constant) and str(name.value).startswith("_"):
                found += [f".{name.value}"] if name.value not in OWN | PYTHONS else []
    return found


# Not PyTensor's: argparse's and numba's objects have none here, and PyMC's wrapper of a function
# keeps it under this name.
ALLOWED = {"graphs/graphlike.py": ["._pytensor_function"]}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_inside_is_used_in_one_place(path):
    allowed = ALLOWED.get(str(path.relative_to(ROOT)), [])
    assert [use for use in uses_of_the_inside(TREES[path]) if use not in allowed] == []


@pytest.mark.parametrize(
    "text",
    [
        "from pytensor.link.vm import VMLinker",
        "import pytensor.link.numba.cache",
        "from pytensor.tensor.rewriting import basic",
        "from pytensor.compile import executor",
        "from pytensor.graph.replace import _vectorize_node",
        "from pytensor.graph.rewriting.basic import get_active_mode",
        "database.__db__",
        "fgraph._compile_mode = mode",
        "getattr(mode, '_optimizer')",
    ],
)
def test_a_use_is_seen(text):
    assert uses_of_the_inside(ast.parse(text))


def test_the_inside_is_all_used():
    """What nothing takes any more goes."""
    texts = [path.read_text() for path in FILES]
    for module in INSIDE.glob("*.py"):
        (names,) = (
            ast.literal_eval(node.value)
            for node in ast.parse(module.read_text()).body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        )
        assert [name for name in names if not any(name in text for text in texts)] == []
