"""Ends entries: hands them over, answers them or buries them, one round trip for a whole batch.

Redis may be away when a batch is done. Every call here may be sent twice without harm, so the outbox repeats it until
the server has taken it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, assert_never

import redis
import structlog

from songlens_shared import functions
from songlens_shared.cluster import RedisFault, by_partition
from songlens_shared.codec import encode_reply
from songlens_shared.errors import InternalError, RequestError
from songlens_shared.functions import Call, Delivery
from songlens_shared.messages import Reply, error_reply
from songlens_shared.server import is_missing_function, load_functions
from songlens_workers.runtime.metrics import StageMetrics
from songlens_workers.runtime.patience import Patience, will_pass
from songlens_workers.runtime.stage import Answer, HandOver, Outcome
from songlens_workers.runtime.tracing import Tracing
from songlens_workers.settings import StageSettings

_log = structlog.get_logger()


class Outbox:
    """Sends outcomes for one stage."""

    def __init__(
        self,
        connection: redis.Redis,
        settings: StageSettings,
        *,
        stage: str,
        metrics: StageMetrics,
        tracing: Tracing,
        patience: Patience,
    ) -> None:
        self._redis = connection
        self._settings = settings
        self._stage = stage
        self._metrics = metrics
        self._tracing = tracing
        self._patience = patience

    def send(self, outcomes: Sequence[tuple[Delivery, Outcome]]) -> dict[int, str]:
        """End every entry with its outcome; returns when Redis has taken all of them.

        What cannot be sent disturbs no other: its position is returned, with the reason.
        """
        refused: dict[int, str] = {}
        taken: Counter[str | None] = Counter()
        calls: dict[int, Call] = {}
        for position, (delivery, outcome) in enumerate(outcomes):
            try:
                calls[position] = _call(delivery, outcome)
            except Exception as error:
                _log.exception("outcome_not_encoded", stage=self._stage, **self._tracing.about(delivery))
                refused[position] = f"the outcome could not be encoded: {error}"
        started_s, began_ns = time.monotonic(), time.time_ns()
        results = self._send(list(calls.values()))
        self._metrics.sent(time.monotonic() - started_s)
        for position, result in zip(calls, results, strict=True):
            if isinstance(result, redis.ResponseError):
                refused[position] = f"Redis refused the outcome: {result}"
            else:
                delivery, outcome = outcomes[position]
                code = _code(outcome)
                taken[code if result else None] += 1
                self._tracing.sent(delivery, outcome, code=code, began_ns=began_ns, taken=bool(result))
        self._count(taken)
        return refused

    def bury(self, delivery: Delivery, error: str) -> None:
        """Make the entry a dead letter, and tell its client that the fault is ours."""
        reply = error_reply(delivery.request_id, InternalError())
        call = functions.bury(
            delivery,
            encode_reply(reply),
            stage=self._stage,
            error=error,
            keep_payload=self._settings.dead_payloads,
            dead_ttl_s=self._settings.dead_ttl_s,
        )
        began_ns = time.time_ns()
        (result,) = self._send([call])
        if isinstance(result, redis.ResponseError):
            _log.error("burial_refused", stage=self._stage, error=str(result), **self._tracing.about(delivery))
            self._tracing.given_back(delivery)
        else:
            self._count({InternalError.code if result else None: 1})
            if result:
                self._metrics.buried()
                self._tracing.buried(delivery)
            self._tracing.sent(
                delivery, InternalError(), code=InternalError.code, began_ns=began_ns, taken=bool(result)
            )

    def _send(self, calls: Sequence[Call]) -> list[Any]:
        """Return what each call returned, or the `ResponseError` that the server has against this one."""
        results: list[Any] = [None] * len(calls)

        def attempt() -> None:
            left = [position for position, result in enumerate(results) if result is None]
            passing: Exception | None = None
            for position, result in zip(left, self._round([calls[p] for p in left]), strict=True):
                if isinstance(result, redis.exceptions.NoPermissionError):
                    raise result  # nothing that this worker could ever send would be taken
                if isinstance(result, Exception) and will_pass(result):
                    passing = result
                else:
                    results[position] = result
            if passing is not None:
                raise passing

        self._patience.until_done(attempt)
        return results

    def _round(self, calls: Sequence[Call]) -> list[Any]:
        results = self._pipelined(calls)
        missing = [position for position, result in enumerate(results) if _is_missing_function(result)]
        if missing:
            load_functions(self._redis)  # the server was restarted without its memory
            for position, result in zip(missing, self._pipelined([calls[p] for p in missing]), strict=True):
                results[position] = result
        return results

    def _pipelined(self, calls: Sequence[Call]) -> list[Any]:
        results: dict[int, Any] = {}
        for group in by_partition(self._redis, enumerate(calls), lambda numbered: numbered[1].keys[0]):
            pipeline = self._redis.pipeline(transaction=False)
            for _, call in group:
                call.on(pipeline)
            results.update(zip((position for position, _ in group), _executed(pipeline, len(group)), strict=True))
        return [results[position] for position in range(len(calls))]

    def _count(self, taken: Mapping[str | None, int]) -> None:
        """Count outcomes by code; None stands for those that came second."""
        for code, entries in taken.items():
            if code is None:
                self._metrics.refused(entries)
            else:
                self._metrics.finished(code, entries)


def _executed(pipeline: Any, calls: int) -> list[Any]:
    """Return what each call returned, or its error: one's error is no other's, and may hold the payload."""
    try:
        results: list[Any] = pipeline.execute(raise_on_error=False)
    except RedisFault as error:
        if not will_pass(error):
            raise
        return [error] * calls
    return results


def _is_missing_function(result: object) -> bool:
    return isinstance(result, redis.ResponseError) and is_missing_function(result)


def _call(delivery: Delivery, outcome: Outcome) -> Call:
    match outcome:
        case HandOver(stream, payload):
            return functions.hand_over(delivery, stream, payload())
        case Answer(reply):
            finish = functions.finish if reply.features is None else functions.finish_with_notice
            return finish(delivery, encode_reply(reply))
        case RequestError():
            return functions.finish(delivery, encode_reply(error_reply(delivery.request_id, outcome)))
        case _:
            assert_never(outcome)


def _code(outcome: Outcome) -> str:
    match outcome:
        case RequestError():
            return outcome.code
        case Answer(Reply(error=failure)) if failure is not None:
            return failure.code
        case _:
            return "ok"
