"""Where work queues up: on the way to a device, on it, and on the way back; each lane in order, all side by side."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol


class Mark(Protocol):
    """A place in a lane."""

    def wait(self) -> None:
        """Return when everything that was queued before it is done."""


class Lane(Protocol):
    """Work that is done in the order in which it was queued, and perhaps later than that."""

    def run(self, work: Callable[[], None]) -> None:
        """Queue work."""

    def mark(self) -> Mark:
        """Return the place after what has been queued so far."""

    def wait_for(self, mark: Mark) -> None:
        """Hold back what is queued from now on until a place in another lane has been passed."""


def _anywhere() -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True)
class Lanes:
    """The three lanes of one device."""

    inward: Lane
    compute: Lane
    outward: Lane
    on_device: Callable[[], AbstractContextManager[object]] = _anywhere
    """A context in which buffers are made and work is queued."""


class InlineLane:
    """A lane that does work where it is queued: a device without queues, such as a CPU."""

    def run(self, work: Callable[[], None]) -> None:
        """Do it."""
        work()

    def mark(self) -> Mark:
        """Return a place that has been passed already."""
        return _PASSED

    def wait_for(self, mark: Mark) -> None:
        """Wait here."""
        mark.wait()


class _Passed:
    def wait(self) -> None:
        """Return at once."""


_PASSED = _Passed()


def inline_lanes() -> Lanes:
    """Return the lanes of a device without queues."""
    lane = InlineLane()
    return Lanes(inward=lane, compute=lane, outward=lane)
