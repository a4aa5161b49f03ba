"""Runs a command and measures it as a whole: seconds, processor time, and the memory of its process tree."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_SAMPLE_S = 0.1


class StepFailed(RuntimeError):
    """A measured command ended with another status than 0."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one command took."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    """Most memory that it and the processes it started held at once, in 10^6 bytes: proportional set size, so that
    shared pages count once; sampled ten times a second. Linux only; elsewhere 0."""


def measure(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Measured:
    """Run a command to its end, its output shown. Raises `StepFailed`."""
    started_s, cpu_before_s = time.monotonic(), _children_cpu_s()
    process = subprocess.Popen(command, env={**os.environ, **(environment or {})})
    watch = _MemoryWatch(process.pid)
    watch.start()
    try:
        status = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    finally:
        watch.stop()
    if status != 0:
        raise StepFailed(f"{' '.join(command)} ended with status {status}.")
    return Measured(
        seconds=round(time.monotonic() - started_s, 2),
        cpu_seconds=round(_children_cpu_s() - cpu_before_s, 2),
        peak_mb=round(watch.peak_bytes / 1e6, 1),
    )


def _children_cpu_s() -> float:
    times = os.times()
    return times.children_user + times.children_system


class _MemoryWatch:
    """Samples the memory of a process and its descendants until stopped."""

    def __init__(self, pid: int) -> None:
        self.peak_bytes = 0
        self._pid = pid
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="memory", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stopped.wait(_SAMPLE_S):
            self.peak_bytes = max(self.peak_bytes, sum(map(_held_bytes, _tree(self._pid))))


def _tree(root: int) -> list[int]:
    """Return a process and its descendants."""
    found = [root]
    for pid in found:  # grows while it is walked
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                found += map(int, task.read_text().split())
            except OSError:
                continue  # it has just ended
    return found


def _held_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
