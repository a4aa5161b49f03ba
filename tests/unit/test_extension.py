"""Files get rows at their end: what was there stays as it was, and the result is what writing all at once gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from image_indexes import write_kind
from pyarrow import parquet

from songlens_shared.errors import ModelDamaged
from songlens_training.embedding.vectors import Embedding, read_word2vec, write_word2vec
from songlens_training.graph.graph import Vertex, VertexType
from songlens_training.model import extension
from songlens_training.model.feature_store import FeatureStore, StoredFeatures
from songlens_training.model.index_extension import extend_index
from songlens_workers.models.manifest import IMAGE_INDEX, BackboneSpec
from songlens_workers.vision.index.flat import FlatImageIndex
from songlens_workers.vision.index.kinds import IndexKind, files_of
from songlens_workers.vision.index.opening import open_index

OLD, NEW = (np.random.default_rng(seed).standard_normal((40 - 30 * seed, 6)).astype(np.float32) for seed in (0, 1))


def test_vectors(tmp_path: Path) -> None:
    """A .npy file of both, byte for byte what numpy writes."""
    np.save(tmp_path / "old.npy", OLD)
    extension.extend_vectors(tmp_path / "old.npy", tmp_path / "new.npy", NEW)
    np.save(tmp_path / "expected.npy", np.concatenate([OLD, NEW]))
    assert (tmp_path / "new.npy").read_bytes() == (tmp_path / "expected.npy").read_bytes()
    assert (np.load(tmp_path / "old.npy") == OLD).all()


def embedding(prefix: str, vectors: np.ndarray) -> Embedding:
    vertices = [Vertex(VertexType.SONG, f"{prefix} {row}%") for row in range(len(vectors))]
    return Embedding(vertices=vertices, vectors=vectors, contexts=vectors)


def test_word2vec(tmp_path: Path) -> None:
    """The header counts all, and every vertex is read back with its vector, whatever its id holds."""
    old, new = embedding("old", OLD), embedding("new", NEW)
    write_word2vec(old, tmp_path / "old.txt")
    extension.extend_word2vec(tmp_path / "old.txt", tmp_path / "new.txt", new.vertices, new.vectors)
    vertices, vectors = read_word2vec(tmp_path / "new.txt")
    assert vertices == [*old.vertices, *new.vertices]
    assert (vectors == np.concatenate([OLD, NEW])).all()


def test_table(tmp_path: Path) -> None:
    """Rows follow in order, nested columns too, and row groups stay as they were."""
    keyword = pa.struct([("keyword", pa.string()), ("weight", pa.float32())])
    schema = pa.schema([("id", pa.string()), ("keywords", pa.list_(keyword))])

    def rows(prefix: str, count: int) -> list[dict[str, object]]:
        return [{"id": f"{prefix}{n}", "keywords": [{"keyword": "雪", "weight": 0.5}] * n} for n in range(count)]

    parquet.write_table(pa.Table.from_pylist(rows("a", 10), schema), tmp_path / "old.parquet", row_group_size=4)
    extension.extend_table(
        tmp_path / "old.parquet", tmp_path / "new.parquet", pa.Table.from_pylist(rows("b", 3), schema)
    )
    assert parquet.read_table(tmp_path / "new.parquet").to_pylist() == rows("a", 10) + rows("b", 3)
    assert parquet.ParquetFile(tmp_path / "new.parquet").num_row_groups == 3 + 1


@pytest.fixture
def features(tmp_path: Path) -> StoredFeatures:
    """`NEW` in a feature store."""
    spec = BackboneSpec(name="x", weights_sha256="0" * 64, dimensions=6, precision="fp32", preprocessing={})
    store = FeatureStore(tmp_path / "features", spec)
    digests = [bytes([row]) * 32 for row in range(len(NEW))]
    store.add(digests, NEW)
    return StoredFeatures(store, digests)


KINDS = list(IndexKind)


@pytest.mark.parametrize("kind", KINDS)
def test_index(tmp_path: Path, features: StoredFeatures, kind: IndexKind) -> None:
    """All vectors, old and new, are found at their places; old files are not touched; the manifest's figures follow."""
    (tmp_path / "new").mkdir()
    entry = write_kind(tmp_path / "old", kind, OLD)
    before = {path.name: path.read_bytes() for path in (tmp_path / "old").iterdir()}
    extended = extend_index(tmp_path / "old", tmp_path / "new", entry, features)
    assert {path.name: path.read_bytes() for path in (tmp_path / "old").iterdir()} == before
    assert {path.name for path in (tmp_path / "new").iterdir()} == before.keys() == files_of(kind)
    assert extended is not None
    index = open_index(tmp_path / "new", extended)
    both = np.concatenate([OLD, NEW])
    np.testing.assert_array_equal(index.search(both, 1)[1][:, 0], np.arange(50))
    assert extended.memory_bytes == entry.memory_bytes * 50 // 40
    assert extended.disk_bytes == sum(path.stat().st_size for path in (tmp_path / "new").iterdir())
    assert extended.recall_at_5 > 0.9


def test_exact_rows_are_what_building_both_gives(tmp_path: Path, features: StoredFeatures) -> None:
    """Byte for byte, and a version of before there were kinds stays one."""
    (tmp_path / "new").mkdir()
    write_kind(tmp_path / "old", IndexKind.FLAT, OLD)
    assert extend_index(tmp_path / "old", tmp_path / "new", None, features) is None
    FlatImageIndex.build(np.concatenate([OLD, NEW])).save(tmp_path / "expected.faiss")
    assert (tmp_path / "new" / IMAGE_INDEX).read_bytes() == (tmp_path / "expected.faiss").read_bytes()


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
@pytest.mark.parametrize("kind", KINDS)
def test_an_index_cut_short_is_not_extended(
    tmp_path: Path, features: StoredFeatures, kind: IndexKind, kept: int
) -> None:
    """However little of it is left, or missing, the file is named, and nothing is written."""
    (tmp_path / "new").mkdir()
    entry = write_kind(tmp_path / "old", kind, OLD)
    rows = tmp_path / "old" / IMAGE_INDEX
    rows.write_bytes(rows.read_bytes()[:kept])
    with pytest.raises(ModelDamaged, match=r"image_index\.faiss is missing or damaged"):
        extend_index(tmp_path / "old", tmp_path / "new", entry, features)
    assert list((tmp_path / "new").iterdir()) == []


def test_features_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    """An index never holds what cannot be compared."""
    FlatImageIndex.build(OLD).save(tmp_path / "old.faiss")

    def fill(rows: np.ndarray) -> None:
        rows[:] = np.nan

    with pytest.raises(ValueError, match="finite"):
        FlatImageIndex.extended(tmp_path / "old.faiss", 1, fill)


def test_files_are_copied_whole(tmp_path: Path) -> None:
    """What does not change is the same bytes, in a file of its own."""
    base, folder = tmp_path / "base", tmp_path / "new"
    base.mkdir()
    folder.mkdir()
    (base / "ne_users.npy").write_bytes(b"users")
    (base / "other").write_bytes(b"not asked for")
    extension.copy_files(base, folder, {"ne_users.npy"})
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [("ne_users.npy", b"users")]
    (folder / "ne_users.npy").write_bytes(b"changed")
    assert (base / "ne_users.npy").read_bytes() == b"users"
