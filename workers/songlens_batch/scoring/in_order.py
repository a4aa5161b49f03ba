"""Many at a time, in order: a bounded number under way, and a bounded number done that wait for an earlier one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 4
"""So many times `at_once` may be begun before the first of them is taken: a slow one holds up no other for long."""


async def in_order(items: Iterable[T], work: Callable[[T], Awaitable[R]], *, at_once: int) -> AsyncIterator[R]:
    """Yield what `work` returns for each item, in the order of the items.

    What it raises is raised in the item's turn, and then all the others are cancelled, as they are when the caller
    closes the iterator.
    """
    slots = asyncio.Semaphore(at_once)

    async def worked(item: T) -> R:
        async with slots:
            return await work(item)

    begun: deque[asyncio.Task[R]] = deque()
    try:
        for item in items:
            begun.append(asyncio.create_task(worked(item)))
            if len(begun) >= at_once * _AHEAD:
                yield await begun.popleft()
        while begun:
            yield await begun.popleft()
    finally:
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
