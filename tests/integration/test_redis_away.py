"""Worker processes and a Redis that is away, late, locked or in disorder; signals at every time."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pytest
import redis
from song_models import publish
from stages import wait_until

from songlens_shared.broker import connect
from songlens_shared.codec import decode_reply, encode_hits
from songlens_shared.keys import PartitionKeys
from songlens_shared.messages import Hits, NeighbourImage, Reply
from songlens_shared.server import load_functions
from songlens_workers.embedded import EmbeddedBroker

KEYS = PartitionKeys()
CLIENT = "app"


class Worker:
    """A `songlens worker songs` process."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def says(self, action: str) -> bool:
        """Say whether it has logged this action; fail where it has ended instead."""
        if f'"action": "{action}"' in self.log:
            return True
        assert self.process.poll() is None, self.log
        return False

    def wait_for(self, action: str) -> None:
        wait_until(lambda: self.says(action), f"the worker says {action}:\n{self.log}")

    def ends(self, limit_s: float = 30) -> int:
        """Return the exit status."""
        return self.process.wait(limit_s)

    def get(self, path: str) -> tuple[int, str]:
        """Ask its health server."""
        port = re.search(r'"port": (\d+)', self.log)
        assert port, self.log
        connection = http.client.HTTPConnection("127.0.0.1", int(port[1]), timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()


@contextmanager
def started(tmp_path: Path, url: str, *settings: str, stage: str = "songs") -> Iterator[Worker]:
    """Run a worker until the end of the block."""
    log = tmp_path / f"{stage}-{time.monotonic_ns()}.log"
    output: IO[bytes]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "songlens", "worker", stage, "--redis", url, "--log-format", "json"),
                *("--metrics-port", "0"),
                *(part for setting in settings for part in ("--set", setting)),
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"SONGLENS_HOME": str(tmp_path / "home")},
        )
    try:
        yield Worker(process, log)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def absent(broker: EmbeddedBroker) -> EmbeddedBroker:
    """A server that does not run now; started, it listens at the address that it has already."""
    broker.stop()
    return broker


def rank(connection: redis.Redis, number: int) -> None:
    """Put hits for a request into the song stage's stream, as the hand-over does."""
    id = f"r{number}"
    hits = Hits(
        id=id,
        client=CLIENT,
        model="v1",
        images=(NeighbourImage(id="image-0", distance=0.5, keywords=("雪",)),),
        top_k=2,
        songs_per_image=2,
        submitted_ms=1,
        timings_ms={},
    )
    seconds, _ = connection.time()  # type: ignore[misc]
    fields = {"m": encode_hits(hits), "id": id, "client": CLIENT, "deadline": (seconds + 60) * 1000}
    connection.xadd(KEYS.hits, fields)


def reply(connection: redis.Redis, number: int) -> Reply:
    key = KEYS.result(f"r{number}")
    wait_until(lambda: bool(connection.get(key)), f"the reply to r{number}")
    stored = connection.get(key)
    assert isinstance(stored, bytes)
    return decode_reply(stored)


def publish_something(connection: redis.Redis) -> None:
    publish(connection, "v1", np.ones((1, 4), np.float32), np.eye(4, dtype=np.float32))


@pytest.mark.parametrize("stage", ["songs", "vision"])
def test_a_worker_without_redis_ends_with_a_sentence(tmp_path: Path, absent: EmbeddedBroker, stage: str) -> None:
    """After its wait it ends with status 3 and says where it looked and what to do; no stack trace, no password."""
    url = absent.url.replace("redis://", "redis://user:hidden@")
    with started(tmp_path, url, "start_wait_s=0.5", stage=stage) as worker:
        assert worker.ends(60) == 3
        assert "error: no Redis answers at redis://user:***@127.0.0.1" in worker.log
        assert "songlens up" in worker.log
        assert "Traceback" not in worker.log
        assert "hidden" not in worker.log


