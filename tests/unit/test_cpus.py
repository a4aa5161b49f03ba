"""Threads are set from the processors that the container really has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from songlens_workers.vision.cpus import available_cpus

SCHEDULED = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("100000 100000", 1),
        ("50000 100000", 1),
        ("max 100000", SCHEDULED),
        ("6400000 100000", min(64, SCHEDULED)),
        ("", SCHEDULED),
    ],
)
def test_quota_of_control_groups_version_2(tmp_path: Path, limit: str, expected: int) -> None:
    """`cpu.max` bounds the processors, never to less than one; `max` and a damaged file set no bound."""
    (tmp_path / "cpu.max").write_text(limit + "\n")
    assert available_cpus(tmp_path) == expected


@pytest.mark.parametrize(("quota", "expected"), [("100000", 1), ("-1", SCHEDULED)])
def test_quota_of_control_groups_version_1(tmp_path: Path, quota: str, expected: int) -> None:
    """`cpu.cfs_quota_us` does the same in the older version, where -1 means no limit."""
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")
    assert available_cpus(tmp_path) == expected


def test_without_control_groups(tmp_path: Path) -> None:
    """Elsewhere, what the scheduler allows counts."""
    assert available_cpus(tmp_path) == SCHEDULED
