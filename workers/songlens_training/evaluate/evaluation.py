"""Compares the proposed method with keyword matching, popularity and chance on query images it has never seen."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from songlens_shared.errors import ConfigError
from songlens_training.evaluate.bootstrap import Bootstrap, Interval
from songlens_training.evaluate.evaluated import EvaluatedModel, Trial
from songlens_training.evaluate.metrics import METRICS, PRECISION, KeywordSets, coverage
from songlens_training.evaluate.scoring import GroundTruth, Scores, find_ground_truth
from songlens_training.evaluate.similar.source import SimilarWords
from songlens_training.evaluate.systems import (
    KM,
    POP,
    PROPOSED,
    KeywordMatching,
    Positions,
    Proposed,
    Recommender,
    Retrieval,
    any_song,
    popular,
)
from songlens_training.progress import Progress, silent


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """How to measure."""

    similar_words: tuple[int, ...] = (0, 5, 10, 50, 100)
    """How many similar words of a keyword make a song right."""
    retrieval: Retrieval = field(default_factory=Retrieval)
    repeats: int = 20
    """How often the systems that draw do so; the mean of a query image is taken, so that the luck of a draw is gone."""
    resamples: int = 2000
    confidence: float = 0.95
    seed: int = 1
    """Of the draws and of the resamples."""

    def check(self) -> None:
        """Raise `ConfigError` for an option out of range."""
        self.retrieval.check()
        if self.repeats < 1:
            raise ConfigError(f"Draws must be repeated at least once, not {self.repeats} times.")


@dataclass(frozen=True)
class Cell:
    """Where a measured value stands."""

    source: str
    system: str
    n: int
    metric: str


@dataclass(frozen=True, kw_only=True)
class ListScores:
    """What the lists of a system are like, whatever is right."""

    coverage: float
    diversity: Interval


@dataclass(frozen=True, kw_only=True)
class KeywordScores:
    """How the query images of one keyword fare."""

    keyword: str
    queries: int
    songs: int
    """How many songs contain it."""
    nearest_image_right: float
    """The share of its query images whose nearest catalogue image has this keyword."""
    precision: Mapping[Cell, float]
    """precision@10 of every source, system and n."""


@dataclass(frozen=True, kw_only=True)
class SourceCounts:
    """What a source of similar words left open."""

    unknown: list[str]
    """Keywords that it does not know; for them the keyword alone is right."""
    short: Mapping[int, int]
    """For each n, how many keywords have fewer similar words."""
    without_right_song: Mapping[int, int]
    """For each n, how many query images have no right song in the whole catalogue."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """All that was measured."""

    options: EvaluationOptions
    systems: Sequence[str]
    absent: Mapping[str, str]
    """Systems that could not be measured, and why."""
    sources: Mapping[str, SourceCounts]
    scores: Mapping[Cell, Interval]
    proposed_minus_km: Mapping[Cell, Interval]
    lists: Mapping[str, ListScores]
    keywords: Sequence[KeywordScores]
    """By precision@10 of the proposed system at the least n, the worst first."""
    neighbours_right: Sequence[float]
    """Of the nearest, the second nearest, ... image: the share of query images whose keyword it has."""

    @property
    def nearest_image_right(self) -> float:
        """The share of query images whose nearest catalogue image has their keyword."""
        return self.neighbours_right[0]


def evaluate(
    trial: Trial,
    sources: Sequence[SimilarWords],
    options: EvaluationOptions | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Measure every system on the query images of a trial; the same input and seed give the same figures.

    Raises `ConfigError` for options out of range and `DataError` where a source of similar words cannot be read.
    """
    options = options or EvaluationOptions()
    options.check()
    model = trial.model
    truth = find_ground_truth(
        model.songs,
        [query.keyword for query in trial.queries],
        set(model.image_keywords),
        sources,
        options.similar_words,
        progress,
    )
    systems, absent = _systems(model, truth, options.retrieval)
    lists: dict[str, Positions] = {}
    for number, system in enumerate(systems):
        progress("Recommending songs", number, len(systems))
        lists[system.name] = system.recommend(trial.neighbours, options.repeats, _random(options.seed, system.name))
    progress("Recommending songs", len(systems), len(systems))
    scores = truth.score(lists)
    bootstrap = Bootstrap(
        len(trial.queries), resamples=options.resamples, seed=options.seed, confidence=options.confidence
    )
    return Evaluation(
        options=options,
        systems=list(lists),
        absent=absent,
        sources=_source_counts(truth),
        scores=_intervals(scores, truth, bootstrap),
        proposed_minus_km=_intervals({PROPOSED: scores[PROPOSED] - scores[KM]}, truth, bootstrap),
        lists=_list_scores(lists, model, bootstrap),
        keywords=_keyword_scores(scores, truth, trial),
        neighbours_right=_neighbours_right(trial)[:, : options.retrieval.images_k].mean(axis=0).tolist(),
    )


