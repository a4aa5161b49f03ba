"""What log lines look like, and what they never hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO

import pytest
import structlog

from songlens_shared.codec import encode_request
from songlens_shared.functions import Delivery
from songlens_shared.keys import PartitionKeys
from songlens_shared.messages import Request
from songlens_workers.log import LogFormat, configure_logging
from songlens_workers.runtime.tracing import Tracing

PHOTO = b"the bytes of a photo"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Other tests log as they did."""
    yield
    structlog.reset_defaults()


def log_a_fault() -> None:
    payload = PHOTO
    try:
        raise ValueError(f"{len(payload)} bytes")
    except ValueError:
        structlog.get_logger().exception("batch_failed", stage="vision", size=4)


def test_json_lines_are_one_object_each(capsys: pytest.CaptureFixture[str]) -> None:
    """A machine reads action, level, time and fields; a traceback is one field."""
    configure_logging("json")
    log_a_fault()
    line = json.loads(capsys.readouterr().err)
    assert (line["action"], line["level"], line["stage"], line["size"]) == ("batch_failed", "error", "vision", 4)
    assert line["exception"].endswith("ValueError: 20 bytes")


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_line_is_written_in_one_piece(monkeypatch: pytest.MonkeyPatch, log_format: LogFormat) -> None:
    """Processes that share a stream do not mix their lines up, not even where it keeps nothing back."""
    written: list[str] = []

    class Unbuffered(StringIO):
        def write(self, text: str) -> int:
            written.append(text)
            return len(text)

    monkeypatch.setattr("sys.stderr", Unbuffered())
    configure_logging(log_format)
    structlog.get_logger().info("worker_started", stage="vision")
    structlog.get_logger().info("worker_stopped", stage="vision")
    assert len(written) == 2
    assert all(text.count("\n") == 1 and text.endswith("\n") for text in written)


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_tracebacks_hold_no_photos(capsys: pytest.CaptureFixture[str], log_format: LogFormat) -> None:
    """A traceback shows lines of code, and no values of variables."""
    configure_logging(log_format)
    log_a_fault()
    said = capsys.readouterr().err
    assert "ValueError: 20 bytes" in said
    assert PHOTO.decode() not in said


def test_debug_lines_are_for_debugging(capsys: pytest.CaptureFixture[str]) -> None:
    """They are left out unless they are asked for."""
    configure_logging("console")
    structlog.get_logger().debug("heartbeat_missed")
    assert capsys.readouterr().err == ""
    configure_logging("console", debug=True)
    structlog.get_logger().debug("heartbeat_missed")
    assert "heartbeat_missed" in capsys.readouterr().err


TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


def log_about_a_request(trace: str | None) -> None:
    request = Request(id="r1", client="app", image=PHOTO, user="marks of the user", trace=trace)
    keys = PartitionKeys()
    delivery = Delivery(
        keys=keys,
        stream=keys.requests("interactive"),
        group="vision",
        entry_id=b"1-0",
        payload=encode_request(request),
        request_id=request.id,
        client=request.client,
        deadline_ms=1,
    )
    structlog.get_logger().error("prepare_hangs", stage="vision", **Tracing().about(delivery))


def test_a_json_line_about_a_request_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    """One action, the request's id, and its trace's where there is one; what the message says besides stays out."""
    configure_logging("json")
    for trace in (f"00-{TRACE_ID}-00f067aa0ba902b7-01", "no trace", None):
        log_about_a_request(trace)
    first, *others = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert {name: first[name] for name in first if name != "timestamp"} == {
        "action": "prepare_hangs",
        "level": "error",
        "stage": "vision",
        "request": "r1",
        "trace_id": TRACE_ID,
    }
    assert len(others) == 2
    assert all("trace_id" not in line and line["request"] == "r1" for line in others)


def test_a_console_line_about_a_request_names_it(capsys: pytest.CaptureFixture[str]) -> None:
    """The same in columns: one line, the action before the fields."""
    configure_logging("console")
    log_about_a_request(f"00-{TRACE_ID}-00f067aa0ba902b7-01")
    (line,) = capsys.readouterr().err.splitlines()
    action, fields = line.split("prepare_hangs")
    assert "error" in action
    assert set(fields.split()) == {"stage=vision", "request=r1", f"trace_id={TRACE_ID}"}
