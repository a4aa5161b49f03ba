"""`songlens top` on a real server: what waits, who works, how fast."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from io import StringIO
from pathlib import Path

import redis
from fake_worker import FakeWorker, create_groups
from prometheus_client import CollectorRegistry
from rich.console import Console

from songlens import Client
from songlens_shared.keys import MODEL_CURRENT, WORKERS, PartitionKeys
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.runtime.metrics import RequestMetrics, StageMetrics
from songlens_workers.runtime.report import Report, Reporting, read
from songlens_workers.top.look import Looking, jobs_of
from songlens_workers.top.screen import picture

PHOTO = b"\xff\xd8\xff" + b"x" * 1000


def test_what_waits_and_what_is_done(broker: EmbeddedBroker, connection: redis.Redis) -> None:
    """Lanes by what waits and how fast it is claimed; workers by name; the live model; jobs."""
    create_groups(connection)
    connection.set(MODEL_CURRENT, "m1")
    ticks = iter((0.0, 2.0, 4.0))
    look = Looking(connection, 1, jobs_of(broker.url), monotonic=lambda: next(ticks))
    with Client(broker.url) as client:
        for _ in range(3):
            client.submit(PHOTO, lane="bulk")
        first = {lane.lane: lane for lane in look().lanes}
        assert (first["bulk"].waiting, first["interactive"].waiting) == (3, 0)
        assert first["bulk"].size_bytes > 3000
        assert first["bulk"].claimed_per_s is None
        with FakeWorker(broker.url):
            for _ in range(5):
                client.recommend(PHOTO)
            found = look()
    lanes = {lane.lane: lane for lane in found.lanes}
    assert lanes["interactive"].claimed_per_s == 2.5
    assert found.workers and found.workers[0].stage == "vision"
    assert (found.model, found.model_before, found.dead_letters) == ("m1", None, 0)
    assert found.jobs is not None and found.jobs["queued"] == 0
    out = StringIO()
    Console(width=100, file=out).print(picture(found))
    shown = out.getvalue()
    assert "model m1" in shown
    assert "interactive" in shown and "2.5" in shown
    assert "jobs: none" in shown


def test_what_workers_report(broker: EmbeddedBroker, connection: redis.Redis) -> None:
    """Latencies and batches without a Prometheus; a worker that ends is forgotten, and so is one that died long ago."""
    create_groups(connection)
    connection.hset(WORKERS, "songs dead", json.dumps(asdict(Report("songs", "dead", 1.0, None, {}))))
    registry = CollectorRegistry()
    metrics = StageMetrics(registry, "vision")
    RequestMetrics(registry).answered(30, "interactive", None)
    connection.xreadgroup("vision", "w1", {PartitionKeys(0).requests("bulk"): ">"})  # it is a consumer now
    reporting = Reporting(connection, registry, stage="vision", consumer="w1")
    look = Looking(connection, 1, jobs_of(broker.url))
    reporting.tell("m1")
    assert [each.consumer for each in read(connection)] == ["w1"]
    look()
    metrics.batch(6, "timer", 0.25, capacity=8)
    reporting.tell("m1")
    found = look()
    (worker,) = found.workers
    assert (worker.name, worker.model) == ("w1", "m1")
    assert worker.pace is not None and worker.pace.images_per_s is not None and worker.pace.images_per_s > 0
    assert (worker.pace.batch_size, worker.pace.batch_fill, worker.pace.batch_s) == (6, 0.75, 0.25)
    assert Looking(connection, 1, jobs_of(broker.url))().latencies["interactive"].answered == 1
    out = StringIO()
    Console(width=120, file=out).print(picture(found))
    assert "6.0" in out.getvalue() and "75%" in out.getvalue() and "250 ms" in out.getvalue()
    reporting.end()
    assert read(connection) == []


def test_what_another_release_reports_disturbs_nobody(broker: EmbeddedBroker, connection: redis.Redis) -> None:
    """In an upgrade both report to one place, and the thread that reports is the one that follows the live model."""
    for name, text in (("vision newer", '{"stage": "vision", "unheard": 1}'), ("vision odd", "no JSON"), ("x", "[]")):
        connection.hset(WORKERS, name, text)
    reporting = Reporting(connection, CollectorRegistry(), stage="vision", consumer="w1")
    reporting.tell("m1")
    assert [each.consumer for each in read(connection)] == ["w1"]
    assert Looking(connection, 1, jobs_of(broker.url))().workers == ()


def test_the_command(broker: EmbeddedBroker, connection: redis.Redis, tmp_path: Path) -> None:
    """Once, as JSON and as a picture; an address where nothing answers is one sentence."""

    def top(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "songlens", "top", "--once", "--every", "0.1", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    told = json.loads(top("--redis", broker.url, "--json").stdout)
    assert [lane["lane"] for lane in told["lanes"]] == ["interactive", "bulk", "hits"]
    assert told["model"] is None
    assert "no model is live" in top("--redis", broker.url).stdout
    failed = top("--redis", "redis://127.0.0.1:1")
    assert (failed.returncode, "no Redis answers" in failed.stderr) == (3, True)
