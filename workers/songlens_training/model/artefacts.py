"""The files of a model version, written to a partial folder that becomes the version only when it is whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from songlens_shared.errors import DataError, ModelError
from songlens_training.catalogue.images import CatalogueImage
from songlens_training.catalogue.songs import Song
from songlens_training.embedding.vectors import Embedding, write_word2vec
from songlens_training.graph.graph import VertexType
from songlens_training.keywords.table import SongKeyword
from songlens_workers.models.manifest import (
    CALIBRATION,
    IMAGE_VECTORS,
    IMAGES,
    KEYWORD_VECTORS,
    MANIFEST,
    REPORT,
    SONG_VECTORS,
    SONGS,
    USER_VECTORS,
    USERS,
    WORD2VEC,
    Manifest,
    file_entry,
)
from songlens_workers.vision.backbone import Backbone

if TYPE_CHECKING:
    import pyarrow as pa

Vectors = NDArray[np.float32]


@contextmanager
def partial_version(folder: Path) -> Iterator[Path]:
    """Give a folder to write into; rename it to `folder` at the end, or remove it where anything failed."""
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        partial.rename(folder)
    except OSError as error:
        raise ModelError(f"the model cannot be written to {folder}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_embedding_files(
    folder: Path, embedding: Embedding, image_ids: Sequence[str], song_ids: Sequence[str]
) -> None:
    """Write the NE vectors: one .npy for each vertex type in the order of its table, and all in word2vec text."""
    np.save(folder / IMAGE_VECTORS, _ordered(embedding, VertexType.IMAGE, image_ids))
    np.save(folder / SONG_VECTORS, _ordered(embedding, VertexType.SONG, song_ids))
    _, keywords = embedding.of_type(VertexType.KEYWORD)
    np.save(folder / KEYWORD_VECTORS, keywords)
    write_word2vec(embedding, folder / WORD2VEC)


def _ordered(embedding: Embedding, kind: VertexType, ids: Sequence[str]) -> Vectors:
    keys, vectors = embedding.of_type(kind)
    row = {key: position for position, key in enumerate(keys)}
    missing = [id for id in ids if id not in row]
    if missing:
        raise DataError(f"{len(missing)} {kind.name.lower()} vertices have no NE vector, such as {missing[0]!r}.")
    return vectors[[row[id] for id in ids]]  # (N, D)


def write_users(folder: Path, embedding: Embedding, user_ids: Sequence[str]) -> None:
    """Write the users table and their NE vectors, in its order."""
    import pyarrow as pa
    from pyarrow import parquet

    np.save(folder / USER_VECTORS, _ordered(embedding, VertexType.USER, user_ids))
    parquet.write_table(pa.table({"id": pa.array(user_ids, pa.string())}), folder / USERS)


def write_calibration(folder: Path, backbone: Backbone) -> None:
    """Write what an int8 backbone was calibrated by; nothing for others."""
    if backbone.calibration is not None:
        (folder / CALIBRATION).write_bytes(backbone.calibration.to_bytes())


def write_songs(folder: Path, songs: Sequence[Song], keywords: Mapping[str, Sequence[SongKeyword]]) -> None:
    """Write the songs table."""
    from pyarrow import parquet

    parquet.write_table(songs_table(songs, keywords), folder / SONGS)


def songs_table(songs: Sequence[Song], keywords: Mapping[str, Sequence[SongKeyword]]) -> pa.Table:
    """Return the songs table: what a song card shows, and the weights of the song's keywords."""
    import pyarrow as pa

    keyword = pa.struct([("keyword", pa.string()), ("weight", pa.float32()), ("line", pa.string())])
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("title", pa.string()),
            ("artist", pa.string()),
            ("popularity", pa.float64()),
            ("keywords", pa.list_(keyword)),
        ]
    )
    rows = [
        {
            "id": song.id,
            "title": song.title,
            "artist": song.artist,
            "popularity": song.popularity,
            "keywords": [{"keyword": k.word, "weight": k.weight, "line": k.line} for k in keywords[song.id]],
        }
        for song in songs
    ]
    return pa.Table.from_pylist(rows, schema=schema)


def write_images(folder: Path, images: Sequence[CatalogueImage], keywords: Mapping[str, Mapping[str, float]]) -> None:
    """Write the images table, row i for position i of the index."""
    from pyarrow import parquet

    parquet.write_table(images_table(images, keywords), folder / IMAGES)


def images_table(images: Sequence[CatalogueImage], keywords: Mapping[str, Mapping[str, float]]) -> pa.Table:
    """Return the images table; keywords heaviest first."""
    import pyarrow as pa

    keyword = pa.struct([("keyword", pa.string()), ("weight", pa.float32())])
    texts = ("id", "path", "licence", "attribution", "source")
    schema = pa.schema([*((name, pa.string()) for name in texts), ("keywords", pa.list_(keyword))])
    rows = [
        {name: str(getattr(image, name)) for name in texts}
        | {"keywords": [{"keyword": k, "weight": w} for k, w in heaviest_first(keywords[image.id])]}
        for image in images
    ]
    return pa.Table.from_pylist(rows, schema=schema)


def heaviest_first(keywords: Mapping[str, float]) -> list[tuple[str, float]]:
    """Return keywords and weights, the greatest weight first."""
    return sorted(keywords.items(), key=lambda item: (-item[1], item[0]))


def write_report(folder: Path, report: Mapping[str, Any]) -> None:
    """Write what the build counted and measured."""
    (folder / REPORT).write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def write_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """Write the manifest, with the checksum of every other file, as the last of the files; return it."""
    files = {path.name: file_entry(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST}
    complete = manifest.model_copy(update={"files": files})
    (folder / MANIFEST).write_text(complete.to_json(), encoding="utf-8")
    return complete
