"""A job worker that is told to stop: no job stays in its hands, whatever it was just doing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import redis
from batch_system import job_worker, make_photos, publish_fake_model, submit
from process_tree import kill_tree
from rq.serializers import JSONSerializer
from rq.worker_pool import WorkerData

from songlens_batch.batches import Batches
from songlens_batch.jobs.kept_jobs import open_queue
from songlens_batch.jobs.names import QUEUE
from songlens_batch.jobs.pool import JobPool
from songlens_batch.jobs.reclaiming import ReclaimingQueue
from songlens_batch.jobs.worker import JobWorker
from songlens_shared.broker import connect
from songlens_workers.embedded import EmbeddedBroker

_LIMIT_S = 30.0


class StoppedAsItTakes(ReclaimingQueue):
    """A queue whose worker is told to stop when the server has given it a job, and it does not know of that yet."""

    @classmethod
    def lmove(cls, connection: redis.Redis, queue_key: str, timeout: int | None) -> tuple[str, bytes] | None:
        """Take a job; the signal comes before the answer."""
        taken: tuple[str, bytes] | None = super().lmove(connection, queue_key, timeout)
        os.kill(os.getpid(), signal.SIGTERM)
        return taken


class SlowToBegin(JobWorker):
    """The first ends at once. The next has the pool told to stop, and is told itself before it has begun."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.connection.incr("begun") == 1:
            os._exit(0)
        os.kill(os.getppid(), signal.SIGTERM)
        time.sleep(2.5)


def run_slow_pool(url: str) -> None:
    """Run a pool of one such worker until it stops."""
    JobWorker.pool_pid = os.getpid()
    with connect(url) as connection:
        JobPool(
            [QUEUE],
            connection=connection,
            num_workers=1,
            worker_class=SlowToBegin,
            queue_class=ReclaimingQueue,
            serializer=JSONSerializer,
        ).start()


def begin_as_an_orphan(url: str) -> None:
    """Run a job worker whose pool has died since the fork; it has the handlers that the pool had."""
    signal.signal(signal.SIGTERM, lambda *_: None)
    JobWorker.pool_pid = os.getpid()
    with connect(url) as connection:
        JobWorker([ReclaimingQueue(QUEUE, connection=connection)], connection=connection).work()


def take_one_and_stop(url: str) -> None:
    """Run a job worker until it stops."""
    with connect(url) as connection:
        JobWorker.pool_pid = os.getppid()
        queue = StoppedAsItTakes(QUEUE, connection=connection, serializer=JSONSerializer)
        JobWorker([queue], connection=connection, queue_class=StoppedAsItTakes, serializer=JSONSerializer).work()


def test_a_stop_between_the_server_s_answer_and_the_job(
    broker: EmbeddedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does the job, and no more; RQ's worker would have left it for a living worker to find."""
    monkeypatch.setenv("SONGLENS_REDIS_URL", broker.url)
    publish_fake_model(broker.url)
    batch = submit(broker.url, make_photos(tmp_path / "photos", 2), tmp_path / "out", shard_size=1)
    worker = get_context("fork").Process(target=take_one_and_stop, args=(broker.url,))
    worker.start()
    worker.join(_LIMIT_S)
    assert worker.exitcode == 0
    with connect(broker.url) as connection, Batches(broker.url) as batches:
        queue = open_queue(connection)
        assert connection.lrange(queue.intermediate_queue_key, 0, -1) == []
        assert connection.llen(queue.key) == 2  # the shards, which the plan's job has queued
        assert batches.status(batch).state == "running"


@pytest.mark.parametrize("process", [run_slow_pool, begin_as_an_orphan], ids=["told", "orphan"])
def test_a_stop_while_a_worker_begins(broker: EmbeddedBroker, process: Callable[[str], None]) -> None:
    """It ends, and so does its pool; a signal that it got as a copy of the pool would be lost, and it would stay."""
    worker = get_context("fork").Process(target=process, args=(broker.url,))
    worker.start()
    try:
        worker.join(_LIMIT_S)
        assert worker.exitcode == 0
    finally:
        kill_tree(worker.pid)


def test_a_process_that_the_pool_was_just_starting(connection: redis.Redis) -> None:
    """It was not yet in the pool's book when all in it were told to stop; the pool's next look finds it."""
    pool = JobPool([QUEUE], connection=connection)
    process = get_context("fork").Process(target=time.sleep, args=(2 * _LIMIT_S,))
    process.start()
    assert process.pid is not None
    pool.request_stop()
    pool.worker_dict["late"] = WorkerData("late", process.pid, process)
    pool.reap_workers()
    process.join(_LIMIT_S)
    assert process.exitcode is not None
    pool.reap_workers()
    assert pool.living() == 0


@pytest.mark.parametrize("away", [False, True], ids=["idle", "no server"])
def test_it_stops_within_seconds(broker: EmbeddedBroker, tmp_path: Path, away: bool) -> None:
    """Also while it waits for jobs, and for a server that does not come back."""
    log = tmp_path / "jobs.log"
    with connect(broker.url) as connection, job_worker(broker.url, log) as worker:
        until_s = time.monotonic() + _LIMIT_S
        while not connection.scard("rq:workers") and time.monotonic() < until_s:
            time.sleep(0.05)
        if away:
            broker.stop()
            time.sleep(4.0)
        asked_s = time.monotonic()
        worker.ask_to_stop()
        assert worker.wait() == 0
    assert time.monotonic() - asked_s < _LIMIT_S
