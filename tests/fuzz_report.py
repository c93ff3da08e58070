"""Look at many random graphs, and report what was found.

    python tests/fuzz_report.py [--count 2000] [--seed 0] [--minutes 60] [--known] [--page]

(or: make fuzz)

What is printed are the findings that are not `KNOWN`, each as a Python program, and counts.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from fuzz_findings import known
from fuzz_graphs import random_case
from fuzzing import Counts, findings, shrunk

# Graphs that a process looks at before it says what it found.
_CHUNK = 50
_ROOT = Path(__file__).parents[1]


@dataclass
class Report:
    """What came of some graphs: counts, and by its program each finding that is printed."""

    counts: Counts = field(default_factory=Counts)
    rows: Counter[str] = field(default_factory=Counter)
    printed: dict[str, str] = field(default_factory=dict)

    def add(self, other: Report) -> None:
        """Count what another looked at as well."""
        self.counts.graphs.update(other.counts.graphs)
        self.counts.points.update(other.counts.points)
        self.rows.update(other.rows)
        self.printed.update(other.printed)

    def tables(self) -> str:
        """The counts, in Markdown."""
        parts = []
        for title, counter in (
            ("graphs", self.counts.graphs),
            ("elements", self.counts.points),
            ("findings", self.rows),
        ):
            parts.append(f"| {title} | |\n|---|---|")
            parts += [f"| {name} | {n:,} |" for name, n in counter.most_common()]
            parts.append("")
        return "\n".join(parts).rstrip()


def report_of(seeds: Sequence[int], with_known: bool = False) -> Report:
    """Look at the graphs of some seeds."""
    logging.disable(logging.CRITICAL)  # rewriters log what they raise
    warnings.simplefilter("ignore")
    report = Report()
    for seed in seeds:
        for finding in findings(*random_case(seed), report.counts):
            row = known(finding)
            report.rows["new: " + finding.kind if row is None else row.name] += 1
            if row is None or with_known:
                small = shrunk(finding)
                text = f"# seed {seed}\n{small}\n{small.to_python()}\n"
                report.printed[str(small.program)] = text
    return report


def main() -> None:
    """Look at random graphs, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="how many graphs")
    parser.add_argument("--minutes", type=float, help="stop then, whatever the count is")
    parser.add_argument("--seed", type=int, default=0, help="of the first graph")
    parser.add_argument("--known", action="store_true", help="print known findings as well")
    parser.add_argument("--workers", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--page", action="store_true", help="put the counts into docs/trust.md")
    options = parser.parse_args()
    seeds = range(options.seed, options.seed + options.count)
    chunks = [seeds[i : i + _CHUNK] for i in range(0, len(seeds), _CHUNK)]
    total, count, start = Report(), 0, time.monotonic()
    with ProcessPoolExecutor(options.workers) as pool:
        reports = pool.map(partial(report_of, with_known=options.known), chunks)
        for chunk, report in zip(chunks, reports, strict=True):
            for program in report.printed.keys() - total.printed.keys():
                print(report.printed[program], flush=True)
            total.add(report)
            count += len(chunk)
            if options.minutes and time.monotonic() - start > 60 * options.minutes:
                pool.shutdown(cancel_futures=True)
                break
    print(f"{count} graphs\n\n{total.tables()}")
    if options.page:
        sys.path.insert(0, str(_ROOT / "benchmarks"))
        from readme import fill
        from versions import versions

        page = _ROOT / "docs" / "trust.md"
        command = f"`python tests/fuzz_report.py --count {count} --seed {options.seed}`"
        figure = f"{command}; {versions()}\n\n{total.tables()}"
        page.write_text(fill(page.read_text(), "fuzzing", figure))


if __name__ == "__main__":
    main()
