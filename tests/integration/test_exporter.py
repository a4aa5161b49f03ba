"""`songlens metrics` as a process: what waits is told with no worker alive, under the rights of `songlens-metrics`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from prometheus_client.parser import text_string_to_metric_families

from songlens import Client
from songlens_shared.keys import PartitionKeys
from songlens_workers.embedded import EmbeddedBroker


class Exporter:
    """The process, and its port."""

    def __init__(self, url: str, log: Path) -> None:
        command = [sys.executable, "-m", "songlens", "metrics", "--redis", url, "--port", "0", "--log-format", "json"]
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)

    def port(self) -> int:
        until_s = time.monotonic() + 30
        while time.monotonic() < until_s:
            for line in self._log.read_text().splitlines():
                if '"metrics_served"' in line:
                    return int(json.loads(line)["port"])
            assert self.process.poll() is None, self._log.read_text()
            time.sleep(0.05)
        raise AssertionError(self._log.read_text())

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port()}/{path}", timeout=20) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def values(self) -> dict[tuple[str, ...], float]:
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(self.get("metrics")[1])
            for sample in family.samples
        }


@contextmanager
def exporting(url: str, folder: Path) -> Iterator[Exporter]:
    exporter = Exporter(url, folder / "exporter.log")
    try:
        yield exporter
    finally:
        exporter.process.send_signal(signal.SIGTERM)
        assert exporter.process.wait(20) == 0


def test_what_waits_is_told_without_workers(broker: EmbeddedBroker, connection: redis.Redis, tmp_path: Path) -> None:
    """Depth, bytes and lag of each lane; readiness follows the server."""
    with Client(broker.url) as client:
        for lane in ("interactive", "bulk", "bulk"):
            client.submit(b"\xff\xd8\xff" + b"x" * 1000, lane=lane)
    with exporting(broker.url, tmp_path) as exporter:
        found = exporter.values()
        assert found["songlens_redis_up",] == 1
        assert found["songlens_queue_depth", "bulk", "0"] == 2
        assert found["songlens_queue_depth", "interactive", "0"] == 1
        assert found["songlens_queue_depth", "hits", "0"] == 0
        assert found["songlens_queue_lag", "bulk", "0"] == 2
        assert found["songlens_queue_bytes", "bulk", "0"] > 2000
        assert found["songlens_redis_persistence_ok",] == 1
        assert found["songlens_disk_free_bytes",] > 0
        time.sleep(1.1)
        assert exporter.values()["songlens_queue_oldest_seconds", "bulk", "0"] >= 1
        assert exporter.get("ready") == (200, "ok\n")
        broker.stop()
        assert exporter.get("ready")[0] == 503
        assert exporter.values()["songlens_redis_up",] == 0


def test_it_needs_no_more_than_its_rights(broker: EmbeddedBroker, connection: redis.Redis, tmp_path: Path) -> None:
    """The user `songlens-metrics` of ops/redis/users.acl."""
    rules = Path("ops/redis/users.acl").read_text().splitlines()
    line = next(rule for rule in rules if rule.startswith("user songlens-metrics "))
    connection.execute_command("ACL", "SETUSER", *line.split()[1:], ">secret")
    with Client(broker.url) as client:
        client.submit(b"\xff\xd8\xff" + b"x" * 1000)
    connection.set(PartitionKeys(0).trimmed, 7)
    with exporting(broker.url.replace("://", "://songlens-metrics:secret@"), tmp_path) as exporter:
        found = exporter.values()
        assert (found["songlens_redis_up",], found["songlens_queue_depth", "interactive", "0"]) == (1, 1)
        assert found["songlens_replies_trimmed_total",] == 7
    refused = [
        dict(zip(entry[::2], entry[1::2], strict=True)) if isinstance(entry, list) else entry
        for entry in connection.execute_command("ACL", "LOG")
    ]
    assert {entry[b"object"] for entry in refused} <= {b"client|setinfo"}  # redis-py's, which does without
