"""Compile time of the demo's model: ours against stock, interleaved in one run.

Compiles logp and dlogp of the demo's model again and again and prints the medians of the seconds
and their ratio, with the versions.  The numba cache on disk is warm after the first pair, which
is not counted.

    python benchmarks/compile_time.py [--repeats 5]
"""

import argparse
import gc
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from statistics import median

from versions import versions

import pytensor_stabilize

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
from demo import build_model


def seconds(context) -> float:
    """Seconds to build and compile logp and dlogp, the first call included.

    The garbage collector is kept out: one of its full passes takes as long as half a compilation,
    and in a regular alternation it falls on the same side again and again.
    """
    gc.collect()
    gc.disable()
    begin = time.perf_counter()
    with context:
        model = build_model()
        point = model.initial_point()
        model.compile_logp()(point)
        model.compile_dlogp()(point)
    elapsed = time.perf_counter() - begin
    gc.enable()
    return elapsed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    samples: dict[str, list[float]] = {"stock": [], "ours": []}
    for repeat in range(options.repeats + 1):
        for name in samples:
            context = pytensor_stabilize.excluding("all") if name == "stock" else nullcontext()
            elapsed = seconds(context)
            if repeat:
                samples[name].append(elapsed)
    stock, ours = median(samples["stock"]), median(samples["ours"])
    print(versions())
    print(
        f"stock {stock:.3f} s, ours {ours:.3f} s, ratio {ours / stock:.3f}, {ours - stock:+.3f} s"
    )


if __name__ == "__main__":
    main()
