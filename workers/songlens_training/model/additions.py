"""Adds songs or images to a model version without training again: what comes out is a new version.

The base version is only read. What it holds is copied file by file, or streamed with the new rows after it; the new
version is as whole as one that was built, so that publishing, workers, rolling back and further additions know no
difference.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from songlens_shared.address import home
from songlens_shared.errors import DataError
from songlens_shared.keys import bucket_count
from songlens_training.catalogue.images import read_images
from songlens_training.catalogue.songs import read_songs
from songlens_training.catalogue.tables import RejectLog, Row
from songlens_training.embedding.placement import Vectors, place
from songlens_training.embedding.profiles import Profiles
from songlens_training.evaluate.precision import precision
from songlens_training.graph.graph import Vertex, VertexType
from songlens_training.keywords.known import known_image_keywords, known_song_keywords
from songlens_training.model import artefacts, extension
from songlens_training.model.base import TABLES, Base, open_base
from songlens_training.model.built import Built, tree_sha256, version_name
from songlens_training.model.feature_store import FeatureStore, StoredFeatures
from songlens_training.model.features import extract_features
from songlens_training.model.index_extension import extend_index
from songlens_training.progress import Progress, silent, step
from songlens_workers.models.manifest import REPORT, WORD2VEC, IndexEntry, Manifest, config_sha256
from songlens_workers.models.store import ModelStore
from songlens_workers.vision.backbone import Backbone
from songlens_workers.vision.index.kinds import IndexKind, files_of
from songlens_workers.vision.model import backbone_spec

if TYPE_CHECKING:
    import pyarrow as pa

_PRECISION_SAMPLE = 500
"""A quarter of a build's: enough to see that nothing broke, and done in a second at the paper's size."""

Bag = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """What is added: n songs, or n images."""

    kind: VertexType
    ids: Sequence[str]
    bags: Sequence[Bag]
    """The keywords of each, with their weights."""
    table: pa.Table
    features: StoredFeatures | None = None
    """Of images."""


Gather = Callable[[Base, RejectLog], _Rows]


def add_songs(source: Path, base: str, store: ModelStore, *, progress: Progress = silent) -> Built:
    """Make a new version of `base` and the songs of a file, and put it into the store.

    Songs whose ids `base` holds, and songs without any of its keywords, are refused and counted like bad rows. Raises
    `ModelNotFound` or `ModelDamaged` for a base that cannot be used, `ModelError` for one without contexts or where
    the version cannot be written, and `DataError` where no song is left.
    """

    def gather(opened: Base, rejects: RejectLog) -> _Rows:
        songs = list(read_songs(source, rejects, held=set(opened.ids(VertexType.SONG))))
        keywords = known_song_keywords(songs, opened.known, progress=step(progress, "Segmenting lyrics"))
        kept = _with_keyword(songs, keywords, source, opened, rejects)
        return _Rows(
            kind=VertexType.SONG,
            ids=[song.id for song in kept],
            bags=[{use.word: use.weight for use in keywords[song.id]} for song in kept],
            table=artefacts.songs_table(kept, keywords),
        )

    return _add(source, base, store, gather, progress)


def add_images(
    source: Path,
    base: str,
    store: ModelStore,
    backbone: Backbone,
    *,
    features_folder: Path | None = None,
    progress: Progress = silent,
) -> Built:
    """Make a new version of `base` and the images of a folder or manifest, and put it into the store.

    Raises what `add_songs` does, and `ModelMismatch` where `backbone` is not the one that `base` was built with.
    """

    def gather(opened: Base, rejects: RejectLog) -> _Rows:
        opened.manifest.backbone.check(backbone_spec(backbone))
        images = list(read_images(source, rejects, held=set(opened.ids(VertexType.IMAGE))))
        keywords = known_image_keywords(images, opened.known)
        extracted = extract_features(
            _with_keyword(images, keywords, source, opened, rejects),
            backbone,
            FeatureStore(features_folder or home() / "features", backbone_spec(backbone)),
            rejects,
            source=str(source),
            progress=step(progress, "Extracting image features"),
        )
        return _Rows(
            kind=VertexType.IMAGE,
            ids=[image.id for image in extracted.images],
            bags=[keywords[image.id] for image in extracted.images],
            table=artefacts.images_table(extracted.images, keywords),
            features=extracted.features,
        )

    return _add(source, base, store, gather, progress)


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


Record = TypeVar("Record", bound=_Identified)


def _with_keyword(
    records: Sequence[Record], keywords: Mapping[str, Any], source: Path, base: Base, rejects: RejectLog
) -> list[Record]:
    for record in records:
        if record.id not in keywords:
            rejects.withdraw(str(source), Row(line=None, fields={"id": record.id}), "no keyword of the model version")
    if not keywords:
        raise DataError(
            f"none of the {len(records)} new rows of {source} bears a keyword of model version "
            f"{base.manifest.version}; `songlens model show` lists its keywords."
        )
    return [record for record in records if record.id in keywords]


def _add(source: Path, base: str, store: ModelStore, gather: Gather, progress: Progress) -> Built:
    started_s = time.perf_counter()
    opened = open_base(store, base)
    config = _config(opened.manifest, source)
    name = version_name(config, store.folder)
    rejects_path = store.folder / f"{name}.rejects.jsonl"
    with RejectLog(rejects_path) as rejects:
        rows = gather(opened, rejects)
        summary = rejects.summary(str(source))
    progress("Writing the version", 0, 1)
    vectors = _placed(opened, rows)
    added = {
        "base": base,
        "kind": rows.kind.name.lower(),
        "added": len(rows.ids),
        "rows": asdict(summary),
    }
    with artefacts.partial_version(store.folder / name) as folder:
        index = _write_rows(folder, opened, rows, vectors)
        added["seconds"] = round(time.perf_counter() - started_s, 3)
        report = _report(opened, rows, vectors, added)
        artefacts.write_report(folder, report)
        manifest = artefacts.write_manifest(folder, _manifest(opened.manifest, name, config, rows, index))
    store.upload(store.folder / name)
    progress("Writing the version", 1, 1)
    return Built(
        manifest=manifest, folder=store.folder / name, summaries=[summary], rejects=rejects_path, report=report
    )


def _config(base: Manifest, source: Path) -> dict[str, Any]:
    addition = {"base": base.version, "source_sha256": tree_sha256(source)}
    return {**base.config, "additions": [*base.config.get("additions", []), addition]}


def _placed(base: Base, rows: _Rows) -> Vectors:
    new = Profiles.of(rows.bags, base.contexts.words)
    return place(base.contexts, rows.ids, new, base.profiles(rows.kind), base.vectors(rows.kind))


def _write_rows(folder: Path, base: Base, rows: _Rows, vectors: Vectors) -> IndexEntry | None:
    """Write all files but the report and the manifest; return what the manifest says of the image index."""
    index = base.manifest.index
    table, vector_file = TABLES[rows.kind]
    extension.extend_table(base.folder / table, folder / table, rows.table)
    extension.extend_vectors(base.folder / vector_file, folder / vector_file, vectors)
    vertices = [Vertex(rows.kind, id) for id in rows.ids]
    extension.extend_word2vec(base.folder / WORD2VEC, folder / WORD2VEC, vertices, vectors)
    written = {table, vector_file, WORD2VEC, REPORT}
    if rows.features is not None:
        index = extend_index(base.folder, folder, index, rows.features)
        written |= files_of(IndexKind(index.kind) if index else IndexKind.FLAT)
    extension.copy_files(base.folder, folder, base.manifest.files.keys() - written)
    return index


def _report(base: Base, rows: _Rows, vectors: Vectors, added: Mapping[str, Any]) -> dict[str, Any]:
    """Return the base's report, brought up to date."""
    report = base.report
    additions = [*report.get("additions", []), added]
    return report | {"precision_at_10": _precision(base, rows, vectors), "additions": additions}


