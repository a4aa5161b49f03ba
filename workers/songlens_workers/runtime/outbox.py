"""Ends entries: hands them over, answers them or buries them, one round trip for a whole batch.

Redis may be away when a batch is done. Every call here may be sent twice without harm, so the outbox repeats it until
the server has taken it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import redis

from songlens_shared import functions
from songlens_shared.broker import is_missing_function, load_functions
from songlens_shared.codec import encode_reply
from songlens_shared.errors import InternalError, RequestError
from songlens_shared.functions import Call, Delivery
from songlens_shared.messages import Reply, error_reply
from songlens_workers.runtime.metrics import StageMetrics
from songlens_workers.runtime.patience import Patience
from songlens_workers.runtime.stage import Answer, HandOver, Outcome


class Outbox:
    """Sends outcomes for one stage."""

    def __init__(self, connection: redis.Redis, *, stage: str, metrics: StageMetrics, patience: Patience) -> None:
        self._redis = connection
        self._stage = stage
        self._metrics = metrics
        self._patience = patience

    def send(self, outcomes: Sequence[tuple[Delivery, Outcome]]) -> None:
        """End every entry with its outcome; returns when Redis has taken all of them."""
        calls = [_call(delivery, outcome) for delivery, outcome in outcomes]
        for (_, outcome), first in zip(outcomes, self._send(calls), strict=True):
            self._count(_code(outcome), bool(first))

    def bury(self, delivery: Delivery, error: str) -> None:
        """Make the entry a dead letter, and tell its client that the fault is ours."""
        reply = error_reply(delivery.request_id, InternalError())
        call = functions.bury(delivery, encode_reply(reply), stage=self._stage, error=error)
        self._count(InternalError.code, bool(self._send([call])[0]))

    def _send(self, calls: Sequence[Call]) -> list[int]:
        return self._patience.until_done(lambda: self._attempt(calls))

    def _attempt(self, calls: Sequence[Call]) -> list[int]:
        try:
            return self._pipelined(calls)
        except redis.ResponseError as error:
            if not is_missing_function(error):
                raise
            load_functions(self._redis)  # the server was restarted without its memory
            return self._pipelined(calls)

    def _pipelined(self, calls: Sequence[Call]) -> list[int]:
        pipeline = self._redis.pipeline(transaction=False)
        for call in calls:
            call.on(pipeline)
        results: list[int] = pipeline.execute()
        return results

    def _count(self, code: str, first: bool) -> None:
        if first:
            self._metrics.finished(code)
        else:
            self._metrics.refused()


def _call(delivery: Delivery, outcome: Outcome) -> Call:
    match outcome:
        case HandOver(stream, payload):
            return functions.hand_over(delivery, stream, payload)
        case Answer(reply):
            return functions.finish(delivery, encode_reply(reply))
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
