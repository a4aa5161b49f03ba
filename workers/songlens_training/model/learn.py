"""Learns from a catalogue: songs, images and listening -> keywords -> features -> graph -> network embedding."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from songlens_shared.address import home
from songlens_shared.messages import FLOAT32
from songlens_training.catalogue.images import CatalogueImage, read_images
from songlens_training.catalogue.listening import Plays, read_plays
from songlens_training.catalogue.songs import Song, read_songs
from songlens_training.catalogue.tables import RejectLog
from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.embedding.train import reporting, train_embedding
from songlens_training.embedding.users import with_user_vectors
from songlens_training.embedding.vectors import Embedding
from songlens_training.graph.graph import Graph, build_graph
from songlens_training.graph.listening import Listening, weigh, with_listening
from songlens_training.graph.listening_options import ListeningOptions, check_options
from songlens_training.keywords.options import KeywordOptions
from songlens_training.keywords.selection import find_keywords
from songlens_training.keywords.table import KeywordTable
from songlens_training.model.feature_store import FeatureStore
from songlens_training.model.features import Elsewhere, Extracted, extract_features
from songlens_training.model.image_index import IndexOptions, check_index_options
from songlens_training.model.precision import prove
from songlens_training.progress import Progress, step
from songlens_workers.models.manifest import Agreement
from songlens_workers.vision.backbone import Backbone
from songlens_workers.vision.model import backbone_spec


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Where songs and images come from."""

    songs: Path
    """.jsonl, .csv or .parquet"""

    images: Path
    """A folder per keyword, or a manifest."""

    listening: Path | None = None
    """Listening log: .jsonl, .csv or .parquet. Without one the model knows no user."""

    @property
    def sources(self) -> list[Path]:
        """All that is there."""
        return [path for path in (self.songs, self.images, self.listening) if path is not None]


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """Everything that shapes a model but its data and backbone."""

    keywords: KeywordOptions = field(default_factory=KeywordOptions)
    embedding: EmbeddingOptions = field(default_factory=EmbeddingOptions)
    listening: ListeningOptions = field(default_factory=ListeningOptions)
    """Of no effect without a listening log."""

    index: IndexOptions = field(default_factory=IndexOptions)
    features_dtype: str = FLOAT32
    """float32, or float16: features take half the disk until the index is built, and are rounded."""


@dataclass(frozen=True, kw_only=True)
class Learned:
    """All that a model version is made of."""

    songs: list[Song]
    images: list[CatalogueImage]
    table: KeywordTable
    backbone: Backbone
    """That made the features; calibrated, where its precision asks for that."""

    agreement: Agreement | None
    """With fp32, in less than that."""

    extracted: Extracted
    listening: Listening | None
    graph: Graph
    embedding: Embedding
    seconds: dict[str, float]


def learn(
    catalogue: Catalogue,
    backbone: Backbone,
    options: BuildOptions,
    rejects: RejectLog,
    progress: Progress,
    *,
    features_folder: Path | None = None,
    elsewhere: Elsewhere | None = None,
) -> Learned:
    """Return what the catalogue teaches: keywords, features, graph and network embedding.

    Only images that can be decoded and bear a keyword, and songs with a keyword, are left. Refused rows go into
    `rejects`. Features that were computed before are taken from `features_folder` (default: in SONGLENS_HOME); what is
    not there may be computed `elsewhere`. Raises `DataError` for data that cannot make a catalogue and `ConfigError`
    for options out of range.
    """
    watch = _Stopwatch()
    check_index_options(options.index)
    check_options(options.listening)  # before the hours that features may take
    songs = list(read_songs(catalogue.songs, rejects))
    images = list(read_images(catalogue.images, rejects))
    plays = _plays(catalogue, songs, options.listening, rejects)
    watch.lap("read")
    table = find_keywords(songs, images, options.keywords, progress=step(progress, "Segmenting lyrics"))
    watch.lap("keywords")
    listening = None if plays is None else weigh(plays, table.songs, options.listening)
    shown = [image for image in images if image.id in table.images]
    backbone, agreement = prove(backbone, shown, progress)
    watch.lap("precision")
    kept = FeatureStore(features_folder or home() / "features", backbone_spec(backbone), dtype=options.features_dtype)
    extracted = extract_features(
        shown,
        backbone,
        kept,
        rejects,
        source=str(catalogue.images),
        progress=step(progress, "Extracting image features"),
        elsewhere=elsewhere,
    )
    images = extracted.images
    watch.lap("features")
    table = replace(table, images={image.id: table.images[image.id] for image in images})
    songs = [song for song in songs if song.id in table.songs]
    graph = _graph(table, listening, options.listening)
    watch.lap("graph")
    embedding = train_embedding(graph, options.embedding, reporting(progress))
    if listening is not None:
        embedding = with_user_vectors(embedding)
    watch.lap("embedding")
    return Learned(
        songs=songs,
        images=images,
        table=table,
        backbone=backbone,
        agreement=agreement,
        extracted=extracted,
        listening=listening,
        graph=graph,
        embedding=embedding,
        seconds=watch.seconds,
    )


def _graph(table: KeywordTable, listening: Listening | None, options: ListeningOptions) -> Graph:
    graph = build_graph(table.graph_weights())
    return graph if listening is None else with_listening(graph, listening, options.strength)


def _plays(catalogue: Catalogue, songs: list[Song], options: ListeningOptions, rejects: RejectLog) -> Plays | None:
    if catalogue.listening is None:
        return None
    known = {song.id for song in songs}
    return read_plays(catalogue.listening, rejects, known, timed=options.half_life_days is not None)


class _Stopwatch:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, step: str) -> None:
        now = time.perf_counter()
        self.seconds[step] = round(now - self._last, 3)
        self._last = now