def _precision(base: Base, rows: _Rows, vectors: Vectors) -> float:
    """Return precision@10 of the new version: songs for images."""
    words: dict[VertexType, Sequence[Collection[str]]] = {}
    matrices: dict[VertexType, Vectors] = {}
    for kind in TABLES:
        words[kind] = base.profiles(kind).keyword_lists(base.contexts.words)
        matrices[kind] = base.vectors(kind)
    words[rows.kind] = [*words[rows.kind], *rows.bags]
    matrices[rows.kind] = np.concatenate([matrices[rows.kind], vectors])
    images, songs = VertexType.IMAGE, VertexType.SONG
    return precision(matrices[images], words[images], matrices[songs], words[songs], k=10, sample=_PRECISION_SAMPLE)


def _manifest(base: Manifest, name: str, config: dict[str, Any], rows: _Rows, index: IndexEntry | None) -> Manifest:
    songs = base.songs + (len(rows.ids) if rows.kind is VertexType.SONG else 0)
    images = base.images + (len(rows.ids) if rows.kind is VertexType.IMAGE else 0)
    changes = {
        "version": name,
        "base": base.version,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "songlens": installed_version("songlens"),
        "songs": songs,
        "images": images,
        "song_buckets": bucket_count(songs),
        "image_buckets": bucket_count(images),
        "index": index,
        "config": config,
        "config_sha256": config_sha256(config),
    }
    return base.model_copy(update=changes)
