"""Processor time of processes, from /proc; nothing on systems that have none."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

KNOWN = Path("/proc/self/stat").exists()
# Fields of /proc/PID/stat behind the name in brackets, as proc(5) has them.
_PARENT = 1
_TIMES = slice(11, 15)
"""User and system time, of itself and of the children that it has waited for."""


def cpu_seconds(pids: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """Return what each group of processes has used of all cores, in seconds: ours alone, others with their children."""
    found = _all_fields()
    return {name: sum(_used_by(pid, found) for pid in group) for name, group in pids.items()}


def _used_by(pid: int, found: Mapping[int, list[int]]) -> float:
    if pid == os.getpid():
        return time.process_time()
    return sum(sum(found[each][_TIMES]) for each in _tree(pid, found)) / os.sysconf("SC_CLK_TCK")


def _all_fields() -> dict[int, list[int]]:
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()] if KNOWN else []
    return {pid: fields for pid in pids if (fields := _fields(pid))}


def _fields(pid: int) -> list[int]:
    try:
        state, *numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []  # it has just ended
    return [ord(state), *map(int, numbers)]


def _tree(root: int, found: Mapping[int, list[int]]) -> list[int]:
    tree = [root] if root in found else []
    for parent in tree:  # grows while it is walked
        tree += [pid for pid, fields in found.items() if fields[_PARENT] == parent]
    return tree
