"""`songlens model ...`: build, publish, list, show, roll back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from songlens_shared.broker import broker_errors, connect, home, resolve_url
from songlens_shared.errors import BrokerError, ModelNotFound, WeightsUnavailable
from songlens_training.commands.progress import progress_bars
from songlens_training.progress import Progress
from songlens_workers.models.manifest import REPORT, Manifest
from songlens_workers.models.published import PublishedModels
from songlens_workers.models.store import ModelStore

if TYPE_CHECKING:
    from songlens_workers.vision.backbone import Backbone

command = typer.Typer(no_args_is_help=True, help="Build, publish and look at model versions.")

Redis = Annotated[str | None, typer.Option("--redis", help="Address of Redis or Valkey.")]
Models = Annotated[str | None, typer.Option("--models", help="Folder or object-store prefix of model versions.")]
Version = Annotated[str | None, typer.Argument(help="Model version; without it, the newest.")]


def open_store(models: str | None) -> ModelStore:
    """Return the store that is meant, by default the one in SONGLENS_HOME."""
    return ModelStore(models or str(home() / "models"))


@command.command("build")
def build(
    songs: Annotated[Path, typer.Option(help="Songs: .jsonl, .csv or .parquet.")],
    images: Annotated[Path, typer.Option(help="Images: a folder per keyword, or a manifest (.jsonl, .csv, .parquet).")],
    models: Models = None,
    backbone: Annotated[str, typer.Option(help="vgg19 or efficientnet_lite2.")] = "vgg19",
    weights: Annotated[Path | None, typer.Option(help="Local file of the backbone's weights.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    keywords: Annotated[int, typer.Option(help="Keywords to keep at most.")] = 72,
    titles: Annotated[bool, typer.Option(help="Count the words of titles too.")] = True,
    dimensions: Annotated[int, typer.Option(help="Dimensions of the NE vectors.")] = 128,
    samples: Annotated[int | None, typer.Option(help="Edges to sample; by default chosen from their number.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the network embedding.")] = 1,
    threads: Annotated[int | None, typer.Option(help="Threads; 1 makes the NE repeatable bit for bit.")] = None,
    force: Annotated[bool, typer.Option(help="Build even where the same model has been built before.")] = False,
) -> None:
    """Build a model version from songs and images."""
    from songlens_training.build import BuildOptions, Catalogue, build_config, build_model, find_built
    from songlens_training.embedding import EmbeddingOptions
    from songlens_training.keywords import KeywordOptions

    console = Console()
    store = open_store(models)
    catalogue = Catalogue(songs=songs, images=images)
    options = BuildOptions(
        keywords=KeywordOptions(count=keywords, titles=titles),
        embedding=EmbeddingOptions(dimensions=dimensions, samples=samples, seed=seed, threads=threads),
    )
    with progress_bars(console) as progress:
        network = _load_backbone(backbone, weights, device, threads, progress)
        same = None if force else find_built(store, build_config(catalogue, network, options))
        if same is not None:
            console.print(f"Model {same.version} was built from exactly this before; --force builds it again.")
            return
        built = build_model(catalogue, store, network, options, progress=progress)
    for summary in built.summaries:
        console.print(f"{escape(summary.source)}: {summary.accepted} rows taken, {summary.refused_rows} refused")
        for reason, count in summary.refused.items():
            console.print(f"    {count} x {escape(reason)}")
    if any(summary.refused_rows for summary in built.summaries):
        console.print(f"Refused rows, with line and reason: {built.rejects}")
    console.print(_described(built.manifest, float(built.report["precision_at_10"])))


def _load_backbone(name: str, weights: Path | None, device: str, threads: int | None, progress: Progress) -> Backbone:
    from songlens_workers.vision.registry import load_backbone

    def downloading(done: int, total: int) -> None:
        progress("Downloading weights", done, total)

    progress("Loading the backbone", 0, 1)
    try:
        backbone = load_backbone(name, weights=weights, device=device, threads=threads, progress=downloading)
    except WeightsUnavailable as error:
        raise WeightsUnavailable(
            f"{error.message} `--backbone efficientnet_lite2` needs no download; its weights come with a package."
        ) from error
    progress("Loading the backbone", 1, 1)
    return backbone


def _described(manifest: Manifest, precision: float) -> str:
    return (
        f"[bold]{manifest.version}[/]: {manifest.songs} songs, {manifest.images} images, "
        f"{len(manifest.keywords)} keywords, {manifest.backbone.name}; of the 10 songs nearest to an image "
        f"{precision:.1%} bear its keyword"
    )


@command.command("publish")
def publish(version: Version = None, redis: Redis = None, models: Models = None) -> None:
    """Load a version's vectors and song cards into Redis and make it live."""
    from songlens_training.publish import publish_model

    console = Console()
    store = open_store(models)
    chosen = version or _newest(store)
    url = resolve_url(redis)
    with broker_errors(url), connect(url) as connection, progress_bars(console) as progress:
        manifest = publish_model(store, chosen, connection, progress=progress)
    console.print(f"[bold]{manifest.version}[/] is live: {manifest.songs} songs, {manifest.images} images")


def _newest(store: ModelStore) -> str:
    versions = store.versions()
    if not versions:
        raise ModelNotFound(f"there is no model version in {store}; `songlens model build` makes one.")
    return versions[-1]


@command.command("list")
def list_(redis: Redis = None, models: Models = None) -> None:
    """Show the versions on disk and in Redis."""
    store, url = open_store(models), resolve_url(redis)
    try:
        with broker_errors(url), connect(url, retries=0) as connection:
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
    folder, manifest = store.open(version or _newest(store))
    if as_json:
        typer.echo(manifest.to_json())
        return
    report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
    console.print(_described(manifest, float(report["precision_at_10"])))
    console.print(f"built {manifest.created_at} by songlens {manifest.songlens}; all {len(manifest.files)} files whole")
    table = Table("keyword", "songs", "occurrences", "images")
    for row in report["keywords"]:
        table.add_row(row["keyword"], str(row["songs"]), str(row["occurrences"]), str(row["images"]))
    console.print(table)


@command.command("rollback")
def rollback(redis: Redis = None) -> None:
    """Make the version before live again."""
    url = resolve_url(redis)
    with broker_errors(url), connect(url) as connection:
        version = PublishedModels(connection).rollback()
    Console().print(f"[bold]{version}[/] is live again")
