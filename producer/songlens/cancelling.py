"""Ending the tasks of a client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

_AGAIN_S = 0.01


async def cancelled(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks, and return when all have ended.

    Until Python 3.12 `asyncio.wait_for` loses a cancellation that comes as what it waits for is done, and redis-py
    sends commands by it: a reader that had just begun would go on for as long as the server lets it wait. So it is
    told again.
    """
    going_on = {task for task in tasks if not task.done()}
    while going_on:
        for task in going_on:
            task.cancel()
        _, going_on = await asyncio.wait(going_on, timeout=_AGAIN_S)