def test_a_worker_waits_for_a_redis_that_comes_late(tmp_path: Path, absent: EmbeddedBroker) -> None:
    """Started together with its server, the worker comes up when the server does."""
    with started(tmp_path, absent.url, "start_wait_s=60") as worker:
        worker.wait_for("redis_awaited")
        absent.start()
        worker.wait_for("worker_started")
        with connect(absent.url) as connection:
            assert connection.function_list(library="songlens")
        worker.process.terminate()
        assert worker.ends() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_wait_ends_it_at_once(
    tmp_path: Path, absent: EmbeddedBroker, number: signal.Signals
) -> None:
    """Nothing is held yet: a worker that is told to stop while it starts ends with status 0, without its whole wait."""
    with started(tmp_path, absent.url, "start_wait_s=600") as worker:
        worker.wait_for("redis_awaited")
        worker.process.send_signal(number)
        assert worker.ends(10) == 0
        assert "Traceback" not in worker.log


def test_a_refused_password_is_not_waited_for(tmp_path: Path, broker: EmbeddedBroker) -> None:
    """Waiting makes no password right: status 3 at once, and the sentence says what is refused."""
    with connect(broker.url) as connection:
        connection.config_set("requirepass", "right")
    with started(tmp_path, broker.url.replace("redis://", "redis://:wrong@"), "start_wait_s=600") as worker:
        assert worker.ends() == 3
        assert "refuses the user name or password" in worker.log
        assert "Traceback" not in worker.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(tmp_path: Path, connection: redis.Redis, broker: EmbeddedBroker, number: int) -> None:
    """A serving worker ends with status 0 and leaves nothing pending."""
    publish_something(connection)
    with started(tmp_path, broker.url) as worker:
        worker.wait_for("worker_started")
        for request in range(20):
            rank(connection, request)
        worker.process.send_signal(number)
        assert worker.ends() == 0
        assert worker.says("worker_stopped")
    assert connection.xpending(KEYS.hits, "songs")["pending"] == 0


def test_redis_going_away_is_outlasted(tmp_path: Path, connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """A server that restarts empty under a serving worker: not ready, but live; then served as before."""
    publish_something(connection)
    with started(tmp_path, broker.url, "model_poll_s=0.1") as worker:
        worker.wait_for("worker_started")
        rank(connection, 1)
        assert len(reply(connection, 1).songs) == 2
        assert worker.get("/ready") == (200, "ok\n")
        broker.stop()
        wait_until(lambda: worker.get("/ready")[0] == 503, "the worker is not ready")
        assert "Redis cannot be used" in worker.get("/ready")[1]
        assert worker.get("/live")[0] == 200
        broker.start()
        wait_until(lambda: worker.get("/ready")[0] == 200, "the worker is ready again")
        load_functions(connection)
        publish_something(connection)
        rank(connection, 2)
        assert len(reply(connection, 2).songs) == 2
        assert 'songlens_requests_total{code="ok",stage="songs"} 2.0' in worker.get("/metrics")[1]
        worker.process.terminate()
        assert worker.ends() == 0


def test_disorder_ends_the_process(tmp_path: Path, connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """Where a loop cannot go on, the process ends with a status for its supervisor to see, and does not sit there."""
    with started(tmp_path, broker.url) as worker:
        worker.wait_for("worker_started")
        connection.delete(KEYS.hits)
        connection.set(KEYS.hits, "not a stream")
        assert worker.ends() == 3
        assert "error: redis://127.0.0.1" in worker.log
        assert "WRONGTYPE" in worker.log


def test_a_taken_port_is_a_bad_setting(tmp_path: Path, connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """Two workers cannot share a metrics port: the second ends with status 2 and names the setting."""
    with started(tmp_path, broker.url) as first:
        first.wait_for("health_served")
        port = re.search(r'"port": (\d+)', first.log)
        assert port
        with started(tmp_path, broker.url, f"metrics_port={port[1]}") as second:
            assert second.ends() == 2
            assert f"metrics_port {port[1]}" in second.log


def test_ready_follows_the_model(tmp_path: Path, connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """Before the first publish a worker is live and not ready, and says why; after it, ready, with songs."""
    with started(tmp_path, broker.url, "model_poll_s=0.1") as worker:
        worker.wait_for("worker_started")
        assert worker.get("/ready") == (503, "no model version is published\n")
        assert worker.get("/live") == (200, "ok\n")
        rank(connection, 1)
        error = reply(connection, 1).error
        assert error is not None
        assert error.code == "no_model"
        publish_something(connection)
        wait_until(lambda: worker.get("/ready")[0] == 200, "the worker is ready")
        rank(connection, 2)
        assert len(reply(connection, 2).songs) == 2
