"""What becomes of a job that fails: a log line, and no other try where it must fail again the same way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from rq import get_current_job

from songlens_shared.errors import SonglensError

_log = structlog.get_logger()


@contextmanager
def noting_failure(hopeless: tuple[type[SonglensError], ...] = (), **where: object) -> Iterator[None]:
    """Log why the job that runs here fails; take its retries where a `SonglensError` says that it is hopeless.

    So are errors of the kinds in `hopeless`, for this job.
    """
    try:
        yield
    except SonglensError as error:
        lost = isinstance(error, hopeless) or bool(getattr(error, "hopeless", False))
        _log.warning("job_failed", **where, error=error.message, tried_again=not lost and _may_try_again())
        if lost:
            _give_up()
        raise
    except Exception:
        _log.exception("job_failed", **where)
        raise


def _may_try_again() -> bool:
    job = get_current_job()
    return job is not None and bool(job.should_retry)


def _give_up() -> None:
    if (job := get_current_job()) is not None:
        job.retries_left = 0
