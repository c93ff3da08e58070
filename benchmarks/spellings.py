"""Scoreboard: natural spellings in stock PyTensor and with our rules, worst error in ulps.

    python benchmarks/spellings.py [--list fresh] [--only REGEX] [--every N] [--failures]
        [--joint] [--quick] [--linker cvm] [--dtype float64] [--cache DIR] [--json FILE]

Each spelling of `spelling_list.py`, on which the rules were developed, or of four lists written
before any of theirs was measured: value, gradient and second derivative, each compiled alone and,
with --joint, all in one function with the sigmoids and their like as further outputs. Errors are in
ulps of the exact value (`measuring.py` says what near zeros); `cond` is the condition number at our
worst point. `lenient` is in ulps of `max(|f|, sum |x_i df/dx_i|)`, `goal` allows `1 + |t|` for a
result exp(t), whose rounded t costs |t|/2 ulp, `near` leaves out inputs beyond 700, and `beyond`
counts what is worse than a good stock by more than that.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

CACHE = os.environ.get("SPELLINGS_CACHE", os.path.abspath("build/spellings"))
# A folder of its own: no waiting for the lock of other programs that compile.
os.environ.setdefault("PYTENSOR_FLAGS", f"base_compiledir={CACHE}/compiled")

import argparse
import hashlib
import json
import logging
import pickle
import re
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytensor
from measuring import (
    Errors,
    Exact,
    Point,
    TooLong,
    allowances,
    condition,
    errors_of,
    exact_values,
    limited,
    only,
    text_of,
)
from pytensor.compile.mode import Mode, get_mode
from pytensor.printing import debugprint
from spelling_graphs import Graph, points_of
from spelling_list import SPELLINGS, Spelling
from spelling_list_fresh import LATER
from spelling_list_fresh import SPELLINGS as FRESH
from spelling_list_held_out import SPELLINGS as HELD_OUT
from spelling_list_natural import NATURAL

import pytensor_stabilize

FORMAT = 6  # of the cached files
LINKERS = ("cvm", "cvm_fused", "numba", "numba_strict", "jax")
GOOD, PASSES = 4.0, 8.0
LISTS = {"developed": SPELLINGS, "held-out": HELD_OUT, "fresh": FRESH, "later": LATER}
LISTS["natural"] = NATURAL
LISTS["both"] = SPELLINGS + HELD_OUT
SECONDS = 120  # to compile and call one function


@dataclass(frozen=True)
class Row:
    """One quantity of a spelling: worst errors of stock (0) and ours (1), and where ours is.

    Attributes
    ----------
    normal, lenient, near
        Worst errors where the truth is a normal float, in ulps of the lenient scale, and where no
        input is larger than 700.
    goal
        Worst errors divided by what the rounding of an exponent allows, `measuring.allowances`.
    worse
        Our worst error at points where stock is within 8 ulp and we are above the promise and
        more than 2 ulp above stock; and the point.
    beyond
        The same where we are above the promise for exp(t) as well.
    """

    quantity: str
    ulps: tuple[float, float]
    normal: tuple[float, float]
    lenient: tuple[float, float]
    goal: tuple[float, float]
    near: tuple[float, float]
    at: str
    condition: float
    worse: float = 0.0
    worse_at: str = ""
    beyond: float = 0.0


@dataclass
class Result:
    """The rows of one spelling, or why there are none."""

    spelling: Spelling
    rows: list[Row] = field(default_factory=list)
    problem: str = ""
    complaints: tuple[str, ...] = ()
    seconds: tuple[float, ...] = ()


@contextmanager
def complaints() -> Iterator[list[str]]:
    """What PyTensor's rewriting logs: rules that raised, passes that did not end."""
    logger, found = logging.getLogger("pytensor.graph.rewriting.basic"), list[str]()
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    propagated, logger.propagate = logger.propagate, False
    try:
        yield found
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagated


