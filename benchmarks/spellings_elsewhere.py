"""The scoreboard of `spellings.py` under other linkers and in float32, on a sample, as a table.

    python benchmarks/spellings_elsewhere.py [--every 6] [--list both]

The whole list takes hours under the linkers that compile; each run counts quantities, stock and
ours, within 4 ulp and within the goal, and those that are worse than a good stock beyond that.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

from versions import versions

BOARD = Path(__file__).with_name("spellings.py")
RUNS = (
    ("cvm", "float64"),
    ("numba", "float64"),
    ("numba_strict", "float64"),
    ("jax", "float64"),
    ("cvm", "float32"),
    ("numba", "float32"),
    ("jax", "float32"),
)
COLUMNS = ("4", "goal", "beyond")


def counts(linker: str, dtype: str, arguments: list[str]) -> list[str]:
    """The number of quantities and the chosen columns of a board's last row."""
    command = [sys.executable, str(BOARD), "--linker", linker, "--dtype", dtype, *arguments]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    lines = printed.splitlines()
    (titles,) = (line for line in lines if line.startswith("group "))
    (total,) = (line for line in lines if line.startswith("all "))
    names = re.split(r"  +", titles.strip())
    cells = re.split(r"  +", total.strip())
    found = dict(zip(names[-len(cells) :], cells, strict=True))
    return [found["all"], *(found[column] for column in COLUMNS)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=6, metavar="N", help="one spelling in N")
    parser.add_argument("--list", default="both", help="as spellings.py has it")
    options = parser.parse_args()
    arguments = ["--every", str(options.every), "--list", options.list]
    print(f"One spelling in {options.every} of both lists; {versions()}\n")
    print("| linker | dtype | quantities | 4 ulp, stock / ours | goal, stock / ours | beyond |")
    print("|---|---|---|---|---|---|")
    for linker, dtype in RUNS:
        row = counts(linker, dtype, arguments)
        print(f"| {linker} | {dtype} | " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
