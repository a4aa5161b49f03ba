"""Liveness, readiness and metrics over HTTP."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import Request, urlopen

import pytest
from prometheus_client import CollectorRegistry, Counter

from songlens_shared.errors import ConfigError
from songlens_workers.runtime.health import HealthServer, Pulse


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Worker:
    """What a health server is told about a worker."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.pulse = Pulse(60, self.clock)
        self.registry = CollectorRegistry()
        self.faults: list[str] = []

    @contextmanager
    def served(self) -> Iterator[int]:
        server = HealthServer("127.0.0.1", 0, pulse=self.pulse, ready=lambda: list(self.faults), registry=self.registry)
        server.start()
        try:
            yield server.port
        finally:
            server.stop()


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.fixture
def port(worker: Worker) -> Iterator[int]:
    with worker.served() as port:
        yield port


def get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_a_worker_without_faults_is_live_and_ready(worker: Worker, port: int) -> None:
    """Both answer 200 while every loop turns and the stage has what it needs."""
    worker.pulse.beat("intake")
    worker.clock.now_s = 59
    assert get(port, "/live") == (200, "ok\n")
    assert get(port, "/ready") == (200, "ok\n")


def test_without_a_model_it_is_live_but_not_ready(worker: Worker, port: int) -> None:
    """A restart would not bring a model, so only readiness fails, and the body says why."""
    worker.faults = ["no model version is published"]
    assert get(port, "/live") == (200, "ok\n")
    assert get(port, "/ready") == (503, "no model version is published\n")
    worker.faults.clear()
    assert get(port, "/ready") == (200, "ok\n")


def test_a_loop_that_stands_still_is_neither_live_nor_ready(worker: Worker, port: int) -> None:
    """Past stuck_s both answer 503 with the loop's name, until it turns again."""
    worker.pulse.beat("intake")
    worker.pulse.beat("batch")
    worker.clock.now_s = 61
    worker.pulse.beat("intake")
    assert get(port, "/live") == (503, "the batch loop has stood still for 61 s\n")
    assert get(port, "/ready")[0] == 503
    assert "songlens_stuck_loops 1.0" in get(port, "/metrics")[1]
    worker.pulse.beat("batch")
    assert get(port, "/live") == (200, "ok\n")
    assert "songlens_stuck_loops 0.0" in get(port, "/metrics")[1]


def test_a_loop_that_waits_for_redis_is_excused(worker: Worker, port: int) -> None:
    """While Redis is away the worker is not restarted: its loops' time counts from the last try."""
    worker.pulse.beat("intake")
    worker.clock.now_s = 300
    worker.pulse.excuse()
    worker.clock.now_s = 350
    assert get(port, "/live") == (200, "ok\n")
    worker.clock.now_s = 361
    assert get(port, "/live")[0] == 503


def test_prometheus_gets_the_format_that_it_asks_for(worker: Worker, port: int) -> None:
    """Exemplars are told in OpenMetrics alone."""
    asked = Request(f"http://127.0.0.1:{port}/metrics", headers={"Accept": "application/openmetrics-text"})
    with urlopen(asked, timeout=5) as response:
        assert response.headers["Content-Type"].startswith("application/openmetrics-text")
        assert response.read().endswith(b"# EOF\n")


def test_metrics_are_served_from_the_registry_given(worker: Worker, port: int) -> None:
    """/metrics is what Prometheus reads, and holds nothing from elsewhere in the process."""
    Counter("songlens_seen", "Seen.", registry=worker.registry).inc(3)
    status, text = get(port, "/metrics?name[]=songlens_seen")
    assert status == 200
    assert "songlens_seen_total 3.0" in text
    assert "python_info" not in text


def test_other_paths_are_not_found(port: int) -> None:
    """A wrong path is told the right ones."""
    assert get(port, "/") == (404, "/live, /ready or /metrics\n")


def test_a_port_that_is_taken_is_a_bad_setting(worker: Worker, port: int) -> None:
    """Two workers with one metrics_port: the second ends with a sentence that names the setting."""
    with pytest.raises(ConfigError, match=f"metrics_port {port}"):
        HealthServer("127.0.0.1", port, pulse=worker.pulse, ready=list, registry=worker.registry)
