"""What a signal does to a benchmark: it ends as after an error, so that whatever it has started is ended first.

A process that was just being started when the signal came is known to nobody; it is looked for at the end.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def leaving_by_signals() -> Iterator[None]:
    """Have the first SIGTERM or Ctrl-C end the block by `SystemExit`, and no second one disturb that."""

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in _SIGNALS}
    try:
        yield
    except SystemExit:
        _end_children()
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_children() -> None:
    """End every child that is left; on systems without /proc, none is found."""
    for task in Path("/proc/self/task").glob("*/children"):
        for pid in map(int, task.read_text().split()):
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
