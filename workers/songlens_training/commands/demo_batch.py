"""The end of `songlens demo`: the same photos once more as a batch, from submit to rows."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from songlens_batch.batches import Batches
from songlens_batch.record import batch_config
from songlens_batch.state.registry import DONE
from songlens_batch.state.status import BatchStatus
from songlens_shared.address import home
from songlens_workers.commands.processes import WorkerProcess

_SHARD_PHOTOS = 20


def score_as_batch(console: Console, url: str, catalogue: Path) -> bool:
    """Score a catalogue folder's queries in the background of a running system; say whether every one got a row."""
    out = home() / "batches" / f"demo-{time.strftime('%Y%m%d-%H%M%S')}"
    worker = WorkerProcess("jobs", ["jobs", "--redis", url], log=home() / "logs" / "demo-jobs.log")
    console.rule("A batch", align="left")
    worker.start()
    try:
        with Batches(url) as batches, console.status("Scoring the photos as a batch"):
            config = batch_config(str(catalogue / "queries.jsonl"), shard_size=_SHARD_PHOTOS)
            found = batches.wait(batches.submit(config, str(out)), lambda _: worker.check(), every_s=0.2)
    finally:
        worker.ask_to_stop()
        worker.wait()
    console.print(_told(found), highlight=False, soft_wrap=True)
    return found.state == DONE and found.rows == found.images


def _told(found: BatchStatus) -> str:
    if found.state != DONE:
        return f"[red]The batch is {found.state}: {escape(found.why)}"
    wrong = sum(found.errors.values())
    return (
        f"[bold]{found.rows} photos[/] in {found.shards} shards, {found.images_per_s:.0f} a second from submit to "
        f"manifest; {found.rows - wrong} got songs, {wrong} did not\n"
        f"{escape(found.out)}/shards/*.parquet holds a row for each, summary.md what they got most"
    )
