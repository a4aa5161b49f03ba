"""The synchronous client. Safe to share between threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, Unpack

import redis

from songlens.core import GRACE_S, ClientCore, FeaturesOptions, RequestOptions
from songlens.features import PhotoFeatures
from songlens.photo import Photo, StoredPhoto, file_content, photo_content
from songlens.plans import Command, Get, IsCluster, Listen, LoadFunctions, Pause, Plan, ReadReplies, T
from songlens.recommendation import Recommendation
from songlens.replies import Received
from songlens.tracing import app_trace
from songlens_shared.address import check_url, resolve_partitions, resolve_url
from songlens_shared.broker import broker_errors, open_redis
from songlens_shared.cluster import is_cluster
from songlens_shared.errors import BrokerError
from songlens_shared.functions import Call
from songlens_shared.server import load_functions


@dataclass(frozen=True)
class Handle:
    """A request that is safely queued."""

    client: Client
    id: str
    timeout_s: float

    def result(self, timeout_s: float | None = None) -> Recommendation:
        """Wait for the songs, by default until the request's own time is over.

        Raises the request's typed error, or `DeadlineExceeded` when the wait is over. The reply stays where it is: call
        again, or later and elsewhere `Client.fetch(id)`.
        """
        wait_s = self.timeout_s + GRACE_S if timeout_s is None else timeout_s
        return Recommendation.from_reply(self.client._run(self.client._core.wait(self.id, wait_s)))

    def done(self) -> bool:
        """Say whether the reply is there, be it songs or an error; raises `UnknownRequest` when it has expired."""
        return self.client._run(self.client._core.fetch(self.id)) is not None

    def cancel(self) -> bool:
        """Take the request back, as `Client.cancel`."""
        return self.client.cancel(self.id)


class Client:
    """Publishes photos and receives songs.

    `url` defaults to SONGLENS_REDIS_URL, then to what `songlens up` runs here, then to redis://localhost:6379. A
    client with a `name` of its own has a durable reply channel that `replies()` reads across restarts. `partitions` is
    what the workers were started with, by default SONGLENS_PARTITIONS or 1. A server that belongs to a Redis Cluster
    stands for all of it. Connects on first use. Every call may raise `BrokerUnavailable`.
    """

    def __init__(self, url: str | None = None, *, name: str | None = None, partitions: int | None = None) -> None:
        self._url = resolve_url(url)
        check_url(self._url)
        self._core = ClientCore(name=name, partitions=resolve_partitions(partitions), trace=app_trace())
        self._opening = threading.Lock()
        self._redis: redis.Redis | None = None
        self._turn = threading.Condition()
        self._reading: set[tuple[str, ...]] = set()
        self._closed = False

    @property
    def name(self) -> str:
        """The name that the reply channel bears."""
        return self._core.name

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections. Requests in flight go on; fetch their replies later by id."""
        self._closed = True
        if self._redis is not None:
            self._redis.close()

    def recommend(self, photo: Photo, **options: Unpack[RequestOptions]) -> Recommendation:
        """Return songs for a photo (bytes, a path, a PIL image, or a `PhotoUri`); options as in `RequestOptions`.

        Raises `BadImage`, `ImageTooLarge`, `BadRequest`, `QueueFull`, `DeadlineExceeded`, `NoModel` or `InternalError`.
        """
        request = self._core.request(photo_content(photo), **options)
        return Recommendation.from_reply(self._run(self._core.recommend(request)))

    def features(self, photo: StoredPhoto, **options: Unpack[FeaturesOptions]) -> PhotoFeatures:
        """Return the feature of a photo as its file is (bytes, a path or a `PhotoUri`; never downsized on the way).

        Options as in `FeaturesOptions`. Its reply is kept for a minute, and `replies` passes over it. Raises what
        `recommend` raises: `BadRequest` also where the workers have another backbone than the one that is asked for, or
        a number is too large for float16, and `UnsupportedVersion` where they know no features yet.
        """
        request = self._core.features_request(file_content(photo), **options)
        return PhotoFeatures.from_reply(self._run(self._core.recommend(request)))

    def submit(self, photo: Photo, **options: Unpack[RequestOptions]) -> Handle:
        """Queue a photo and return at once; options as in `RequestOptions`.

        Raises `BadImage`, `ImageTooLarge`, `BadRequest` or `QueueFull`, which says when to try again.
        """
        request = self._core.request(photo_content(photo), **options)
        self._run(self._core.submit(request))
        return Handle(self, request.id, request.ttl_ms / 1000)

    def fetch(self, request_id: str) -> Recommendation | None:
        """Return the songs of any request by its id, or None while it is in flight.

        Raises the request's typed error, or `UnknownRequest`.
        """
        reply = self._run(self._core.fetch(request_id))
        return Recommendation.from_reply(reply) if reply is not None else None

    def result(self, request_id: str, *, timeout_s: float = 30.0) -> Recommendation:
        """Wait for the songs of any request by its id, from any process.

        Raises the request's typed error, `DeadlineExceeded` when the wait is over, or `UnknownRequest`.
        """
        return Recommendation.from_reply(self._run(self._core.poll(request_id, timeout_s)))

    def cancel(self, request_id: str) -> bool:
        """Take any request back by its id: its photo leaves Redis at once, and whoever waits gets `Cancelled`.

        Returns False where it has been answered; raises `UnknownRequest`. Work that a worker has begun goes to nobody.
        """
        return self._run(self._core.cancel(request_id))

    def replies(self, cursor: str = "0", *, quiet_s: float | None = None) -> Iterator[Received]:
        """Yield every reply to this client past `cursor`; ends after `quiet_s` seconds without one (None: never).

        Features are not among them: they are kept for a minute, for the one who waits.

        Raises `ConfigError` for a cursor that is none.
        """
        channel = self._core.channel(cursor, quiet_s)
        while not channel.ended:
            yield from self._run(channel.read())

    def _run(self, plan: Plan[T]) -> T:
        try:
            command = next(plan)
            while True:
                try:
                    result = self._execute(command)
                except Exception as error:
                    command = plan.throw(error)
                else:
                    command = plan.send(result)
        except StopIteration as stop:
            value: T = stop.value
            return value
        finally:
            plan.close()

    def _execute(self, command: Command) -> Any:
        if self._closed:
            raise BrokerError("this client has been closed.")
        try:
            with broker_errors(self._url):
                return self._executed(self._connected(), command)
        finally:
            if self._closed and self._redis is not None:
                self._redis.close()  # redis-py opens a connection again that was closed under a waiting thread

    def _connected(self) -> redis.Redis:
        with self._opening:
            if self._redis is None:
                self._redis = open_redis(self._url)
            return self._redis

    def _executed(self, connection: redis.Redis, command: Command) -> Any:
        match command:
            case Call() | Get() | ReadReplies():
                return command.on(connection)
            case IsCluster():
                return is_cluster(connection)
            case Listen():
                return self._listen(connection, command)
            case LoadFunctions():
                return load_functions(connection)
            case Pause(seconds):
                return time.sleep(seconds)

    def _listen(self, connection: redis.Redis, listen: Listen) -> None:
        """One waiting thread reads for all; the others sleep until it has read something."""
        inbox = self._core.inbox
        with self._turn:
            if inbox.arrived(listen.request_id) is not None:
                return
            if listen.streams in self._reading:
                self._turn.wait(listen.block_ms / 1000)
                return
            self._reading.add(listen.streams)
        try:
            inbox.feed(ReadReplies(inbox.positions(listen.streams), listen.block_ms).on(connection))
        finally:
            with self._turn:
                self._reading.remove(listen.streams)
                self._turn.notify_all()
