"""Tasks that wait for replies in an event loop."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from songlens.listening import Listening
from songlens.plans import Listen, ReadReplies
from songlens.replies import Inbox

STREAM = "replies"
PHOTOS = 12


async def test_many_replies_at_once_wake_a_few_tasks_at_a_time() -> None:
    """The first can send their next photo before the last have their reply; all of them get it."""
    inbox = Inbox([STREAM])
    entries = [(b"%d-0" % number, {b"id": b"r%d" % number, b"m": b"songs"}) for number in range(1, PHOTOS + 1)]
    turn = 0

    async def read(command: ReadReplies) -> Any:
        await asyncio.sleep(0.01)  # everybody waits by then
        return [[STREAM.encode(), entries]]

    async def count_turns() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    async def wait(request_id: str) -> int:
        with inbox.expecting(request_id):
            await listening.wait(Listen(request_id, (STREAM,), 5000))
            assert inbox.arrived(request_id) == b"songs"
            return turn

    listening = Listening(inbox, read)
    counting = asyncio.create_task(count_turns())
    turns = await asyncio.gather(*(wait(f"r{number}") for number in range(1, PHOTOS + 1)))
    counting.cancel()
    await listening.close()
    assert turns == sorted(turns)
    assert max(Counter(turns).values()) < PHOTOS / 2
