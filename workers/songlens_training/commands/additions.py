"""`songlens model add-songs` and `add-images`: a new version from an old one, without training again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from songlens_shared.address import resolve_url
from songlens_shared.broker import broker_errors, open_redis
from songlens_training.commands.options.backbone import WeightFlags
from songlens_training.commands.options.groups import grouped
from songlens_training.commands.progress import progress_bars
from songlens_training.commands.rows import print_rows
from songlens_training.commands.stores import Models, Redis, described, described_index, newest_version, open_store

if TYPE_CHECKING:
    from songlens_training.model.built import Built
    from songlens_training.progress import Progress
    from songlens_workers.models.store import ModelStore

NewSongs = Annotated[Path, typer.Argument(metavar="FILE", help="Songs: .jsonl, .csv or .parquet.")]
NewImages = Annotated[
    Path,
    typer.Argument(metavar="SOURCE", help="Images: a folder per keyword, or a manifest (.jsonl, .csv, .parquet)."),
]
BaseVersion = Annotated[str | None, typer.Option("--base", help="Model version to add to; without it, the newest.")]
Publish = Annotated[bool, typer.Option("--publish", help="Make the new version live at once.")]


def add_songs(
    file: NewSongs, base: BaseVersion = None, models: Models = None, publish: Publish = False, redis: Redis = None
) -> None:
    """Make a new version with more songs, without training again."""
    from songlens_training.model.additions import add_songs as add

    console, store = Console(), open_store(models)
    with progress_bars(console) as progress:
        built = add(file, base or newest_version(store), store, progress=progress)
        _show(console, built)
        if publish:
            _publish(console, built, store, redis, progress)


@grouped
def add_images(
    source: NewImages,
    vision: WeightFlags,
    base: BaseVersion = None,
    models: Models = None,
    threads: Annotated[int | None, typer.Option(help="Threads.", min=1)] = None,
    publish: Publish = False,
    redis: Redis = None,
) -> None:
    """Make a new version with more images, without training again. Features come from the version's own backbone."""
    from songlens_training.model.additions import add_images as add

    console, store = Console(), open_store(models)
    chosen = base or newest_version(store)
    with progress_bars(console) as progress:
        backbone = vision.open_of_version(store, chosen, threads, progress)
        built = add(source, chosen, store, backbone, progress=progress)
        _show(console, built)
        if publish:
            _publish(console, built, store, redis, progress)


def _show(console: Console, built: Built) -> None:
    print_rows(console, built.summaries, built.rejects)
    added = built.report["additions"][-1]
    console.print(f"{added['added']} {added['kind']}s added to {added['base']} in {added['seconds']:.1f} s")
    console.print(described_index(built.manifest), highlight=False)
    console.print(described(built.manifest, float(built.report["precision_at_10"])))


def _publish(console: Console, built: Built, store: ModelStore, redis: str | None, progress: Progress) -> None:
    from songlens_training.model.publish import publish_model

    url = resolve_url(redis)
    with broker_errors(url), open_redis(url) as connection:
        publish_model(store, built.manifest.version, connection, progress=progress)
    console.print(f"[bold]{built.manifest.version}[/] is live")
