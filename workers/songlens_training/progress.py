"""How long work says how far it is: the library calls, the command layer draws."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is in all."""


def silent(description: str, done: int, total: int) -> None:
    """Draw nothing."""


def step(progress: Progress, description: str) -> Callable[[int, int], None]:
    """Return the progress of one step, as (done, total)."""
    return lambda done, total: progress(description, done, total)
