"""Which image index a version gets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from songlens_training.model.image_index import IndexOptions

_option = partial(typer.Option, rich_help_panel="Image index")

Choice = Literal["auto", "flat", "flat16", "sq8", "pca", "ivf"]


@dataclass(frozen=True, kw_only=True)
class IndexFlags:
    """The image index options of the command line."""

    index: Annotated[
        Choice, _option(help="auto: by size and memory; flat and flat16 are exact, sq8, pca and ivf take less memory.")
    ] = "auto"
    index_memory: Annotated[
        float | None, _option(help="GiB that the index may take in a worker; half of what is free here.", min=0.001)
    ] = None
    index_recall: Annotated[
        float, _option(help="Recall@5 that a reduced index must have, or a better kind is taken.", min=0.0, max=1.0)
    ] = 0.95

    def options(self) -> IndexOptions:
        """Return the options that these values make."""
        from songlens_training.model.image_index import IndexOptions
        from songlens_workers.vision.index.kinds import IndexKind

        return IndexOptions(
            kind=None if self.index == "auto" else IndexKind(self.index),
            memory_bytes=None if self.index_memory is None else int(self.index_memory * 2**30),
            recall=self.index_recall,
        )
