"""Log lines: one `action` each, as JSON for machines or in columns for people."""

from __future__ import annotations

import logging
import sys
from typing import Literal

import structlog

LogFormat = Literal["console", "json"]


def configure_logging(log_format: LogFormat, *, debug: bool = False) -> None:
    """Send structured log lines to standard error, with `debug` also those of the libraries that we use."""
    if debug:
        logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            *(_json() if log_format == "json" else _console()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if debug else logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),  # a line in one piece: processes share the stream
    )


# Tracebacks are plain in both: with the values of local variables they would carry photos into the log.


def _json() -> list[structlog.typing.Processor]:
    return [
        structlog.processors.EventRenamer("action"),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]


def _console() -> list[structlog.typing.Processor]:
    return [
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    ]
