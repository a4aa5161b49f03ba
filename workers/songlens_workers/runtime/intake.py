"""Claims entries, takes over those of dead workers, and has them prepared ahead of the batch."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

import redis
import structlog

from songlens_shared.broker import BLOCK_MS
from songlens_shared.cluster import RedisFault
from songlens_shared.errors import BadRequest, DeadlineExceeded, RequestError
from songlens_shared.functions import Delivery
from songlens_workers.runtime.claims import Abandoned, Claims, is_missing_group
from songlens_workers.runtime.clock import ServerClock
from songlens_workers.runtime.ending import Ending
from songlens_workers.runtime.in_flight import InFlight
from songlens_workers.runtime.metrics import StageMetrics
from songlens_workers.runtime.patience import Patience
from songlens_workers.runtime.pool import Pool
from songlens_workers.runtime.preparing import Preparing
from songlens_workers.runtime.ready import Ready
from songlens_workers.runtime.stage import Outcome, Stage, Work
from songlens_workers.runtime.tracing import Tracing
from songlens_workers.settings import StageSettings

P = TypeVar("P")

_ROOM_WAIT_S = 0.2
_CLAIM_BLOCK_MS = BLOCK_MS // 4
_TAKEOVER_EVERY_S = 1.0
_TAKEOVER_PAGE = 256
# While abandoned entries wait for their turn, they are looked at this often.
_BACKLOG_EVERY_S = 0.05
_WAKE_EVERY_S = 0.001
_log = structlog.get_logger()


@dataclass(frozen=True)
class Prepared(Generic[P]):
    """An entry that is ready for a batch."""

    work: Work
    item: P
    since_s: float
    """When it became ready, on the monotonic clock: what it waits for the batch before counts as well."""


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
        tracing: Tracing,
        patience: Patience,
        pool: Pool,
        preparing: Preparing,
        ready: Ready[Prepared[P]],
        leaving: Callable[[], bool],
        stuck: Callable[[], bool],
    ) -> None:
        self._stage = stage
        self._settings = settings
        self._claims = claims
        self._clock = clock
        self._in_flight = in_flight
        self._ending = ending
        self._metrics = metrics
        self._tracing = tracing
        self._patience = patience
        self._pool = pool
        self._preparing = preparing
        self._ready = ready
        self._leaving = leaving
        self._stuck = stuck
        self._waiting: deque[Work] = deque()
        self._look_again_s = float("-inf")
        self._backlog = False
        self._broken: BaseException | None = None

    def round(self) -> None:
        """Claim what there is room for, waiting a moment for it. Raises what went wrong in the pool, if anything."""
        if self._broken is not None:
            raise self._broken
        self._give_up_hung()
        if self._stuck():
            time.sleep(_ROOM_WAIT_S)
            return
        room = self._in_flight.wait_for_room(_ROOM_WAIT_S)
        if room > 0:
            self._accept(self._patience.until_done(lambda: self._claim(room)))

    def leave(self) -> None:
        """Take in what has been claimed and not yet looked at, and claim nothing any more."""
        with suppress(*RedisFault):
            self._accept(self._claims.leave())

    def _give_up_hung(self) -> None:
        """What hangs here may go well elsewhere; what hangs everywhere becomes a dead letter."""
        for delivery in self._preparing.newly_hung():
            _log.error("prepare_hangs", stage=self._stage.name, **self._tracing.about(delivery))
            self._ending.fail(delivery, f"preparing the entry took longer than {self._settings.stuck_s:g} s")

    def _claim(self, room: int) -> list[Delivery]:
        if self._leaving():
            return []
        # At least one of each stream, so that one wait can watch them all.
        count = min(room, max(self._settings.max_batch, self._claims.streams))
        try:
            block_ms = round(_BACKLOG_EVERY_S * 1000) if self._backlog else _CLAIM_BLOCK_MS
            return self._take_over(room) or self._claims.claim(count, block_ms, sharing=self._in_flight.room_for_bulk())
        except redis.ResponseError as error:
            if not is_missing_group(error):
                raise
            self._claims.ensure_groups()  # the server was restarted without its memory
            return []

    def _take_over(self, room: int) -> list[Delivery]:
        now_s = time.monotonic()
        if now_s < self._look_again_s:
            return []
        idle_ms = self._settings.takeover_ms
        abandoned = [
            entry
            for entry in self._claims.abandoned(idle_ms, _TAKEOVER_PAGE)
            if not self._preparing.left_to_others(entry.stream, entry.entry_id)
        ]
        taken = self._claims.take_over(self._one_suspect(abandoned)[:room], idle_ms)
        self._backlog = bool(abandoned)
        self._look_again_s = now_s + (_BACKLOG_EVERY_S if self._backlog else _TAKEOVER_EVERY_S)
        if taken:
            self._metrics.took_over(len(taken))
            _log.info("entries_taken_over", stage=self._stage.name, entries=len(taken))
        return taken

    def _one_suspect(self, abandoned: Sequence[Abandoned]) -> list[Abandoned]:
        """Leave out all but one of those that are down to their last try; all, while one is in flight.

        A photo that kills its worker takes along whatever else is in flight, and that counts as a delivery of each. On
        its last try it dies without another that has no try left, so that it alone becomes a dead letter.
        """
        last_try = self._settings.max_deliveries
        suspects = [entry for entry in abandoned if entry.deliveries + 1 == last_try]
        others = [entry for entry in abandoned if entry.deliveries + 1 != last_try]
        if any(delivery.deliveries == last_try for delivery in self._in_flight.held()):
            return others
        return suspects[:1] + others

    def _accept(self, deliveries: Sequence[Delivery]) -> None:
        claimed_ms = self._clock.now_ms()
        held = [Work(delivery, claimed_ms) for delivery in deliveries if self._in_flight.hold(delivery)]
        self._metrics.claimed([work.queue_ms for work in held])
        for work in held:
            delivery = work.delivery
            self._tracing.claimed(work)
            if delivery.deliveries > self._settings.max_deliveries:
                self._ending.bury(delivery, f"delivered {delivery.deliveries} times and never finished")
            else:
                self._waiting.append(work)
        for _ in range(min(len(self._waiting), self._pool.size)):
            self._pool.submit(self._prepare_waiting)

    def _prepare_waiting(self) -> None:
        """Prepare one entry after the other, each of the pool's threads, until none waits."""
        woken_s = time.monotonic()
        try:
            while (work := self._next_waiting()) is not None:
                with self._preparing.preparing(work.delivery):
                    self._prepare_one(work)
                # A thread that is woken for every entry costs more than a small entry does.
                if (now_s := time.monotonic()) - woken_s >= _WAKE_EVERY_S:
                    self._ready.wake()
                    woken_s = now_s
        except BaseException as error:
            # What a pool's task raises is seen by nobody else, and its entry would be renewed for ever.
            self._broken = error
        self._ready.wake()

    def _next_waiting(self) -> Work | None:
        try:
            return None if self._pool.closed else self._waiting.popleft()
        except IndexError:
            return None

    def _prepare_one(self, work: Work) -> None:
        delivery = work.delivery
        try:
            if not delivery.deadline_ms:
                raise BadRequest("the entry has no deadline; queue requests with the function songlens_submit.")
            check_deadline(delivery, self._clock, self._stage.name)
            prepared = self._stage.prepare(work)
        except RequestError as error:
            self._ending.finish([(delivery, error)])
        except Exception:
            _log.exception("prepare_failed", stage=self._stage.name, **self._tracing.about(delivery))
            if not self._preparing.given_up():
                self._ending.fail(delivery, "the entry could not be prepared")
        else:
            if self._preparing.given_up():
                return  # it is in other hands; a late outcome would do no harm, and only cost a batch its place
            if isinstance(prepared, Outcome):
                self._ending.finish([(delivery, prepared)])
            else:
                self._ready.add(Prepared(work, prepared, time.monotonic()))
