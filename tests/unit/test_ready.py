"""Prepared entries on their way to the batch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from songlens_workers.runtime.ready import Ready


def test_all_items_come_in_order() -> None:
    """What is there is taken without a call and without waiting."""
    ready: Ready[int] = Ready()
    for item in range(5):
        ready.add(item)
    assert ready.take(60) == [0, 1, 2, 3, 4]
    assert len(ready) == 0


def test_the_taker_is_woken_by_a_call() -> None:
    """He does not sit out his time."""
    ready: Ready[int] = Ready()
    with ThreadPoolExecutor(1) as pool:
        taking = pool.submit(ready.take, 60)
        ready.add(1)
        ready.wake()
        assert taking.result(timeout=10) == [1]


def test_without_a_call_items_are_found_in_the_end() -> None:
    """A thread that lays an item down and then hangs keeps it from nobody."""
    ready: Ready[int] = Ready()
    assert ready.take(0) == []
    ready.add(1)
    assert ready.take(0) == [1]


def test_calls_do_not_pile_up() -> None:
    """However often he was called, a taker who finds nothing waits again."""
    ready: Ready[int] = Ready()
    for _ in range(3):
        ready.wake()
    assert [ready.take(0) for _ in range(3)] == [[]] * 3
    assert ready._calls.empty()
