"""`songlens model ...`: build, add to, publish, list, show, roll back."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from songlens_shared.address import resolve_url
from songlens_shared.broker import broker_errors, open_redis
from songlens_shared.errors import BrokerError
from songlens_training.commands.additions import add_images, add_songs
from songlens_training.commands.build import build
from songlens_training.commands.keywords import keywords, print_report
from songlens_training.commands.listening import described_listening
from songlens_training.commands.progress import progress_bars
from songlens_training.commands.stores import (
    Models,
    Redis,
    Version,
    described,
    described_index,
    newest_version,
    open_store,
)
from songlens_workers.models.manifest import REPORT
from songlens_workers.models.published import PublishedModels

command = typer.Typer(no_args_is_help=True, help="Build, extend, publish and look at model versions.")
command.command("build")(build)
command.command("add-songs")(add_songs)
command.command("add-images")(add_images)
command.command("keywords")(keywords)


@command.command("publish")
def publish(version: Version = None, redis: Redis = None, models: Models = None) -> None:
    """Load a version's vectors and song cards into Redis and make it live."""
    from songlens_training.model.publish import publish_model

    console = Console()
    store = open_store(models)
    chosen = version or newest_version(store)
    url = resolve_url(redis)
    with broker_errors(url), open_redis(url) as connection, progress_bars(console) as progress:
        manifest = publish_model(store, chosen, connection, progress=progress)
    console.print(f"[bold]{manifest.version}[/] is live: {manifest.songs} songs, {manifest.images} images")


@command.command("list")
def list_(redis: Redis = None, models: Models = None) -> None:
    """Show the versions on disk and in Redis."""
    store, url = open_store(models), resolve_url(redis)
    try:
        with broker_errors(url), open_redis(url, retries=0) as connection:
            published = PublishedModels(connection)
            in_redis, current, previous = published.versions(), published.current(), published.previous()
    except BrokerError as error:
        in_redis, current, previous = [], None, None
        Console(stderr=True).print(f"[yellow]{escape(error.message)}")
    on_disk = store.versions()
    table = Table("version", "on disk", "in Redis", "")
    for version in sorted({*on_disk, *in_redis}):
        role = {current: "live", previous: "before"}.get(version, "")
        table.add_row(version, "yes" if version in on_disk else "", "yes" if version in in_redis else "", role)
    Console().print(table)


@command.command("show")
def show(
    version: Version = None,
    models: Models = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest as JSON.")] = False,
) -> None:
    """Show what a version was built from, its keywords, and whether its files are whole."""
    console = Console()
    store = open_store(models)
    folder, manifest = store.open(version or newest_version(store), afresh=True)
    if as_json:
        typer.echo(manifest.to_json())
        return
    report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
    console.print(described(manifest, float(report["precision_at_10"])))
    console.print(described_index(manifest), highlight=False)
    for added in report.get("additions", []):
        console.print(f"{added['added']} {added['kind']}s added to {added['base']}")
    console.print(f"built {manifest.created_at} by songlens {manifest.songlens}; all {len(manifest.files)} files whole")
    if "listening" in report:
        console.print(described_listening(report["listening"]), highlight=False)
    print_report(console, report)


@command.command("rollback")
def rollback(redis: Redis = None) -> None:
    """Make the version before live again."""
    url = resolve_url(redis)
    with broker_errors(url), open_redis(url) as connection:
        version = PublishedModels(connection).rollback()
    Console().print(f"[bold]{version}[/] is live again")
