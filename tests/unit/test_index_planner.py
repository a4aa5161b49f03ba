"""Which image index a catalogue gets."""

from __future__ import annotations

import pytest

from songlens_workers.vision.index.kinds import IndexKind
from songlens_workers.vision.index.planner import better, plan_index

GIB = 1 << 30


@pytest.mark.parametrize(
    ("images", "dimensions", "memory_bytes", "kind"),
    [
        (1_000, 4096, 8 * GIB, IndexKind.FLAT),
        (33_459, 4096, 8 * GIB, IndexKind.FLAT16),
        (33_459, 4096, GIB // 4, IndexKind.SQ8),
        (33_459, 4096, GIB // 16, IndexKind.PCA),
        (1_000_000, 1280, 16 * GIB, IndexKind.SQ8),
        (1_000_000, 4096, 16 * GIB, IndexKind.IVF),
        (1_000_000, 4096, 2 * GIB, IndexKind.PCA),
    ],
)
def test_size_and_memory_choose(images: int, dimensions: int, memory_bytes: int, kind: IndexKind) -> None:
    """Exact while it fits; then a byte a number; then clusters where there is memory, else fewer dimensions."""
    plan = plan_index(images, dimensions, memory_bytes=memory_bytes)
    assert plan.kind is kind
    assert f"{images} x {dimensions}" in plan.why or kind is IndexKind.IVF
    if kind is not IndexKind.FLAT:
        assert plan.memory_bytes <= memory_bytes


@pytest.mark.parametrize("kind", list(IndexKind))
def test_a_kind_that_is_asked_for_is_taken(kind: IndexKind) -> None:
    """However little sense it makes, and the reason says so."""
    plan = plan_index(10, 8, memory_bytes=1, kind=kind)
    assert plan.kind is kind
    assert plan.why == f"{kind} was asked for"


def test_components_fill_the_memory_there_is() -> None:
    """As many principal components as fit, never more than half of the dimensions, never none."""
    asked = IndexKind.PCA
    sizes = [plan_index(100_000, 4096, memory_bytes=b, kind=asked).code_dimensions for b in (1, 50 << 20, 100 << 30)]
    assert sizes == [32, 480, 2048]
    assert plan_index(10, 3, memory_bytes=GIB, kind=asked).code_dimensions == 3


def test_better_kinds_end_at_an_exact_one() -> None:
    """Going on from any kind comes to one that has no better, which is exact."""
    for kind in IndexKind:
        followed = kind
        while (following := better(followed)) is not None:
            followed = following
        assert followed in {IndexKind.FLAT, IndexKind.FLAT16}


def test_nothing_has_no_index() -> None:
    """A catalogue without images or dimensions is a mistake."""
    with pytest.raises(ValueError, match="0 x 5"):
        plan_index(0, 5, memory_bytes=GIB)