def mode_of(linker: str) -> Mode:
    if linker == "cvm":
        # Each operation is compiled once for all spellings, which takes a tenth of the time.
        return get_mode("CVM").excluding("fusion", "inplace")
    return get_mode(linker.partition("_")[0].upper())


def measure(
    graph: Graph, points: list[Point], exact: dict[str, Exact], linker: str, joint: bool
) -> dict[str, Errors | str]:
    """Errors of each quantity, compiled alone or all together; or why there are none."""
    names = list(graph.quantities)
    table: dict[str, Errors | str] = {}
    for group in [names] if joint else [[name] for name in names]:
        outputs = [graph.quantities[name] for name in group] + (graph.inside() if joint else [])
        try:
            with limited(SECONDS):
                function = pytensor.function(
                    graph.inputs, outputs, mode=mode_of(linker), on_unused_input="ignore"
                )
                values = call(function, points, graph.by_call)
        except TooLong:
            table |= dict.fromkeys(group, f"compiles longer than {SECONDS} s")
            continue
        # Whatever a linker or a rule raises is a result of this measurement.
        except Exception as error:
            problem = f"{type(error).__name__}: {str(error).strip().partition('\n')[0][:90]}"
            table |= dict.fromkeys(group, problem)
            continue
        for name, value in zip(group, values, strict=False):
            table[name] = errors_of(value, exact[name], flushes=linker == "jax")
    return table


