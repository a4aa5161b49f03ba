"""What people see of batches: one in full, many in a list, one that goes on."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from songlens_batch.state.registry import CANCELLED, DONE, FAILED
from songlens_batch.state.status import BatchStatus

_COLOURS = {DONE: "green", FAILED: "red", CANCELLED: "yellow"}

Told = Callable[[BatchStatus], None]


def shown(found: BatchStatus) -> RenderableType:
    """Return one batch in full."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    for name, value in _lines(found):
        table.add_row(name, value)
    return table


def _lines(found: BatchStatus) -> Iterator[tuple[str, RenderableType]]:
    yield "batch", f"{found.id}  {_coloured(found.state)}"
    if found.why:
        yield "why", Text(found.why, style="red")
    yield "source", Text(found.source)
    yield "output", Text(found.out)
    yield "photos", f"{found.rows:,} of {found.images:,}"
    yield "", ProgressBar(total=max(1, found.images), completed=found.rows, width=40)
    yield "shards", f"{found.shards_done:,} of {found.shards:,} done{_others(found)}"
    yield "speed", f"{found.images_per_s:,.1f} photos a second"
    yield "time", f"{duration(found.seconds)}{'' if found.left_s is None else f', {duration(found.left_s)} left'}"
    yield "errors", ", ".join(f"{count:,} {escape(code)}" for code, count in found.errors.items()) or "none"


def _others(found: BatchStatus) -> str:
    running = f", {found.shards_running} running" if found.shards_running else ""
    return running + (f", [red]{found.shards_failed} failed[/]" if found.shards_failed else "")


def _coloured(state: str) -> str:
    colour = _COLOURS.get(state)
    return f"[{colour}]{state}[/]" if colour else state


def duration(seconds: float) -> str:
    """Return a time as people say it: 41 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def listed(batches: Iterable[BatchStatus]) -> Table:
    """Return a row for each batch."""
    table = Table(box=None, pad_edge=False)
    for title in ("batch", "state", "photos", "errors", "shards", "photos/s", "time"):
        table.add_column(title, no_wrap=True)
    table.add_column("output", overflow="fold")
    for one in batches:
        table.add_row(
            one.id,
            _coloured(one.state),
            f"{one.rows:,} of {one.images:,}",
            f"{sum(one.errors.values()):,}",
            f"{one.shards_done:,} of {one.shards:,}",
            f"{one.images_per_s:,.1f}",
            duration(one.seconds),
            Text(one.out),
        )
    return table


@contextmanager
def watching(*, as_json: bool) -> Iterator[Told]:
    """Give what is told each look at a batch: drawn anew on a terminal, a line where something changed elsewhere."""
    if as_json:
        yield lambda found: typer.echo(json.dumps(found.as_json(), ensure_ascii=False))
        return
    console = Console()
    if not console.is_terminal:
        yield _Lines(console)
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda found: live.update(shown(found), refresh=True)


class _Lines:
    """A line for each shard that is done, and the whole at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: tuple[str, int] | None = None

    def __call__(self, found: BatchStatus) -> None:
        if found.ended:
            self._console.print(shown(found))
        elif (found.state, found.shards_done) != self._last:
            self._last = found.state, found.shards_done
            self._console.print(
                f"{found.state}: {found.rows:,} of {found.images:,} photos, {found.shards_done:,} of {found.shards:,} "
                f"shards, {found.images_per_s:,.1f} photos a second",
                highlight=False,
            )
            sys.stdout.flush()
