"""A real Prometheus watches a running system: every rule, and every metric that an alert reads, has data."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from batch_system import make_photos, submit
from chaos_models import photo, publish_version, write_version
from ops_tools import tool
from prometheus_server import OPS, Prometheus, prometheus

from songlens import Client
from songlens_shared.errors import SonglensError
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.models.store import ModelStore

pytestmark = pytest.mark.timeout(400)

_NAME = re.compile(r"\b(?:songlens[a-z_:0-9]*|up)\b(?=[{\[ )]|$)")

_OF_A_GPU = {"songlens_device_busy_ratio", "songlens_device_memory_bytes", "songlens_device_memory_limit_bytes"}
"""There is none here; tests/gpu look at it."""


def test_the_rules_are_sound() -> None:
    """promtool reads all of it, and its tests of every alert pass: each fires on its fault, and clears."""
    for command in (
        ("check", "config", "--syntax-only", str(OPS / "prometheus.yml")),
        ("check", "rules", str(OPS / "recording.yml"), str(OPS / "alerts.yml")),
        ("test", "rules", str(OPS / "tests" / "alerts.yml")),
    ):
        done = subprocess.run([tool("promtool"), *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_and_in_the_runbook() -> None:
    """Under its own name."""
    alerts = (OPS / "alerts.yml").read_text()
    tested = (OPS / "tests" / "alerts.yml").read_text()
    runbook = (OPS.parent / "runbook.md").read_text()
    names = re.findall(r"- alert: (\w+)", alerts)
    assert len(names) == len(set(names)) > 10
    for name in names:
        assert f"alertname: {name}\n" in tested
        assert f"## {name}\n" in runbook
        assert f"runbook_url: ops/runbook.md#{name.lower()}\n" in alerts


def panel_queries() -> list[str]:
    """Return what the dashboards ask for."""
    boards = [json.loads(path.read_text()) for path in sorted((OPS.parent / "grafana" / "dashboards").glob("*.json"))]
    assert len(boards) == 5
    return [target["expr"] for board in boards for panel in board["panels"] for target in panel.get("targets", ())]


@dataclass(frozen=True)
class Watched:
    """A system with a Prometheus beside it."""

    url: str
    server: Prometheus


@contextmanager
def running(arguments: list[str], log: Path) -> Iterator[None]:
    """Run a `songlens` command until the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "songlens", *arguments], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(40)


def port_of(log: Path) -> int:
    """Return the port that a worker has said it serves on."""
    until_s = time.monotonic() + 90
    while time.monotonic() < until_s:
        for line in log.read_text().splitlines() if log.exists() else ():
            if '"health_served"' in line or '"metrics_served"' in line:
                return int(json.loads(line)["port"])
        time.sleep(0.1)
    raise AssertionError(log.read_text())


@pytest.fixture
def watched(broker: EmbeddedBroker, connection: redis.Redis, tmp_path: Path) -> Iterator[Watched]:
    """One worker of each kind, the exporter, and Prometheus."""
    tool("prometheus")
    write_version(ModelStore(str(tmp_path / "models")), "v1")
    publish_version(connection, "v1")
    common = ["--redis", broker.url, "--metrics-port", "0", "--log-format", "json"]
    arguments = {
        "songlens-vision": [
            "worker",
            "vision",
            *common,
            "--models",
            str(tmp_path / "models"),
            "--set",
            "cache_entries=0",
        ],
        "songlens-songs": ["worker", "songs", *common],
        "songlens-jobs": ["worker", "jobs", *common],
        "songlens-metrics": ["metrics", "--redis", broker.url, "--port", "0", "--log-format", "json"],
    }
    with ExitStack() as stack:
        for name, given in arguments.items():
            stack.enter_context(running(given, tmp_path / f"{name}.log"))
        ports = {name: port_of(tmp_path / f"{name}.log") for name in arguments}
        yield Watched(broker.url, stack.enter_context(prometheus(tmp_path, ports)))


@contextmanager
def load(url: str) -> Iterator[None]:
    """Send photos, good ones and some that are none, until the end."""
    over = threading.Event()

    def send() -> None:
        with Client(url) as client:
            number = 0
            while not over.is_set():
                number += 1
                try:
                    client.recommend(b"none" if number % 10 == 0 else photo(number % 50), timeout_s=20)
                except SonglensError:
                    continue

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def top(url: str) -> dict[str, Any]:
    """Return what `songlens top` shows."""
    command = [sys.executable, "-m", "songlens", "top", "--redis", url, "--once", "--json"]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    return found


def test_every_rule_has_data_under_load(watched: Watched, tmp_path: Path) -> None:
    """So have every metric that an alert reads, and every panel; under a sound load no alert fires."""
    submit(watched.url, make_photos(tmp_path / "photos", 40), tmp_path / "out", shard_size=20)
    with load(watched.url):
        assert watched.server.until('songlens:request_seconds:p99_5m{lane="interactive"} > 0', 90)
        time.sleep(5)
        rules = [rule for group in watched.server.get("rules")["groups"] for rule in group["rules"]]
        for rule in rules:
            if rule["type"] == "recording":
                assert watched.server.until(rule["name"], 20), rule["name"]
        names = {name for rule in rules if rule["type"] == "alerting" for name in _NAME.findall(rule["query"])}
        assert len(names) > 10
        for name in names:
            assert watched.server.until(name, 20), name
        for query in set(panel_queries()) - _OF_A_GPU:
            assert watched.server.until(query, 20), query
        assert watched.server.until('songlens_request_seconds_count{lane="bulk"}', 20)
        glance = top(watched.url)
        assert glance["latencies"]["interactive"]["p99_s"] > 0
        assert all(worker["pace"]["batch_size"] >= 1 and worker["model"] == "v1" for worker in glance["workers"])
        assert {worker["stage"] for worker in glance["workers"]} == {"vision", "songs"}
        firing = [alert["labels"] for alert in watched.server.get("alerts")["alerts"] if alert["state"] == "firing"]
        assert firing == []
