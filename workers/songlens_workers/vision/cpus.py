"""How many processors this process may really use."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP_ROOT = Path("/sys/fs/cgroup")


def available_cpus(cgroup_root: Path = _CGROUP_ROOT) -> int:
    """Return the processors that the scheduler and the container's quota leave to this process, at least 1.

    `os.cpu_count` counts the host's: in a container limited to 2 of 64 processors, 64 threads would throttle each
    other. Both control group versions are read (kernel documentation: cgroup-v2 `cpu.max`, sched-bwc
    `cpu.cfs_quota_us`).
    """
    quota = _quota(cgroup_root)
    scheduled = _scheduled()
    return scheduled if quota is None else max(1, min(scheduled, math.floor(quota)))


def _scheduled() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota(cgroup_root: Path) -> float | None:
    """Return the quota in processors; None when there is no limit."""
    try:
        if (cgroup_root / "cpu.max").exists():
            quota, period = (cgroup_root / "cpu.max").read_text().split()
        else:
            quota = (cgroup_root / "cpu" / "cpu.cfs_quota_us").read_text()
            period = (cgroup_root / "cpu" / "cpu.cfs_period_us").read_text()
        processors = float(quota) / float(period)
    except (OSError, ValueError, ZeroDivisionError):
        # No control groups here, or "max": no limit.
        return None
    return processors if processors > 0 else None
