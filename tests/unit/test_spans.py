"""A worker's spans, told by hand: no server, no stage."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.trace import SpanKind
from recorded_spans import PARENT, TRACE_ID, UNSAMPLED, Recorded, attributes, failed, id_of, names, parent_of, trace_of
from stages import CLIENT, KEYS

from songlens_shared.codec import encode_request
from songlens_shared.errors import BadImage, RequestError
from songlens_shared.functions import Delivery
from songlens_shared.messages import Reply, Request
from songlens_shared.traceparent import trace_id
from songlens_workers.runtime.spans import SpanTracing
from songlens_workers.runtime.stage import Answer, HandOver, Outcome, Work
from songlens_workers.runtime.tracing import Tracing

HANDED_OVER = HandOver(KEYS.hits, lambda: b"hits", model="v1", timings_ms={"decode": 4.0, "embed": 20.0, "search": 1.0})


def delivery(number: int = 1, trace: str | None = PARENT, **changes: Any) -> Delivery:
    request = Request(
        id=f"r{number}", client=CLIENT, image=b"marks of the photo", user="marks of the user", trace=trace
    )
    made = Delivery(
        keys=KEYS,
        stream=KEYS.requests("interactive"),
        group="vision",
        entry_id=f"{1_700_000_000_000 + number}-0".encode(),
        payload=encode_request(request),
        request_id=request.id,
        client=CLIENT,
        deadline_ms=2**45,
    )
    return replace(made, **changes)


def work(entry: Delivery) -> Work:
    return Work(entry, claimed_ms=entry.entered_ms + 25)


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


@pytest.fixture
def tracing(recorded: Recorded) -> SpanTracing:
    return SpanTracing(recorded.tracer, "vision")


def sent(tracing: Tracing, entry: Delivery, outcome: Outcome, *, taken: bool = True) -> None:
    code = outcome.code if isinstance(outcome, RequestError) else "ok"
    tracing.sent(entry, outcome, code=code, began_ns=1, taken=taken)


def test_a_request_has_one_span_in_a_stage(recorded: Recorded, tracing: SpanTracing) -> None:
    """From claimed to handed over, with all that is known of its way."""
    entry = delivery(deliveries=2)
    tracing.claimed(work(entry))
    handed_over = tracing.follow(entry, PARENT)
    tracing.batched(entry, size=7, reason="full", waited_s=0.5)
    sent(tracing, entry, HANDED_OVER)
    (span,) = recorded.all()
    assert (span.name, span.kind) == ("process requests:interactive", SpanKind.CONSUMER)
    assert trace_of(span) == trace_id(handed_over) == TRACE_ID
    assert f"{parent_of(span):016x}" == PARENT.split("-")[2]
    assert f"{id_of(span):016x}" == (handed_over or "").split("-")[2]
    assert not failed(span)
    assert attributes(span) == {
        "messaging.system": "redis",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "requests:interactive",
        "messaging.destination.partition.id": "0",
        "messaging.consumer.group.name": "vision",
        "messaging.message.id": "1700000000001-0",
        "messaging.message.conversation_id": "r1",
        "songlens.stage": "vision",
        "songlens.deliveries": 2,
        "songlens.queue_ms": 25.0,
        "songlens.batch_size": 7,
        "songlens.batch_reason": "full",
        "songlens.batch_wait_ms": 500.0,
        "songlens.decode_ms": 4.0,
        "songlens.embed_ms": 20.0,
        "songlens.search_ms": 1.0,
        "songlens.cached": False,
        "songlens.model": "v1",
        "songlens.code": "ok",
    }


@pytest.mark.parametrize("outcome", [Answer(Reply(id="r1", status="ok")), BadImage("marks of the photo")])
def test_a_reply_has_a_span_of_its_own(recorded: Recorded, tracing: SpanTracing, outcome: Outcome) -> None:
    """Beneath that of the stage which answers."""
    entry = delivery()
    tracing.claimed(work(entry))
    tracing.follow(entry, PARENT)
    sent(tracing, entry, outcome)
    reply, stage = recorded.all()
    assert (reply.name, reply.kind) == ("publish replies", SpanKind.PRODUCER)
    assert parent_of(reply) == id_of(stage)
    assert not failed(reply)


def test_an_error_has_failed(recorded: Recorded, tracing: SpanTracing) -> None:
    """By its code. No sentence, no user and nothing of the photo is told."""
    entry = delivery()
    tracing.claimed(work(entry))
    sent(tracing, entry, BadImage("marks of the photo"))
    span = recorded.one("process requests:interactive")
    assert failed(span)
    assert attributes(span)["error.type"] == attributes(span)["songlens.code"] == "bad_image"
    assert all("marks" not in told.to_json() for told in recorded.all())


def test_what_ends_before_it_is_read_is_in_its_trace(recorded: Recorded, tracing: SpanTracing) -> None:
    """A request that is too late is answered before its message is decoded."""
    entry = delivery()
    tracing.claimed(work(entry))
    sent(tracing, entry, BadImage())
    assert trace_of(recorded.one("process requests:interactive")) == TRACE_ID


@pytest.mark.parametrize("payload", [b"", b"no message"])
def test_what_cannot_be_read_begins_a_trace(recorded: Recorded, tracing: SpanTracing, payload: bytes) -> None:
    """It is told as failed all the same."""
    entry = delivery(payload=payload)
    tracing.claimed(work(entry))
    sent(tracing, entry, BadImage())
    span = recorded.one("process requests:interactive")
    assert failed(span)
    assert parent_of(span) is None


@pytest.mark.parametrize("trace", [None, "", "t", "00-abc", PARENT.upper(), "0" * 60_000])
def test_a_stranger_s_trace_is_passed_over(recorded: Recorded, tracing: SpanTracing, trace: str | None) -> None:
    """A request without a traceparent, or with what is none, begins a trace of its own."""
    entry = delivery(trace=trace)
    tracing.claimed(work(entry))
    handed_over = tracing.follow(entry, trace)
    sent(tracing, entry, HANDED_OVER)
    (span,) = recorded.all()
    assert parent_of(span) is None
    assert trace_id(handed_over) == trace_of(span)


def test_a_trace_that_is_not_kept_stays_so(recorded: Recorded, tracing: SpanTracing) -> None:
    """Nothing is exported, and the next stage is told."""
    entry = delivery(trace=UNSAMPLED)
    tracing.claimed(work(entry))
    handed_over = tracing.follow(entry, UNSAMPLED) or ""
    sent(tracing, entry, BadImage())
    assert recorded.all() == []
    assert handed_over.split("-")[1] == TRACE_ID
    assert handed_over.endswith("-00")


def test_an_outcome_that_came_second_is_marked(recorded: Recorded, tracing: SpanTracing) -> None:
    """The work was done and is shown; its reply was never sent."""
    entry = delivery()
    tracing.claimed(work(entry))
    sent(tracing, entry, Answer(Reply(id="r1", status="ok")), taken=False)
    (span,) = recorded.all()
    assert attributes(span)["songlens.refused"] is True
    assert not failed(span)


def test_every_try_has_a_span(recorded: Recorded, tracing: SpanTracing) -> None:
    """One that is given back has failed, and what this worker still does for it is told to nobody."""
    entry = delivery()
    tracing.claimed(work(entry))
    tracing.given_back(entry)
    assert tracing.follow(entry, PARENT) == PARENT
    tracing.batched(entry, size=1, reason="full", waited_s=0)
    sent(tracing, entry, HANDED_OVER)
    (first,) = recorded.all()
    assert attributes(first)["error.type"] == "given_back"
    again = replace(entry, deliveries=2)
    tracing.claimed(work(again))
    sent(tracing, again, HANDED_OVER)
    assert [attributes(span)["songlens.deliveries"] for span in recorded.all()] == [1, 2]
    assert [failed(span) for span in recorded.all()] == [True, False]
    assert parent_of(recorded.all()[0]) == parent_of(recorded.all()[1])


def test_a_dead_letter_is_marked(recorded: Recorded, tracing: SpanTracing) -> None:
    """And has failed."""
    entry = delivery()
    tracing.claimed(work(entry))
    tracing.buried(entry)
    sent(tracing, entry, BadImage())
    span = recorded.one("process requests:interactive")
    assert attributes(span)["songlens.dead_letter"] is True
    assert failed(span)


def test_nothing_is_left_open(recorded: Recorded) -> None:
    """What a stopping worker gives back ends as given back, before all is exported."""
    seen: list[list[str]] = []
    tracing = SpanTracing(recorded.tracer, "vision", close=lambda: seen.append(names(recorded.all())))
    for number in range(3):
        tracing.claimed(work(delivery(number)))
    tracing.close()
    assert seen == [["process requests:interactive"] * 3]


def test_log_lines_bind_request_and_trace(recorded: Recorded, tracing: SpanTracing) -> None:
    """Also a trace that began here; and without any tracing, the one that the message names."""
    entry = delivery()
    for told_by in (tracing, Tracing()):
        assert told_by.about(entry) == {"request": "r1", "trace_id": TRACE_ID}
    stranger = delivery(2, trace="t")
    tracing.claimed(work(stranger))
    begun = trace_id(tracing.follow(stranger, "t"))
    assert tracing.about(stranger) == {"request": "r2", "trace_id": begun}
    assert Tracing().about(stranger) == {"request": "r2"}


def test_who_does_not_trace_hands_over_what_came() -> None:
    """Be it a traceparent or not."""
    tracing = Tracing()
    entry = delivery()
    tracing.claimed(work(entry))
    assert [tracing.follow(entry, trace) for trace in (PARENT, "t", None)] == [PARENT, "t", None]
