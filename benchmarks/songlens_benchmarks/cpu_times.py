"""Processor time of processes, from /proc; nothing on systems that have none."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

KNOWN = Path("/proc/self/stat").exists()
# Fields of /proc/PID/stat behind the name in brackets, as proc(5) has them.
_PARENT = 1
_TIMES = slice(11, 15)
"""User and system time, of itself and of the children that it has waited for."""


def cpu_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """Return what each process has used of all cores, in seconds: this one alone, another with its children."""
    found = _all_fields()
    return {
        name: time.process_time() if pid == os.getpid() else sum(_used(found[each]) for each in _tree(pid, found))
        for name, pid in pids.items()
    }


def _all_fields() -> dict[int, list[int]]:
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()] if KNOWN else []
    return {pid: fields for pid in pids if (fields := _fields(pid))}


def _fields(pid: int) -> list[int]:
    try:
        state, *numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []  # it has just ended
    return [ord(state), *map(int, numbers)]


def _used(fields: list[int]) -> float:
    return sum(fields[_TIMES]) / os.sysconf("SC_CLK_TCK")


def _tree(root: int, found: Mapping[int, list[int]]) -> list[int]:
    tree = [root] if root in found else []
    for parent in tree:  # grows while it is walked
        tree += [pid for pid, fields in found.items() if fields[_PARENT] == parent]
    return tree
