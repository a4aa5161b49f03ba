"""How a listening log counts in the graph."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from songlens_shared.errors import ConfigError


class Weighting(StrEnum):
    """What the plays of a song by a user come to."""

    LOG = "log"
    """ln(1 + plays)"""
    PLAYS = "plays"
    """The plays themselves."""
    ONCE = "once"
    """1, however often it was played."""


@dataclass(frozen=True, kw_only=True)
class ListeningOptions:
    """How a listening log counts. Defaults as measured in docs/method.md."""

    half_life_days: float | None = None
    """A play of this age weighs half as much as one as new as the newest row; None: age does not matter."""
    weighting: Weighting = Weighting.LOG
    min_songs: int = 3
    """A user with fewer songs is left out: too little to go by."""
    share: float = 0.3
    """Of the total weight of the graph, what the listening edges make up; above 0, below 1."""


def check_options(options: ListeningOptions) -> None:
    """Raise `ConfigError` for an option out of range."""
    half_life = options.half_life_days
    if half_life is not None and not (0 < half_life < math.inf):
        raise ConfigError(f"The half-life of listening must be a number of days above 0, not {half_life}.")
    if options.min_songs < 1:
        raise ConfigError(f"The number of songs of a user must be at least 1, not {options.min_songs}.")
    if not 0 < options.share < 1:
        raise ConfigError(f"The share of listening must be above 0 and below 1, not {options.share}.")
