"""How a listening log counts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from songlens_training.graph.listening_options import ListeningOptions, Weighting

_option = partial(typer.Option, rich_help_panel="Listening behaviour")


@dataclass(frozen=True, kw_only=True)
class ListeningFlags:
    """The listening options of the command line."""

    listening: Annotated[Path | None, _option(help="Listening log: .jsonl, .csv or .parquet.")] = None
    listening_strength: Annotated[
        float, _option(help="Mean weight of a listening edge; that of a keyword's edge is 1.")
    ] = 0.2
    listening_half_life: Annotated[
        float | None,
        _option(help="Days after which a play weighs half as much; without it age does not matter.", metavar="DAYS"),
    ] = None
    listening_weight: Annotated[Weighting, _option(help="ln(1 + plays), plays, or 1 however often.")] = Weighting.LOG
    listening_min_songs: Annotated[int, _option(help="Songs that a user must have played.", min=1)] = 3

    def options(self) -> ListeningOptions:
        """Return the options that these values make."""
        return ListeningOptions(
            half_life_days=self.listening_half_life,
            weighting=self.listening_weight,
            min_songs=self.listening_min_songs,
            strength=self.listening_strength,
        )
