"""Commands of many tasks in one round trip: what is asked for in one turn of the event loop goes out in one write.

Each command gets its own result, or the error that the server has against it. A connection that is lost is everybody's
error, after redis-py has tried the whole round again: every command of ours may be sent twice without harm.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis
from redis import asyncio as redis_asyncio

from songlens.cancelling import cancelled
from songlens_shared.errors import BrokerError
from songlens_shared.functions import Argument

Words = Sequence[Argument]

MOST_BYTES = 1024 * 1024
"""Of one write, unless a single command has more: whoever waits for a small one does not wait for all photos."""

MOST_ROUNDS = 8
"""Under way at once, each over a connection of its own: a big photo on a slow line holds up no other."""


@dataclass(frozen=True)
class _Asked:
    pieces: Sequence[bytes]
    size: int
    answer: asyncio.Future[Any]


class Pipelining:
    """Sends the commands of one client of one server."""

    def __init__(self, connection: redis_asyncio.Redis) -> None:
        self._pool: Any = connection.connection_pool
        self._asked: deque[_Asked] = deque()
        self._rounds: set[asyncio.Task[None]] = set()
        self._starting = False

    async def execute(self, words: Words) -> Any:
        """Return what the server answers, or raise its error, or redis-py's where it cannot be reached."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        pieces = packed(words)
        self._asked.append(_Asked(pieces, sum(map(len, pieces)), answer))
        self._start()
        return await answer

    async def close(self) -> None:
        """Send no more; whoever waits for an answer is told so."""
        await cancelled(self._rounds)
        _fail(self._asked, BrokerError("this client has been closed."))

    def _start(self) -> None:
        if self._starting or len(self._rounds) >= MOST_ROUNDS:
            return
        # The task begins in the loop's next turn: until then, whoever has his turn now joins it.
        self._starting = True
        task = asyncio.create_task(self._work())
        self._rounds.add(task)
        task.add_done_callback(self._rounds.discard)

    async def _work(self) -> None:
        self._starting = False
        while asked := self._take():
            if self._asked:
                self._start()
            try:
                await self._round(asked)
            except asyncio.CancelledError:
                _fail(asked, BrokerError("this client has been closed."))
                raise
            except Exception as error:
                _fail(asked, error)

    def _take(self) -> list[_Asked]:
        """Return the next commands; those that nobody waits for any more are left out."""
        taken: list[_Asked] = []
        size = 0
        while self._asked:
            size += self._asked[0].size
            if taken and size > MOST_BYTES:
                break
            asked = self._asked.popleft()
            if not asked.answer.done():
                taken.append(asked)
        return taken

    async def _round(self, asked: Sequence[_Asked]) -> None:
        connection = await self._pool.get_connection()

        async def send() -> list[Any]:
            await connection.send_packed_command([piece for one in asked for piece in one.pieces], check_health=False)
            return [await _answer(connection) for _ in asked]

        async def disconnect(error: Exception) -> None:
            await connection.disconnect()

        try:
            answers = await connection.retry.call_with_retry(send, disconnect)
        finally:
            await self._pool.release(connection)
        for one, answer in zip(asked, answers, strict=True):
            if one.answer.done():
                continue
            if isinstance(answer, Exception):
                one.answer.set_exception(answer)
            else:
                one.answer.set_result(answer)


async def _answer(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except redis.ResponseError as error:
        return error


def _fail(asked: Sequence[_Asked] | deque[_Asked], error: Exception) -> None:
    for one in asked:
        if not one.answer.done():
            one.answer.set_exception(error)


def packed(words: Words) -> list[bytes]:
    """Return a command as the protocol has it (RESP: an array of bulk strings), in few pieces. Copies no photo."""
    pieces: list[bytes] = []
    small = [b"*%d\r\n" % len(words)]
    for word in words:
        if isinstance(word, tuple):
            small.append(b"$%d\r\n" % sum(map(len, word)))
            pieces += (b"".join(small), *word)
            small = [b"\r\n"]
        else:
            data = word if isinstance(word, bytes) else str(word).encode()
            small += (b"$%d\r\n" % len(data), data, b"\r\n")
    return [*pieces, b"".join(small)]
