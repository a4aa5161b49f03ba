"""A job whose worker died is done by another within seconds, at whatever step the worker was."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import redis
from batch_system import job_worker, make_photos, publish_fake_model, submit
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer

from songlens_batch.batches import Batches
from songlens_batch.jobs.kept_jobs import open_queue
from songlens_batch.jobs.names import QUEUE, plan_job
from songlens_batch.jobs.reclaiming import ReclaimingQueue
from songlens_shared.broker import connect
from songlens_workers.embedded import EmbeddedBroker

_TAKEOVER_S = 5
_LIMIT_S = 60.0


def die_with(connection: redis.Redis, job_id: str, *, prepared: bool) -> None:
    """Leave what a worker leaves that is killed between taking a job from the queue and beginning it."""
    queue = open_queue(connection)
    assert connection.lmove(queue.key, queue.intermediate_queue_key) == job_id.encode()
    if prepared:
        job = Job.fetch(job_id, connection=connection, serializer=JSONSerializer)
        with connection.pipeline() as pipeline:
            Execution.create(job, _TAKEOVER_S, pipeline=pipeline, worker_name="dead")
            pipeline.execute()


@pytest.mark.parametrize("prepared", [False, True], ids=["taken", "prepared"])
def test_a_job_that_was_taken_and_not_begun(broker: EmbeddedBroker, tmp_path: Path, prepared: bool) -> None:
    """The worker that finds it is idle, and yet looks; RQ alone would leave it for minutes, or for ever."""
    publish_fake_model(broker.url)
    batch = submit(broker.url, make_photos(tmp_path / "photos", 3), tmp_path / "out")
    with connect(broker.url) as connection, Batches(broker.url) as batches:
        die_with(connection, plan_job(batch), prepared=prepared)
        with job_worker(broker.url, tmp_path / "jobs.log", SONGLENS_TAKEOVER_S=str(_TAKEOVER_S)):
            until_s = time.monotonic() + _LIMIT_S
            while batches.status(batch).state == "planning" and time.monotonic() < until_s:
                time.sleep(0.1)
            assert batches.status(batch).state == "running"
            batches.cancel(batch)


def test_who_dies_while_looking_keeps_nobody_from_it_for_long(
    connection: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is held by one, and ends by itself within the time in which jobs are taken over."""
    monkeypatch.setenv("SONGLENS_TAKEOVER_S", str(_TAKEOVER_S))
    first, second = (ReclaimingQueue(QUEUE, connection=connection) for _ in range(2))
    assert first.acquire_maintenance_lock()
    assert not second.acquire_maintenance_lock()
    assert 0 < connection.pttl(first.registry_cleaning_key) <= _TAKEOVER_S * 1000  # type: ignore[operator]
    first.release_maintenance_lock()
    assert second.acquire_maintenance_lock()
