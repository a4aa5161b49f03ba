"""The role `songlens-jobs` of ops/redis/users.acl: real processes do all that batches and schedules do, unrefused."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from batch_system import job_worker, make_photos, publish_fake_model, read_rows, work_off
from fake_worker import FakeWorker, create_groups, one_song
from guarded_server import PASSWORD, address, guard, refused
from process_tree import kill_tree

from songlens_batch.batches import Batches
from songlens_batch.metrics import Looking
from songlens_batch.record import BatchConfig, batch_config
from songlens_batch.schedule.file import read_schedules
from songlens_batch.schedule.scheduler import Scheduler
from songlens_shared.broker import connect
from songlens_shared.errors import BadImage
from songlens_shared.messages import Reply, Request, error_reply
from songlens_workers.embedded import EmbeddedBroker

from .conftest import songlens

pytestmark = pytest.mark.timeout(240)


def only_photos(request: Request) -> Reply:
    """Answer as the stages do: a file that is no photo gets an error."""
    if request.image is None or not request.image.startswith(b"\xff\xd8"):
        return error_reply(request.id, BadImage("these bytes are no photo."))
    return one_song(request)


@pytest.fixture
def guarded(broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedBroker]:
    """A server with users, and stages that answer. What the jobs' user was refused in the test must be nothing."""
    monkeypatch.setenv("SONGLENS_PATIENCE_S", "10")
    guard(broker)
    with connect(broker.url) as connection:
        create_groups(connection)
    publish_fake_model(broker.url)
    with FakeWorker(broker.url, only_photos):
        yield broker
    assert refused(broker, "jobs") == []


def config(source: Path) -> BatchConfig:
    return batch_config(str(source), shard_size=5)


def test_a_batch_by_the_command_line(guarded: EmbeddedBroker, tmp_path: Path) -> None:
    """Submitted, planned, scored, finished, shown and exported; a shard that fails is tried again."""
    url, out = address(guarded, "jobs"), tmp_path / "out"
    source = make_photos(tmp_path / "photos", 12)
    for path in sorted(source.rglob("*.jpg"))[:4]:
        path.write_bytes(b"broken")
    submitted = songlens("batch", "submit", str(source), "--out", str(out), "--shard-size", "5", SONGLENS_REDIS_URL=url)
    assert submitted.returncode == 0, submitted.stderr
    batch = submitted.stdout.strip()
    with job_worker(url, tmp_path / "jobs.log"), Batches(url) as batches, connect(url) as connection:
        assert batches.wait(batch).state == "failed"
        assert Looking(connection)().states["failed"] == 1
        assert batches.retry(batch) == 1
        assert batches.wait(batch).state == "failed"
    assert [row["row"] for row in read_rows(out)] == list(range(5, 12))
    for verb in (["status", batch], ["list"], ["export", batch, "--format", "csv"]):
        shown = songlens("batch", *verb, SONGLENS_REDIS_URL=url)
        assert (shown.returncode, PASSWORD in shown.stdout) == (0, False), shown.stderr
    assert PASSWORD not in (tmp_path / "jobs.log").read_text()


def test_cancelled_and_resumed(guarded: EmbeddedBroker, tmp_path: Path) -> None:
    """Jobs that wait are taken out, and put in again."""
    url, out = address(guarded, "jobs"), tmp_path / "out"
    with Batches(url) as batches:
        batch = batches.submit(config(make_photos(tmp_path / "photos", 12)), str(out))
        batches.cancel(batch)
        assert batches.status(batch).state == "cancelled"
        batches.resume(batch)
        work_off(url)
        assert batches.status(batch).state == "done"
        batches.submit(config(tmp_path / "photos"), str(out), replace=True)


def test_a_killed_worker_s_jobs_are_taken_over(guarded: EmbeddedBroker, tmp_path: Path) -> None:
    """RQ's maintenance finds them, and gives them to another."""
    url = address(guarded, "jobs")
    with Batches(url) as batches:
        batch = batches.submit(
            batch_config(str(make_photos(tmp_path / "photos", 600)), shard_size=300), str(tmp_path / "out")
        )
        with job_worker(url, tmp_path / "first.log", SONGLENS_TAKEOVER_S="5") as first:
            while not batches.status(batch).rows:
                time.sleep(0.02)
            assert first.pid is not None
            kill_tree(first.pid)
        with job_worker(url, tmp_path / "second.log", SONGLENS_TAKEOVER_S="5"):
            assert batches.wait(batch).state == "done"


def test_schedules_and_monitors(guarded: EmbeddedBroker, tmp_path: Path) -> None:
    """A slot is queued and run; `rq info` shows queue and jobs."""
    url, file = address(guarded, "jobs"), tmp_path / "schedule.toml"
    make_photos(tmp_path / "photos", 3)
    file.write_text(
        f'[[batch]]\nname = "nightly"\ncron = "0 2 * * *"\nsource = "{tmp_path}/photos"\n'
        f'out = "{tmp_path}/scored/{{date}}"\n'
    )
    with connect(url) as connection:
        scheduler = Scheduler(connection, read_schedules(file), file)
        scheduler.register_birth()  # type: ignore[no-untyped-call]
        for _ in range(2):
            (job,) = scheduler.get_jobs()
            job.enqueue(connection)
        scheduler.save()
        scheduler.heartbeat()
        scheduler.register_death()
    work_off(url)
    (out,) = (tmp_path / "scored").iterdir()
    assert len(read_rows(out)) == 3
    shown = subprocess.run(
        [sys.executable, "-m", "rq.cli", "info", "--url", url], capture_output=True, text=True, timeout=60, check=True
    )
    assert "songlens-batch" in shown.stdout


def test_two_servers(guarded: EmbeddedBroker, tmp_path: Path, redis_server: Path | None) -> None:
    """`--jobs-redis`: jobs and the state of batches lie in the one alone, photos and replies in the other."""
    with EmbeddedBroker(tmp_path / "jobs-redis", persistent=False, binary=redis_server) as other:
        guard(other)
        queue, jobs = address(guarded, "jobs"), address(other, "jobs")
        out = tmp_path / "out"
        both = ["--redis", queue, "--jobs-redis", jobs]
        source = make_photos(tmp_path / "photos", 12)
        submitted = songlens("batch", "submit", str(source), "--out", str(out), "--shard-size", "5", *both)
        assert submitted.returncode == 0, submitted.stderr
        with job_worker(queue, tmp_path / "jobs.log", "--jobs-redis", jobs):
            watched = songlens("batch", "watch", submitted.stdout.strip(), *both)
        assert watched.returncode == 0, watched.stderr
        assert len(read_rows(out)) == 12
        with connect(guarded.url) as one, connect(other.url) as two:
            assert not [*one.scan_iter("rq:*"), *one.scan_iter("sl:batch*")]
            assert not [*two.scan_iter("sl:{*"), *two.scan_iter("sl:model*")]
            assert [*two.scan_iter("sl:batch:*")]
        assert refused(other, "jobs") == []
