"""How long work says how far it is: the library calls, the command layer draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Progress(Protocol):
    """Called with what is being done, how much of it is done, how much there is in all, and perhaps a note."""

    def __call__(self, description: str, done: int, total: int, note: str = "", /) -> None:
        """Say how far the work is; `note` is what else changes with it, such as its speed."""


def silent(description: str, done: int, total: int, note: str = "", /) -> None:
    """Draw nothing."""


def step(progress: Progress, description: str) -> Callable[[int, int], None]:
    """Return the progress of one step, as (done, total)."""
    return lambda done, total: progress(description, done, total)
