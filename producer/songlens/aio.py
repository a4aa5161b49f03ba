"""The asyncio client: the same plans as `Client`, driven by an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, Unpack

from redis import asyncio as redis_asyncio

from songlens.core import GRACE_S, ClientCore, FeaturesOptions, RequestOptions
from songlens.features import PhotoFeatures
from songlens.listening import Listening
from songlens.photo import Photo, StoredPhoto, file_content, goes_as_it_is, photo_content
from songlens.pipelining import Pipelining
from songlens.plans import Command, Get, IsCluster, Listen, LoadFunctions, Pause, Plan, ReadReplies, T
from songlens.recommendation import Recommendation
from songlens.replies import Received
from songlens.tracing import app_trace
from songlens_shared.address import check_url, resolve_partitions, resolve_url
from songlens_shared.broker import broker_errors, open_redis, open_redis_asyncio
from songlens_shared.cluster import is_cluster
from songlens_shared.errors import BrokerError
from songlens_shared.functions import Call
from songlens_shared.messages import Request
from songlens_shared.server import load_functions


@dataclass(frozen=True)
class AsyncHandle:
    """A request that is safely queued. Awaiting the handle gives the songs."""

    client: AsyncClient
    id: str
    timeout_s: float

    async def result(self, timeout_s: float | None = None) -> Recommendation:
        """As `Handle.result`."""
        wait_s = self.timeout_s + GRACE_S if timeout_s is None else timeout_s
        return Recommendation.from_reply(await self.client._run(self.client._core.wait(self.id, wait_s)))

    def __await__(self) -> Generator[Any, None, Recommendation]:
        return self.result().__await__()

    async def done(self) -> bool:
        """As `Handle.done`."""
        return await self.client._run(self.client._core.fetch(self.id)) is not None

    async def cancel(self) -> bool:
        """As `Handle.cancel`."""
        return await self.client.cancel(self.id)


class AsyncClient:
    """Publishes photos and receives songs, in an event loop. Arguments, results and errors are those of `Client`."""

    def __init__(self, url: str | None = None, *, name: str | None = None, partitions: int | None = None) -> None:
        self._url = resolve_url(url)
        check_url(self._url)
        self._core = ClientCore(name=name, partitions=resolve_partitions(partitions), trace=app_trace())
        self._opening = asyncio.Lock()
        self._redis: redis_asyncio.Redis | None = None
        self._pipelining: Pipelining | None = None
        self._listening = Listening(self._core.inbox, self._read)
        self._closed = False

    @property
    def name(self) -> str:
        """The name that the reply channel bears."""
        return self._core.name

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """As `Client.close`."""
        self._closed = True
        await self._listening.close()
        if self._pipelining is not None:
            await self._pipelining.close()
        if self._redis is not None:
            await self._redis.aclose()

    async def recommend(self, photo: Photo, **options: Unpack[RequestOptions]) -> Recommendation:
        """As `Client.recommend`."""
        request = await self._request(photo, options)
        return Recommendation.from_reply(await self._run(self._core.recommend(request)))

    async def features(self, photo: StoredPhoto, **options: Unpack[FeaturesOptions]) -> PhotoFeatures:
        """As `Client.features`."""
        content = photo if isinstance(photo, bytes) else await asyncio.to_thread(file_content, photo)
        request = self._core.features_request(content, **options)
        return PhotoFeatures.from_reply(await self._run(self._core.recommend(request)))

    async def submit(self, photo: Photo, **options: Unpack[RequestOptions]) -> AsyncHandle:
        """As `Client.submit`."""
        request = await self._request(photo, options)
        await self._run(self._core.submit(request))
        return AsyncHandle(self, request.id, request.ttl_ms / 1000)

    async def _request(self, photo: Photo, options: RequestOptions) -> Request:
        # A large photo takes tens of milliseconds to downsize: not on the event loop.
        content = photo if goes_as_it_is(photo) else await asyncio.to_thread(photo_content, photo)
        return self._core.request(content, **options)

    async def fetch(self, request_id: str) -> Recommendation | None:
        """As `Client.fetch`."""
        reply = await self._run(self._core.fetch(request_id))
        return Recommendation.from_reply(reply) if reply is not None else None

    async def result(self, request_id: str, *, timeout_s: float = 30.0) -> Recommendation:
        """As `Client.result`."""
        return Recommendation.from_reply(await self._run(self._core.poll(request_id, timeout_s)))

    async def cancel(self, request_id: str) -> bool:
        """As `Client.cancel`."""
        return await self._run(self._core.cancel(request_id))

    async def replies(self, cursor: str = "0", *, quiet_s: float | None = None) -> AsyncIterator[Received]:
        """As `Client.replies`."""
        channel = self._core.channel(cursor, quiet_s)
        while not channel.ended:
            for received in await self._run(channel.read()):
                yield received

    async def _run(self, plan: Plan[T]) -> T:
        try:
            command = next(plan)
            while True:
                try:
                    result = await self._execute(command)
                except Exception as error:
                    command = plan.throw(error)
                else:
                    command = plan.send(result)
        except StopIteration as stop:
            value: T = stop.value
            return value
        finally:
            plan.close()

    async def _execute(self, command: Command) -> Any:
        if self._closed:
            raise BrokerError("this client has been closed.")
        try:
            with broker_errors(self._url):
                return await self._executed(await self._connected(), command)
        finally:
            if self._closed and self._redis is not None:
                await self._redis.aclose()  # redis-py opens a connection again that was closed under a waiting task

    async def _connected(self) -> redis_asyncio.Redis:
        if self._redis is None:
            async with self._opening:
                if self._redis is None:
                    opened = await open_redis_asyncio(self._url)
                    self._pipelining = None if is_cluster(opened) else Pipelining(opened)
                    self._redis = opened
        return self._redis

    async def _executed(self, connection: redis_asyncio.Redis, command: Command) -> Any:
        match command:
            case Call() | Get():
                return await self._asked(connection, command)
            case Listen():
                return await self._listening.wait(command)
            case ReadReplies():
                return await self._read(command)
            case IsCluster():
                return is_cluster(connection)
            case LoadFunctions():
                return await asyncio.to_thread(self._load_functions)
            case Pause(seconds):
                return await asyncio.sleep(seconds)

    async def _asked(self, connection: redis_asyncio.Redis, command: Call | Get) -> Any:
        # Not on a cluster: one write over several nodes would fail as a whole where one of them is away.
        pipelining = self._pipelining
        return await (command.on(connection) if pipelining is None else pipelining.execute(command.words()))

    async def _read(self, command: ReadReplies) -> Any:
        return await command.on(await self._connected())

    def _load_functions(self) -> None:
        """Once in a server's life; not worth a second, asynchronous loader."""
        with open_redis(self._url) as connection:
            load_functions(connection)
