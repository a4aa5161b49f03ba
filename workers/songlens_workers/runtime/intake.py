"""Claims entries, takes over those of dead workers, and has them prepared ahead of the batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

import redis
import structlog

from songlens_shared.broker import BLOCK_MS
from songlens_shared.errors import BadRequest, DeadlineExceeded, RequestError
from songlens_shared.functions import Delivery
from songlens_workers.runtime.claims import Claims
from songlens_workers.runtime.clock import ServerClock
from songlens_workers.runtime.ending import Ending
from songlens_workers.runtime.in_flight import InFlight
from songlens_workers.runtime.metrics import StageMetrics
from songlens_workers.runtime.patience import Patience
from songlens_workers.runtime.stage import Stage, Work
from songlens_workers.settings import StageSettings

P = TypeVar("P")

_ROOM_WAIT_S = 0.2
_TAKEOVER_EVERY_S = 1.0
_log = structlog.get_logger()


@dataclass(frozen=True)
class Prepared(Generic[P]):
    """An entry that is ready for a batch."""

    work: Work
    item: P


def check_deadline(delivery: Delivery, clock: ServerClock, stage: str) -> None:
    """Raise `DeadlineExceeded` for an entry whose time has run out."""
    if clock.now_ms() >= delivery.deadline_ms:
        raise DeadlineExceeded(f"the time allowed ran out before the {stage} stage could work on the request.")


class Intake(Generic[P]):
    """The first half of a worker; `round` is called again and again by one thread."""

    def __init__(
        self,
        stage: Stage[P],
        settings: StageSettings,
        *,
        claims: Claims,
        clock: ServerClock,
        in_flight: InFlight,
        ending: Ending,
        metrics: StageMetrics,
        patience: Patience,
        pool: ThreadPoolExecutor,
        ready: Callable[[Prepared[P]], None],
    ) -> None:
        self._stage = stage
        self._settings = settings
        self._claims = claims
        self._clock = clock
        self._in_flight = in_flight
        self._ending = ending
        self._metrics = metrics
        self._patience = patience
        self._pool = pool
        self._ready = ready
        self._took_over_s = float("-inf")

    def round(self) -> None:
        """Claim what there is room for, waiting a moment for it."""
        room = self._in_flight.wait_for_room(_ROOM_WAIT_S)
        if room > 0:
            self._accept(self._patience.until_done(lambda: self._claim(room)))

    def _claim(self, room: int) -> list[Delivery]:
        try:
            return self._take_over(room) or self._claims.claim(min(room, self._settings.max_batch), BLOCK_MS // 4)
        except redis.ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            self._claims.ensure_groups()  # the server was restarted without its memory
            return []

    def _take_over(self, room: int) -> list[Delivery]:
        now_s = time.monotonic()
        if now_s - self._took_over_s < _TAKEOVER_EVERY_S:
            return []
        taken = self._claims.take_over(self._settings.takeover_ms, room)
        self._took_over_s = now_s
        if taken:
            self._metrics.took_over(len(taken))
            _log.info("entries_taken_over", stage=self._stage.name, entries=len(taken))
        return taken

    def _accept(self, deliveries: Sequence[Delivery]) -> None:
        claimed_ms = self._clock.now_ms()
        for delivery in deliveries:
            if not self._in_flight.hold(delivery):
                continue
            if delivery.deliveries > self._settings.max_deliveries:
                self._ending.bury(delivery, f"delivered {delivery.deliveries} times and never finished")
            else:
                self._pool.submit(self._prepare, Work(delivery, claimed_ms))
        self._metrics.in_flight(len(self._in_flight))

    def _prepare(self, work: Work) -> None:
        delivery = work.delivery
        self._metrics.waited(work.queue_ms)
        try:
            if not delivery.deadline_ms:
                raise BadRequest("the entry has no deadline; queue requests with the function songlens_submit.")
            check_deadline(delivery, self._clock, self._stage.name)
            item = self._stage.prepare(work)
        except RequestError as error:
            self._ending.finish([(delivery, error)])
        except Exception:
            _log.exception("prepare_failed", stage=self._stage.name, request=delivery.request_id)
            self._ending.fail(delivery, "the entry could not be prepared")
        else:
            self._ready(Prepared(work, item))
