"""Medians of interleaved timings, so that a slow moment of the machine hits all alike."""

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

NANOSECONDS_A_SAMPLE = 5_000_000


def interleaved(
    calls: Mapping[str, Callable[[], Any]], elements: int, repeats: int
) -> dict[str, float]:
    """Median CPU nanoseconds an element of each call."""
    counts = {}
    for name, call in calls.items():
        call()
        begin = time.process_time_ns()
        call()
        counts[name] = max(1, NANOSECONDS_A_SAMPLE // max(1, time.process_time_ns() - begin))
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            begin = time.process_time_ns()
            for _ in range(counts[name]):
                call()
            samples[name].append((time.process_time_ns() - begin) / counts[name] / elements)
    return {name: median(values) for name, values in samples.items()}
