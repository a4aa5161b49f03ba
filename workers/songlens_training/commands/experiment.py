"""What the verbs of `songlens eval` begin with: sources of similar words, and a model learned without query images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from songlens_shared.broker import home

if TYPE_CHECKING:
    from songlens_training.evaluate.held_out import Experiment, FromFile, HeldOut
    from songlens_training.evaluate.similar.source import SimilarWords
    from songlens_training.model.learn import BuildOptions, Catalogue
    from songlens_training.progress import Progress
    from songlens_workers.vision.backbone import Backbone

DEFAULT_SIMILAR = ("vectors",)


def open_sources(named: Sequence[str] | None, progress: Progress) -> list[SimilarWords]:
    """Open the sources of similar words that are named. Raises `ConfigError` or `DataError`."""
    from songlens_training.evaluate.similar.opening import Opener
    from songlens_training.keywords.folding import fold

    opener = Opener(cache=home() / "downloads", progress=progress, fold=fold)
    return [opener.open(name) for name in named or DEFAULT_SIMILAR]


def query_source(queries: Path | None, share: float, seed: int) -> HeldOut | FromFile:
    """Return where query images come from: a file, or the catalogue."""
    from songlens_training.evaluate.held_out import FromFile, HeldOut

    return FromFile(path=queries) if queries is not None else HeldOut(share=share, seed=seed)


def learn_experiment(
    catalogue: Catalogue,
    source: HeldOut | FromFile,
    backbone: Backbone,
    options: BuildOptions,
    out: Path,
    progress: Progress,
) -> Experiment:
    """Learn a model without its query images; refused rows go to rejects.jsonl in `out`."""
    from songlens_training.catalogue.tables import RejectLog
    from songlens_training.evaluate.held_out import learn_without_queries

    with RejectLog(out / "rejects.jsonl") as rejects:
        return learn_without_queries(
            catalogue, source, backbone, options, out, rejects, progress, features_folder=home() / "features"
        )
