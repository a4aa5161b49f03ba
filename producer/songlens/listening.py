"""Waiting for replies in an event loop: one task reads for all who wait, and wakes those whose reply has come."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

from songlens.cancelling import cancelled
from songlens.plans import Listen, ReadReplies
from songlens.replies import Inbox
from songlens_shared.broker import BLOCK_MS

Streams = tuple[str, ...]
Waiting = defaultdict[str, set[asyncio.Future[None]]]


_WOKEN_AT_ONCE = 5
"""So that the first of them send their next photo while the replies of others are still decoded."""


class Listening:
    """Who waits for which reply, and the tasks that read the reply channels as long as somebody does."""

    def __init__(self, inbox: Inbox, read: Callable[[ReadReplies], Awaitable[Any]]) -> None:
        self._inbox = inbox
        self._read = read
        self._waiting: defaultdict[Streams, Waiting] = defaultdict(lambda: defaultdict(set))
        self.reading: dict[Streams, asyncio.Task[None]] = {}

    async def wait(self, listen: Listen) -> None:
        """Return when the reply has come, or the time is over; raises what reading the channels raises."""
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(listen.block_ms / 1000, _wake, woken)
        waiting = self._waiting[listen.streams]
        waiting[listen.request_id].add(woken)
        self._start(listen.streams)
        try:
            await woken
        finally:
            timer.cancel()
            waiting[listen.request_id].discard(woken)
            if not waiting[listen.request_id]:
                del waiting[listen.request_id]

    async def close(self) -> None:
        """Read no more; whoever waits is woken."""
        await cancelled(self.reading.values())

    def _start(self, streams: Streams) -> None:
        task = self.reading.get(streams)
        if task is None or task.done():
            task = self.reading[streams] = asyncio.create_task(self._keep_reading(streams))
            task.add_done_callback(lambda ended: _end(ended, self._waiting[streams]))

    async def _keep_reading(self, streams: Streams) -> None:
        waiting = self._waiting[streams]
        while waiting:
            response = await self._read(ReadReplies(self._inbox.positions(streams), BLOCK_MS))
            for number, request_id in enumerate(self._inbox.feed(response), 1):
                for woken in waiting.get(request_id, ()):
                    _wake(woken)
                if number % _WOKEN_AT_ONCE == 0:
                    await asyncio.sleep(0)


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)


def _end(task: asyncio.Task[None], waiting: Waiting) -> None:
    """Everybody hears of an error. It is asked for also where nobody is left: one that nobody has seen is logged."""
    error = None if task.cancelled() else task.exception()
    for woken in [woken for every in waiting.values() for woken in every if not woken.done()]:
        if error is None:
            woken.set_result(None)
        else:
            woken.set_exception(error)
