"""Options of `songlens eval` and its sweep, and how their lists are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from songlens_shared.errors import ConfigError

if TYPE_CHECKING:
    from songlens_training.evaluate.systems import Retrieval

_QUERIES = "Query images"
_MEASURE = "Measuring"

OptionalImages = Annotated[
    Path | None,
    typer.Option(help="Images to learn from: a folder per keyword, or a manifest (.jsonl, .csv, .parquet)."),
]
Out = Annotated[Path, typer.Option(help="Folder of the results.")]
Queries = Annotated[
    Path | None,
    typer.Option(
        help="File of query images (path, keyword); without it, images are held out.", rich_help_panel=_QUERIES
    ),
]
HoldOut = Annotated[float, typer.Option(help="Share of each keyword's images to hold out.", rich_help_panel=_QUERIES)]
Similar = Annotated[
    list[str] | None,
    typer.Option(
        help="Source of similar words: conceptnet=FILE, vectors[=FILE] or cilin[=FILE]; repeatable; vectors.",
        rich_help_panel=_MEASURE,
    ),
]
SimilarWordCounts = Annotated[
    str, typer.Option("--n", help="How many similar words make a song right, a list.", rich_help_panel=_MEASURE)
]
ImagesK = Annotated[int, typer.Option(help="Neighbour images of a list.", rich_help_panel=_MEASURE)]
SongsPerImage = Annotated[int, typer.Option(help="Songs of each neighbour image.", rich_help_panel=_MEASURE)]
Repeats = Annotated[int, typer.Option(help="How often the systems that draw do so.", rich_help_panel=_MEASURE, min=1)]
Resamples = Annotated[int, typer.Option(help="Resamples of the intervals, 1000 at least.", rich_help_panel=_MEASURE)]
Confidence = Annotated[float, typer.Option(help="Confidence of the intervals.", rich_help_panel=_MEASURE)]
DrawSeed = Annotated[
    int, typer.Option(help="Seed of the hold-out, the draws and the resamples.", rich_help_panel=_MEASURE)
]


def numbers(text: str, option: str) -> tuple[int, ...]:
    """Return the whole numbers of a list separated by commas. Raises `ConfigError` naming the option."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"{option} takes whole numbers separated by commas, not {text!r}.") from None


def retrievals(text: str) -> tuple[Retrieval, ...]:
    """Return the values of a list such as `5x2,10x1`. Raises `ConfigError`."""
    from songlens_training.evaluate.systems import Retrieval

    try:
        pairs = [tuple(map(int, part.split("x"))) for part in text.split(",")]
        return tuple(Retrieval(images_k=images, songs_per_image=songs) for images, songs in pairs)
    except ValueError:
        raise ConfigError(f"--retrieval takes values such as 5x2, separated by commas, not {text!r}.") from None
