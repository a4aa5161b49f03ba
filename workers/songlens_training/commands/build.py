"""`songlens model build`: a model version from songs and images."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from songlens_training.commands.backbone import open_backbone
from songlens_training.commands.options import (
    BackboneName,
    Device,
    Dimensions,
    Images,
    KeywordCount,
    Samples,
    Seed,
    Songs,
    Threads,
    Titles,
    Weights,
)
from songlens_training.commands.progress import progress_bars
from songlens_training.commands.stores import Models, described, open_store


def build(
    songs: Songs,
    images: Images,
    models: Models = None,
    backbone: BackboneName = "vgg19",
    weights: Weights = None,
    device: Device = "auto",
    keywords: KeywordCount = 72,
    titles: Titles = True,
    dimensions: Dimensions = 128,
    samples: Samples = None,
    seed: Seed = 1,
    threads: Threads = None,
    force: Annotated[bool, typer.Option(help="Build even where the same model has been built before.")] = False,
) -> None:
    """Build a model version from songs and images."""
    from songlens_training.embedding.options import EmbeddingOptions
    from songlens_training.keywords.options import KeywordOptions
    from songlens_training.model.build import build_config, build_model, find_built
    from songlens_training.model.learn import BuildOptions, Catalogue

    console = Console()
    store = open_store(models)
    catalogue = Catalogue(songs=songs, images=images)
    options = BuildOptions(
        keywords=KeywordOptions(count=keywords, titles=titles),
        embedding=EmbeddingOptions(dimensions=dimensions, samples=samples, seed=seed, threads=threads),
    )
    with progress_bars(console) as progress:
        network = open_backbone(backbone, weights, device, threads, progress)
        same = None if force else find_built(store, build_config(catalogue, network, options))
        if same is not None:
            console.print(f"Model {same.version} was built from exactly this before; --force builds it again.")
            return
        built = build_model(catalogue, store, network, options, progress=progress)
    for summary in built.summaries:
        console.print(f"{escape(summary.source)}: {summary.accepted} rows taken, {summary.refused_rows} refused")
        for reason, count in summary.refused.items():
            console.print(f"    {count} x {escape(reason)}")
    if any(summary.refused_rows for summary in built.summaries):
        console.print(f"Refused rows, with line and reason: {built.rejects}")
    console.print(described(built.manifest, float(built.report["precision_at_10"])))
