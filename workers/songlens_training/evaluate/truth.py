"""Ground truth: which songs are right for a query image.

With n similar words, a song is right for a query image when its lyrics contain the image's keyword or one of the
keyword's top n similar words, as in the paper. The rank of the first such word says it for every n at once: a song is
right for n exactly if its rank is at most n, so that what is right for few words is right for more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from songlens_shared.errors import ConfigError
from songlens_training.evaluate.membership import Membership
from songlens_training.evaluate.similar.source import SimilarWords

Ranks = NDArray[np.uint16]

NEVER = np.iinfo(np.uint16).max
"""The rank of a song that contains none of the words."""


@dataclass(frozen=True)
class Judgement:
    """What one source of similar words says of the keywords."""

    source: str
    similar: Mapping[str, tuple[str, ...]]
    """Of the keywords that the source knows, most similar first."""

    @property
    def words(self) -> set[str]:
        """All the words that make a song right."""
        return {*self.similar, *(word for ranked in self.similar.values() for word in ranked)}

    def unknown(self, keywords: Iterable[str]) -> list[str]:
        """Return the keywords that the source does not know: for them only the keyword itself is right."""
        return sorted(word for word in set(keywords) if word not in self.similar)

    def short(self, keywords: Iterable[str], n: int) -> int:
        """Return how many keywords have fewer than `n` similar words."""
        return sum(len(self.similar.get(word, ())) < n for word in set(keywords))

    def ranks(self, keyword: str, membership: Membership) -> Ranks:
        """Return uint16 (S,): 0 where a song contains the keyword, r where its r-th similar word, else `NEVER`."""
        ranks = np.full(membership.songs, NEVER, np.uint16)
        similar = self.similar.get(keyword, ())
        for rank in range(len(similar), 0, -1):  # the best rank is written last
            ranks[membership.songs_with(similar[rank - 1])] = rank
        ranks[membership.songs_with(keyword)] = 0
        return ranks


def judge(source: SimilarWords, keywords: Collection[str], limit: int) -> Judgement:
    """Ask a source for the top `limit` similar words of the keywords. Raises `ConfigError` for an impossible limit."""
    if not 0 <= limit < NEVER:
        raise ConfigError(f"The number of similar words must be from 0 to {NEVER - 1}, not {limit}.")
    return Judgement(source.name, dict(source.similar(sorted(set(keywords)), limit)) if limit else {})
