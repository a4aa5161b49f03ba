"""The synchronous client. Safe to share between threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from songlens.core import (
    GRACE_S,
    ClientCore,
    Command,
    Get,
    Listen,
    LoadFunctions,
    Pause,
    Plan,
    ReadReplies,
    Received,
    T,
)
from songlens.photo import Photo, photo_bytes
from songlens.recommendation import Recommendation
from songlens_shared.broker import BLOCK_MS, broker_errors, connect, load_functions, resolve_url
from songlens_shared.functions import Call
from songlens_shared.keys import INTERACTIVE


@dataclass(frozen=True)
class Handle:
    """A request that is safely queued."""

    client: Client
    id: str
    timeout_s: float

    def result(self, timeout_s: float | None = None) -> Recommendation:
        """Wait for the songs; raises the request's typed error, or `DeadlineExceeded` when the wait is over."""
        wait_s = self.timeout_s + GRACE_S if timeout_s is None else timeout_s
        return Recommendation.from_reply(self.client._run(self.client._core.wait(self.id, wait_s)))

    def done(self) -> bool:
        """Say whether the reply is there; raises `UnknownRequest` when it has expired."""
        return self.client._run(self.client._core.fetch(self.id)) is not None


class Client:
    """Publishes photos and receives songs.

    `url` defaults to SONGLENS_REDIS_URL, then to what `songlens up` runs here, then to redis://localhost:6379. A
    client with a `name` of its own has a durable reply channel that `replies()` reads across restarts. Connects on
    first use. Every call may raise `BrokerUnavailable`.
    """

    def __init__(self, url: str | None = None, *, name: str | None = None, partitions: int = 1) -> None:
        self._url = resolve_url(url)
        self._core = ClientCore(name=name, partitions=partitions)
        self._redis = connect(self._url)
        self._reader = threading.Lock()
        self._reads = 0

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
        self._redis.close()

    def recommend(self, photo: Photo, *, timeout_s: float = 30.0, **options: Any) -> Recommendation:
        """Return songs for a photo (bytes, a path, or a PIL image); options as in `submit`.

        Raises `BadImage`, `ImageTooLarge`, `BadRequest`, `QueueFull`, `DeadlineExceeded`, `NoModel` or `InternalError`.
        """
        return self.submit(photo, timeout_s=timeout_s, **options).result()

    def submit(
        self,
        photo: Photo,
        *,
        id: str | None = None,
        lane: str = INTERACTIVE,
        top_k: int = 10,
        images_k: int = 5,
        songs_per_image: int = 2,
        user: str | None = None,
        trace: str | None = None,
        timeout_s: float = 30.0,
    ) -> Handle:
        """Queue a photo and return at once; a second submit with the same id is the same request."""
        request = self._core.request(
            photo_bytes(photo),
            id=id,
            lane=lane,
            top_k=top_k,
            images_k=images_k,
            songs_per_image=songs_per_image,
            user=user,
            trace=trace,
            timeout_s=timeout_s,
        )
        self._run(self._core.submit(request))
        return Handle(self, request.id, timeout_s)

    def fetch(self, request_id: str) -> Recommendation | None:
        """Return the songs of any request by its id, or None while it is in flight; raises `UnknownRequest`."""
        reply = self._run(self._core.fetch(request_id))
        return Recommendation.from_reply(reply) if reply is not None else None

    def result(self, request_id: str, *, timeout_s: float = 30.0) -> Recommendation:
        """Wait for the songs of any request by its id, from any process; raises `UnknownRequest`."""
        return Recommendation.from_reply(self._run(self._core.poll(request_id, timeout_s)))

    def replies(self, cursor: str = "0", *, quiet_s: float | None = None) -> Iterator[Received]:
        """Yield every reply to this client past `cursor`; ends after `quiet_s` seconds without one (None: never)."""
        last = time.monotonic()
        while quiet_s is None or time.monotonic() - last <= quiet_s:
            block_ms = BLOCK_MS if quiet_s is None else max(1, min(BLOCK_MS, int(quiet_s * 1000)))
            for received in self._run(self._core.read_channel(cursor, block_ms)):
                cursor, last = received.cursor, time.monotonic()
                yield received

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

    def _execute(self, command: Command) -> Any:
        with broker_errors(self._url):
            match command:
                case Call():
                    return command.on(self._redis)
                case Get(key):
                    return self._redis.get(key)
                case ReadReplies(cursors, block_ms):
                    return self._redis.xread(cursors, block=block_ms)
                case Listen(block_ms):
                    return self._listen(block_ms)
                case LoadFunctions():
                    return load_functions(self._redis)
                case Pause(seconds):
                    return time.sleep(seconds)

    def _listen(self, block_ms: int) -> None:
        """One waiting thread reads for all: whoever finds that another has read meanwhile looks at the inbox again."""
        reads = self._reads
        if not self._reader.acquire(timeout=block_ms / 1000):
            return
        try:
            if reads == self._reads:
                self._core.inbox.feed(self._redis.xread(self._core.inbox.cursors, block=block_ms))
                self._reads += 1
        finally:
            self._reader.release()
