"""What a signal does to a benchmark: it ends as after an error, so that whatever it has started is ended first."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
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
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
