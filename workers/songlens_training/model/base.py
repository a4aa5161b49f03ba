"""What a model version keeps so that songs and images can be added to it without training again.

Beside its tables and vectors a version has the context vectors of its keywords, and in `fold_in.json` how often each
keyword occurs and was a negative, and the words by which lyrics are cut. The rest is in the manifest's configuration.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from songlens_shared.errors import ModelDamaged, ModelError
from songlens_training.embedding.contexts import Contexts
from songlens_training.embedding.profiles import Profiles
from songlens_training.graph.graph import VertexType
from songlens_training.keywords.known import KnownKeywords
from songlens_training.keywords.options import KeywordOptions
from songlens_training.keywords.table import KeywordTable
from songlens_workers.models.manifest import (
    CONTEXTS,
    FOLD_IN,
    IMAGE_VECTORS,
    IMAGES,
    REPORT,
    SONG_VECTORS,
    SONGS,
    Manifest,
)
from songlens_workers.models.store import ModelStore

Vectors = NDArray[np.float32]

TABLES: Mapping[VertexType, tuple[str, str]] = {
    VertexType.SONG: (SONGS, SONG_VECTORS),
    VertexType.IMAGE: (IMAGES, IMAGE_VECTORS),
}
"""The table and the NE vectors of each kind of vertex that can be added."""


def write_fold_in(folder: Path, contexts: Contexts, table: KeywordTable) -> None:
    """Write what `open_base` reads: contexts, how they were drawn, and the counts of keywords."""
    counts = {keyword.word: keyword.songs for keyword in table.keywords}
    kept = {
        "keywords": [{"keyword": word, "songs": counts[word]} for word in contexts.words],
        "songs_in_all": table.songs_in_all,
        "image_words": sorted(table.image_words),
        "noise": contexts.noise.tolist(),
        "negatives": contexts.negatives,
        "neighbour_power": contexts.neighbour_power,
        "normalise": contexts.normalise,
    }
    np.save(folder / CONTEXTS, contexts.vectors)
    (folder / FOLD_IN).write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


@dataclass(frozen=True, kw_only=True, eq=False)
class Base:
    """An open version that songs and images can be added to."""

    folder: Path
    manifest: Manifest
    contexts: Contexts
    known: KnownKeywords

    @property
    def report(self) -> dict[str, Any]:
        """What the build, and additions after it, counted and measured."""
        report: dict[str, Any] = json.loads((self.folder / REPORT).read_text(encoding="utf-8"))
        return report

    def ids(self, kind: VertexType) -> list[str]:
        """Return the ids of all songs or images, in the order of their table."""
        from pyarrow import parquet

        ids: list[str] = parquet.read_table(self.folder / TABLES[kind][0], columns=["id"]).column("id").to_pylist()
        return ids

    def vectors(self, kind: VertexType) -> Vectors:
        """Return their NE vectors (N, D), mapped from the file."""
        vectors: Vectors = np.load(self.folder / TABLES[kind][1], mmap_mode="r", allow_pickle=False)
        return vectors

    def profiles(self, kind: VertexType) -> Profiles:
        """Return their keywords and weights."""
        from pyarrow import compute, parquet

        lists = parquet.read_table(self.folder / TABLES[kind][0], columns=["keywords"]).column("keywords")
        items = compute.list_flatten(lists).combine_chunks()
        coded = compute.struct_field(items, "keyword").dictionary_encode()
        position = {word: number for number, word in enumerate(self.contexts.words)}
        numbers = np.array([position[word] for word in coded.dictionary.to_pylist()], np.int32)
        counts = compute.list_value_length(lists).to_numpy()
        return Profiles(
            starts=np.concatenate([[0], np.cumsum(counts)]),
            keywords=numbers[coded.indices.to_numpy()],
            weights=compute.struct_field(items, "weight").to_numpy().astype(np.float64),
        )


def open_base(store: ModelStore, version: str) -> Base:
    """Open a version, every file checked.

    Raises `ModelNotFound`, `ModelDamaged`, or `ModelError` for a version whose build kept no contexts.
    """
    folder, manifest = store.open(version)
    if not {CONTEXTS, FOLD_IN} <= manifest.files.keys():
        raise ModelError(
            f"model version {version} was built before songs and images could be added to a version: it lacks "
            "context vectors. Build it again, then add to that."
        )
    try:
        kept = json.loads((folder / FOLD_IN).read_text(encoding="utf-8"))
        return Base(folder=folder, manifest=manifest, contexts=_contexts(folder, kept), known=_known(manifest, kept))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelDamaged(
            f"{FOLD_IN} or {CONTEXTS} of model version {version} cannot be used ({error!r}); another release of "
            "Songlens may have written it. Build the model again."
        ) from error


def _contexts(folder: Path, kept: Mapping[str, Any]) -> Contexts:
    vectors: Vectors = np.load(folder / CONTEXTS, allow_pickle=False)
    if len(vectors) != len(kept["noise"]):
        raise ValueError(f"{len(vectors)} contexts, {len(kept['noise'])} chances")
    return Contexts(
        words=[keyword["keyword"] for keyword in kept["keywords"]],
        vectors=vectors,
        noise=np.array(kept["noise"], np.float64),
        negatives=kept["negatives"],
        neighbour_power=kept["neighbour_power"],
        normalise=kept["normalise"],
    )


def _known(manifest: Manifest, kept: Mapping[str, Any]) -> KnownKeywords:
    return KnownKeywords(
        options=KeywordOptions.from_config(manifest.config["keywords"]),
        image_words=frozenset(kept["image_words"]),
        song_counts={keyword["keyword"]: keyword["songs"] for keyword in kept["keywords"]},
        songs_in_all=kept["songs_in_all"],
    )
