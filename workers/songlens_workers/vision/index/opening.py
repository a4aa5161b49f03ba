"""Opens the image index of a model version: all is mapped, so that it takes no time and workers share the pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from songlens_shared.errors import ModelDamaged
from songlens_workers.models.manifest import IMAGE_CLUSTERS, IMAGE_INDEX, IndexEntry
from songlens_workers.vision.index.clusters import ClusterCandidates
from songlens_workers.vision.index.coded import CodedCandidates
from songlens_workers.vision.index.codes import Codes
from songlens_workers.vision.index.flat import FlatImageIndex
from songlens_workers.vision.index.gpu import SearchOptions
from songlens_workers.vision.index.kinds import IndexKind
from songlens_workers.vision.index.products import bfloat16_is_fast
from songlens_workers.vision.index.protocol import ImageIndex
from songlens_workers.vision.index.ranking import RankedIndex
from songlens_workers.vision.index.rows import Rows

_MOST_CANDIDATES = {IndexKind.SQ8: 512, IndexKind.PCA: 128}
"""Where the vectors may lie on disk, hardly more of them are measured for one query, even if that proves nothing."""


def open_index(
    folder: Path, entry: IndexEntry | None, gpus: Sequence[int] = (), search: SearchOptions | None = None
) -> ImageIndex:
    """Open the index that a manifest describes; one without an entry is flat. Raises `ModelDamaged`.

    A flat one is searched on `gpus` as `search` says, if there are any; raises `ConfigError` where that cannot be.
    """
    kind = IndexKind.FLAT if entry is None else _kind(entry)
    if kind is IndexKind.FLAT or (kind is IndexKind.FLAT16 and (gpus or not _codes_pay())):
        return FlatImageIndex.load(folder / IMAGE_INDEX).to_gpus(gpus, search or SearchOptions())
    rows = Rows.open(folder / IMAGE_INDEX)
    if kind is IndexKind.IVF:
        clusters = ClusterCandidates.open(folder / IMAGE_CLUSTERS)
        _check(rows, len(clusters), int(clusters.index.d), folder)
        return RankedIndex(rows, clusters)
    codes = Codes.open(folder)
    _check(rows, len(codes), len(codes.coding.mean), folder)
    return RankedIndex(rows, CodedCandidates(codes), most_candidates=_MOST_CANDIDATES.get(kind))


def _kind(entry: IndexEntry) -> IndexKind:
    try:
        return IndexKind(entry.kind)
    except ValueError:
        raise ModelDamaged(f"the image index is of a kind {entry.kind!r} that this release does not know.") from None


def _codes_pay() -> bool:
    """Beside float32 vectors, codes only save time: not where float32 is the faster arithmetic, nor beside a GPU."""
    return bfloat16_is_fast()


def _check(rows: Rows, count: int, dimensions: int, folder: Path) -> None:
    if (len(rows), rows.dimensions) != (count, dimensions):
        raise ModelDamaged(
            f"the image index in {folder} has {len(rows)} vectors of {rows.dimensions} dimensions and codes of {count} "
            f"with {dimensions}; build the model again."
        )
