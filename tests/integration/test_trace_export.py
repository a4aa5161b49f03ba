"""Traces leave real worker processes by OTLP, and workers do without OpenTelemetry where it is not installed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
from chaos_models import photo, publish_version, write_version
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from otlp_receiver import Collector, attributes, collecting
from recorded_spans import PARENT, TRACE_ID
from stages import KEYS

from songlens import BadImage, Client
from songlens_shared.functions import Delivery
from songlens_workers.commands.processes import WorkerProcess, stop_all
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.models.store import ModelStore
from songlens_workers.runtime.exporting import open_tracing
from songlens_workers.runtime.stage import HandOver, Work

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
VISION, SONGS, REPLY = "process requests:interactive", "process hits", "publish replies"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


def tell_of_one_request(environment: dict[str, str], payload: bytes = b"") -> None:
    """Trace one entry of the song stage, and close."""
    tracing = open_tracing("songs", "host-7", environment)
    entry = Delivery(
        keys=KEYS,
        stream=KEYS.hits,
        group="songs",
        entry_id=b"1-0",
        payload=payload,
        request_id="r1",
        client="app",
        deadline_ms=1,
    )
    tracing.claimed(Work(entry, claimed_ms=1))
    tracing.sent(entry, HandOver("s", bytes), code="ok", began_ns=1, taken=True)
    tracing.close()


def test_a_worker_names_itself(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """By stage and consumer; and what it told before it was closed has come out."""
    monkeypatch.setenv(ENDPOINT, collector.url)
    tell_of_one_request(dict(os.environ))
    (resource,) = collector.resources
    assert (resource["service.name"], resource["service.instance.id"]) == ("songlens-songs", "host-7")
    assert resource["service.version"]
    assert collector.paths == ["/v1/traces"]


@pytest.mark.parametrize(
    ("variable", "value"), [("OTEL_SERVICE_NAME", "mine"), ("OTEL_RESOURCE_ATTRIBUTES", "service.name=mine,team=a")]
)
def test_the_environment_s_name_goes_first(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """Either way to give it."""
    monkeypatch.setenv(ENDPOINT, collector.url)
    monkeypatch.setenv(variable, value)
    tell_of_one_request(dict(os.environ))
    assert [resource["service.name"] for resource in collector.resources] == ["mine"]


def test_the_sampler_is_the_environment_s(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """It decides of what comes without a trace."""
    monkeypatch.setenv(ENDPOINT, collector.url)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    tell_of_one_request(dict(os.environ))
    assert collector.spans == []


def test_a_collector_that_is_away_holds_nobody_up(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker stops without having told of everything."""
    collector.status = 503
    monkeypatch.setenv(ENDPOINT, collector.url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "60")
    monkeypatch.setattr("songlens_workers.runtime.exporting._FLUSH_LIMIT_S", 0.3)
    tell_of_one_request(dict(os.environ))
    assert collector.spans == []


@pytest.fixture
def system(
    broker: EmbeddedBroker, connection: redis.Redis, tmp_path: Path, collector: Collector
) -> Iterator[list[WorkerProcess]]:
    """One worker process of each stage, which would export a minute after a span has ended, but for their end."""
    write_version(ModelStore(str(tmp_path / "models")), "v1")
    publish_version(connection, "v1")
    environment = {ENDPOINT: collector.url, "OTEL_BSP_SCHEDULE_DELAY": "60000"}
    arguments = {
        "vision": ["vision", "--redis", broker.url, "--models", str(tmp_path / "models")],
        "songs": ["songs", "--redis", broker.url],
    }
    with ExitStack() as stack:
        workers = [
            WorkerProcess(name, given, log=tmp_path / f"{name}.log", environment=environment)
            for name, given in arguments.items()
        ]
        stack.callback(stop_all, workers)
        for worker in workers:
            worker.start()
        yield workers


