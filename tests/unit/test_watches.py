"""Reads that wait side by side."""

from __future__ import annotations

import threading

import pytest

from songlens_workers.runtime.watches import Watches


def test_what_has_ended_is_told_once_and_the_rest_goes_on() -> None:
    """The first read to end lets the wait return; the others keep their places until they end, too."""
    watches: Watches[str] = Watches()
    late = threading.Event()

    def read_late() -> list[str]:
        assert late.wait(10)
        return ["late"]

    watches.start("a", 3, lambda: ["soon"])
    watches.start("b", 2, read_late)
    watches.wait(10)
    assert [reading.result() for reading in watches.finished()] == [["soon"]]
    assert ("a" in watches, "b" in watches, watches.reserved, len(watches)) == (False, True, 2, 1)
    assert watches.finished() == []
    late.set()
    watches.close()
    assert [reading.result() for reading in watches.finished()] == [["late"]]
    assert watches.reserved == 0


def test_a_read_that_fails_is_told_as_it_is() -> None:
    """Its error comes out where its result would."""
    watches: Watches[str] = Watches()

    def fail() -> list[str]:
        raise ConnectionError

    watches.start("a", 1, fail)
    watches.wait(10)
    [reading] = watches.finished()
    with pytest.raises(ConnectionError):
        reading.result()


def test_a_wait_has_a_limit() -> None:
    """Nothing is there, and nothing is lost."""
    watches: Watches[str] = Watches()
    go_on = threading.Event()
    watches.start("a", 1, lambda: [str(go_on.wait(10))])
    watches.wait(0.01)
    assert watches.finished() == []
    go_on.set()
    watches.close()
    assert len(watches.finished()) == 1
