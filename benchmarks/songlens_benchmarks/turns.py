"""Measuring several things in turns, so that what the machine does meanwhile is done to all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median


def in_turns(measures: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Call each measure once a round, A B A B, and return the median of what each returned."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            found[name].append(measure())
    return {name: median(values) for name, values in found.items()}


def rate(work: Callable[[], object], items: int, *, least_s: float = 1.0) -> float:
    """Return items a second by the median call of `work`, which does so many, called for at least so long."""
    work()  # whatever is done only once is not counted
    seconds: list[float] = []
    until_s = time.perf_counter() + least_s
    while not seconds or time.perf_counter() < until_s:
        started_s = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started_s)
    return items / median(seconds)