def test_real_workers_export_one_trace(
    system: list[WorkerProcess], broker: EmbeddedBroker, collector: Collector, tmp_path: Path
) -> None:
    """Two processes, one trace, exported before they end; nothing private on the wire."""
    with Client(broker.url) as client:
        client.recommend(photo(1), user="marks-of-the-user", trace=PARENT, timeout_s=90)
        with pytest.raises(BadImage):
            client.recommend(b"marks-of-no-photo", trace=PARENT, timeout_s=90)
    assert collector.spans == []
    assert stop_all(system) == {"vision": 0, "songs": 0}, (tmp_path / "vision.log").read_text()
    songs = collector.one("songlens-songs", SONGS)
    (vision,) = [span for _, span in collector.spans if span.name == VISION and span.span_id == songs.parent_span_id]
    (refused,) = [span for _, span in collector.spans if span.name == VISION and span.span_id != vision.span_id]
    assert {span.trace_id.hex() for _, span in collector.spans} == {TRACE_ID}
    assert vision.parent_span_id.hex() == refused.parent_span_id.hex() == PARENT.split("-")[2]
    assert collector.one("songlens-songs", REPLY).parent_span_id == songs.span_id
    assert collector.one("songlens-vision", REPLY).parent_span_id == refused.span_id
    assert attributes(vision)["songlens.model"] == attributes(songs)["songlens.model"] == "v1"
    assert [span.status.code for span in (vision, refused)] == [Status.STATUS_CODE_UNSET, Status.STATUS_CODE_ERROR]
    assert attributes(refused)["error.type"] == "bad_image"
    assert not [body for body in collector.bodies if b"marks-of" in body]
    assert "traces_exported" in (tmp_path / "songs.log").read_text()


WITHOUT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if (name + ".").startswith("{package}."):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""


def without(package: str, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python as if a package were not installed."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT.format(package=package) + code],
        env={**os.environ, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_clients_do_without_opentelemetry() -> None:
    """Requests go as they are."""
    done = without(
        "opentelemetry",
        """
from songlens import Client
from songlens.tracing import Untraced, app_trace
assert app_trace() is Untraced
Client("redis://127.0.0.1:1")
assert "opentelemetry" not in sys.modules
""",
    )
    assert done.returncode == 0, done.stderr


def test_the_client_needs_the_api_alone() -> None:
    """What makes spans of it is the app's."""
    done = without(
        "opentelemetry.sdk",
        """
from songlens.spans import RequestSpans
from songlens.tracing import app_trace
from songlens_shared.messages import Request
assert isinstance(app_trace()(Request(id="r1", client="app", image=b"-")), RequestSpans)
""",
    )
    assert done.returncode == 0, done.stderr


COMMAND = "from songlens.cli import main; sys.argv = ['songlens', 'worker', 'songs', '--redis', sys.argv[-1]]; main()"


def test_a_worker_that_shall_trace_and_cannot_says_how_to_install() -> None:
    """Status 2, as for other settings, and a sentence with the variable, the package and the way to do without."""
    done = without("opentelemetry", "sys.argv = ['-']\n" + COMMAND, **{ENDPOINT: "http://127.0.0.1:9"})
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for word in (ENDPOINT, "pip install 'songlens[traces]'", "OTEL_SDK_DISABLED=true"):
        assert word in done.stderr


@pytest.mark.parametrize("environment", [{}, {ENDPOINT: "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"}])
def test_workers_do_without_opentelemetry(
    connection: redis.Redis, broker: EmbeddedBroker, tmp_path: Path, environment: dict[str, str]
) -> None:
    """Unless they are asked for traces, they start, serve and stop."""
    publish_version(connection, "v1")
    log = tmp_path / "songs.log"
    with log.open("wb") as output:
        worker = subprocess.Popen(
            [sys.executable, "-c", WITHOUT.format(package="opentelemetry") + COMMAND, broker.url],
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    until_s = time.monotonic() + 60
    while "worker_started" not in log.read_text():
        assert worker.poll() is None and time.monotonic() < until_s, log.read_text()
        time.sleep(0.05)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(40) == 0, log.read_text()
    assert "traces_exported" not in log.read_text()
