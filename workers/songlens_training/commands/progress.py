"""Progress on the screen: bars on a terminal, one line for each finished step elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as Bars,
)

from songlens_training.progress import Progress


@contextmanager
def progress_bars(console: Console) -> Iterator[Progress]:
    """Give a `Progress` that draws: every description gets a bar of its own, in the order of first use."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (
        TextColumn("{task.description:<32}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Bars(*columns, console=console) as bars:
        tasks: dict[str, TaskID] = {}

        def draw(description: str, done: int, total: int, note: str = "", /) -> None:
            if description not in tasks:
                tasks[description] = bars.add_task(description, total=total or None, note=note)
            bars.update(tasks[description], completed=done, total=total or None, note=note)

        yield draw


class _Lines:
    """Says when a step is finished, and how long it took."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started_s: dict[str, float] = {}

    def __call__(self, description: str, done: int, total: int, note: str = "", /) -> None:
        started_s = self._started_s.setdefault(description, time.monotonic())
        if total and done >= total:
            seconds = time.monotonic() - started_s
            told = f" ({note})" if note else ""
            self._console.print(f"{description}: {total} in {seconds:.1f} s{told}", highlight=False)
            del self._started_s[description]
