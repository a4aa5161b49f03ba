"""`songlens eval`: how good the recommendations are, beside keyword matching, popularity and chance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from songlens_shared.broker import home
from songlens_shared.errors import ConfigError
from songlens_training.commands.backbone import open_backbone
from songlens_training.commands.default_verb import DEFAULT_VERB, DefaultVerbGroup
from songlens_training.commands.evaluation_options import (
    Confidence,
    DrawSeed,
    HoldOut,
    ImagesK,
    OptionalImages,
    Out,
    Queries,
    Repeats,
    Resamples,
    Similar,
    SimilarWordCounts,
    SongsPerImage,
    numbers,
)
from songlens_training.commands.experiment import learn_experiment, open_sources, query_source
from songlens_training.commands.keyword_options import keyword_options
from songlens_training.commands.options import (
    Allow,
    AllowFiles,
    BackboneName,
    Deny,
    DenyFiles,
    Device,
    Dictionaries,
    Dimensions,
    Folding,
    KeywordCount,
    MaxSongShare,
    MinLength,
    MinOccurrences,
    MinSongs,
    Samples,
    Seed,
    Songs,
    Tags,
    Threads,
    Titles,
    Weights,
)
from songlens_training.commands.progress import progress_bars
from songlens_training.commands.stores import Models, open_store
from songlens_training.commands.sweep import sweep

if TYPE_CHECKING:
    from songlens_training.evaluate.evaluated import Trial
    from songlens_training.evaluate.version import OpenVersion
    from songlens_training.progress import Progress

command = typer.Typer(cls=DefaultVerbGroup, no_args_is_help=True, help="Measure how good the recommendations are.")
command.command("sweep")(sweep)


@command.command(DEFAULT_VERB)
def run(
    songs: Songs,
    out: Out,
    images: OptionalImages = None,
    queries: Queries = None,
    hold_out: HoldOut = 0.1,
    model: Annotated[str | None, typer.Option(help="Evaluate this model version instead of learning one.")] = None,
    models: Models = None,
    similar: Similar = None,
    n: SimilarWordCounts = "0,5,10,50,100",
    images_k: ImagesK = 5,
    songs_per_image: SongsPerImage = 2,
    repeats: Repeats = 20,
    resamples: Resamples = 2000,
    confidence: Confidence = 0.95,
    draw_seed: DrawSeed = 1,
    backbone: BackboneName = "vgg19",
    weights: Weights = None,
    device: Device = "auto",
    keywords: KeywordCount = 72,
    titles: Titles = True,
    folding: Folding = True,
    dictionary: Dictionaries = None,
    tag: Tags = None,
    allow: Allow = None,
    allow_file: AllowFiles = None,
    deny: Deny = None,
    deny_file: DenyFiles = None,
    min_length: MinLength = 2,
    min_songs: MinSongs = 1,
    max_song_share: MaxSongShare = 1.0,
    min_occurrences: MinOccurrences = 1,
    dimensions: Dimensions = 128,
    samples: Samples = None,
    seed: Seed = 1,
    threads: Threads = None,
) -> None:
    """Compare the proposed method with keyword matching, popularity and chance (the verb that need not be named).

    A model is learned without the query images: those of --queries, or a share held out of the images. With --model, a
    version built before is evaluated on --queries.
    """
    from songlens_training.commands.evaluation_screen import show_evaluation
    from songlens_training.embedding.options import EmbeddingOptions
    from songlens_training.evaluate.evaluation import EvaluationOptions, evaluate
    from songlens_training.evaluate.held_out import trial_of
    from songlens_training.evaluate.plots import plot_evaluation
    from songlens_training.evaluate.report import write_reports
    from songlens_training.evaluate.results import open_results
    from songlens_training.evaluate.systems import Retrieval
    from songlens_training.model.learn import BuildOptions, Catalogue

    console = Console()
    options = EvaluationOptions(
        similar_words=numbers(n, "--n"),
        retrieval=Retrieval(images_k=images_k, songs_per_image=songs_per_image),
        repeats=repeats,
        resamples=resamples,
        confidence=confidence,
        seed=draw_seed,
    )
    options.check()
    _check_inputs(images, model, queries)
    open_results(out)
    with progress_bars(console) as progress:
        sources = open_sources(similar, progress)
        if model is not None:
            version = _open_version(models, model, weights, device, threads, progress)
            trial = _version_trial(version, queries, songs, images_k, out, progress)
        else:
            build = BuildOptions(
                keywords=keyword_options(
                    count=keywords,
                    titles=titles,
                    folding=folding,
                    dictionaries=dictionary,
                    tags=tag,
                    allow=allow,
                    allow_files=allow_file,
                    deny=deny,
                    deny_files=deny_file,
                    min_length=min_length,
                    min_songs=min_songs,
                    max_song_share=max_song_share,
                    min_occurrences=min_occurrences,
                ),
                embedding=EmbeddingOptions(dimensions=dimensions, samples=samples, seed=seed, threads=threads),
            )
            network = open_backbone(backbone, weights, device, threads, progress)
            source = query_source(queries, hold_out, draw_seed)
            assert images is not None  # _check_inputs has seen to it
            catalogue = Catalogue(songs=songs, images=images)
            trial = trial_of(learn_experiment(catalogue, source, network, build, out, progress), images_k)
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
    models: str | None, version: str, weights: Path | None, device: str, threads: int | None, progress: Progress
) -> OpenVersion:
    """Open a version with the backbone that it names."""
    from songlens_training.evaluate.version import OpenVersion

    store = open_store(models)
    backbone = open_backbone(store.manifest(version).backbone.name, weights, device, threads, progress)
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
