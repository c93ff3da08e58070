"""Speed side by side in one run: stock PyTensor, this package, JAX, PyTorch, NumPy, SciPy.

Prints Markdown tables of nanoseconds an element (medians of CPU time on one core; the timed calls
are interleaved), of peak memory, and of whole models, and draws time by size.

    python benchmarks/speed.py [--sizes 1000 100000 10000000] [--only REGEX] [--repeats 9]
        [--dtypes float64 float32] [--picture docs/figures/speed.png] [--no-models] [--no-memory]
        [--torch-python PATH]

PyTorch is timed in a process of another Python where one is named that has it, by the option or by
TORCH_PYTHON in the environment.  The timed calls stay interleaved, each process counts its own
time, and a side that computes something else than ours ends the run.
"""

import argparse
import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"
# XLA takes as many threads as there are cores to run on.
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import gc
import re
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import numpy as np
from measured_time import interleaved
from speed_candidates import HAS_JAX, agree, candidates, yardsticks
from speed_quantities import QUANTITIES
from torch_side import Worker, add_option, chosen
from versions import versions

PYTORCH = ("PyTorch, compiled", "PyTorch, eager")
COLUMNS = (
    *("stock", "two sigmoids", "ours", "stock, C", "ours, C", "JAX"),
    *(*PYTORCH, "NumPy exp", "SciPy expit", "copy"),
)
DTYPES = ("float64", "float32")
DRAWN = ("stock", "ours", "JAX", "NumPy exp", "copy")
PICTURE_SIZES = tuple(int(10**power) for power in np.arange(2, 7.01, 0.5))
LARGE = 10_000_000
STATUS = Path("/proc/self/status")


def arrays(n: int, dtype: str) -> tuple[np.ndarray, ...]:
    """Log odds of both signs, outcomes, and a direction."""
    rng = np.random.default_rng(0)
    columns = rng.normal(scale=5, size=n), rng.random(n) < 0.5, rng.normal(size=n)
    return tuple(column.astype(dtype) for column in columns)


def measure(
    quantity: str, n: int, dtype: str, repeats: int, torch: Worker | None = None
) -> dict[str, float]:
    given = arrays(n, dtype)
    calls = dict(candidates(quantity, given))
    results, elsewhere = torch.prepared(quantity, given) if torch else ({}, {})
    reference = calls["ours"]()
    here = ((name, call()) for name, call in calls.items())
    for name, result in chain(here, results.items()):
        if not agree(result, reference):
            raise SystemExit(f"{name} computes something else: {quantity}, {dtype}, n = {n:.0e}.")
    return interleaved(calls | yardsticks(given[0]), n, repeats, elsewhere)


def cells(times: dict[str, float], columns: list[str]) -> str:
    return " | ".join(f"{times[name]:.2f}" if name in times else "" for name in columns)


def speed_table(options: argparse.Namespace, quantities: list[str], torch: Worker | None) -> None:
    columns: list[str] = []
    for dtype in options.dtypes:
        for quantity in quantities:
            for n in options.sizes:
                times = measure(quantity, n, dtype, options.repeats, torch)
                if not columns:
                    always = {*times, "two sigmoids", *(PYTORCH if torch else ())}
                    columns = [name for name in COLUMNS if name in always]
                    print("\nNanoseconds an element; the last columns are ratios.\n")
                    heads = " | ".join(columns)
                    print(f"| quantity | dtype | n | {heads} | stock / ours | ours / NumPy exp |")
                    print("|---" * (len(columns) + 5) + "|")
                print(
                    f"| {quantity} | {dtype} | {n:.0e} | {cells(times, columns)} | "
                    f"{times['stock'] / times['ours']:.1f} | "
                    f"{times['ours'] / times['NumPy exp']:.2f} |",
                    flush=True,
                )
    if torch and torch.notes:
        print("\n" + "\n".join(dict.fromkeys(torch.notes)))


def peak(call: Callable[[], object]) -> int:
    """Bytes that a call has resident at its height, beyond what there was before it."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    result = call()
    height = resident("VmHWM") - before
    del result
    return height


def resident(field: str) -> int:
    match = re.search(rf"^{field}:\s+(\d+) kB", STATUS.read_text(), re.M)
    assert match is not None
    return 1024 * int(match[1])


def memory_table(quantities: list[str]) -> None:
    """Peak memory in arrays of the input's size: the outputs are at least that."""
    if not STATUS.exists():
        return
    names = ("stock", "ours", "JAX")
    print("\n| quantity, float64, n = 1e7: peak beyond the inputs, in arrays of n |", end="")
    print("".join(f" {name} |" for name in names))
    print("|---" * (len(names) + 1) + "|")
    given = arrays(LARGE, "float64")
    for quantity in quantities:
        calls = {name: call for name, call in candidates(quantity, given) if name in names}
        for call in calls.values():
            call()
        found = {name: peak(call) / given[0].nbytes for name, call in calls.items()}
        print(f"| {quantity} | {cells(found, list(names))} |", flush=True)


def picture(path: Path, repeats: int) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    measured = [measure("sigmoid'", n, "float64", repeats) for n in PICTURE_SIZES]
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for name in DRAWN:
        if name in measured[0]:
            axes.loglog(PICTURE_SIZES, [row[name] for row in measured], marker="o", label=name)
    axes.set(xlabel="elements", ylabel="ns an element")
    axes.set_title("Derivative of the sigmoid, float64, one core", loc="left")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not positive")
    return number


def matching(pattern: str) -> list[str]:
    try:
        quantities = [quantity for quantity in QUANTITIES if re.search(pattern, quantity)]
    except re.error as error:
        raise argparse.ArgumentTypeError(f"not a regular expression: {error}") from None
    if not quantities:
        raise argparse.ArgumentTypeError(f"no quantity matches: {', '.join(QUANTITIES)}")
    return quantities


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=positive, nargs="+", default=[1000, 100_000, LARGE])
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES)
    parser.add_argument("--only", type=matching, default="", help="quantities that match")
    parser.add_argument("--repeats", type=positive, default=9)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--no-models", action="store_true")
    parser.add_argument("--no-memory", action="store_true")
    add_option(parser)
    options = parser.parse_args()
    torch = chosen(parser, options)
    quantities = options.only
    print(f"{versions(*([torch.version] if torch else []))}; one core, medians of CPU time")
    missing = [name for name, there in {"JAX": HAS_JAX, "PyTorch": torch}.items() if not there]
    if missing:
        print(f"\nNot installed, and without a column: {', '.join(missing)}.")
    speed_table(options, quantities, torch)
    if not options.no_memory:
        memory_table(quantities)
    if not options.no_models:
        from speed_models import table

        table(options.repeats)
    if options.picture:
        picture(options.picture, options.repeats)


if __name__ == "__main__":
    main()