def _systems(
    model: EvaluatedModel, truth: GroundTruth, retrieval: Retrieval
) -> tuple[list[Recommender], dict[str, str]]:
    systems: list[Recommender] = [
        Proposed(model.image_vectors, model.ranker(), retrieval),
        KeywordMatching(model.image_keywords, truth.membership.positions),
    ]
    pop = popular([song.popularity for song in model.songs])
    absent = {POP: pop} if isinstance(pop, str) else {}
    systems += [] if isinstance(pop, str) else [pop]
    return [*systems, any_song(len(model.songs))], absent


def _random(seed: int, system: str) -> np.random.Generator:
    """Return a generator of the system's own, so that its draws do not depend on the other systems."""
    return np.random.default_rng([seed, zlib.crc32(system.encode())])


def _intervals(scores: Mapping[str, Scores], truth: GroundTruth, bootstrap: Bootstrap) -> dict[Cell, Interval]:
    """Return the interval of every cell; all are resampled together."""
    cells = [cell for system in scores for cell in cells_of(system, truth)]
    columns = np.concatenate([values.reshape(len(values), -1) for values in scores.values()], axis=1)  # (Q, C)
    return dict(zip(cells, bootstrap.intervals(columns), strict=True))


def cells_of(system: str, truth: GroundTruth) -> list[Cell]:
    """Return the cells of a system in the order of its scores, (J, N, M) flattened."""
    return [
        Cell(judgement.source, system, n, metric)
        for judgement in truth.judgements
        for n in truth.similar_words
        for metric in METRICS
    ]


def _list_scores(lists: Mapping[str, Positions], model: EvaluatedModel, bootstrap: Bootstrap) -> dict[str, ListScores]:
    sets = KeywordSets(model.song_keywords)
    return {
        system: ListScores(
            coverage=coverage(own, len(model.songs)),
            diversity=bootstrap.intervals(sets.diversity(own).mean(axis=0)[:, None])[0],
        )
        for system, own in lists.items()
    }


def _source_counts(truth: GroundTruth) -> dict[str, SourceCounts]:
    without = truth.without_right_song()
    return {
        judgement.source: SourceCounts(
            unknown=judgement.unknown(truth.keywords) if max(truth.similar_words) else [],
            short={n: judgement.short(truth.keywords, n) for n in truth.similar_words},
            without_right_song=dict(zip(truth.similar_words, without[judgement.source], strict=True)),
        )
        for judgement in truth.judgements
    }


def _neighbours_right(trial: Trial) -> NDArray[np.bool_]:
    """Return bool (Q, I): whether a neighbour image has the query image's keyword."""
    keywords = np.array(trial.model.image_keywords)
    own = np.array([query.keyword for query in trial.queries])
    right: NDArray[np.bool_] = keywords[trial.neighbours] == own[:, None]
    return right


def _keyword_scores(scores: Mapping[str, Scores], truth: GroundTruth, trial: Trial) -> list[KeywordScores]:
    words, right = np.array(truth.keywords), _neighbours_right(trial)[:, 0]
    found = [_of_keyword(keyword, words == keyword, scores, truth, right) for keyword in np.unique(words).tolist()]
    worst = Cell(truth.judgements[0].source, PROPOSED, min(truth.similar_words), PRECISION)
    return sorted(found, key=lambda own: (own.precision[worst], own.keyword))


def _of_keyword(
    keyword: str,
    own: NDArray[np.bool_],
    scores: Mapping[str, Scores],
    truth: GroundTruth,
    right: NDArray[np.bool_],
) -> KeywordScores:
    precision: dict[Cell, float] = {}
    for system, values in scores.items():
        means = zip(cells_of(system, truth), values[own].mean(axis=0).ravel().tolist(), strict=True)
        precision |= {cell: mean for cell, mean in means if cell.metric == PRECISION}
    return KeywordScores(
        keyword=keyword,
        queries=int(own.sum()),
        songs=len(truth.membership.songs_with(keyword)),
        nearest_image_right=float(right[own].mean()),
        precision=precision,
    )
