"""How often a worker looks for reference cycles among its objects.

Messages make thousands of objects a second and hardly a cycle: reference counts free nearly all. Python's collector
counts what is made and not yet freed, and would look through a worker's objects many times a second.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_OBJECTS = 20_000
"""More of them than before, and the young ones are looked through; Python's own is 700."""


@contextmanager
def rare_collections() -> Iterator[None]:
    """Look seldom. Nothing is exempt: a model that was swapped out may have cycles, and shall not stay for ever."""
    before = gc.get_threshold()
    gc.set_threshold(_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
