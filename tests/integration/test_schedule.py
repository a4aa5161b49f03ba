"""Schedules on a real Redis: queued once, as JSON, by real processes; batches and models that come of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from batch_system import make_photos, publish_fake_model, read_rows, work_off
from fake_worker import FakeWorker, create_groups
from rq import Queue, cron_job_registry
from rq.cron import CronScheduler, get_cron_job_ids
from rq.serializers import JSONSerializer

from songlens_batch.batches import Batches
from songlens_batch.jobs.names import QUEUE
from songlens_batch.jobs.scheduled import submit_batch
from songlens_batch.schedule.file import Schedule, read_schedules
from songlens_batch.schedule.scheduler import Scheduler
from songlens_shared.broker import connect
from songlens_shared.errors import BrokerUnavailable
from songlens_workers.commands.processes import WorkerProcess
from songlens_workers.embedded import EmbeddedBroker

pytestmark = pytest.mark.timeout(240)

DUE = "2026-01-31T02:00:00+00:00"


def schedules(folder: Path, cron: str = "0 2 * * *") -> list[Schedule]:
    """A schedule of a batch."""
    file = folder / "schedule.toml"
    file.write_text(
        f'[[batch]]\nname = "nightly"\ncron = "{cron}"\nsource = "{folder}/photos"\nout = "{folder}/scored/{{date}}"\n'
        "shard_size = 3\n"
    )
    return read_schedules(file)


def scheduler_at(connection: redis.Redis, folder: Path, due: str = DUE) -> Scheduler:
    """A scheduler for which it is this moment."""
    scheduler = Scheduler(connection, schedules(folder), folder / "schedule.toml")
    for job in scheduler.get_jobs():
        job.next_enqueue_time = datetime.fromisoformat(due)
    return scheduler


@contextmanager
def scheduling(url: str, file: Path, log: Path) -> Iterator[WorkerProcess]:
    """A real scheduler process."""
    process = WorkerProcess("schedule", ["schedule", str(file), "--redis", url, "--log-format", "json"], log=log)
    process.start()
    try:
        yield process
    finally:
        process.ask_to_stop()
        process.wait()


def test_what_lies_in_redis_is_json(connection: redis.Redis, tmp_path: Path) -> None:
    """The job as RQ's workers read it, and the schedules as RQ's monitors do; no pickle crosses a process."""
    scheduler = scheduler_at(connection, tmp_path)
    scheduler.register_birth()  # type: ignore[no-untyped-call]
    (queued,) = scheduler.enqueue_jobs()
    scheduler.save()
    data: Any = connection.hget("rq:job:schedule-nightly-20260131-0200", "data")
    function, _, (options, due), kwargs = json.loads(zlib.decompress(data))
    assert (function, due, kwargs) == ("songlens_batch.jobs.scheduled.submit_batch", DUE, {})
    assert options["source"] == f"{tmp_path}/photos"
    (shown,) = CronScheduler.all(connection)
    assert [(job.name, job.cron) for job in shown.get_jobs()] == [("nightly", "0 2 * * *")]
    assert cron_job_registry.get_names(connection) == ["nightly"]
    assert get_cron_job_ids("nightly", connection) == ["schedule-nightly-20260131-0200"]
    assert queued.next_enqueue_time is not None and queued.next_enqueue_time > datetime.now(UTC)


def test_two_schedulers_queue_a_slot_once(connection: redis.Redis, tmp_path: Path) -> None:
    """Whether the first one's job still waits or has ended; the next slot is another."""
    queue = Queue(QUEUE, connection=connection, serializer=JSONSerializer)
    first, second = scheduler_at(connection, tmp_path), scheduler_at(connection, tmp_path)
    assert len(first.enqueue_jobs()) == len(second.enqueue_jobs()) == 1
    assert queue.job_ids == ["schedule-nightly-20260131-0200"]
    connection.delete(queue.key)
    connection.hset("rq:job:schedule-nightly-20260131-0200", "status", "finished")
    scheduler_at(connection, tmp_path).enqueue_jobs()
    assert queue.job_ids == []
    scheduler_at(connection, tmp_path, "2026-02-01T02:00:00+00:00").enqueue_jobs()
    assert queue.job_ids == ["schedule-nightly-20260201-0200"]


