"""What `songlens eval sweep` varies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from songlens_shared.errors import ConfigError
from songlens_training.commands.options.measuring import numbers

if TYPE_CHECKING:
    from songlens_training.evaluate.sweep import SweepOptions
    from songlens_training.evaluate.systems import Retrieval


@dataclass(frozen=True, kw_only=True)
class SweepFlags:
    """Lists separated by commas; the first value of each is the base."""

    dimensions: Annotated[str, typer.Option(help="NE dimensions to try; the first is the base.")] = "128"
    samples: Annotated[str, typer.Option(help="Edges to sample to try, or auto; the first is the base.")] = "auto"
    retrieval: Annotated[str, typer.Option(help="Images x songs per image to try; the first is the base.")] = "5x2"
    seeds: Annotated[str, typer.Option(help="Seeds of the network embedding; every setting runs with each.")] = "1,2,3"

    def options(self) -> SweepOptions:
        """Return the options that these values make. Raises `ConfigError`."""
        from songlens_training.evaluate.sweep import SweepOptions

        samples = self.samples.split(",")
        options = SweepOptions(
            dimensions=numbers(self.dimensions, "--dimensions"),
            samples=tuple(None if value == "auto" else numbers(value, "--samples")[0] for value in samples),
            retrieval=_retrievals(self.retrieval),
            seeds=numbers(self.seeds, "--seeds"),
        )
        options.check()
        return options


def _retrievals(text: str) -> tuple[Retrieval, ...]:
    """Return the values of a list such as `5x2,10x1`. Raises `ConfigError`."""
    from songlens_training.evaluate.systems import Retrieval

    try:
        pairs = [tuple(map(int, part.split("x"))) for part in text.split(",")]
        return tuple(Retrieval(images_k=images, songs_per_image=songs) for images, songs in pairs)
    except ValueError:
        raise ConfigError(f"--retrieval takes values such as 5x2, separated by commas, not {text!r}.") from None
