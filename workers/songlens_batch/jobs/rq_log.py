"""RQ's log lines among ours: one action each, and no traceback of what a job has told itself."""

from __future__ import annotations

import logging

import structlog

_TOLD_BEFORE = "exception raised while executing"
"""RQ's words for a job that has failed; functions.py logs it, and RQ keeps the traceback with the job."""

_log = structlog.get_logger()


class _Passed(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        """Log a line of RQ."""
        message = record.getMessage()
        if _TOLD_BEFORE not in message:
            _log.log(record.levelno, "rq", told=message.split("\n", 1)[0])


def pass_on_rq_lines() -> None:
    """Log warnings and errors of RQ as ours. RQ makes no handlers of its own where it finds one."""
    logger = logging.getLogger("rq")
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    if not any(isinstance(handler, _Passed) for handler in logger.handlers):
        logger.addHandler(_Passed())
