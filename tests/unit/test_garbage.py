"""Garbage collections while a worker serves."""

from __future__ import annotations

import gc
import weakref

from songlens_workers.runtime.garbage import rare_collections


def collections() -> int:
    return sum(generation["collections"] for generation in gc.get_stats())


def test_rare_collections() -> None:
    """Thousands of new objects start none, and afterwards all is as it was."""
    before = gc.get_threshold()
    with rare_collections():
        began = collections()
        kept = [[] for _ in range(10_000)]
        assert collections() == began
        assert len(kept) == 10_000
    assert gc.get_threshold() == before


def test_cycles_are_still_found() -> None:
    """A worker that makes some for months does not grow for ever, nor keeps a model that was there when it began."""

    class Model:
        """Refers to itself."""

        def __init__(self) -> None:
            self.itself = self

    model = Model()
    gone = weakref.ref(model)
    with rare_collections():
        del model
        began = collections()
        kept = [[] for _ in range(3_000_000)]
        assert collections() > began
        assert gone() is None
        assert len(kept) == 3_000_000
