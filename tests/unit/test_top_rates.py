"""Rates and percentiles of `songlens top`, reckoned from reports."""

from __future__ import annotations

import pytest

from songlens_workers.runtime.report import Report
from songlens_workers.top.rates import WINDOW_S, Change, Changes, latencies


def report(at_s: float, images: float, **more: float) -> Report:
    return Report("vision", "w1", at_s, "m1", {"songlens_images_total": images, **more})


def images_per_s(changes: Changes, found: Report) -> float | None:
    return changes([found])["vision", "w1"].pace().images_per_s


def test_a_rate_is_of_the_last_minute() -> None:
    """Two reports make one; those from before the window count no more, and one that is read twice is one report."""
    changes = Changes()
    assert images_per_s(changes, report(0, 100)) is None
    assert images_per_s(changes, report(10, 300)) == 20
    assert images_per_s(changes, report(10, 300)) == 20
    assert images_per_s(changes, report(WINDOW_S + 10, 400)) == pytest.approx(100 / WINDOW_S)


def test_a_worker_that_begins_anew_has_no_rate_yet() -> None:
    """Its totals are smaller than those of the process that had its name before."""
    changes = Changes()
    images_per_s(changes, report(0, 100))
    assert images_per_s(changes, report(10, 5)) is None


def test_means_are_of_the_batches_that_there_were() -> None:
    """Size, fill and time; nothing where none ran."""
    batches = {
        "songlens_batch_size_count": 4.0,
        "songlens_batch_size_sum": 20.0,
        "songlens_batch_fill_ratio_sum": 2.0,
        "songlens_stage_seconds_sum batch": 0.4,
    }
    pace = Change(2.0, batches).pace()
    assert (pace.batch_size, pace.batch_fill, pace.batch_s) == (5, 0.5, pytest.approx(0.1))
    assert Change(2.0, {}).pace().batch_size is None


def test_percentiles_are_of_all_workers_together_and_of_each_lane() -> None:
    """As Prometheus has them: evenly spread within a bucket, and no more than the last bound that there is."""
    name = "songlens_request_seconds_bucket interactive "
    quick = Change(None, {f"{name}0.1": 80.0, f"{name}0.5": 80.0, f"{name}+Inf": 80.0})
    slow = Change(None, {f"{name}0.1": 0.0, f"{name}0.5": 18.0, f"{name}+Inf": 20.0})
    bulk = Change(None, {"songlens_request_seconds_bucket bulk +Inf": 0.0})
    (found,) = latencies([quick, slow, bulk])
    assert (found.lane, found.answered) == ("interactive", 100)
    assert found.p50_s == pytest.approx(0.1 * 50 / 80)
    assert found.p95_s == pytest.approx(0.1 + 0.4 * 15 / 18)
    assert found.p99_s == 0.5
    assert latencies([]) == []
