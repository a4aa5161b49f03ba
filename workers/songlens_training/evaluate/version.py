"""Evaluates a model version that was built before, on query images from a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from songlens_shared.errors import DataError, ModelDamaged
from songlens_training.catalogue.songs import Song, read_songs
from songlens_training.catalogue.tables import RejectLog
from songlens_training.evaluate.evaluated import EvaluatedModel, Trial, neighbour_images
from songlens_training.evaluate.held_out import counted, query_features
from songlens_training.evaluate.queries import COPY, read_queries, without_copies
from songlens_training.keywords.folding import fold
from songlens_training.model.feature_store import FeatureStore
from songlens_training.progress import Progress
from songlens_workers.models.manifest import IMAGE_VECTORS, IMAGES, SONG_VECTORS, SONGS
from songlens_workers.models.store import ModelStore
from songlens_workers.songs.ranker import Vectors
from songlens_workers.vision.backbone import Backbone
from songlens_workers.vision.model import VisionModel, VisionModels, backbone_spec


@dataclass(frozen=True)
class OpenVersion:
    """A version of a store, and the backbone that goes with it."""

    store: ModelStore
    name: str
    backbone: Backbone


def trial_of_version(
    version: OpenVersion,
    queries: Path,
    songs: Path,
    images_k: int,
    rejects: RejectLog,
    progress: Progress,
    *,
    features_folder: Path,
) -> Trial:
    """Return the trial of a built version.

    A version holds no lyrics, so they come from the file of `songs` that it was built from. Query images whose very
    file is among the version's images are left out, where the images' files are still there. Raises `ModelNotFound`,
    `ModelDamaged` or `ModelMismatch` for a version that cannot be opened with this backbone, and `DataError` for songs
    or query images that do not go with it.
    """
    backbone = version.backbone
    vision = VisionModels(version.store, load_backbone=lambda *_: backbone).open(version.name)
    folder, manifest = version.store.open(version.name, check=False)
    song_ids, song_keywords = _songs(folder / SONGS)
    asked = read_queries(queries, rejects)
    unseen = without_copies(asked, _image_paths(folder / IMAGES))
    features_store = FeatureStore(features_folder, backbone_spec(backbone))
    kept, features = query_features(unseen, backbone, features_store, rejects, str(queries), progress)
    return Trial(
        model=EvaluatedModel(
            songs=_lyrics(songs, song_ids, rejects),
            song_keywords=song_keywords,
            song_vectors=_vectors(folder / SONG_VECTORS, len(song_ids)),
            image_keywords=_image_keywords(vision),
            image_vectors=_vectors(folder / IMAGE_VECTORS, len(vision.image_ids)),
        ),
        queries=kept,
        neighbours=neighbour_images(vision.index, features.matrix(), images_k),
        about={
            "version": version.name,
            "songs": manifest.songs,
            "images": manifest.images,
            "keywords": len(manifest.keywords),
            "backbone": backbone.name,
            "query_images": str(queries),
            "rows_refused": {str(songs): dict(rejects.summary(str(songs)).refused)},
            "query_images_left_out": counted(rejects.summary(str(queries)).refused, {COPY: len(asked) - len(unseen)}),
        },
    )


def _songs(table: Path) -> tuple[list[str], list[list[str]]]:
    from pyarrow import parquet

    read = parquet.read_table(table, columns=["id", "keywords"])
    keywords = [[item["keyword"] for item in row] for row in read.column("keywords").to_pylist()]
    return read.column("id").to_pylist(), keywords


def _image_paths(table: Path) -> list[Path]:
    from pyarrow import parquet

    return [Path(path) for path in parquet.read_table(table, columns=["path"]).column("path").to_pylist()]


def _image_keywords(vision: VisionModel) -> list[str]:
    return [fold(words[0]) for words in vision.keywords]


def _lyrics(path: Path, ids: list[str], rejects: RejectLog) -> list[Song]:
    """Return the songs in the order of `ids`."""
    wanted = dict.fromkeys(ids)
    found = {song.id: song for song in read_songs(path, rejects) if song.id in wanted}
    missing = [id for id in ids if id not in found]
    if missing:
        raise DataError(f"{path} lacks {len(missing)} songs of the version, such as {missing[0]!r}.")
    return [found[id] for id in ids]


def _vectors(path: Path, rows: int) -> Vectors:
    vectors: Vectors = np.load(path, allow_pickle=False)
    if len(vectors) != rows:
        raise ModelDamaged(f"{path} has {len(vectors)} vectors for {rows} rows; build the model again.")
    return vectors
