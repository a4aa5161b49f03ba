"""Image search at the paper's size: exact paths beside FAISS's, and kinds of less memory with their recall."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import faiss
import numpy as np

from songlens_benchmarks.features import held_out, like_features
from songlens_benchmarks.limits import gemm_flops, read_bytes_per_s
from songlens_benchmarks.row import Effort, Reference, Row, Target
from songlens_benchmarks.turns import in_turns, rate
from songlens_training.model.image_index import IndexOptions, write_image_index
from songlens_workers.models.manifest import IndexEntry
from songlens_workers.threads import sleep_while_waiting
from songlens_workers.vision.backbone import Features
from songlens_workers.vision.cpus import available_cpus
from songlens_workers.vision.index.floats import set_search_threads
from songlens_workers.vision.index.kinds import IndexKind
from songlens_workers.vision.index.opening import open_index
from songlens_workers.vision.index.products import bfloat16_is_fast
from songlens_workers.vision.index.protocol import ImageIndex

IMAGES, DIMENSIONS, K = 33_459, 4096, 5
BATCHES = (1, 8, 32)
VGG19_FLOP = 39.26e9
FORWARD_SHARE = 0.03
FASTER_THAN_FAISS = {1: 2.5, 8: 1.0, 32: 1.0}
_NO_BFLOAT16 = "Searched by its float32 vectors, as flat is: this processor has no instructions for bfloat16."
_NO_FEATURES = (
    "No build has kept features of EfficientNet-Lite2 here; `make demo DATA=open` does, and `make paper` more."
)
REDUCED = (IndexKind.SQ8, IndexKind.PCA, IndexKind.IVF)


def run(effort: Effort) -> Iterator[Row]:
    """Yield the rows."""
    sleep_while_waiting()  # as a vision worker does, before torch is imported
    import torch

    torch.set_num_threads(available_cpus())
    set_search_threads(available_cpus())
    images = 4096 if effort.quick else IMAGES
    vectors = like_features(images + max(BATCHES), DIMENSIONS)
    queries, vectors = vectors[images:], vectors[:images]
    with tempfile.TemporaryDirectory(prefix="songlens-") as folder:
        yield from _exact(Path(folder), vectors, queries, effort)
        for kind in REDUCED:
            yield from _reduced(Path(folder) / kind, kind, vectors, queries, effort)
    yield from _real(effort)


def _written(folder: Path, kind: IndexKind, vectors: Features) -> tuple[ImageIndex, IndexEntry]:
    folder.mkdir()
    options = IndexOptions(kind=kind, recall=0.0)
    entry = write_image_index(folder, len(vectors), vectors.shape[1], lambda rows: np.copyto(rows, vectors), options)
    return open_index(folder, entry), entry


def _searching(index: ImageIndex, queries: Features) -> Callable[[], float]:
    return lambda: rate(lambda: index.search(queries, K), len(queries), least_s=0.5)


def _exact(folder: Path, vectors: Features, queries: Features, effort: Effort) -> Iterator[Row]:
    """Queries a second of what is exact, in turns with `IndexFlatL2`, and what of the forward pass it takes."""
    plain = faiss.IndexFlatL2(DIMENSIONS)
    plain.add(vectors)
    flat, _ = _written(folder / "flat", IndexKind.FLAT, vectors)
    flat16, _ = _written(folder / "flat16", IndexKind.FLAT16, vectors)
    bandwidth, flops, fast = read_bytes_per_s(), gemm_flops(), bfloat16_is_fast()
    compared = {"flat": (4, flops), "flat16": (2, gemm_flops("bfloat16")) if fast else (4, flops)}
    for batch in BATCHES:
        asked = queries[:batch]
        found = in_turns(
            {
                "faiss": lambda asked=asked: rate(lambda: plain.search(asked, K), len(asked), least_s=0.5),  # type: ignore[misc]
                "flat": _searching(flat, asked),
                "flat16": _searching(flat16, asked),
            },
            effort.rounds,
        )
        baseline = Reference("FAISS IndexFlatL2", found["faiss"])
        for kind, (size_bytes, rate_flops) in compared.items():
            limit = _limit(batch, vectors.size, size_bytes, bandwidth, rate_flops)
            yield Row(
                what=f"exact, {kind}, batch {batch}",
                value=found[kind],
                unit="queries/s",
                baseline=baseline,
                limit=limit,
                target=Target(of="baseline", at_least=FASTER_THAN_FAISS[batch]) if kind == "flat16" else None,
                note="" if fast or kind == "flat" else _NO_BFLOAT16,
            )
        forward_s = batch * VGG19_FLOP / flops
        yield Row(
            what=f"search's share of the forward pass, flat16, batch {batch}",
            value=batch / found["flat16"] / forward_s,
            unit="of VGG-19 at the fp32 GEMM rate",
            target=None if batch == 1 else Target(of="value", at_most=FORWARD_SHARE),
        )


def _limit(batch: int, numbers: int, size_bytes: int, bandwidth: float, flops: float) -> Reference:
    """Return queries a second where every number is read once a batch, or multiplied once a query."""
    reading_s, computing_s = numbers * size_bytes / bandwidth, 2 * numbers * batch / flops
    name = "memory bandwidth" if reading_s > computing_s else "GEMM rate"
    return Reference(name, batch / max(reading_s, computing_s))


def _reduced(folder: Path, kind: IndexKind, vectors: Features, queries: Features, effort: Effort) -> Iterator[Row]:
    index, entry = _written(folder, kind, vectors)
    for batch in BATCHES:
        found = in_turns({kind: _searching(index, queries[:batch])}, effort.rounds)
        yield Row(what=f"{kind}, batch {batch}", value=found[kind], unit="queries/s", note=_about(entry))


def _about(entry: IndexEntry) -> str:
    return (
        f"recall@5 {entry.recall_at_5}, {entry.memory_bytes / 1e6:.0f} MB in memory, {entry.disk_bytes / 1e6:.0f} on "
        f"disk, {entry.code_dimensions} numbers a code"
    )


def _real(effort: Effort) -> Iterator[Row]:
    """Recall on real features, where a build has kept some: those of EfficientNet-Lite2."""
    found = held_out(quick=effort.quick)
    if found is None:
        yield Row(what="recall@5 on real features: not measured", value=0, unit="", note=_NO_FEATURES)
        return
    vectors, queries = found
    with tempfile.TemporaryDirectory(prefix="songlens-") as folder:
        flat, _ = _written(Path(folder) / "flat", IndexKind.FLAT, vectors)
        exact = flat.search(queries, K)[1]
        for kind in (IndexKind.FLAT16, *REDUCED):
            index, entry = _written(Path(folder) / kind, kind, vectors)
            positions = index.search(queries, K)[1]
            recall = np.mean([len(set(one) & set(other)) / K for one, other in zip(exact, positions, strict=True)])
            yield Row(
                what=f"recall@5 on real features, {kind}",
                value=float(recall),
                unit=f"of {len(queries)} held-out images in {len(vectors)} x {vectors.shape[1]}",
                target=Target(of="value", at_least=1.0 if kind is IndexKind.FLAT16 else 0.95),
                note=_about(entry),
            )
