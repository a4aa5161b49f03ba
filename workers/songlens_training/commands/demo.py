"""`songlens demo`: the whole system on this machine, from songs and images to songs for photos."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from songlens.client import Client
from songlens.commands.render import show
from songlens_shared.address import HOME_VARIABLE, home
from songlens_shared.broker import connect
from songlens_shared.errors import RequestError
from songlens_training.commands.demo_batch import score_as_batch
from songlens_training.commands.progress import progress_bars
from songlens_training.progress import Progress, step
from songlens_workers.commands.processes import WorkerProcess, stop_all
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.models.store import ModelStore

if TYPE_CHECKING:
    from songlens_training.demonstration import Answer, Query

_START_LIMIT_S = 120.0
_PHOTO_LIMIT_S = 60.0


class Data(StrEnum):
    """Which catalogue."""

    GENERATED = "generated"
    OPEN = "open"


def command(
    data: Annotated[Data, typer.Option(help="The generated catalogue, or open data that is fetched.")] = Data.GENERATED,
    photos: Annotated[int, typer.Option(help="Photos to send; 0 sends all there are.")] = 8,
    songs: Annotated[int, typer.Option(help="Songs of the generated catalogue.")] = 2400,
    images_per_theme: Annotated[int, typer.Option(help="Images of each theme of the generated catalogue.")] = 24,
    weights: Annotated[Path | None, typer.Option(help="Local file of VGG-19's weights.")] = None,
) -> None:
    """Get a catalogue, build a model, publish it, start the workers, send photos and show their songs."""
    from songlens_training.demonstration import read_queries, spread

    started_s = time.monotonic()
    console = Console()
    store = ModelStore(str(home() / "models"))
    with progress_bars(console) as progress:
        folder = _catalogue(data, songs, images_per_theme, progress)
        version = _model(console, store, folder, data, weights, progress)
    queries = spread(read_queries(folder), photos)
    with _system(console, store, version, weights) as (url, client):
        answers = [answer for query in queries if (answer := _answer(console, client, query))]
        _summarise(console, folder, queries, answers, time.monotonic() - started_s)
        scored = score_as_batch(console, url, folder)
    console.print(_next_steps(), soft_wrap=True, highlight=False)
    raise typer.Exit(0 if scored and len(answers) == len(queries) else 1)


def _catalogue(data: Data, songs: int, images_per_theme: int, progress: Progress) -> Path:
    folder = home() / "catalogues" / data.value
    if data is Data.OPEN:
        from songlens_training.open_data.catalogue import OpenOptions, build

        build(folder, home() / "downloads", OpenOptions(), progress)
    else:
        from songlens_training.generated.catalogue import GeneratedOptions, generate

        options = GeneratedOptions(songs=songs, images_per_theme=images_per_theme)
        generate(folder, options, step(progress, "Generating songs and images"))
    return folder


def _model(
    console: Console, store: ModelStore, folder: Path, data: Data, weights: Path | None, progress: Progress
) -> str:
    from songlens_training.demonstration import OPEN_KEYWORDS, pretrained_backbone
    from songlens_training.keywords.options import KeywordOptions
    from songlens_training.model.build import build_config, build_model, find_built
    from songlens_training.model.learn import BuildOptions, Catalogue

    backbone, why_not_vgg19 = pretrained_backbone(weights, progress)
    if why_not_vgg19 is not None:
        console.print(f"[yellow]{escape(why_not_vgg19)}")
        console.print("[yellow]This demo goes on with EfficientNet-Lite2 (1280-d), whose weights come with a package.")
    catalogue = Catalogue(songs=folder / "songs.jsonl", images=folder / "images.jsonl")
    options = BuildOptions(keywords=OPEN_KEYWORDS if data is Data.OPEN else KeywordOptions())
    built = find_built(store, build_config(catalogue, backbone, options))
    if built is None:
        built = build_model(catalogue, store, backbone, options, progress=progress).manifest
    console.print(
        f"Model [bold]{built.version}[/]: {built.songs} songs, {built.images} images, {len(built.keywords)} keywords, "
        f"{built.backbone.name}",
        highlight=False,
    )
    return built.version


@contextmanager
def _system(console: Console, store: ModelStore, version: str, weights: Path | None) -> Iterator[tuple[str, Client]]:
    """An embedded Valkey with the model published, a vision worker and a song worker: three processes beside this."""
    from songlens_training.model.publish import publish_model

    logs = home() / "logs"
    with (
        tempfile.TemporaryDirectory(prefix="songlens-") as scratch,
        EmbeddedBroker(Path(scratch), persistent=False) as broker,
    ):
        with connect(broker.url) as connection, progress_bars(console) as progress:
            publish_model(store, version, connection, progress=progress)
        own_weights = ["--weights", str(weights)] if weights else []
        workers = [
            WorkerProcess(
                "vision",
                ["vision", "--redis", broker.url, "--models", str(store), *own_weights],
                log=logs / "demo-vision.log",
            ),
            WorkerProcess("songs", ["songs", "--redis", broker.url], log=logs / "demo-songs.log"),
        ]
        try:
            for worker in workers:
                worker.start()
            with Client(broker.url) as client:
                _wait_until_serving(console, client, workers)
                yield broker.url, client
        finally:
            stop_all(workers)


def _wait_until_serving(console: Console, client: Client, workers: Sequence[WorkerProcess]) -> None:
    """Return when the vision worker has answered a photo that is no photo; the song worker starts sooner."""
    with console.status("Starting Valkey, a vision worker and a song worker"):
        handle = client.submit(b"are you there?", timeout_s=_START_LIMIT_S)
        while not handle.done():
            for worker in workers:
                worker.check()
            time.sleep(0.1)


def _answer(console: Console, client: Client, query: Query) -> Answer | None:
    try:
        recommendation = client.recommend(query.path, timeout_s=_PHOTO_LIMIT_S)
    except RequestError as error:
        console.print(f"[red]{escape(query.title)}: {error.code}: {escape(error.message)}")
        return None
    show(console, query.title, recommendation)
    from songlens_training.demonstration import Answer

    return Answer(query=query, recommendation=recommendation) if recommendation.songs else None


def _summarise(
    console: Console, folder: Path, queries: Sequence[Query], answers: Sequence[Answer], seconds: float
) -> None:
    from songlens_training.demonstration import lyrics_by_song, theme_share

    console.rule(align="left")
    console.print(f"[bold]{len(answers)} of {len(queries)} photos got songs[/], in {seconds:.0f} s from start to end")
    held, shown = theme_share(answers, lyrics_by_song(folder))
    if shown:
        console.print(f"{held} of {shown} songs ({held / shown:.0%}) hold their photo's keyword in their lyrics")
    if answers:
        totals_ms = [answer.recommendation.timings_ms["total"] for answer in answers]
        console.print(f"median time from queue to reply: {statistics.median(totals_ms):.0f} ms")


def _next_steps() -> str:
    songlens = escape(str(Path(sys.argv[0])))
    return (
        f"\nFor your own photos, with {HOME_VARIABLE}={escape(str(home()))}\n"
        f"    {songlens} up                 everything, until Ctrl-C; then, in another terminal:\n"
        f"    {songlens} model publish\n"
        f"    {songlens} send PHOTO..."
    )
