"""Limits of benchmarks exist in the arithmetic that this processor has, and in no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from songlens_benchmarks import forward, limits, machine, made_indexes, onednn, opening, search
from songlens_benchmarks.features import like_features
from songlens_benchmarks.row import Effort, Row
from songlens_benchmarks.turns import rate
from songlens_workers.models.manifest import IMAGE_INDEX
from songlens_workers.vision.index import opening as index_opening
from songlens_workers.vision.index.kinds import IndexKind
from songlens_workers.vision.index.opening import open_index
from songlens_workers.vision.index.products import bfloat16_is_fast

QUICK = Effort(rounds=1, quick=True)


@pytest.fixture(params=["here", "none"])
def fast(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether bfloat16 is fast: as on this processor, and on one without its instructions. Nothing takes long."""
    for module in (limits, onednn, search):
        monkeypatch.setattr(module, "rate", lambda work, items, **_: rate(work, items, least_s=0.0))
    monkeypatch.setattr(limits, "_GEMM_SIZES", (64,))
    monkeypatch.setattr(limits, "_STREAM_BYTES", 1 << 20)
    monkeypatch.setattr(onednn, "_SIZES", (64,))
    if request.param == "here":
        return bfloat16_is_fast()
    for module, name in ((machine, "bfloat16_is_fast"), (search, "bfloat16_is_fast"), (index_opening, "_codes_pay")):
        monkeypatch.setattr(module, name, lambda: False)
    onednn_flops, gemm_flops = onednn.onednn_flops, limits.gemm_flops
    monkeypatch.setattr(onednn, "onednn_flops", _refusing("fp32", onednn_flops))
    for module in (machine, search):
        monkeypatch.setattr(module, "gemm_flops", _refusing("float32", gemm_flops))
    return False


def _refusing(only: str, measured: Callable[..., float]) -> Callable[..., float]:
    def measure(precision: str = only, **options: float) -> float:
        assert precision == only, "there are no instructions for it"
        return measured(precision, **options)

    return measure


def test_the_machine_has_a_row_of_each_arithmetic(fast: bool) -> None:
    """bfloat16 where the processor has it; elsewhere the float32 row says why there is none."""
    rows = {row.what: row for row in machine._products(0.0)}
    assert ("matrix product, bfloat16" in rows) is fast
    assert bool(rows["matrix product, float32"].note) is not fast
    assert all(row.value > 0 for row in rows.values())


def test_the_limit_of_search_is_that_of_what_is_searched(
    fast: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without bfloat16 `flat16` is searched by float32, and so has the limit of `flat`."""
    monkeypatch.setattr(search, "DIMENSIONS", 64)
    vectors = like_features(500, 64)
    rows = {row.what: row for row in search._exact(tmp_path, vectors, vectors[: max(search.BATCHES)], QUICK)}
    for batch in search.BATCHES:
        flat, flat16 = (rows[f"exact, {kind}, batch {batch}"] for kind in ("flat", "flat16"))
        assert (flat.limit == flat16.limit) is not fast
        assert bool(flat16.note) is not fast
        assert flat.limit is not None and flat.limit.value > 0


def test_the_forward_pass_says_which_precisions_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that have no rows, in the order of the rows."""
    monkeypatch.setattr(forward, "can_quantise", lambda device: False)
    monkeypatch.setattr(forward, "can_fuse", lambda device, precision: precision == "fp32")
    assert forward._left_out() == ["bf16", "int8"]
    monkeypatch.setattr(forward, "can_fuse", lambda device, precision: True)
    assert forward._left_out() == ["int8"]


def test_an_index_is_not_opened_where_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its row says so, and what is short."""
    monkeypatch.setattr(made_indexes, "free_memory_bytes", lambda: 100_000_000)
    rows: list[Row] = list(opening.run(QUICK))
    assert [row.what for row in rows] == [
        "open, 100000 x 1280, sq8: not measured",
        "open, 100000 x 4096, sq8: not measured",
    ]
    assert rows[0].note == "It takes 0.4 GB; here are 0.1 GB of memory free."


def test_a_made_index_is_one_that_a_worker_opens(tmp_path: Path) -> None:
    """It has the size that its entry says, and its vectors take no room on the disk."""
    entry = made_indexes.write_sq8(tmp_path / "index", 20_001, 128)
    assert entry.disk_bytes >= 3 * 20_001 * 128
    vectors = (tmp_path / "index" / IMAGE_INDEX).stat()
    assert vectors.st_blocks * 512 < vectors.st_size / 2
    index = open_index(tmp_path / "index", entry)
    assert (len(index), index.dimensions, entry.kind) == (20_001, 128, IndexKind.SQ8)
