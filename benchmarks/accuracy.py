"""Worst error in ulps, stock against ours, as Markdown tables.

    python benchmarks/accuracy.py [--points 2001]     # sigmoid and its derivative, for the README
    python benchmarks/accuracy.py --page [--only REGEX] [--points 2001] [--torch-python PATH]
                                                      # docs/accuracy.md
    python benchmarks/accuracy.py --check [--only REGEX] [--linker NAME] [--points 60]

The page has all functions of `accuracy_family.py` with their first and second derivatives, and
JAX's and PyTorch's own beside them, PyTorch's on another Python where the option or TORCH_PYTHON
names one that has it; with --only the other functions' tables stay as they are.
--check measures a part of the same points again and fails if ours is worse than what is published
by more than 1 ulp, or than its reasons allow.  `graphs.truth` gives the exact values and
`graphs.ulp_error` the errors.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import argparse
import re
import sys
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial

import numpy as np
import pytensor
import pytensor.tensor as pt
from accuracy_causes import NOT_EXPLAINED, reason
from accuracy_family import FAMILY, LIMITS, Member, jax_functions, points
from accuracy_page import (
    LINKERS,
    PAGE,
    Figure,
    Reasons,
    Rows,
    page,
    published,
    reasons,
    reasons_of,
    section,
    sections,
    title_of,
    ulps_text,
)
from measuring import Exact, Point, derivative, errors_of, exact_values, text_of
from pytensor.compile.mode import get_mode
from pytensor.graph.basic import Constant
from pytensor.graph.replace import clone_replace
from pytensor.graph.traversal import ancestors
from spelling_graphs import Graph
from spelling_list import WRT, Spelling
from torch_side import Worker, add_option, chosen, worker_here
from versions import versions

import pytensor_stabilize
from pytensor_stabilize.graphs import truth, ulp_error
from pytensor_stabilize.graphs.ulps import spacing

POINTS = 2001
# How much worse than published a figure may be on another processor.
MARGIN = 1.0


def graph_of(member: Member, dtype: str, text: str = "", scalar: bool = False) -> Graph:
    """The member's graph, with the mixed second derivative where it has two arguments."""
    kind = "pairs" if member.points == "ordered" else member.points
    spelling = Spelling(text or member.text, "", kind, WRT.get(kind, ("x",)))
    graph = Graph(spelling, dtype, quick=False, scalar=scalar)
    if kind == "pairs":
        graph.quantities["dab"] = derivative(graph.quantities["da"], graph.wrt[1])
    return graph


def exact_of(
    member: Member, dtype: str, columns: list[np.ndarray], text: str = ""
) -> dict[str, Exact]:
    graph = graph_of(member, dtype, text, scalar=True)
    quantities = {name: with_exact_slope(graph.quantities[name]) for name in graph.quantities}
    return exact_values(quantities, graph.inputs, graph.wrt, list(zip(*columns, strict=True)))


def with_exact_slope(derivative: pt.TensorVariable) -> pt.TensorVariable:
    """A derivative with the exact 2 / sqrt(pi), where PyTensor has a float in that of erf."""
    floats = [
        variable
        for variable in ancestors([derivative])
        if isinstance(variable, Constant)
        and variable.type.dtype in LIMITS
        and variable.type.ndim == 0
        and variable.data == np.asarray(2 / np.sqrt(np.pi), variable.type.dtype)
    ]
    half = pt.constant(0.5, dtype=derivative.type.dtype)
    exact = {number: (2 / pt.gamma(half)).astype(number.type.dtype) for number in floats}
    return clone_replace(derivative, exact) if exact else derivative


