"""`songlens eval`: how good the recommendations are, beside keyword matching, popularity and chance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from songlens_shared.address import home
from songlens_shared.errors import ConfigError
from songlens_training.commands.default_verb import DEFAULT_VERB, DefaultVerbGroup
from songlens_training.commands.experiment import learn_experiment
from songlens_training.commands.options.backbone import BackboneFlags
from songlens_training.commands.options.catalogue import Songs
from songlens_training.commands.options.embedding import EmbeddingDevice, EmbeddingFlags
from songlens_training.commands.options.groups import grouped
from songlens_training.commands.options.keywords import KeywordFlags
from songlens_training.commands.options.measuring import Out, TableFlags
from songlens_training.commands.progress import progress_bars
from songlens_training.commands.stores import Models, open_store
from songlens_training.commands.sweep import sweep

if TYPE_CHECKING:
    from songlens_training.evaluate.evaluated import Trial
    from songlens_training.evaluate.version import OpenVersion
    from songlens_training.progress import Progress

OptionalImages = Annotated[
    Path | None,
    typer.Option(help="Images to learn from: a folder per keyword, or a manifest (.jsonl, .csv, .parquet)."),
]

command = typer.Typer(cls=DefaultVerbGroup, no_args_is_help=True, help="Measure how good the recommendations are.")
command.command("sweep")(sweep)


@command.command(DEFAULT_VERB)
@grouped
def run(
    songs: Songs,
    out: Out,
    measuring: TableFlags,
    vision: BackboneFlags,
    words: KeywordFlags,
    embedding: EmbeddingFlags,
    images: OptionalImages = None,
    model: Annotated[str | None, typer.Option(help="Evaluate this model version instead of learning one.")] = None,
    models: Models = None,
    embedding_device: EmbeddingDevice = "auto",
) -> None:
    """Compare the proposed method with keyword matching, popularity and chance (the verb that need not be named).

    A model is learned without the query images: those of --queries, or a share held out of the images. With --model, a
    version built before is evaluated on --queries.
    """
    from songlens_training.commands.evaluation_screen import show_evaluation
    from songlens_training.evaluate.evaluation import evaluate
    from songlens_training.evaluate.held_out import trial_of
    from songlens_training.evaluate.plots import plot_evaluation
    from songlens_training.evaluate.report import write_reports
    from songlens_training.evaluate.results import open_results
    from songlens_training.model.learn import BuildOptions, Catalogue

    console = Console()
    options = measuring.options()
    _check_inputs(images, model, measuring.queries)
    open_results(out)
    with progress_bars(console) as progress:
        sources = measuring.open_sources(progress)
        if model is not None:
            version = _open_version(models, model, vision, embedding.threads, progress)
            trial = _version_trial(version, measuring.queries, songs, measuring.images_k, out, progress)
        else:
            build = BuildOptions(keywords=words.options(), embedding=embedding.options(embedding_device))
            network = vision.open_chosen(embedding.threads, progress)
            assert images is not None  # _check_inputs has seen to it
            catalogue = Catalogue(songs=songs, images=images)
            experiment = learn_experiment(catalogue, measuring.query_source(), network, build, out, progress)
            trial = trial_of(experiment, measuring.images_k)
        evaluation = evaluate(trial, sources, options, progress)
        written = write_reports(out, evaluation, trial.about)
        written += plot_evaluation(evaluation, out)
    show_evaluation(console, evaluation, trial.about, written)


def _check_inputs(images: Path | None, model: str | None, queries: Path | None) -> None:
    """Raise `ConfigError` unless there is either a catalogue to learn from, or a version and query images."""
    if model is None and images is None:
        raise ConfigError("Give --images to learn a model from, or --model to evaluate a version.")
    if model is not None and images is not None:
        raise ConfigError("--model evaluates a version that has been built; leave out --images.")
    if model is not None and queries is None:
        raise ConfigError("--model needs --queries: nothing can be held out of a version that has been built.")


def _open_version(
    models: str | None, version: str, vision: BackboneFlags, threads: int | None, progress: Progress
) -> OpenVersion:
    """Open a version with the backbone that it names."""
    from songlens_training.evaluate.version import OpenVersion

    store = open_store(models)
    backbone = vision.open_of_version(store, version, threads, progress)
    return OpenVersion(store, version, backbone)


def _version_trial(
    version: OpenVersion,
    queries: Path | None,
    songs: Path,
    images_k: int,
    out: Path,
    progress: Progress,
) -> Trial:
    from songlens_training.catalogue.tables import RejectLog
    from songlens_training.evaluate.version import trial_of_version

    assert queries is not None  # _check_inputs has seen to it
    with RejectLog(out / "rejects.jsonl") as rejects:
        return trial_of_version(
            version, queries, songs, images_k, rejects, progress, features_folder=home() / "features"
        )
