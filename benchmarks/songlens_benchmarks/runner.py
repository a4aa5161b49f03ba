"""Runs benchmarks one after the other, each in a process of its own: no threads, caches or memory of another's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

from songlens_benchmarks.row import Effort, Row
from songlens_shared.errors import SonglensError


class BenchmarkFailed(SonglensError):
    """a benchmark ended before it was done."""


def rows(name: str, effort: Effort) -> Iterator[Row]:
    """Run one, and yield its rows as they come. Raises `BenchmarkFailed`."""
    command = [sys.executable, "-m", "songlens_benchmarks.one", name, "--rounds", str(effort.rounds)]
    if effort.quick:
        command.append("--quick")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stdout or ():
                yield Row.from_dict(json.loads(line))
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        raise BenchmarkFailed(f"the benchmark {name} ended with status {process.returncode}; what it said is above.")
