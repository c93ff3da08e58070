"""Compile time, ours against stock, interleaved in one run, as a Markdown table.

    python benchmarks/compile_time.py [--repeats 5] [--terms 10 100 380] [--cold 1]

Models: logp and gradient are built, compiled and called once, numba's cache on disk warm; with
``--cold`` also in a process of its own with an empty cache, as the first time on a machine.
Terms: only the rewriting, of a sum of so many cross entropies and its gradient.
"""

import argparse
import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median
from tempfile import TemporaryDirectory

from compile_models import MODELS, compile_model, graph_of_terms, rewrite
from sides import SIDES, on_side
from versions import versions


def seconds(work: Callable[[], None]) -> float:
    """Seconds of one run.

    The garbage collector is kept out: one of its full passes takes as long as half a compilation,
    and in a regular alternation it falls on the same side again and again.
    """
    gc.collect()
    gc.disable()
    begin = time.perf_counter()
    work()
    elapsed = time.perf_counter() - begin
    gc.enable()
    return elapsed


def in_turn(measure: Callable[[str], float], repeats: int, warm_up: bool) -> str:
    """Measure stock and ours in turn; the rest of a row of the table."""
    samples: dict[str, list[float]] = {side: [] for side in SIDES}
    for repeat in range(repeats + warm_up):
        for side, found in samples.items():
            elapsed = measure(side)
            if repeat >= warm_up:
                found.append(elapsed)
    stock, ours = median(samples["stock"]), median(samples["ours"])
    return f"{stock:.2f} | {ours:.2f} | {ours / stock:.2f} | {ours - stock:+.2f} |"


def here(work: Callable[[], None]) -> Callable[[str], float]:
    def measure(side: str) -> float:
        with on_side(side):
            return seconds(work)

    return measure


def rewriting(count: int) -> Callable[[str], float]:
    """Measure the rewriting alone of a graph of so many terms."""

    def measure(side: str) -> float:
        graph = graph_of_terms(count)
        with on_side(side):
            return seconds(lambda: rewrite(graph))

    return measure


def in_new_process(name: str) -> Callable[[str], float]:
    """Measure in a process of its own, without any cache on disk."""

    def measure(side: str) -> float:
        with TemporaryDirectory() as folder:
            flags = f"{os.environ.get('PYTENSOR_FLAGS', '')},base_compiledir={folder}".strip(",")
            command = [sys.executable, __file__, "--once", side, name]
            environment = os.environ | {"PYTENSOR_FLAGS": flags}
            done = subprocess.run(
                command, env=environment, stdout=subprocess.PIPE, text=True, check=True
            )
        return float(done.stdout)

    return measure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="of each row (default 5)")
    parser.add_argument("--terms", type=int, nargs="*", default=[10, 100, 380], metavar="N")
    parser.add_argument("--cold", type=int, default=0, metavar="N", help="runs without a cache")
    parser.add_argument("--once", nargs=2, metavar=("SIDE", "MODEL"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        side, name = options.once
        with on_side(side):
            print(seconds(lambda: compile_model(name)))
        return
    print(f"{versions()}\n")
    print("| seconds | stock | ours | ratio | difference |\n|---|---|---|---|---|")
    for name in MODELS:
        row = in_turn(here(lambda name=name: compile_model(name)), options.repeats, True)
        print(f"| {name} | {row}", flush=True)
        if options.cold:
            row = in_turn(in_new_process(name), options.cold, False)
            print(f"| ... without a cache | {row}", flush=True)
    for count in options.terms:
        nodes = len(graph_of_terms(count).apply_nodes)
        repeats = options.repeats if nodes < 5000 else max(1, options.repeats // 3)
        row = in_turn(rewriting(count), repeats, nodes < 5000)
        print(f"| rewriting alone, {count:,} terms, {nodes:,} nodes | {row}", flush=True)


if __name__ == "__main__":
    main()