def figure(
    function: Callable[..., np.ndarray],
    exact: Exact,
    columns: list[np.ndarray],
    what: str = "",
    margin: float = 0.0,
) -> Figure:
    """Worst error where the truth is a normal float, and the reason if `what` asks for one."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = np.asarray(function(*columns))
    errors = errors_of(np.broadcast_to(values, columns[0].shape)[:, None], exact).strict
    errors[np.abs(exact.value) < np.finfo(exact.value.dtype).tiny] = 0.0
    row = int(np.argmax(errors))
    at: Point = [np.atleast_1d(column[row]) for column in columns]
    why = ""
    if what:
        scale = np.fmax(exact.strict, np.abs(exact.value)).astype(exact.value.dtype)
        why = reason(what, errors[:, 0], spacing(scale)[:, 0], columns, margin)
    return Figure(float(errors.max()), text_of(at), why)


def compiled(
    inputs: list[pt.TensorVariable], graph: pt.TensorVariable, linker: str, stock: bool
) -> Callable[..., np.ndarray]:
    name, _, without = linker.partition(", ")
    with pytensor.config.change_flags(numba__fastmath=not without):
        mode = get_mode(name.upper())
        if not stock:
            return pytensor.function(inputs, graph, mode=mode, on_unused_input="ignore")
        with pytensor_stabilize.excluding("all"):
            return pytensor.function(inputs, graph, mode=mode, on_unused_input="ignore")


def measured(
    member: Member,
    linkers: Iterable[str],
    count: int,
    every: int = 1,
    full: bool = True,
    torch_python: str | None = None,
) -> Rows:
    """The rows of one function.

    Parameters
    ----------
    every
        Take one point in so many.
    full
        Measure stock, JAX and PyTorch too.
    torch_python
        An interpreter that has PyTorch.
    """
    warnings.simplefilter("ignore")
    rows: Rows = {}
    for dtype in LIMITS:
        columns = [column[::every] for column in points(member.points, dtype, count)]
        with pytensor.config.change_flags(floatX=dtype):
            rows |= ours_and_stock(member, dtype, columns, linkers, full)
            if full:
                for name, cells in others(member, dtype, columns, torch_python).items():
                    rows[name] |= cells
    return rows


def ours_and_stock(
    member: Member, dtype: str, columns: list[np.ndarray], linkers: Iterable[str], full: bool
) -> Rows:
    graph, exact = graph_of(member, dtype), exact_of(member, dtype, columns)
    rows: Rows = {}
    for name, variable in graph.quantities.items():
        cells = rows[name, dtype] = {}
        for linker in linkers:
            ours = compiled(graph.inputs, variable, linker, stock=False)
            before = Figure(np.nan, "")
            if full:
                function = compiled(graph.inputs, variable, linker, stock=True)
                before = figure(function, exact[name], columns)
            what = f"{member.name}, {title_of(name)}, {dtype}, {linker}"
            margin = 0.0 if full else MARGIN
            cells[linker] = (before, figure(ours, exact[name], columns, what, margin))
    return rows


def others(member: Member, dtype: str, columns: list[np.ndarray], torch_python: str | None) -> Rows:
    """JAX and PyTorch, where they are installed."""
    exact = exact_of(member, dtype, columns, member.exact)
    rows: Rows = {(name, dtype): {} for name in exact}
    names = "".join(str(variable.name) for variable in graph_of(member, dtype).inputs)
    makers: dict[str, Callable] = {"JAX itself": jax_functions}
    if torch_python is not None:
        makers["PyTorch"] = worker_here(torch_python).functions
    for title, make in makers.items():
        try:
            functions = make(member, names, list(exact))
        except ImportError:
            continue
        for function, (name, values) in zip(functions, exact.items(), strict=True):
            # PyTorch cannot differentiate some of its derivatives again.
            with suppress(NotImplementedError, RuntimeError):
                rows[name, dtype][title] = figure(function, values, columns)
    return rows


def check(members: list[Member], linkers: list[str], count: int) -> int:
    """Measure again; the number of figures that are worse than what is published."""
    tables = sections(PAGE.read_text())
    worse = 0
    for member in members:
        if member.name not in tables:
            print(f"docs/accuracy.md has no table of {member.name}: run accuracy.py --page.")
            worse += 1
            continue
        before = published(tables[member.name])
        rows = measured(member, linkers, POINTS, every=max(1, POINTS // count), full=False)
        for (quantity, dtype), cells in rows.items():
            for linker, (_, ours) in cells.items():
                allowed = before.get((title_of(quantity), dtype, linker), 0.0)
                # The page rounds to three digits.
                if not ours.ulps <= allowed * 1.01 + MARGIN:
                    print(
                        f"{member.name}, {title_of(quantity)}, {dtype}, {linker}: {ours}, "
                        f"published are {ulps_text(allowed)} ulp."
                    )
                    worse += 1
                elif ours.why == NOT_EXPLAINED:
                    print(
                        f"{member.name}, {title_of(quantity)}, {dtype}, {linker}: the reasons for "
                        f"{ours} do not explain it."
                    )
                    worse += 1
    print(
        f"{len(members)} functions on {', '.join(linkers)}: "
        + (f"{worse} figures are worse than docs/accuracy.md says." if worse else "as published.")
    )
    return worse


def table_of(member: Member, count: int, torch_python: str | None) -> tuple[str, Reasons]:
    rows = measured(member, LINKERS, count, torch_python=torch_python)
    return section(member.name, member.text, rows), reasons_of(member.name, rows)


def write_page(members: list[Member], count: int, workers: int, torch: Worker | None) -> None:
    """Measure functions and put their tables on the page, each when it is done; others stay."""
    before = PAGE.read_text() if PAGE.exists() else ""
    tables, whys = sections(before), reasons(before)
    python, more = (torch.python, [torch.version]) if torch else (None, [])
    with ProcessPoolExecutor(workers) as pool:
        made = pool.map(partial(table_of, count=count, torch_python=python), members)
        for member, (table, new) in zip(members, made, strict=True):
            tables[member.name] = table
            whys |= new
            present = {m.name: tables[m.name] for m in FAMILY if m.name in tables}
            PAGE.write_text(page(present, whys, versions(*more)))
            print(member.name, flush=True)


def readme(count: int) -> None:
    """The README's table: the sigmoid and its derivative."""
    print(versions(), "\n")
    print("| quantity | dtype | linker | stock, ulps | at x | ours, ulps | at x |")
    print("|---|---|---|---|---|---|---|")
    for derived in (False, True):
        for dtype, limit in {"float64": 708.0, "float32": 87.0}.items():
            near = np.logspace(-20, 0, count // 8)
            x = np.concatenate([np.linspace(-limit, limit, count), near, -near]).astype(dtype)
            u = pt.vector("u", dtype=dtype)
            s = pt.sigmoid(u)
            graph = pt.grad(s.sum(), u) if derived else s
            exact = truth(graph, {u: x})
            for linker in LINKERS:
                cells = []
                for stock in (True, False):
                    function = compiled([u], graph, linker, stock)
                    errors = ulp_error(np.asarray(function(x)), exact)
                    index = int(np.argmax(errors))
                    error = errors[index]
                    cells += [f"{error:.2g}" if error < 1e4 else f"{error:.1e}", f"{x[index]:.4g}"]
                name = "sigmoid'" if derived else "sigmoid"
                print(f"| {name} | {dtype} | {linker} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, help=f"default {POINTS}; of --check 60")
    parser.add_argument("--page", action="store_true", help="write docs/accuracy.md")
    parser.add_argument("--check", action="store_true", help="measure again and compare")
    parser.add_argument("--only", default="", help="regex on the functions' names")
    parser.add_argument("--linker", action="append", choices=LINKERS, help="for --check")
    parser.add_argument("--workers", type=int, default=2)
    add_option(parser)
    options = parser.parse_args()
    members = [member for member in FAMILY if re.search(options.only, member.name)]
    if options.page:
        torch = chosen(parser, options)
        write_page(members, options.points or POINTS, options.workers, torch)
    elif options.check:
        sys.exit(min(1, check(members, options.linker or list(LINKERS), options.points or 60)))
    else:
        readme(options.points or POINTS)


if __name__ == "__main__":
    main()
