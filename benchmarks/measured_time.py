"""Medians of interleaved timings, so that a slow moment of the machine hits all alike."""

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

NANOSECONDS_A_SAMPLE = 5_000_000
Timer = Callable[[int], int]  # CPU nanoseconds of so many calls


def timer(call: Callable[[], Any]) -> Timer:
    """Time calls after some that do not count: others had the processor's caches before."""

    def nanoseconds(count: int) -> int:
        for _ in range(1 + count // 4):
            call()
        begin = time.process_time_ns()
        for _ in range(count):
            call()
        return time.process_time_ns() - begin

    return nanoseconds


def interleaved(
    calls: Mapping[str, Callable[[], Any]],
    elements: int,
    repeats: int,
    elsewhere: Mapping[str, Timer] | None = None,
) -> dict[str, float]:
    """Median CPU nanoseconds an element of each call, and of those that other processes make."""
    timers = {name: timer(call) for name, call in calls.items()} | dict(elsewhere or {})
    counts = {}
    for name, nanoseconds in timers.items():
        counts[name] = max(1, NANOSECONDS_A_SAMPLE // max(1, nanoseconds(1)))
    samples: dict[str, list[float]] = {name: [] for name in timers}
    for _ in range(repeats):
        for name, nanoseconds in timers.items():
            samples[name].append(nanoseconds(counts[name]) / counts[name] / elements)
    return {name: median(values) for name, values in samples.items()}
