"""The loop of every stage: intake -> prepare (threads) -> micro-batch -> run -> ending.

Three threads: *intake* claims entries and hands them to the preparing pool, *keeper* renews what is in flight, and the
thread that called `run` runs batches. Nothing is acknowledged before its outcome is in Redis, so a worker may die
anywhere.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

import redis
import structlog

from songlens_shared.errors import DeadlineExceeded
from songlens_shared.functions import Delivery
from songlens_workers.runtime.batcher import Batch, BatchPolicy, MicroBatcher
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
from songlens_workers.runtime.stage import Outcome, Stage
from songlens_workers.settings import StageSettings

P = TypeVar("P")

_IDLE_S = 0.2
_log = structlog.get_logger()


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
    ) -> None:
        self._stage = stage
        self._settings = settings
        self._redis = connection
        self._claims = claims
        self._clock = clock
        self._metrics = metrics
        self._pulse = pulse
        self._patience = Patience(stage.name)
        self._in_flight = InFlight(settings.max_in_flight)
        self._ending = Ending(
            settings,
            outbox=Outbox(connection, stage=stage.name, metrics=metrics, patience=self._patience),
            claims=claims,
            in_flight=self._in_flight,
            metrics=metrics,
            patience=self._patience,
        )
        self._ready: queue.SimpleQueue[Prepared[P]] = queue.SimpleQueue()
        self._batcher: MicroBatcher[Prepared[P]] = MicroBatcher(
            BatchPolicy(settings.max_batch, settings.max_batch_bytes, settings.max_delay_ms / 1000), time.monotonic
        )
        self._stopping = threading.Event()
        self._done = threading.Event()
        self._drain_until_s = float("inf")

    def stop(self) -> None:
        """Claim nothing more, finish what is held within the drain limit, and let `run` return. Safe in a signal."""
        self._drain_until_s = time.monotonic() + self._settings.drain_s
        self._stopping.set()

    def run(self) -> None:
        """Work until `stop` is called. Whatever is left past the drain limit stays pending for another worker."""
        with ThreadPoolExecutor(self._settings.prepare_threads, thread_name_prefix="prepare") as pool:
            threads = [
                threading.Thread(target=self._take_in, args=(pool,), name="intake"),
                threading.Thread(target=self._keep, name="keeper"),
            ]
            try:
                self._open()
                for thread in threads:
                    thread.start()
                self._work()
            finally:
                self._close()
                for thread in threads:
                    if thread.ident is not None:
                        thread.join()
        _log.info("worker_stopped", stage=self._stage.name, left_pending=len(self._in_flight))

    def _open(self) -> None:
        def attempt() -> None:
            self._clock.sync(self._redis)
            self._claims.ensure_groups()

        self._patience.until_done(attempt)
        _log.info("worker_started", stage=self._stage.name, consumer=self._settings.consumer)

    def _close(self) -> None:
        self._stopping.set()
        self._done.set()
        self._patience.give_up()

    def _take_in(self, pool: ThreadPoolExecutor) -> None:
        intake = Intake(
            self._stage,
            self._settings,
            claims=self._claims,
            clock=self._clock,
            in_flight=self._in_flight,
            ending=self._ending,
            metrics=self._metrics,
            patience=self._patience,
            pool=pool,
            ready=self._ready.put,
        )
        try:
            while not self._stopping.is_set():
                intake.round()
                self._pulse.beat("intake")
        except GivenUp:
            pass

    def _keep(self) -> None:
        keeper = Keeper(self._redis, claims=self._claims, clock=self._clock, in_flight=self._in_flight)
        while not self._done.wait(self._settings.heartbeat_ms / 1000):
            keeper.round()
            if time.monotonic() >= self._drain_until_s:
                # Whoever still waits for a Redis that is away would wait past the drain limit.
                self._patience.give_up()

    def _work(self) -> None:
        while not self._drained():
            self._collect()
            batch = self._batcher.release(draining=self._stopping.is_set())
            if batch is not None:
                self._run_batch(batch)
            self._pulse.beat("batch")

    def _drained(self) -> bool:
        if not self._stopping.is_set():
            return False
        return not len(self._in_flight) or time.monotonic() >= self._drain_until_s

    def _collect(self) -> None:
        """Move what is prepared into the batcher: wait for the first, then take all that is there."""
        due_in_s = self._batcher.due_in_s()
        try:
            self._add(self._ready.get(timeout=_IDLE_S if due_in_s is None else due_in_s))
            while len(self._batcher) < self._settings.max_batch:
                self._add(self._ready.get_nowait())
        except queue.Empty:
            pass

    def _add(self, prepared: Prepared[P]) -> None:
        deadline_s = self._clock.monotonic_of(prepared.work.delivery.deadline_ms)
        self._batcher.add(prepared, self._stage.size_bytes(prepared.item), deadline_s)

    def _run_batch(self, batch: Batch[Prepared[P]]) -> None:
        started_s = time.monotonic()
        live = self._without_expired(batch.items)
        self._ending.finish(self._outcomes(live))
        self._metrics.batch(len(live), batch.reason, time.monotonic() - started_s)

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
        if not batch:
            return []
        try:
            outcomes = self._stage.run([prepared.item for prepared in batch])
        except Exception:
            _log.exception("batch_failed", stage=self._stage.name, size=len(batch))
            if len(batch) == 1:
                self._ending.fail(batch[0].work.delivery, "the batch of this one entry failed")
                return []
            middle = len(batch) // 2
            return self._outcomes(batch[:middle]) + self._outcomes(batch[middle:])
        return [(prepared.work.delivery, outcome) for prepared, outcome in zip(batch, outcomes, strict=True)]
