"""Getting one photo answered, whatever happens meanwhile: full lanes, lost connections, workers that die.

What is wrong with a photo is a row; what is wrong with the system is tried again, and in the end raised, for it says
nothing about the photo.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import count
from typing import Generic, Protocol, TypeVar

import redis
import structlog

from songlens_batch.errors import NotServing
from songlens_batch.sources.row_failed import RowFailed
from songlens_shared.errors import (
    BadImage,
    BadRequest,
    BrokerUnavailable,
    Cancelled,
    DeadlineExceeded,
    ImageTooLarge,
    InternalError,
    NoModel,
    QueueFull,
    SonglensError,
    UnknownRequest,
)

TRIES = 3
"""Of one photo that fails by no fault of its own. Each has an id of its own, for refusals are kept as well."""

PATIENCE_S = 600.0
"""How long Redis may be away, or a lane full."""

_PAUSE_S = 1.0
_PHOTOS_OWN = (BadImage, ImageTooLarge, BadRequest)
_FORBIDDEN = (redis.AuthenticationError, redis.exceptions.NoPermissionError)
_TRY_AGAIN = (DeadlineExceeded, InternalError, Cancelled, UnknownRequest)

_log = structlog.get_logger()

Item = TypeVar("Item")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Ask(Protocol[R_co]):
    """One request of a client: a photo's bytes and the id to ask under."""

    def __call__(self, photo: bytes, request_id: str) -> Awaitable[R_co]:
        """Return the answer; raises a `RequestError` or `BrokerUnavailable`."""


@dataclass(frozen=True)
class Refused:
    """Why a photo got nothing."""

    code: str
    message: str


@dataclass(frozen=True)
class Asking(Generic[Item, R]):
    """Asks for photos, each until it is answered or refused."""

    ask: Ask[R]
    read: Callable[[Item], bytes]
    """Called in `threads`: what to queue for a photo. Raises `RowFailed`, or the `RequestError` of a photo's own."""

    threads: Executor
    advice: str
    """What to do where photos are not answered: the end of the sentence that says so."""

    patience_s: float = PATIENCE_S
    clock_s: Callable[[], float] = time.monotonic

    async def answer(self, item: Item, request_id: str) -> R | Refused:
        """Return the answer or why there is none; raises `NotServing` where the workers or Redis are away for long."""
        try:
            photo = await self._photo(item)
        except RowFailed as error:
            return Refused(error.code, error.message)
        except _PHOTOS_OWN as error:
            return Refused(error.code, error.message)
        return await self._tried(photo, request_id)

    async def _tried(self, photo: bytes, request_id: str) -> R | Refused:
        tries, until_s = 0, self.clock_s() + self.patience_s
        for number in count():
            try:
                return await self._patiently(photo, f"{request_id}.{number}")
            except _PHOTOS_OWN as error:
                return Refused(error.code, error.message)
            except NoModel as error:  # workers load for a while what has just been published
                if self.clock_s() > until_s:
                    raise self._not_serving(error) from error
            except _TRY_AGAIN as error:
                tries += 1
                if tries == TRIES and isinstance(error, InternalError):
                    return Refused(error.code, error.message)
                if tries == TRIES:
                    raise self._not_serving(error) from error
                _log.info("photo_tried_again", request=request_id, error=type(error).__name__)
            await asyncio.sleep(_PAUSE_S * (tries or 1))
        raise AssertionError

    def _not_serving(self, error: SonglensError) -> NotServing:
        return NotServing(f"photos are not answered ({error.message.rstrip('.')}). {self.advice}")

    async def _photo(self, item: Item) -> bytes:
        """Read a photo; a source that may be better later is tried again."""
        loop = asyncio.get_running_loop()
        for number in range(TRIES):
            try:
                return await loop.run_in_executor(self.threads, self.read, item)
            except RowFailed as error:
                if not error.again or number == TRIES - 1:
                    raise
            await asyncio.sleep(_PAUSE_S * (number + 1))
        raise AssertionError

    async def _patiently(self, photo: bytes, request_id: str) -> R:
        """Ask, and ask again while the lane is full or Redis is away: nothing has become of the request then."""
        until_s = self.clock_s() + self.patience_s
        while True:
            try:
                return await self.ask(photo, request_id)
            except (QueueFull, BrokerUnavailable) as error:
                if isinstance(error.__cause__, _FORBIDDEN):
                    raise  # it is there and says no; waiting changes nothing
                if self.clock_s() > until_s:
                    raise NotServing(error.message) from error
                pause_s = error.retry_after_ms / 1000 if isinstance(error, QueueFull) else _PAUSE_S
            await asyncio.sleep(pause_s)


def reading_threads(in_flight: int) -> int:
    """Return how many threads read photos ahead of so many in flight."""
    return max(1, min(16, in_flight // 4))
