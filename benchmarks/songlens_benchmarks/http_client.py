"""A client of mosec that costs as little as can be: kept connections, and no parsing beyond the answer's length."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from songlens_benchmarks.payloads import mark
from songlens_benchmarks.programs import ProgramFailed

_LENGTH = b"content-length:"


class HttpClient:
    """Posts photos over so many connections; each request takes a free one."""

    def __init__(self, port: int, connections: int) -> None:
        self._port = port
        self._connections = connections
        self._free: asyncio.LifoQueue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.LifoQueue()

    async def __aenter__(self) -> Self:
        for _ in range(self._connections):
            self._free.put_nowait(await asyncio.open_connection("127.0.0.1", self._port))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while not self._free.empty():
            self._free.get_nowait()[1].close()

    async def ask(self, photo: bytes) -> None:
        """Have a photo answered. Raises `ProgramFailed` for any answer but its mark."""
        reader, writer = await self._free.get()
        head = f"POST /inference HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(photo)}\r\n\r\n"
        writer.writelines([head.encode(), photo])
        await writer.drain()
        answered = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(_length(answered))
        self._free.put_nowait((reader, writer))
        if not answered.startswith(b"HTTP/1.1 200") or body != mark(photo).encode():
            raise ProgramFailed(f"mosec answered {answered[:40]!r}, and not the photo's mark.")


def _length(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return next(int(line[len(_LENGTH) :]) for line in lines if line.startswith(_LENGTH))
