"""`songlens model build`: a model version from songs and images."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from songlens_training.commands.backbone import open_backbone
from songlens_training.commands.embedding_options import embedding_options
from songlens_training.commands.keyword_options import keyword_options
from songlens_training.commands.listening import described_listening
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
    Images,
    KeywordCount,
    LearningRate,
    ListeningHalfLife,
    ListeningLog,
    ListeningMinSongs,
    ListeningStrength,
    ListeningWeight,
    MaxSongShare,
    MinLength,
    MinOccurrences,
    MinSongs,
    Negatives,
    NoiseKind,
    Normalise,
    Order,
    Regularisation,
    Samples,
    Sampling,
    Seed,
    Songs,
    StartKind,
    Tags,
    Threads,
    Titles,
    WalkSteps,
    Weights,
)
from songlens_training.commands.progress import progress_bars
from songlens_training.commands.rows import print_rows
from songlens_training.commands.stores import Models, described, open_store
from songlens_training.graph.listening_options import ListeningOptions, Weighting


def build(
    songs: Songs,
    images: Images,
    models: Models = None,
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
    order: Order = 2,
    samples: Samples = None,
    sampling: Sampling = "balanced",
    noise: NoiseKind = None,
    walk_steps: WalkSteps = None,
    regularisation: Regularisation = None,
    negatives: Negatives = 5,
    learning_rate: LearningRate = 0.025,
    start: StartKind = "propagated",
    normalise: Normalise = True,
    seed: Seed = 1,
    threads: Threads = None,
    listening: ListeningLog = None,
    listening_strength: ListeningStrength = 0.2,
    listening_half_life: ListeningHalfLife = None,
    listening_weight: ListeningWeight = Weighting.LOG,
    listening_min_songs: ListeningMinSongs = 3,
    force: Annotated[bool, typer.Option(help="Build even where the same model has been built before.")] = False,
) -> None:
    """Build a model version from songs and images."""
    from songlens_training.model.build import build_config, build_model, find_built
    from songlens_training.model.learn import BuildOptions, Catalogue

    console = Console()
    store = open_store(models)
    catalogue = Catalogue(songs=songs, images=images, listening=listening)
    options = BuildOptions(
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
        embedding=embedding_options(
            dimensions=dimensions,
            order=order,
            samples=samples,
            sampling=sampling,
            noise=noise,
            walk_steps=walk_steps,
            regularisation=regularisation,
            negatives=negatives,
            learning_rate=learning_rate,
            start=start,
            normalise=normalise,
            threads=threads,
            seed=seed,
        ),
        listening=ListeningOptions(
            half_life_days=listening_half_life,
            weighting=listening_weight,
            min_songs=listening_min_songs,
            strength=listening_strength,
        ),
    )
    with progress_bars(console) as progress:
        network = open_backbone(backbone, weights, device, threads, progress)
        same = None if force else find_built(store, build_config(catalogue, network, options))
        if same is not None:
            console.print(f"Model {same.version} was built from exactly this before; --force builds it again.")
            return
        built = build_model(catalogue, store, network, options, progress=progress)
    print_rows(console, built.summaries, built.rejects)
    if "listening" in built.report:
        console.print(described_listening(built.report["listening"]), highlight=False)
    console.print(described(built.manifest, float(built.report["precision_at_10"])))
