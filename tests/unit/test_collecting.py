"""Garbage collections while a worker serves."""

from __future__ import annotations

import gc

from songlens_workers.runtime.collecting import rare_collections


def collections() -> int:
    return sum(generation["collections"] for generation in gc.get_stats())


def test_rare_collections() -> None:
    """Thousands of new objects start none, what was here before is left alone, and afterwards all is as it was."""
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with rare_collections():
        assert gc.get_freeze_count() > frozen
        began = collections()
        kept = [[] for _ in range(10_000)]
        assert collections() == began
        assert len(kept) == 10_000
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_cycles_are_still_found() -> None:
    """A worker that makes some for months does not grow for ever."""
    with rare_collections():
        began = collections()
        kept = [[] for _ in range(100_000)]
        assert collections() > began
        assert len(kept) == 100_000
