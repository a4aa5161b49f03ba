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
    strength: float = 0.2
    """What an edge between user and song weighs on average; an edge to a keyword weighs 1 on average."""


def check_options(options: ListeningOptions) -> None:
    """Raise `ConfigError` for an option out of range."""
    half_life = options.half_life_days
    if half_life is not None and not (0 < half_life < math.inf):
        raise ConfigError(f"The half-life of listening must be a number of days above 0, not {half_life}.")
    if options.min_songs < 1:
        raise ConfigError(f"The number of songs of a user must be at least 1, not {options.min_songs}.")
    if not 0 < options.strength < math.inf:
        raise ConfigError(f"The strength of listening must be a number above 0, not {options.strength}.")
