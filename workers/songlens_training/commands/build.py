"""`songlens model build`: a model version from songs and images."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer
from rich.console import Console

from songlens_training.commands.listening import described_listening
from songlens_training.commands.options.backbone import BackboneFlags
from songlens_training.commands.options.catalogue import Images, Songs
from songlens_training.commands.options.distribution import FeatureFlags
from songlens_training.commands.options.embedding import EmbeddingDevice, EmbeddingFlags
from songlens_training.commands.options.groups import grouped
from songlens_training.commands.options.index import IndexFlags
from songlens_training.commands.options.keywords import KeywordFlags
from songlens_training.commands.options.listening import ListeningFlags
from songlens_training.commands.progress import progress_bars
from songlens_training.commands.rows import print_rows
from songlens_training.commands.stores import Models, described, described_index, open_store


@grouped
def build(
    songs: Songs,
    images: Images,
    vision: BackboneFlags,
    kept: FeatureFlags,
    words: KeywordFlags,
    embedding: EmbeddingFlags,
    log: ListeningFlags,
    search: IndexFlags,
    models: Models = None,
    embedding_device: EmbeddingDevice = "auto",
    force: Annotated[bool, typer.Option(help="Build even where the same model has been built before.")] = False,
) -> None:
    """Build a model version from songs and images."""
    from songlens_training.model.build import build_config, build_model, find_built
    from songlens_training.model.learn import BuildOptions, Catalogue

    console = Console()
    say = partial(console.print, highlight=False, markup=False, soft_wrap=True)
    store = open_store(models)
    catalogue = Catalogue(songs=songs, images=images, listening=log.listening)
    options = BuildOptions(
        keywords=words.options(),
        embedding=embedding.options(embedding_device),
        listening=log.options(),
        index=search.options(),
        features_dtype=kept.features_dtype,
    )
    with progress_bars(console) as progress:
        elsewhere = kept.elsewhere(vision.precision, progress, say)
        network = vision.open_chosen(embedding.threads, progress)
        same = None if force else find_built(store, build_config(catalogue, network, options))
        if same is not None:
            console.print(f"Model {same.version} was built from exactly this before; --force builds it again.")
            return
        built = build_model(
            catalogue,
            store,
            network,
            options,
            progress=progress,
            features_folder=kept.features,
            elsewhere=elsewhere,
        )
    print_rows(console, built.summaries, built.rejects)
    if "listening" in built.report:
        console.print(described_listening(built.report["listening"]), highlight=False)
    console.print(described_index(built.manifest), highlight=False)
    console.print(described(built.manifest, float(built.report["precision_at_10"])))
