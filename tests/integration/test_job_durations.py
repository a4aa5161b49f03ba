"""How long jobs took, as Prometheus sees it: a histogram that adds up, of few kinds."""

from __future__ import annotations

import redis
from prometheus_client import CollectorRegistry

from songlens_batch.metrics import BatchCollector, Looking
from songlens_batch.state.durations import BOUNDS_S, JobDurations, kind_of


def test_jobs_are_counted_where_they_belong(connection: redis.Redis) -> None:
    """At a bound a job counts as within it; what takes longer than every bound counts in the last bucket alone."""
    durations = JobDurations(connection)
    for seconds in (0.05, 0.5, 0.6, BOUNDS_S[-1] + 1):
        durations.note("score_shard", done=True, seconds=seconds)
    durations.note("score_shard", done=False, seconds=7)
    registry = CollectorRegistry()
    registry.register(BatchCollector(Looking(connection)))

    def value(sample: str, outcome: str, **labels: str) -> float | None:
        return registry.get_sample_value(
            f"songlens_job_seconds_{sample}", {"kind": "score_shard", "outcome": outcome, **labels}
        )

    assert [value("bucket", "done", le=le) for le in ("0.1", "0.5", "1.0", "3600.0", "+Inf")] == [1, 2, 3, 3, 4]
    assert (value("count", "done"), value("count", "failed")) == (4, 1)
    assert value("sum", "failed") == 7


def test_kinds_are_those_of_our_functions() -> None:
    """Whatever else is queued counts as one kind, so that no caller can make labels."""
    assert kind_of("songlens_batch.jobs.functions.score_shard") == "score_shard"
    assert kind_of("songlens_training.scheduled.retrain") == "retrain"
    assert kind_of("os.getpid") == "other"