def call(
    function: Callable[..., Sequence[Any]], points: list[Point], by_call: bool
) -> list[np.ndarray]:
    """Outputs of a compiled function, the points along the first axis of two."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if by_call:
            rows = [function(*point) for point in points]
            return [np.array([np.ravel(v) for v in column]) for column in zip(*rows, strict=True)]
        values = function(*(np.concatenate(column) for column in zip(*points, strict=True)))
        shape = (len(points),)
        return [np.broadcast_to(np.asarray(value), shape)[:, None] for value in values]


def cached(path: Path, make: Callable[[], Any]) -> Any:
    """What was pickled at a path, or else is made now."""
    if path.exists():
        return pickle.loads(path.read_bytes())
    made = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_bytes(pickle.dumps(made))
    temporary.replace(path)
    return made


def board(spelling: Spelling, options: argparse.Namespace) -> Result:
    """The rows of one spelling."""
    warnings.simplefilter("ignore")
    try:
        with pytensor.config.change_flags(floatX=options.dtype):
            return measured(spelling, options)
    # One spelling that cannot be built or has no truth must not end the run.
    except Exception as error:
        return Result(spelling, problem=f"{type(error).__name__}: {error}")


def measured(spelling: Spelling, options: argparse.Namespace) -> Result:
    graph = Graph(spelling, options.dtype, options.quick)
    points = points_of(spelling, options.dtype)
    text = debugprint(graph.quantities["value"], file="str", print_type=True)
    raw = b"".join(column.tobytes() for point in points for column in point)
    parts = (FORMAT, text, version("pytensor"), options.dtype, options.quick)
    key = hashlib.sha256(repr(parts).encode() + raw).hexdigest()[:24]
    folder, seconds = Path(options.cache), [time.time()]

    def exact_now() -> dict[str, Exact]:
        graph = Graph(spelling, options.dtype, options.quick, scalar=True)
        flat = [[c[0] for c in point] for point in points] if graph.scalars else points
        return exact_values(
            graph.quantities, graph.inputs, graph.wrt, flat, scales=not graph.by_call
        )

    exact = cached(folder / "truth" / key, exact_now)
    seconds.append(time.time())
    backend = {"numba": "numba", "jax": "jax"}.get(options.linker.partition("_")[0], "numpy")
    rows, said = list[Row](), list[str]()
    with pytensor.config.change_flags(numba__fastmath=options.linker != "numba_strict"):
        for joint in options.joint:

            def now(joint: bool = joint) -> dict[str, Errors | str]:
                return measure(graph, points, exact, options.linker, joint)

            how = f"{options.linker}-{version(backend)}{'-joint' if joint else ''}"
            with pytensor_stabilize.excluding("all"), complaints():
                before = cached(folder / f"stock-{how}" / key, now)
            seconds.append(time.time())
            with complaints() as found:
                after = now()
            said += found
            for name, ours in after.items():
                both = (only(errors, points, options.within) for errors in (before[name], ours))
                named = f"joint {name}" if joint else name
                rows.append(row_of(named, *both, exact[name], points))
            seconds.append(time.time())
    spent = tuple(np.diff(seconds).round(2).tolist())
    return Result(spelling, rows, complaints=tuple(dict.fromkeys(said)), seconds=spent)


def row_of(
    name: str, before: Errors | str, after: Errors | str, exact: Exact, points: list[Point]
) -> Row:
    """The row of a quantity; what could not be compiled is wrong everywhere."""
    nothing = Errors(*[np.where(exact.known, np.inf, 0.0)] * 2)
    stock, ours = (nothing if isinstance(errors, str) else errors for errors in (before, after))
    row = ours.worst[0]
    normal = np.abs(exact.value) >= np.finfo(exact.value.dtype).tiny
    allowed = allowances(exact, points)
    near = np.array([[max(np.max(np.abs(column)) for column in point) <= 700] for point in points])
    right = stock.strict <= PASSES
    worse, beyond = (
        np.where(right & (ours.strict > np.maximum(promise, stock.strict + 2)), ours.strict, 0.0)
        for promise in (GOOD, GOOD * allowed)
    )
    return Row(
        name,
        *(
            tuple(float(np.max(measure(errors))) for errors in (stock, ours))
            for measure in (
                lambda errors: errors.strict,
                lambda errors: np.where(normal, errors.strict, 0.0),
                lambda errors: errors.lenient,
                lambda errors: errors.strict / allowed,
                lambda errors: np.where(near, errors.strict, 0.0),
            )
        ),
        after if isinstance(after, str) else text_of(points[row]),
        condition(exact, row),
        float(np.max(worse)),
        text_of(points[int(np.argmax(worse.max(axis=1)))]) if worse.any() else "",
        float(np.max(beyond)),
    )


def number(error: float) -> str:
    return f"{error:.2g}" if error < 1000 else f"{error:.0e}"


def failures(rows: list[Row]) -> list[Row]:
    """Rows above the promise; joint ones only where the quantity alone keeps it."""
    above = {row.quantity for row in rows if row.ulps[1] > GOOD}
    return [
        row
        for row in rows
        if row.quantity in above
        and (not row.quantity.startswith("joint ") or row.quantity[len("joint ") :] not in above)
    ]


def show(results: list[Result], options: argparse.Namespace) -> None:
    choose = failures if options.failures else list
    shown = [(r.spelling.text, row) for r in results for row in choose(r.rows)]
    shown.sort(key=lambda pair: -pair[1].ulps[1])
    line = "{:58s} {:12s} {:>7s} {:>7s} {:>7s} {:>7s} {:>7s} {:>7s} {:>7s}  {}"
    titles = ("spelling", "quantity", "stock", "ours", "normal", "lenient", "near", "goal", "cond")
    titles += ("ours worst at",)
    if options.regressions:
        shown = sorted((p for p in shown if p[1].worse), key=lambda pair: -pair[1].worse)
        titles = (*titles[:3], "worse", *titles[4:9], "worse at, where stock is right")
    print(line.format(*titles))
    for text, row in shown[: options.top]:
        error, at = (row.worse, row.worse_at) if options.regressions else (row.ulps[1], row.at)
        figures = (row.ulps[0], error, row.normal[1], row.lenient[1], row.near[1], row.goal[1])
        figures += (row.condition,)
        print(line.format(text, row.quantity, *map(number, figures), at))
    totals(results)
    for result in results:
        if result.problem:
            print(f"PROBLEM {result.spelling.text}: {result.problem[:300]}")
        for complaint in result.complaints:
            # Of a rule that raised: the last line of the traceback; the node says little.
            if not complaint.startswith(("node:", "TRACEBACK", "Rewrite failure")):
                print(f"REWRITING {result.spelling.text}: {complaint.strip().splitlines()[-1]}")
    if options.timing:
        print("\nseconds for truth, stock, ours")
        for result in sorted(results, key=lambda result: -sum(result.seconds))[:15]:
            print(result.spelling.text, *result.seconds)
    if options.json:
        table = [asdict(result.spelling) | asdict(row) for result in results for row in result.rows]
        options.json.write_text(json.dumps(table, indent=1))


def totals(results: list[Result]) -> None:
    """How many quantities keep the promise, by group: stock before the slash, ours after."""
    line = "{:20s} {:>5s}" + " {:>12s}" * 6 + " {:>6s} {:>7s}"
    print("\nquantities within so many ulp, stock / ours")
    titles = ("group", "all", "4", "8", "4, normal", "4, lenient", "goal", "4, near")
    print(line.format(*titles, "worse", "beyond"))
    for group in [*dict.fromkeys(result.spelling.group for result in results), "all"]:
        rows = [row for r in results if group in ("all", r.spelling.group) for row in r.rows]
        cells = []
        for kind, limit in (
            ("ulps", GOOD),
            ("ulps", PASSES),
            ("normal", GOOD),
            ("lenient", GOOD),
            ("goal", GOOD),
            ("near", GOOD),
        ):
            counts = [sum(getattr(row, kind)[who] <= limit for row in rows) for who in (0, 1)]
            cells.append(f"{counts[0]} / {counts[1]}")
        worse = [str(sum(getattr(row, kind) > 0 for row in rows)) for kind in ("worse", "beyond")]
        print(line.format(group, str(len(rows)), *cells, *worse))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="regex on 'group: spelling'")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="one spelling in N")
    parser.add_argument("--list", default="developed", choices=LISTS)
    parser.add_argument("--dtype", default="float64", choices=("float64", "float32"))
    parser.add_argument("--linker", default="cvm", choices=LINKERS, help="cvm is without fusion")
    both = parser.add_mutually_exclusive_group()
    both.add_argument("--joint", action="store_true", help="also all in one function")
    both.add_argument("--joint-only", action="store_true")
    parser.add_argument("--failures", action="store_true", help="rows where ours exceeds 4 ulp")
    parser.add_argument("--regressions", action="store_true", help="rows worse than a good stock")
    parser.add_argument("--top", type=int, help="at most so many rows")
    parser.add_argument(
        "--within",
        type=float,
        default=np.inf,
        metavar="X",
        help="only points with inputs up to X in size, and 0 or no smaller than 1e-6",
    )
    parser.add_argument("--quick", action="store_true", help="no second derivatives")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--cache", default=CACHE)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--timing", action="store_true", help="the slowest spellings")
    options = parser.parse_args()
    options.joint = (False, True) if options.joint else (options.joint_only,)
    return options


def main() -> None:
    options, start = parse(), time.time()
    chosen = [
        s
        for s in LISTS[options.list]
        if not options.only or re.search(options.only, f"{s.group}: {s.text}")
    ][:: options.every]
    if options.workers > 1 and len(chosen) > 4:
        with ProcessPoolExecutor(options.workers) as pool:
            results = list(pool.map(board, chosen, [options] * len(chosen), chunksize=4))
    else:
        results = [board(spelling, options) for spelling in chosen]
    show(results, options)
    seconds = time.time() - start
    print(f"{len(chosen)} spellings, {options.dtype}, {options.linker}, {seconds:.0f} s")


if __name__ == "__main__":
    main()
