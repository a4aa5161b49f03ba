"""What OTEL_ variables make of a worker; nothing is sent anywhere."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from songlens_shared.errors import ConfigError
from songlens_workers.log import configure_logging
from songlens_workers.runtime.exporting import open_tracing
from songlens_workers.runtime.spans import SpanTracing
from songlens_workers.runtime.tracing import Tracing

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Other tests log as they did."""
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {ENDPOINT: ""},
        {ENDPOINT: NOWHERE, "OTEL_SDK_DISABLED": "TRUE"},
        {ENDPOINT: NOWHERE, "OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": NOWHERE},
    ],
)
def test_nothing_is_traced_unless_it_is_asked_for(environment: dict[str, str]) -> None:
    """Or where it is asked for and switched off."""
    assert type(open_tracing("vision", "w1", environment)) is Tracing


@pytest.mark.parametrize(
    "environment",
    [
        {ENDPOINT: NOWHERE},
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": NOWHERE},
        {"OTEL_TRACES_EXPORTER": "otlp"},
        {"OTEL_TRACES_EXPORTER": "console", "OTEL_SDK_DISABLED": "false"},
    ],
)
def test_an_address_or_an_exporter_asks_for_traces(environment: dict[str, str]) -> None:
    """Either of them."""
    tracing = open_tracing("vision", "w1", environment)
    assert isinstance(tracing, SpanTracing)
    tracing.close()


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({ENDPOINT: NOWHERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "smoke"}, "unknown OTEL_EXPORTER_OTLP_PROTOCOL 'smoke'"),
        ({ENDPOINT: NOWHERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "no package that is installed"),
        ({"OTEL_TRACES_EXPORTER": "pigeon"}, "'pigeon'"),
    ],
)
def test_what_cannot_be_done_is_said(environment: dict[str, str], says: str) -> None:
    """With what there is."""
    with pytest.raises(ConfigError, match=says):
        open_tracing("vision", "w1", environment)


def test_what_the_sdk_refuses_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that is larger than its queue, say."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "1")
    with pytest.raises(ConfigError, match="OTEL_"):
        open_tracing("vision", "w1", {ENDPOINT: NOWHERE})


def test_opentelemetry_s_lines_are_among_ours(capsys: pytest.CaptureFixture[str]) -> None:
    """What a library tells of a collector that is away is one line of JSON, without a traceback."""
    configure_logging("json")
    tracing = open_tracing("songs", "w1", {ENDPOINT: NOWHERE})
    logger = logging.getLogger("opentelemetry.exporter.otlp")
    logger.error("Failed to export: %s\nmore", "away")
    logger.info("nobody asked")
    tracing.close()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["action"] for line in lines] == ["traces_exported", "opentelemetry"]
    assert lines[1]["told"] == "Failed to export: away"
