"""`songlens worker vision --processes N`: real processes that share the work, are started again, and drain together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from chaos_models import photo, publish_version, write_version
from stages import wait_until

from songlens import Client
from songlens_shared.keys import VISION_GROUP, PartitionKeys
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.models.store import ModelStore

KEYS = PartitionKeys()
VERSION = "20260101-000000-tiny"


class Fleet:
    """A `songlens worker vision` of several processes."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def logged(self, action: str) -> list[dict[str, Any]]:
        """Return what it and its processes have logged under this action."""
        lines = [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]
        return [line for line in lines if line["action"] == action]

    def wait_for(self, action: str, times: int) -> None:
        def says() -> bool:
            assert self.process.poll() is None, self.log
            return len(self.logged(action)) >= times

        wait_until(says, f"{times} x {action}")

    def consumers(self) -> list[str]:
        return [line["consumer"] for line in self.logged("worker_started")]

    def pids(self) -> list[int]:
        return [line["pid"] for line in self.logged("process_started")]


@contextmanager
def started(tmp_path: Path, url: str, *arguments: str) -> Iterator[Fleet]:
    """Run one until the end of the block."""
    log = tmp_path / "fleet.log"
    command = [
        *(sys.executable, "-m", "songlens", "worker", "vision", "--redis", url, "--log-format", "json"),
        *("--models", str(tmp_path / "models"), *arguments),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        yield Fleet(process, log)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def live(tmp_path: Path, connection: redis.Redis) -> redis.Redis:
    """A server with a published version."""
    write_version(ModelStore(str(tmp_path / "models")), VERSION)
    publish_version(connection, VERSION)
    return connection


def submit(url: str, count: int) -> None:
    with Client(url) as client:
        for number in range(count):
            client.submit(photo(number), timeout_s=120)


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_processes_share_the_work_and_drain(tmp_path: Path, broker: EmbeddedBroker, live: redis.Redis) -> None:
    """Each is a consumer of its own, one that is killed is started again and loses nothing, SIGTERM ends all with 0."""
    settings = ["heartbeat_ms=100", "takeover_ms=400", "max_batch=1", "max_in_flight=2", "cache_entries=0"]
    options = [part for setting in settings for part in ("--set", setting)]
    with started(tmp_path, broker.url, "--processes", "2", "--device", "cpu", *options) as fleet:
        fleet.wait_for("worker_started", 2)
        submit(broker.url, 100)
        wait_until(lambda: live.xlen(KEYS.hits) == 100, "all have neighbours")
        served = {consumer["name"] for consumer in live.xinfo_consumers(KEYS.requests("interactive"), VISION_GROUP)}
        assert {name.decode() for name in served} == set(fleet.consumers())
        assert len(served) == 2

        submit(broker.url, 100)
        os.kill(fleet.pids()[0], signal.SIGKILL)
        fleet.wait_for("worker_started", 3)
        wait_until(lambda: live.xlen(KEYS.hits) == 200, "nothing is lost")
        assert [line["status"] for line in fleet.logged("worker_restarted")] == [-signal.SIGKILL]

        submit(broker.url, 20)
        fleet.process.send_signal(signal.SIGTERM)
        assert fleet.process.wait(60) == 0, fleet.log
        assert not any(alive(pid) for pid in fleet.pids())
        [ended] = fleet.logged("all_stopped")
        assert ended["statuses"] == {"vision 1": 0, "vision 2": 0}
        assert live.xlen(KEYS.hits) + live.xlen(KEYS.requests("interactive")) == 220
        pending: Any = live.xpending(KEYS.requests("interactive"), VISION_GROUP)
        assert pending["pending"] == 0


def test_processes_that_cannot_serve_end_the_worker(tmp_path: Path, broker: EmbeddedBroker, live: redis.Redis) -> None:
    """After a few tries it ends with their exit status, and says which of them it was."""
    manifest = ModelStore(str(tmp_path / "models")).folder / VERSION / "manifest.json"
    manifest.write_text("{}")
    with started(tmp_path, broker.url, "--devices", "cpu,cpu") as fleet:
        assert fleet.process.wait(120) == 4, fleet.log
    assert "worker keeps ending (status 4)" in fleet.log
    assert 3 <= len(fleet.logged("worker_restarted")) <= 7


def test_a_signal_while_processes_start(tmp_path: Path, broker: EmbeddedBroker, live: redis.Redis) -> None:
    """It ends them at once, and that is no failure."""
    with started(tmp_path, broker.url, "--processes", "2") as fleet:
        fleet.wait_for("process_started", 2)
        fleet.process.send_signal(signal.SIGTERM)
        assert fleet.process.wait(30) == 0, fleet.log


def test_settings_are_checked_before_anything_starts(tmp_path: Path, broker: EmbeddedBroker) -> None:
    """A device too many is wrong usage: status 2, and no process was started."""
    with started(tmp_path, broker.url, "--processes", "1", "--devices", "cuda:0,cuda:1") as fleet:
        assert fleet.process.wait(30) == 2
    assert "processes must be at least as many as devices" in fleet.log
    assert not fleet.logged("process_started")