def test_what_is_due_goes_ahead_of_shards(connection: redis.Redis, tmp_path: Path) -> None:
    """A batch of a million photos does not hold up the next day's."""
    queue = Queue(QUEUE, connection=connection, serializer=JSONSerializer)
    queue.enqueue("operator.add", 1, 2, job_id="a-shard")
    scheduler_at(connection, tmp_path).enqueue_jobs()
    assert queue.job_ids == ["schedule-nightly-20260131-0200", "a-shard"]


def test_a_slot_waits_for_a_redis_that_is_away(
    broker: EmbeddedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays due until it is queued, and the scheduler goes on."""
    monkeypatch.setattr("songlens_batch.schedule.scheduler._LOOK_AGAIN_S", 0)
    with connect(broker.url, retries=0) as connection:
        scheduler = scheduler_at(connection, tmp_path)
        broker.stop()
        assert scheduler.enqueue_jobs() == []
        scheduler.heartbeat()
        scheduler.save()
        scheduler.register_death()
    with EmbeddedBroker(tmp_path / "again", persistent=False) as again, connect(again.url) as connection:
        scheduler.connection = connection
        assert len(scheduler.enqueue_jobs()) == 1


def slots_told(logs: list[Path]) -> dict[str, list[str]]:
    """Return what schedulers told of each slot, by the id of its job."""
    lines = [json.loads(line) for log in logs for line in log.read_text().splitlines() if line.startswith("{")]
    told = [line for line in lines if line["action"].startswith("slot_queued")]
    return {line["job"]: [one["action"] for one in told if one["job"] == line["job"]] for line in told}


def test_two_processes_and_a_worker(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """Two real schedulers, a batch each minute: one job, one batch, all photos; both end at SIGTERM with status 0."""
    make_photos(tmp_path / "photos", 7)
    schedules(tmp_path, cron="* * * * *")
    with connect(broker.url) as connection:
        create_groups(connection)
        publish_fake_model(broker.url)
        logs = [tmp_path / "first.log", tmp_path / "second.log"]
        with (
            FakeWorker(broker.url),
            scheduling(broker.url, tmp_path / "schedule.toml", logs[0]) as first,
            scheduling(broker.url, tmp_path / "schedule.toml", logs[1]) as second,
        ):
            told: dict[str, list[str]] = {}
            while not (both := [actions for actions in told.values() if len(actions) == 2]):
                for process in (first, second):
                    process.check()
                told = slots_told(logs)
                time.sleep(0.2)
            work_off(broker.url)
            assert sorted(both[0]) == ["slot_queued", "slot_queued_by_another"]
            (out,) = (tmp_path / "scored").iterdir()
            assert out.name in {f"{datetime.now(UTC) - timedelta(minutes=minutes):%Y-%m-%d}" for minutes in (0, 5)}
            assert len(read_rows(out)) == 7
            for process in (first, second):
                process.ask_to_stop()
            assert (first.wait(), second.wait()) == (0, 0)
        assert CronScheduler.all(connection) == []


def test_a_day_s_run_that_is_submitted_twice_is_one_batch(
    broker: EmbeddedBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the folder of the day on which it was due, however late it runs; the next day has its own."""
    monkeypatch.setenv("SONGLENS_REDIS_URL", broker.url)
    (schedule,) = schedules(tmp_path)
    options = dict(schedule.options)
    first = submit_batch(options, DUE)
    assert submit_batch(options, DUE) == first
    assert first["out"] == f"{tmp_path}/scored/2026-01-31"
    other = submit_batch(options, "2026-02-01T02:00:00+00:00")
    assert other["batch"] != first["batch"]
    with Batches(broker.url) as batches:
        assert sorted(batches.list()) == sorted([first["batch"], other["batch"]])


def test_a_scheduler_without_a_redis_says_so(tmp_path: Path) -> None:
    """At the start somebody looks, and the address may be wrong."""
    schedules(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "songlens", "worker", "schedule", str(tmp_path / "schedule.toml")],
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, "SONGLENS_REDIS_URL": f"unix://{tmp_path}/none.sock"},
        check=False,
    )
    assert done.returncode == BrokerUnavailable.exit_status
    assert "no Redis answers" in " ".join(done.stderr.split())
