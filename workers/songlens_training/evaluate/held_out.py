"""Learns a model from a catalogue without the query images it is then evaluated on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from songlens_shared.errors import DataError
from songlens_training.catalogue.images import CatalogueImage, read_images
from songlens_training.catalogue.tables import RejectLog
from songlens_training.embedding.vectors import Embedding
from songlens_training.evaluate.evaluated import EvaluatedModel, Trial, neighbour_images
from songlens_training.evaluate.queries import (
    COPY,
    NO_KEYWORD,
    QueryImage,
    heaviest,
    hold_out,
    queries_of,
    read_queries,
    without_copies,
)
from songlens_training.evaluate.results import write_result
from songlens_training.graph.graph import VertexType
from songlens_training.keywords.folding import fold
from songlens_training.model.feature_store import FeatureStore, StoredFeatures
from songlens_training.model.features import extract_features
from songlens_training.model.learn import BuildOptions, Catalogue, Learned, learn
from songlens_training.progress import Progress, step
from songlens_workers.songs.ranker import Vectors
from songlens_workers.vision.backbone import Backbone
from songlens_workers.vision.index.flat import FlatImageIndex
from songlens_workers.vision.model import backbone_spec

KEPT_IMAGES = "catalogue_images.jsonl"
"""The manifest of the images that were learned from, where some were held out."""


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Query images are held out of the catalogue: this share of each keyword's images, drawn by seed."""

    share: float = 0.1
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class FromFile:
    """Query images are those of a file."""

    path: Path


@dataclass(frozen=True, eq=False, kw_only=True)
class Experiment:
    """What was learned, and the query images that took no part in it."""

    learned: Learned
    queries: Sequence[QueryImage]
    features: StoredFeatures
    """Of the query images, in their order."""
    about: dict[str, Any]


def learn_without_queries(
    catalogue: Catalogue,
    source: HeldOut | FromFile,
    backbone: Backbone,
    options: BuildOptions,
    folder: Path,
    rejects: RejectLog,
    progress: Progress,
    *,
    features_folder: Path,
) -> Experiment:
    """Learn from a catalogue and find the features of query images that are in neither its index nor its graph.

    Held-out images are taken from the catalogue before anything is learned, and what is left is written to
    `folder`/`KEPT_IMAGES`. A query image whose very file is in the catalogue is left out, and so is a held-out one
    without a keyword of the model. Raises `DataError` when no query image is left, and what `learn` raises.
    """
    held_out: list[CatalogueImage] = []
    if isinstance(source, HeldOut):
        # Rows that cannot be used count when the rest is learned from; here they are passed over.
        split = hold_out(list(read_images(catalogue.images, RejectLog())), source.share, source.seed)
        catalogue = Catalogue(songs=catalogue.songs, images=_write_images(folder / KEPT_IMAGES, split.kept))
        held_out = split.held_out
    learned = learn(catalogue, backbone, options, rejects, progress, features_folder=features_folder)
    if isinstance(source, HeldOut):
        where, (queries, left_out) = "the held-out images", _with_keyword(held_out, learned)
    else:
        where, (queries, left_out) = str(source.path), _unseen(source.path, learned, rejects)
    store = FeatureStore(features_folder, backbone_spec(learned.backbone))
    queries, features = query_features(queries, learned.backbone, store, rejects, where, progress)
    about = _about(learned, source, backbone, options) | {
        "query_images_left_out": counted(left_out, rejects.summary(where).refused),
        "rows_refused": {
            str(path): dict(rejects.summary(str(path)).refused) for path in (catalogue.songs, catalogue.images)
        },
    }
    return Experiment(learned=learned, queries=queries, features=features, about=about)


def _unseen(path: Path, learned: Learned, rejects: RejectLog) -> tuple[list[QueryImage], dict[str, int]]:
    """Return the query images of a file that were not learned from, and how many others there are."""
    queries = read_queries(path, rejects)
    unique = without_copies(queries, (image.path for image in learned.images))
    return unique, {COPY: len(queries) - len(unique)}


