"""`songlens batch ...`: score large sets of photos in the background."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from songlens_batch.batches import Batches, absolute_source
from songlens_batch.commands.screen import listed, shown, watching
from songlens_batch.folder import BatchFolder
from songlens_batch.record import ID_PATTERN, batch_config
from songlens_batch.result.export import Format, export_rows
from songlens_batch.state.registry import DONE
from songlens_batch.state.status import BatchStatus
from songlens_shared.keys import BULK

command = typer.Typer(no_args_is_help=True, help="Score large sets of photos in the background, into Parquet.")

Redis = Annotated[str | None, typer.Option("--redis", help="Address of Redis or Valkey.")]
JobsRedis = Annotated[
    str | None, typer.Option("--jobs-redis", help="Address of the Redis that holds the jobs, where it is another.")
]
Batch = Annotated[str, typer.Argument(help="Id of the batch, or its folder.", metavar="BATCH")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


@command.command("submit")
def submit(
    source: Annotated[
        str,
        typer.Argument(
            help="Folder of photos, manifest (.jsonl, .csv, .parquet), WebDataset tars (photos-{000..099}.tar) or "
            "object-store prefix (s3://...), as the job workers see it."
        ),
    ],
    out: Annotated[str, typer.Option(help="Folder of its own for the output, or object-store prefix.")],
    shard_size: Annotated[int, typer.Option(help="Photos in one job and one Parquet file.")] = 1000,
    top_k: Annotated[int, typer.Option(help="Songs for each photo.")] = 10,
    images_k: Annotated[int, typer.Option(help="Neighbour images that songs are taken from.")] = 5,
    songs_per_image: Annotated[int, typer.Option(help="Songs taken from each neighbour image.")] = 2,
    lane: Annotated[str, typer.Option(help="bulk lets everybody who waits for songs go first.")] = BULK,
    error_limit: Annotated[
        float, typer.Option(help="Share of a shard's photos that may fail before the shard does.")
    ] = 0.5,
    photo_timeout_s: Annotated[float, typer.Option("--timeout", help="Seconds allowed for each photo.")] = 600.0,
    replace: Annotated[bool, typer.Option("--replace", help="Remove another batch that is in the folder.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Stay and show how far it is.")] = False,
    redis: Redis = None,
    jobs_redis: JobsRedis = None,
    as_json: Json = False,
) -> None:
    """Queue a batch. The same batch submitted again goes on where it was."""
    config = batch_config(
        absolute_source(source), shard_size=shard_size, top_k=top_k, images_k=images_k, songs_per_image=songs_per_image
    )
    with Batches(redis, jobs_redis_url=jobs_redis) as batches:
        batch = batches.submit(
            config, out, lane=lane, error_limit=error_limit, photo_timeout_s=photo_timeout_s, replace=replace
        )
        if watch:
            _watch(batches, batch, as_json=as_json)
        elif as_json:
            typer.echo(json.dumps({"id": batch}))
        else:
            typer.echo(batch)


@command.command("status")
def status(batch: Batch, redis: Redis = None, jobs_redis: JobsRedis = None, as_json: Json = False) -> None:
    """Show how a batch stands."""
    with Batches(redis, jobs_redis_url=jobs_redis) as batches:
        found = batches.status(batch)
    if as_json:
        typer.echo(json.dumps(found.as_json(), ensure_ascii=False))
    else:
        Console().print(shown(found))


@command.command("watch")
def watch(batch: Batch, redis: Redis = None, jobs_redis: JobsRedis = None, as_json: Json = False) -> None:
    """Show how far a batch is until it has ended. Ctrl-C leaves the batch alone."""
    with Batches(redis, jobs_redis_url=jobs_redis) as batches:
        _watch(batches, batch, as_json=as_json)


def _watch(batches: Batches, batch: str, *, as_json: bool) -> None:
    with watching(as_json=as_json) as told, _left_alone(batch):
        last = batches.wait(batch, told)
    raise typer.Exit(_exit_status(last))


def _exit_status(last: BatchStatus) -> int:
    return 0 if last.state == DONE else 1


@contextmanager
def _left_alone(batch: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        Console(stderr=True).print(f"Batch {escape(batch)} goes on without you; songlens batch watch {escape(batch)}")
        raise typer.Exit(130) from None


@command.command("list")
def list_(redis: Redis = None, jobs_redis: JobsRedis = None, as_json: Json = False) -> None:
    """Show the batches of the last 30 days, the newest first."""
    with Batches(redis, jobs_redis_url=jobs_redis) as batches:
        found = [one for batch in batches.list() if (one := batches.look(batch)) is not None]
    if as_json:
        for one in found:
            typer.echo(json.dumps(one.as_json(), ensure_ascii=False))
    else:
        Console().print(listed(found))


@command.command("cancel")
def cancel(batch: Batch, redis: Redis = None, jobs_redis: JobsRedis = None) -> None:
    """End a batch; what is done stays."""
    with Batches(redis, jobs_redis_url=jobs_redis) as batches:
        batches.cancel(batch)
    Console().print(f"Cancelled; songlens batch resume {escape(batch)} goes on with it.")


@command.command("retry")
def retry(batch: Batch, redis: Redis = None, jobs_redis: JobsRedis = None) -> None:
    """Queue the shards that have failed once more."""
    with Batches(redis, jobs_redis_url=jobs_redis) as batches:
        shards = batches.retry(batch)
    Console().print(f"{shards} shards are queued again." if shards else "No shard has failed.", highlight=False)


@command.command("resume")
def resume(
    batch: Batch,
    accept_model: Annotated[
        bool, typer.Option("--accept-model", help="Go on with the live model version where it is another.")
    ] = False,
    redis: Redis = None,
    jobs_redis: JobsRedis = None,
) -> None:
    """Do what is missing of a batch, and only that; also where Redis has forgotten it."""
    with Batches(redis, jobs_redis_url=jobs_redis) as batches:
        batches.resume(batch, accept_model=accept_model)
        found = batches.status(batch)
    if found.state == DONE:
        Console().print("All of it is done.")
    else:
        Console().print(f"Goes on: {found.shards_done} of {found.shards} shards are done.", highlight=False)


@command.command("export")
def export(
    batch: Batch,
    to: Annotated[Path | None, typer.Option("--to", help="File to write; without it, to the screen.")] = None,
    format: Annotated[Format, typer.Option(help="jsonl, csv (a line for each song) or summary.")] = Format.JSONL,
    redis: Redis = None,
    jobs_redis: JobsRedis = None,
) -> None:
    """Write the rows of a batch as JSON lines or CSV, or its summary. Its folder alone will do, without Redis."""
    if ID_PATTERN.fullmatch(batch):
        with Batches(redis, jobs_redis_url=jobs_redis) as batches:
            folder, _ = batches.record(batch)
    else:
        folder = BatchFolder(batch)
    export_rows(folder, format, to)
