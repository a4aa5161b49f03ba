"""What a person may choose about the open catalogue."""

from __future__ import annotations

from dataclasses import dataclass

from songlens_shared.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class OpenOptions:
    """The size and strictness of the open catalogue. Equal options give equal catalogues, byte for byte.

    Raises `ConfigError` when a value is out of range.
    """

    songs: int | None = None
    """How many songs to keep, drawn by `seed`; None keeps all."""
    images: int | None = None
    """How many emoji images to keep, spread evenly over the keywords; None keeps all."""
    min_songs: int | None = None
    """A keyword is used only when at least this many of the songs kept contain it; None: one song in 800."""
    image_pixels: int = 256
    """Side of the square emoji images, in pixels."""
    seed: int = 2018
    """Draws the songs when `songs` is less than all."""

    def __post_init__(self) -> None:
        for name, lowest in (("songs", 1), ("images", 1), ("min_songs", 1), ("image_pixels", 64)):
            value = getattr(self, name)
            if value is not None and value < lowest:
                raise ConfigError(f"{name} is {value}; it has to be at least {lowest}.")