def _with_keyword(held_out: Sequence[CatalogueImage], learned: Learned) -> tuple[list[QueryImage], dict[str, int]]:
    """Return the held-out images that bear a keyword of the model, and how many others there are."""
    queries = queries_of(held_out, {keyword.word for keyword in learned.table.keywords})
    return queries, {NO_KEYWORD: len(held_out) - len(queries)}


def counted(*reasons: Mapping[str, int]) -> dict[str, int]:
    """Return the reasons that hold for at least one."""
    return {reason: count for some in reasons for reason, count in some.items() if count}


def _write_images(path: Path, images: Iterable[CatalogueImage]) -> Path:
    rows = (asdict(image) | {"path": str(image.path.absolute()), "keywords": dict(image.keywords)} for image in images)
    return write_result(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())


def query_features(
    queries: Sequence[QueryImage],
    backbone: Backbone,
    store: FeatureStore,
    rejects: RejectLog,
    source: str,
    progress: Progress,
) -> tuple[list[QueryImage], StoredFeatures]:
    """Return the query images that can be decoded, and their features. Raises `DataError` when there is none."""
    if not queries:
        raise DataError(f"{source} gives no query image; every one was left out.")
    images = [CatalogueImage(id=query.id, path=query.path, keywords={query.keyword: 1.0}) for query in queries]
    extracted = extract_features(
        images,
        backbone,
        store,
        rejects,
        source=source,
        progress=step(progress, "Extracting features of query images"),
    )
    decoded = {image.id for image in extracted.images}
    return [query for query in queries if query.id in decoded], extracted.features


def trial_of(experiment: Experiment, images_k: int) -> Trial:
    """Return the trial of what was learned; the index lives only as long as the neighbour images are searched."""
    learned = experiment.learned
    stored = learned.extracted.features
    index = FlatImageIndex.filled(len(stored), stored.dimensions, stored.copy_into)
    return Trial(
        model=evaluated_model(learned, learned.embedding),
        queries=experiment.queries,
        neighbours=neighbour_images(index, experiment.features.matrix(), images_k),
        about=experiment.about,
    )


def evaluated_model(learned: Learned, embedding: Embedding) -> EvaluatedModel:
    """Return what was learned with the NE vectors of `embedding`, in the order of songs and images."""
    table = learned.table
    return EvaluatedModel(
        songs=learned.songs,
        song_keywords=[[use.word for use in table.songs[song.id]] for song in learned.songs],
        song_vectors=_vectors(embedding, VertexType.SONG, [song.id for song in learned.songs]),
        image_keywords=[fold(heaviest(table.images[image.id])) for image in learned.images],
        image_vectors=_vectors(embedding, VertexType.IMAGE, [image.id for image in learned.images]),
    )


def _vectors(embedding: Embedding, kind: VertexType, ids: Sequence[str]) -> Vectors:
    keys, vectors = embedding.of_type(kind)
    row = {key: position for position, key in enumerate(keys)}
    ordered: Vectors = vectors[np.array([row[id] for id in ids])]  # (N, D)
    return ordered


def _about(learned: Learned, source: HeldOut | FromFile, backbone: Backbone, options: BuildOptions) -> dict[str, Any]:
    """Return what was evaluated, for the report."""
    return {
        "songs": len(learned.songs),
        "images": len(learned.images),
        "keywords": len(learned.table.keywords),
        "edges": len(learned.graph.weights),
        "backbone": backbone.name,
        "query_images": f"held out: {source.share:g} of each keyword's images, seed {source.seed}"
        if isinstance(source, HeldOut)
        else str(source.path),
        "keyword_options": options.keywords.as_config(),
        "embedding_options": asdict(options.embedding),
        "seconds": learned.seconds,
    }
