"""/ready and /live of real processes: red within seconds of what is wrong, with a reason, and green again after it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from chaos_models import photo, publish_version, write_version
from hits_entries import hand_over
from limited_broker import LimitedBroker
from paced_worker import set_pace
from stages import wait_until
from watched_process import WatchedProcess, paced, songlens

from songlens import Client
from songlens_shared.keys import PartitionKeys
from songlens_workers.models.manifest import IMAGE_INDEX
from songlens_workers.models.store import ModelStore

KEYS = PartitionKeys()
STUCK_S = 1.5
RED_WITHIN_S, GREEN_WITHIN_S = 10.0, 20.0
"""On a machine with nothing else to do it is about two seconds."""

GREEN = (200, "ok\n")
SETTINGS = {"model_poll_s": 0.1, "stuck_s": STUCK_S, "heartbeat_ms": 200}


def turns_red(process: WatchedProcess, reason: str) -> None:
    """Return when it is not ready, and says this."""

    def red() -> bool:
        status, text = process.get("/ready")
        return status == 503 and reason in text

    wait_until(red, f"not ready for: {reason}", limit_s=RED_WITHIN_S)


def turns_green(process: WatchedProcess) -> None:
    """Return when it is ready; then it is live, too."""
    wait_until(lambda: process.get("/ready") == GREEN, "ready", limit_s=GREEN_WITHIN_S)
    assert process.get("/live") == GREEN


@pytest.fixture
def broker(tmp_path: Path, redis_server: Path | None) -> Iterator[LimitedBroker]:
    """A server of this test whose disk can be full."""
    with LimitedBroker(tmp_path / "broker", binary=redis_server) as running:
        yield running


@pytest.fixture(params=["vision", "songs"])
def stage(request: pytest.FixtureRequest) -> str:
    """Each stage."""
    return str(request.param)


@pytest.fixture
def worker(stage: str, broker: LimitedBroker, connection: redis.Redis, tmp_path: Path) -> Iterator[WatchedProcess]:
    """A worker of the stage, whose batches take as long as the file `pace` says."""
    arguments = [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]
    if stage == "vision":
        arguments += ["--models", str(tmp_path / "models")]
    command = paced(tmp_path / "pace", stage, "--redis", broker.url, *arguments)
    process = WatchedProcess(command, tmp_path / "worker.log", tmp_path / "home")
    process.start()
    yield process
    set_pace(tmp_path / "pace", 0)
    process.stop()


def ask(stage: str, connection: redis.Redis, url: str) -> None:
    """Give the stage something to do."""
    if stage == "songs":
        hand_over(connection, "r1", model="v1", image="image-0")
        return
    with Client(url) as client:
        client.submit(photo(1), id="r1")


def done(stage: str, connection: redis.Redis) -> bool:
    """Say whether the stage has done it: songs answered, hits handed over."""
    return bool(connection.get(KEYS.result("r1")) if stage == "songs" else connection.xlen(KEYS.hits))


def test_a_worker_tells_what_is_wrong(
    worker: WatchedProcess, stage: str, broker: LimitedBroker, connection: redis.Redis, tmp_path: Path
) -> None:
    """No model, a step that hangs, a Redis that cannot write or is away: red each, and live but for what hangs."""
    turns_red(worker, "no model version is published")
    assert worker.get("/live") == GREEN
    write_version(ModelStore(str(tmp_path / "models")), "v1")
    publish_version(connection, "v1")
    turns_green(worker)

    set_pace(tmp_path / "pace", float("inf"))
    ask(stage, connection, broker.url)
    turns_red(worker, "the batch loop has stood still")
    assert worker.get("/live")[0] == 503
    assert not done(stage, connection)
    set_pace(tmp_path / "pace", 0)
    turns_green(worker)
    wait_until(lambda: done(stage, connection), "what was held is done", limit_s=GREEN_WITHIN_S)

    broker.fill_disk()
    with pytest.raises(redis.ResponseError):
        while True:
            connection.set("more", "than there is room for")
    turns_red(worker, "Redis cannot be used (MISCONF)")
    assert worker.get("/live") == GREEN
    broker.free_disk()
    turns_green(worker)

    broker.stop()
    turns_red(worker, "Redis cannot be used")
    assert worker.get("/live") == GREEN
    broker.start()
    turns_green(worker)


def test_a_version_that_cannot_be_loaded_is_told(
    broker: LimitedBroker, connection: redis.Redis, tmp_path: Path
) -> None:
    """Where no other serves, the worker is red with its fault, until one that is whole is published."""
    models = ModelStore(str(tmp_path / "models"))
    command = songlens("worker", "vision", "--redis", broker.url, "--models", str(models), "--set", "model_poll_s=0.1")
    process = WatchedProcess(command, tmp_path / "worker.log", tmp_path / "home")
    process.start()
    try:
        turns_red(process, "no model version is published")
        index = write_version(models, "v1") / IMAGE_INDEX
        index.write_bytes(index.read_bytes()[:-100])
        publish_version(connection, "v1")
        turns_red(process, "model version v1 could not be loaded")
        assert process.get("/live") == GREEN
        write_version(models, "v2")
        publish_version(connection, "v2")
        turns_green(process)
    finally:
        process.stop()


def test_the_exporter_tells_of_a_redis_that_is_away(broker: LimitedBroker, tmp_path: Path) -> None:
    """From its own start on; also of one that accepts and never answers, in the time that Prometheus waits."""
    broker.stop()
    exporter = WatchedProcess(songlens("metrics", "--redis", broker.url), tmp_path / "exporter.log", tmp_path / "home")
    exporter.start()
    try:
        turns_red(exporter, "does not answer")
        assert "songlens_redis_up 0.0" in exporter.get("/metrics")[1]
        broker.start()
        turns_green(exporter)
        assert "songlens_redis_up 1.0" in exporter.get("/metrics")[1]
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            assert "songlens_redis_up 0.0" in exporter.get("/metrics")[1]
            turns_red(exporter, "does not answer")
            assert exporter.get("/live") == GREEN
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        turns_green(exporter)
        broker.stop()
        turns_red(exporter, "does not answer")
    finally:
        exporter.stop()


def test_an_exporter_that_is_refused_ends(broker: LimitedBroker, connection: redis.Redis, tmp_path: Path) -> None:
    """Waiting makes no password right: it says so and ends, as a worker does."""
    connection.config_set("requirepass", "right")
    url = broker.url.replace("redis://", "redis://:wrong@")
    exporter = WatchedProcess(songlens("metrics", "--redis", url), tmp_path / "exporter.log", tmp_path / "home")
    exporter.start()
    assert exporter.ends() == 3
    assert "refuses the user name or password" in (tmp_path / "exporter.log").read_text()
