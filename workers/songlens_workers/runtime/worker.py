"""The loop of every stage: intake -> prepare (threads) -> micro-batch -> run -> ending.

Four threads: *intake* claims entries and hands them to the preparing pool, *sending* brings outcomes to Redis, *keeper*
renews what is in flight, and the thread that called `run` runs batches. Nothing is acknowledged before its outcome is
in Redis, so a worker may die anywhere. Where one of the threads fails, all of them stop, and `run` raises its error:
half a worker serves nobody.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import redis
import structlog

from songlens_shared.cluster import RedisFault
from songlens_shared.errors import DeadlineExceeded, RequestError
from songlens_shared.functions import Delivery
from songlens_shared.keys import BULK, INTERACTIVE
from songlens_workers.runtime.batcher import Batch, MicroBatcher
from songlens_workers.runtime.claims import Claims
from songlens_workers.runtime.clock import ServerClock
from songlens_workers.runtime.ending import Ending
from songlens_workers.runtime.health import Pulse
from songlens_workers.runtime.in_flight import InFlight
from songlens_workers.runtime.intake import Intake, Prepared, check_deadline
from songlens_workers.runtime.keeper import Keeper
from songlens_workers.runtime.metrics import StageMetrics
from songlens_workers.runtime.outbox import Outbox
from songlens_workers.runtime.patience import GivenUp, Patience
from songlens_workers.runtime.pool import Pool
from songlens_workers.runtime.preparing import Preparing
from songlens_workers.runtime.ready import Ready
from songlens_workers.runtime.sending import LOOP as SENDING_LOOP
from songlens_workers.runtime.sizing import BatchPolicy, Sizing
from songlens_workers.runtime.stage import Outcome, Stage
from songlens_workers.runtime.tracing import Tracing
from songlens_workers.settings import StageSettings

P = TypeVar("P")

_BATCH_LOOP = "batch"
_IDLE_S = 0.2
# What has been claimed is not to wait in here for ever, also where bulk may wait in its stream for as long.
_LEAST_BULK_SHARE = 0.1
# A worker that stops is woken by nobody when the last outcome has been sent.
_DRAIN_IDLE_S = 0.02
_log = structlog.get_logger()

DRAINED = "drained: it claims nothing and holds nothing"
"""What /ready says of a worker that was asked to drain, once it has."""


class StageWorker(Generic[P]):
    """Runs one stage until it is stopped."""

    def __init__(
        self,
        stage: Stage[P],
        settings: StageSettings,
        *,
        connection: redis.Redis,
        claims: Claims,
        clock: ServerClock,
        metrics: StageMetrics,
        pulse: Pulse,
        tracing: Tracing | None = None,
    ) -> None:
        """Whoever gives `tracing` closes it when `run` has returned."""
        self._stage = stage
        self._settings = settings
        self._redis = connection
        self._claims = claims
        self._clock = clock
        self._metrics = metrics
        self._pulse = pulse
        self._tracing = tracing or Tracing()
        self._patience = Patience(stage.name, pulse)
        self._in_flight = InFlight(settings.max_in_flight)
        self._preparing = Preparing(pulse, threads=settings.prepare_threads, stuck_s=settings.stuck_s)
        self._ending = Ending(
            settings,
            outbox=Outbox(
                connection,
                settings,
                stage=stage.name,
                metrics=metrics,
                tracing=self._tracing,
                patience=self._patience,
            ),
            claims=claims,
            in_flight=self._in_flight,
            tracing=self._tracing,
            patience=self._patience,
            pulse=pulse,
        )
        self._ready: Ready[Prepared[P]] = Ready()
        policy = _policy(settings, claims)
        self._sizing = Sizing(policy)
        self._batcher: MicroBatcher[Prepared[P]] = MicroBatcher(policy, self._sizing, time.monotonic)
        self._follow()
        metrics.show(lambda: len(self._in_flight), self._sizing)
        self._done = threading.Event()
        self._failure: BaseException | None = None
        # Plain attributes, for an Event's lock may be held by the very thread that a signal interrupts.
        self._leaving_since_s = float("inf")
        self._drain_until_s = float("inf")
        self._claims_ended = False

    def drain(self) -> None:
        """Claim nothing more and finish what is held, but stay until `stop`. Safe in a signal."""
        self._leaving_since_s = min(self._leaving_since_s, time.monotonic())

    def stop(self) -> None:
        """Drain, and let `run` return within the drain limit, which counts from when that began. Safe in a signal."""
        self.drain()
        self._drain_until_s = min(self._drain_until_s, self._leaving_since_s + self._settings.drain_s)

    def faults(self) -> list[str]:
        """Return what the worker waits for, or that it drains; nothing while it works."""
        return self._patience.faults() + self._draining()

    def _draining(self) -> list[str]:
        if not self._leaving():
            return []
        held = len(self._in_flight)
        return [f"draining: {held} in flight"] if held or not self._claims_ended else [DRAINED]

    def run(self) -> None:
        """Work until `stop` is called. Whatever is left past the drain limit is given back for another worker."""
        pool = Pool(self._settings.prepare_threads, "prepare")
        intake = threading.Thread(target=self._guarded, args=(lambda: self._take_in(pool),), name="intake")
        keeper = threading.Thread(target=self._guarded, args=(self._keep,), name="keeper")
        sending = threading.Thread(target=self._guarded, args=(self._ending.run,), name="sending")
        keeper.start()
        sending.start()
        try:
            self._open()
            intake.start()
            self._work(intake)
        except GivenUp:
            pass
        finally:
            self._close(pool, [intake, keeper], sending)
        if self._failure is not None:
            raise self._failure
        _log.info("worker_stopped", stage=self._stage.name, given_back=len(self._in_flight))

    def _guarded(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        except GivenUp:
            pass
        except BaseException as error:
            _log.exception("loop_failed", stage=self._stage.name, loop=threading.current_thread().name)
            self._failure = error

    def _leaving(self) -> bool:
        return self._leaving_since_s < float("inf")

    def _stopping(self) -> bool:
        return self._drain_until_s < float("inf")

    def _stuck(self) -> bool:
        """Say whether nothing that this worker holds can get on."""
        return any(map(self._pulse.stands_still, (_BATCH_LOOP, SENDING_LOOP))) or self._preparing.all_hung()

    def _open(self) -> None:
        def attempt() -> None:
            if self._stopping():
                raise GivenUp
            self._clock.sync(self._redis)
            self._claims.ensure_groups()

        self._patience.until_done(attempt)
        _log.info("worker_started", stage=self._stage.name, consumer=self._settings.consumer)

    def _close(self, pool: Pool, threads: Sequence[threading.Thread], sending: threading.Thread) -> None:
        self.drain()
        self._drain_until_s = min(self._drain_until_s, time.monotonic())
        self._done.set()
        self._patience.give_up()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
        # An entry whose preparing hangs must not hang the worker: it is given back with the others.
        pool.close()
        self._ending.close()
        sending.join()
        try:
            self._claims.give_back(self._in_flight.held(), self._settings.takeover_ms)
        except RedisFault as error:
            # They look abandoned soon enough without it.
            _log.debug("entries_not_given_back", stage=self._stage.name, error=type(error).__name__)

    def _take_in(self, pool: Pool) -> None:
        intake = Intake(
            self._stage,
            self._settings,
            claims=self._claims,
            clock=self._clock,
            in_flight=self._in_flight,
            ending=self._ending,
            metrics=self._metrics,
            tracing=self._tracing,
            patience=self._patience,
            pool=pool,
            preparing=self._preparing,
            ready=self._ready,
            leaving=self._leaving,
            stuck=self._stuck,
        )
        while not self._leaving():
            intake.round()
            self._pulse.beat("intake")
        intake.leave()
        self._pulse.rest("intake")
        self._claims_ended = True

    def _keep(self) -> None:
        keeper = Keeper(
            self._redis,
            self._settings,
            claims=self._claims,
            clock=self._clock,
            in_flight=self._in_flight,
            stuck=self._stuck,
        )
        while not self._done.wait(self._settings.heartbeat_ms / 1000):
            keeper.round()
            if time.monotonic() >= self._drain_until_s:
                # Whoever still waits for a Redis that is away would wait past the drain limit.
                self._patience.give_up()

    def _work(self, intake: threading.Thread) -> None:
        while self._failure is None and not self._drained(intake):
            self._collect()
            batch = self._batcher.release(draining=self._leaving())
            if batch is not None:
                self._run_batch(batch)
            self._pulse.beat(_BATCH_LOOP)

    def _drained(self, intake: threading.Thread) -> bool:
        if not self._stopping():
            return False
        # A claim that is on its way may still bring entries.
        finished = not intake.is_alive() and not len(self._in_flight)
        return finished or time.monotonic() >= self._drain_until_s

    def _collect(self) -> None:
        """Move what is prepared into the batcher: wait for the first, then take all that is there, of either lane."""
        due_in_s = self._batcher.due_in_s()
        wait_s = _DRAIN_IDLE_S if self._stopping() else _IDLE_S
        for prepared in self._ready.take(wait_s if due_in_s is None else min(due_in_s, wait_s)):
            self._add(prepared)

    def _add(self, prepared: Prepared[P]) -> None:
        delivery = prepared.work.delivery
        self._batcher.add(
            prepared,
            self._stage.size_bytes(prepared.item),
            self._clock.monotonic_of(delivery.deadline_ms),
            delivery.lane,
            since_s=prepared.since_s,
        )

    def _run_batch(self, batch: Batch[Prepared[P]]) -> None:
        started_s = time.monotonic()
        live = self._without_expired(batch.items)
        for prepared in live:
            waited_s = started_s - prepared.since_s
            self._tracing.batched(prepared.work.delivery, size=len(live), reason=batch.reason, waited_s=waited_s)
        if live:
            self._ending.finish(self._outcomes(live))
            self._metrics.batch(len(live), batch.reason, time.monotonic() - started_s, capacity=batch.capacity)

    def _without_expired(self, batch: Sequence[Prepared[P]]) -> list[Prepared[P]]:
        live, expired = [], []
        for prepared in batch:
            try:
                check_deadline(prepared.work.delivery, self._clock, self._stage.name)
                live.append(prepared)
            except DeadlineExceeded as error:
                expired.append((prepared.work.delivery, error))
        self._ending.finish(expired)
        return live

    def _outcomes(self, batch: Sequence[Prepared[P]]) -> list[tuple[Delivery, Outcome]]:
        """Run a batch; one that fails is halved until the entry that breaks it stands alone."""
        deliveries = [prepared.work.delivery for prepared in batch]
        self._pulse.beat(_BATCH_LOOP)  # halves take their time one after the other
        try:
            # A stage that reads from Redis may find it away, and no entry is to blame for that.
            return list(zip(deliveries, self._patience.until_done(lambda: self._timed(batch)), strict=True))
        except GivenUp:
            return []
        except RequestError as error:
            if len(batch) == 1:
                return [(deliveries[0], error)]
        except Exception as error:
            about = self._tracing.about(deliveries[0]) if len(batch) == 1 else {}
            _log.exception("batch_failed", stage=self._stage.name, size=len(batch), **about)
            if len(batch) == 1:
                self._ending.fail(deliveries[0], f"the stage failed on this entry alone: {type(error).__name__}")
                return []
        middle = len(batch) // 2
        return self._outcomes(batch[:middle]) + self._outcomes(batch[middle:])

    def _timed(self, batch: Sequence[Prepared[P]]) -> list[Outcome]:
        """Run a batch; how long it takes, and was waited for, decides how large the next are.

        Of one that fails nothing is learned.
        """
        started_s = time.monotonic()
        outcomes = self._stage.run([prepared.item for prepared in batch])
        seconds = time.monotonic() - started_s
        self._sizing.observe(len(batch), seconds, waited_s=self._waited_s(batch, started_s))
        self._follow()
        return outcomes

    def _waited_s(self, batch: Sequence[Prepared[P]], started_s: float) -> float:
        """Return how long the first interactive entry had waited, in its stream and in here; 0 without one."""
        deliveries = (prepared.work.delivery for prepared in batch)
        entered_ms = next((each.entered_ms for each in deliveries if each.lane == INTERACTIVE), None)
        return 0.0 if entered_ms is None else max(0.0, started_s - self._clock.monotonic_of(entered_ms))

    def _follow(self) -> None:
        """Claim as is decided now."""
        sizing = self._sizing
        if sizing.ahead is not None:
            ahead = sizing.ahead + self._settings.prepare_threads
            self._in_flight.limit_to(ahead, interactive=sizing.size(INTERACTIVE))


def _policy(settings: StageSettings, claims: Claims) -> BatchPolicy:
    targets_ms = {INTERACTIVE: settings.target_ms_interactive, BULK: settings.target_ms_bulk}
    return BatchPolicy(
        max_items=settings.max_batch,
        max_bytes=settings.max_batch_bytes,
        max_delay_s=settings.max_delay_ms / 1000,
        target_s={lane: target_ms / 1000 for lane, target_ms in targets_ms.items() if target_ms},
        bulk_share=max(_LEAST_BULK_SHARE, claims.share),
    )
