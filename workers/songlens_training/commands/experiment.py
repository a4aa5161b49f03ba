"""What the verbs of `songlens eval` begin with: a model learned without query images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from songlens_shared.address import home

if TYPE_CHECKING:
    from songlens_training.evaluate.held_out import Experiment, FromFile, HeldOut
    from songlens_training.model.learn import BuildOptions, Catalogue
    from songlens_training.progress import Progress
    from songlens_workers.vision.backbone import Backbone


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
