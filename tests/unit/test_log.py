"""What log lines look like, and what they never hold."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import structlog

from songlens_workers.log import LogFormat, configure_logging

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
