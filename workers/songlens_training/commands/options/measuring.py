"""What `songlens eval` and its sweep measure with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from songlens_shared.address import home
from songlens_shared.errors import ConfigError

if TYPE_CHECKING:
    from songlens_training.evaluate.evaluation import EvaluationOptions
    from songlens_training.evaluate.held_out import FromFile, HeldOut
    from songlens_training.evaluate.similar.source import SimilarWords
    from songlens_training.progress import Progress

_DEFAULT_SIMILAR = ("vectors",)

_query_option = partial(typer.Option, rich_help_panel="Query images")
_option = partial(typer.Option, rich_help_panel="Measuring")

Out = Annotated[Path, typer.Option(help="Folder of the results.")]


@dataclass(frozen=True, kw_only=True)
class MeasuringFlags:
    """Query images, and what makes a song right for them."""

    queries: Annotated[
        Path | None, _query_option(help="File of query images (path, keyword); without it, images are held out.")
    ] = None
    hold_out: Annotated[float, _query_option(help="Share of each keyword's images to hold out.")] = 0.1
    similar: Annotated[
        list[str] | None,
        _option(help="Source of similar words: conceptnet=FILE, vectors[=FILE] or cilin[=FILE]; repeatable; vectors."),
    ] = None
    n: Annotated[str, _option("--n", help="How many similar words make a song right, a list.")] = "0,5,10,50,100"
    draw_seed: Annotated[int, _option(help="Seed of the hold-out, the draws and the resamples.")] = 1

    def query_source(self) -> HeldOut | FromFile:
        """Return where query images come from: a file, or the catalogue."""
        from songlens_training.evaluate.held_out import FromFile, HeldOut

        if self.queries is not None:
            return FromFile(path=self.queries)
        return HeldOut(share=self.hold_out, seed=self.draw_seed)

    def open_sources(self, progress: Progress) -> list[SimilarWords]:
        """Open the sources of similar words that are named. Raises `ConfigError` or `DataError`."""
        from songlens_training.evaluate.similar.opening import Opener
        from songlens_training.keywords.folding import fold

        opener = Opener(cache=home() / "downloads", progress=progress, fold=fold)
        return [opener.open(name) for name in self.similar or _DEFAULT_SIMILAR]

    def options(self) -> EvaluationOptions:
        """Return the options that these values make. Raises `ConfigError`."""
        from songlens_training.evaluate.evaluation import EvaluationOptions

        return EvaluationOptions(similar_words=numbers(self.n, "--n"), seed=self.draw_seed)


@dataclass(frozen=True, kw_only=True)
class TableFlags(MeasuringFlags):
    """The shape of the lists, the draws and the intervals as well."""

    images_k: Annotated[int, _option(help="Neighbour images of a list.")] = 5
    songs_per_image: Annotated[int, _option(help="Songs of each neighbour image.")] = 2
    repeats: Annotated[int, _option(help="How often the systems that draw do so.", min=1)] = 20
    resamples: Annotated[int, _option(help="Resamples of the intervals, 1000 at least.")] = 2000
    confidence: Annotated[float, _option(help="Confidence of the intervals.")] = 0.95

    def options(self) -> EvaluationOptions:
        """Return the options that these values make. Raises `ConfigError`."""
        from songlens_training.evaluate.evaluation import EvaluationOptions
        from songlens_training.evaluate.systems import Retrieval

        options = EvaluationOptions(
            similar_words=numbers(self.n, "--n"),
            retrieval=Retrieval(images_k=self.images_k, songs_per_image=self.songs_per_image),
            repeats=self.repeats,
            resamples=self.resamples,
            confidence=self.confidence,
            seed=self.draw_seed,
        )
        options.check()
        return options


def numbers(text: str, option: str) -> tuple[int, ...]:
    """Return the whole numbers of a list separated by commas. Raises `ConfigError` naming the option."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"{option} takes whole numbers separated by commas, not {text!r}.") from None
