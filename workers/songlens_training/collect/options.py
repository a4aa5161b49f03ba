"""What is collected, from where, and how."""

from __future__ import annotations

from dataclasses import dataclass, field

from songlens_shared.errors import ConfigError
from songlens_training.collect.checks import ImageChecks
from songlens_training.collect.duplicates import DEFAULT_RADIUS_BITS, DistinctImages
from songlens_training.collect.licences import checked_licences
from songlens_training.collect.openverse import NAME as OPENVERSE
from songlens_training.collect.openverse import OpenverseOptions
from songlens_training.collect.wanted import Queries
from songlens_training.collect.web import WebOptions


@dataclass(frozen=True, kw_only=True)
class CollectOptions:
    """What is collected from where. Raises `ConfigError` for values out of range."""

    sources: tuple[str, ...] = (OPENVERSE,)
    """`openverse`, or paths of folders and manifests; asked in this order until a keyword has enough."""
    keywords: tuple[str, ...] = ()
    """Empty: all keywords of the listed sources."""
    per_keyword: int = 100
    queries: Queries = field(default_factory=dict)
    """What to search for a keyword; one without queries is searched as it is."""
    licences: frozenset[str] = frozenset()
    """Only images under these licence codes; empty: any, and also those whose licence is unknown."""
    near_duplicate_bits: int | None = DEFAULT_RADIUS_BITS
    """See `DistinctImages`."""
    checks: ImageChecks = field(default_factory=ImageChecks)
    openverse: OpenverseOptions = field(default_factory=OpenverseOptions)
    web: WebOptions = field(default_factory=WebOptions)

    def __post_init__(self) -> None:
        checked_licences(self.licences)
        DistinctImages(self.near_duplicate_bits)
        if self.per_keyword < 1:
            raise ConfigError("At least 1 image must be wanted for each keyword.")
        if not self.sources:
            raise ConfigError("Name an image source: openverse, a folder or a manifest.")
