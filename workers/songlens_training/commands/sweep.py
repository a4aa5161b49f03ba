"""`songlens eval sweep`: what dimensions, samples and the shape of a list do to the recommendations."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from songlens_training.commands.backbone import open_backbone
from songlens_training.commands.evaluation_options import (
    DrawSeed,
    HoldOut,
    Out,
    Queries,
    Similar,
    SimilarWordCounts,
    numbers,
    retrievals,
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
    Folding,
    Images,
    KeywordCount,
    MaxSongShare,
    MinLength,
    MinOccurrences,
    MinSongs,
    Songs,
    Tags,
    Threads,
    Titles,
    Weights,
)
from songlens_training.commands.progress import progress_bars


def sweep(
    songs: Songs,
    images: Images,
    out: Out,
    queries: Queries = None,
    hold_out: HoldOut = 0.1,
    dimensions: Annotated[str, typer.Option(help="NE dimensions to try; the first is the base.")] = "128",
    samples: Annotated[str, typer.Option(help="Edges to sample to try, or auto; the first is the base.")] = "auto",
    retrieval: Annotated[str, typer.Option(help="Images x songs per image to try; the first is the base.")] = "5x2",
    seeds: Annotated[str, typer.Option(help="Seeds of the network embedding; every setting runs with each.")] = "1,2,3",
    similar: Similar = None,
    n: SimilarWordCounts = "0,5,10,50,100",
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
    threads: Threads = None,
) -> None:
    """Vary what shapes the recommendations, one thing at a time: dimensions, samples, images x songs.

    Lists are separated by commas. Keywords and features are found once; only the network embedding is trained anew.
    """
    from songlens_training.commands.evaluation_screen import show_sweep
    from songlens_training.embedding.options import EmbeddingOptions
    from songlens_training.evaluate.evaluation import EvaluationOptions
    from songlens_training.evaluate.results import open_results
    from songlens_training.evaluate.sweep import SweepOptions, run_sweep
    from songlens_training.evaluate.sweep_report import write_sweep
    from songlens_training.model.learn import BuildOptions, Catalogue

    console = Console()
    tried = SweepOptions(
        dimensions=numbers(dimensions, "--dimensions"),
        samples=tuple(None if value == "auto" else numbers(value, "--samples")[0] for value in samples.split(",")),
        retrieval=retrievals(retrieval),
        seeds=numbers(seeds, "--seeds"),
    )
    tried.check()
    options = EvaluationOptions(similar_words=numbers(n, "--n"), seed=draw_seed)
    base = EmbeddingOptions(
        dimensions=tried.dimensions[0], samples=tried.samples[0], seed=tried.seeds[0], threads=threads
    )
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
        embedding=base,
    )
    open_results(out)
    with progress_bars(console) as progress:
        sources = open_sources(similar, progress)
        network = open_backbone(backbone, weights, device, threads, progress)
        split = query_source(queries, hold_out, draw_seed)
        experiment = learn_experiment(Catalogue(songs=songs, images=images), split, network, build, out, progress)
        found = run_sweep(experiment, base, tried, sources, options, progress)
        written = write_sweep(out, found, experiment.about)
    show_sweep(console, found, written)
