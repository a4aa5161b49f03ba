"""The picture of a glance."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from songlens_workers.top.look import Glance, Worker
from songlens_workers.top.rates import Latency, Pace

_ASLEEP_S = 15.0
"""A worker looks for entries every few seconds; one that has not for so long is gone, or hangs."""


def picture(found: Glance) -> RenderableType:
    """Return it for a terminal."""
    return Group(_head(found), _lanes(found), _workers(found), _jobs(found))


def _head(found: Glance) -> Text:
    model = Text(f"model {found.model}" if found.model else "no model is live", style="" if found.model else "red")
    if found.model_before:
        model.append(f", before {found.model_before}", style="dim")
    letters = Text(f"   {found.dead_letters:,} dead letters", style="red" if found.dead_letters else "")
    return model.append_text(letters)


def _milliseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1000:,.0f} ms"


def _lanes(found: Glance) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("lane")
    for title in ("waiting", "in flight", "MB", "oldest s", "claimed/s", "got songs", "p50", "p95", "p99"):
        table.add_column(title, justify="right")
    for lane in found.lanes:
        rate = "" if lane.claimed_per_s is None else f"{lane.claimed_per_s:,.1f}"
        table.add_row(
            lane.lane,
            f"{lane.waiting:,}",
            f"{lane.in_flight:,}",
            f"{lane.size_bytes / 1e6:,.1f}",
            f"{lane.oldest_s:,.1f}",
            rate,
            *_latency(found.latencies.get(lane.lane)),
        )
    return table


def _latency(found: Latency | None) -> tuple[str, ...]:
    if found is None:
        return ()
    return (f"{found.answered:,}", *map(_milliseconds, (found.p50_s, found.p95_s, found.p99_s)))


def _workers(found: Glance) -> RenderableType:
    if not found.workers:
        return Text("no worker has ever been here", style="red")
    table = Table(box=None, pad_edge=False)
    table.add_column("worker")
    table.add_column("stage")
    for title in ("photos/s", "batch", "full", "batch takes", "in flight", "idle s"):
        table.add_column(title, justify="right")
    table.add_column("model")
    for worker in found.workers:
        table.add_row(
            worker.name,
            worker.stage,
            *_pace(None if worker.idle_s > _ASLEEP_S else worker.pace),
            f"{worker.in_flight:,}",
            f"{worker.idle_s:,.1f}",
            Text(worker.model or "", style="" if worker.model == found.model else "yellow"),
            style=_style(worker),
        )
    return table


def _pace(pace: Pace | None) -> tuple[str, str, str, str]:
    if pace is None:
        return "", "", "", ""
    return (
        "" if pace.images_per_s is None else f"{pace.images_per_s:,.1f}",
        "" if pace.batch_size is None else f"{pace.batch_size:,.1f}",
        "" if pace.batch_fill is None else f"{pace.batch_fill:.0%}",
        _milliseconds(pace.batch_s),
    )


def _style(worker: Worker) -> str:
    if worker.idle_s < _ASLEEP_S:
        return ""
    return "red" if worker.in_flight else "dim"


def _jobs(found: Glance) -> Text:
    if found.jobs is None:
        return Text("the Redis of the jobs does not answer", style="yellow")
    told = ", ".join(f"{count:,} {status}" for status, count in found.jobs.items() if count)
    return Text(f"jobs: {told or 'none'}", style="red" if found.jobs.get("failed") else "")
