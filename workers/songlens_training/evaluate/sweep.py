"""Varies what shapes the recommendations, one thing at a time: NE dimensions, samples, and images x songs of a list.

Keywords, features and neighbour images are found once; only the network embedding is trained anew, with each seed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np

from songlens_shared.errors import ConfigError
from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.embedding.train import train_embedding
from songlens_training.embedding.vectors import Embedding
from songlens_training.evaluate.evaluated import EvaluatedModel
from songlens_training.evaluate.evaluation import Cell, EvaluationOptions, cells_of
from songlens_training.evaluate.held_out import Experiment, evaluated_model, trial_of
from songlens_training.evaluate.scoring import GroundTruth, find_ground_truth
from songlens_training.evaluate.similar.source import SimilarWords
from songlens_training.evaluate.systems import PROPOSED, Positions, Proposed, Retrieval
from songlens_training.progress import Progress

Parameter = Literal["dimensions", "samples", "retrieval"]
PARAMETERS: tuple[Parameter, ...] = ("dimensions", "samples", "retrieval")


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """The values to try. The first of each is the base, which holds while another parameter is varied."""

    dimensions: tuple[int, ...] = (128,)
    samples: tuple[int | None, ...] = (None,)
    """None: the automatic choice."""
    retrieval: tuple[Retrieval, ...] = field(default_factory=lambda: (Retrieval(),))
    seeds: tuple[int, ...] = (1, 2, 3)
    """Every setting is trained with each of them."""

    def check(self) -> None:
        """Raise `ConfigError` for an empty list, a value given twice, or one out of range."""
        for name in (*PARAMETERS, "seeds"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise ConfigError(f"The values of {name} must be one or more, each once.")
        for retrieval in self.retrieval:
            retrieval.check()


class Setting(NamedTuple):
    """A value for each parameter."""

    dimensions: int
    samples: int | None
    retrieval: Retrieval


class Spread(NamedTuple):
    """The mean over seeds, and the least and greatest."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class SweepPoint:
    """What one setting comes to."""

    setting: Setting
    scores: Mapping[Cell, Spread]
    train_s: float
    """Seconds of training, the mean over seeds."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """All settings, the base first."""

    options: SweepOptions
    sources: Sequence[str]
    similar_words: Sequence[int]
    points: Sequence[SweepPoint]

    def along(self, parameter: Parameter) -> list[SweepPoint]:
        """Return the points that differ from the base in this parameter alone, and the base, in the order given."""
        base = self.points[0].setting
        wanted = [base._replace(**{parameter: value}) for value in getattr(self.options, parameter)]
        by_setting = {point.setting: point for point in self.points}
        return [by_setting[setting] for setting in wanted]


def settings_of(options: SweepOptions) -> list[Setting]:
    """Return the base, and each setting that differs from it in one parameter."""
    base = Setting(options.dimensions[0], options.samples[0], options.retrieval[0])
    varied = [base._replace(**{name: value}) for name in PARAMETERS for value in getattr(options, name)[1:]]
    return [base, *varied]


def run_sweep(
    experiment: Experiment,
    embedding: EmbeddingOptions,
    sweep: SweepOptions,
    sources: Sequence[SimilarWords],
    options: EvaluationOptions,
    progress: Progress,
) -> Sweep:
    """Evaluate the proposed system at every setting. Raises `ConfigError` for options out of range.

    `embedding` gives all that is not varied.
    """
    sweep.check()
    options.check()
    trial = trial_of(experiment, max(retrieval.images_k for retrieval in sweep.retrieval))
    keywords = [query.keyword for query in experiment.queries]
    truth = find_ground_truth(trial.model.songs, keywords, (), sources, options.similar_words, progress)
    settings = settings_of(sweep)
    found: dict[Setting, list[np.ndarray[tuple[int], np.dtype[np.float64]]]] = {setting: [] for setting in settings}
    seconds: dict[Setting, list[float]] = {setting: [] for setting in settings}
    total, done = len(settings) * len(sweep.seeds), 0
    for trained in _trainings(experiment, embedding, settings, sweep.seeds):
        for setting in trained.settings:
            lists = _lists(trained.model, trial.neighbours, setting.retrieval)
            found[setting].append(truth.score({PROPOSED: lists})[PROPOSED].mean(axis=0).ravel())
            seconds[setting].append(trained.seconds)
            done += 1
            progress("Sweeping", done, total)
    return Sweep(
        options=sweep,
        sources=[judgement.source for judgement in truth.judgements],
        similar_words=truth.similar_words,
        points=[
            SweepPoint(
                setting=setting,
                scores=_spreads(truth, np.stack(found[setting])),
                train_s=float(np.mean(seconds[setting])),
            )
            for setting in settings
        ],
    )


class _Trained(NamedTuple):
    model: EvaluatedModel
    settings: list[Setting]
    """Those that need this embedding."""
    seconds: float


def _trainings(
    experiment: Experiment, base: EmbeddingOptions, settings: Sequence[Setting], seeds: Sequence[int]
) -> Iterator[_Trained]:
    """Train each embedding that the settings need, once for each seed."""
    needed: dict[tuple[int, int | None], list[Setting]] = {}
    for setting in settings:
        needed.setdefault((setting.dimensions, setting.samples), []).append(setting)
    for (dimensions, samples), own in needed.items():
        for seed in seeds:
            options = replace(base, dimensions=dimensions, samples=samples, seed=seed)
            started_s = time.perf_counter()
            embedding: Embedding = train_embedding(experiment.learned.graph, options)
            seconds = time.perf_counter() - started_s
            yield _Trained(evaluated_model(experiment.learned, embedding), own, seconds)


def _lists(model: EvaluatedModel, neighbours: Positions, retrieval: Retrieval) -> Positions:
    proposed = Proposed(model.image_vectors, model.ranker(), retrieval)
    return proposed.recommend(neighbours, 1, np.random.default_rng(0))  # it draws nothing


def _spreads(truth: GroundTruth, means: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> dict[Cell, Spread]:
    """Return the spread of means (seeds, J * N * M) for each cell."""
    columns = np.stack([means.mean(axis=0), means.min(axis=0), means.max(axis=0)], axis=1).tolist()
    return {cell: Spread(*row) for cell, row in zip(cells_of(PROPOSED, truth), columns, strict=True)}
