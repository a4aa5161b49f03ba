"""Scores lists of songs against the ground truth, for every source of similar words and every n at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from songlens_shared.errors import ConfigError
from songlens_training.catalogue.songs import Song
from songlens_training.evaluate.membership import Membership, find_membership
from songlens_training.evaluate.metrics import METRICS, list_metrics
from songlens_training.evaluate.similar.source import SimilarWords
from songlens_training.evaluate.systems import Positions
from songlens_training.evaluate.truth import NEVER, Judgement, judge
from songlens_training.progress import Progress, step

Scores = NDArray[np.float64]
"""(Q, J, N, M): of each query image, by each judgement, for each n, the `METRICS`."""


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """What is right for each query image."""

    keywords: Sequence[str]
    """Of each query image (Q)."""
    judgements: Sequence[Judgement]
    membership: Membership
    similar_words: Sequence[int]
    """The n to score for (N)."""

    def score(self, lists: Mapping[str, Positions]) -> dict[str, Scores]:
        """Return the scores of each system's lists, int64 (R, Q, 10), averaged over its repeats R."""
        shape = (len(self.keywords), len(self.judgements), len(self.similar_words), len(METRICS))
        scores = {system: np.empty(shape) for system in lists}
        for queries, number, ranks in self._ranks():
            for n, limit in enumerate(self.similar_words):
                right = ranks <= limit  # (S + 1,)
                right_songs = int(right.sum())
                for system, own in lists.items():
                    found = list_metrics(right[own[:, queries]], right_songs)  # (R, q, M)
                    scores[system][queries, number, n] = found.mean(axis=0)
        return scores

    def without_right_song(self) -> dict[str, list[int]]:
        """Return, by source, how many query images have no right song in the whole catalogue, for each n."""
        counts = {judgement.source: [0] * len(self.similar_words) for judgement in self.judgements}
        for queries, number, ranks in self._ranks():
            for n, limit in enumerate(self.similar_words):
                if ranks.min() > limit:
                    counts[self.judgements[number].source][n] += len(queries)
        return counts

    def _ranks(self) -> Iterator[tuple[NDArray[np.int64], int, NDArray[np.uint16]]]:
        """Yield the queries (q) of each keyword, the number of a judgement, and the ranks of the songs (S + 1).

        One more than there are songs, so that `NO_SONG` (-1) is never right.
        """
        words = np.array(self.keywords)
        for keyword in np.unique(words).tolist():
            queries = np.flatnonzero(words == keyword)
            for number, judgement in enumerate(self.judgements):
                ranks = judgement.ranks(keyword, self.membership)
                yield queries, number, np.append(ranks, np.uint16(NEVER))


def find_ground_truth(
    songs: Sequence[Song],
    keywords: Sequence[str],
    image_keywords: Collection[str],
    sources: Sequence[SimilarWords],
    similar_words: Sequence[int],
    progress: Progress,
) -> GroundTruth:
    """Return what is right for query images with these `keywords` (Q), by one segmentation of the lyrics.

    The songs of `image_keywords` are found too, for keyword matching. Raises `ConfigError` without a source, for two of
    one name, or for an n that is repeated or out of range, and `DataError` where a source cannot be read.
    """
    names = [source.name for source in sources]
    if not names or len(set(names)) < len(names):
        raise ConfigError("Name one or more sources of similar words, each once.")
    if not similar_words or len(set(similar_words)) < len(similar_words) or min(similar_words) < 0:
        raise ConfigError("The numbers of similar words must be 0 or more, each once.")
    judgements = [judge(source, keywords, max(similar_words)) for source in sources]
    words = {*keywords, *image_keywords}.union(*(judgement.words for judgement in judgements))
    membership = find_membership(songs, words, progress=step(progress, "Finding similar words in lyrics"))
    return GroundTruth(keywords, judgements, membership, sorted(similar_words))
