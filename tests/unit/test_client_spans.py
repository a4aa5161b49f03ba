"""The client's spans, around plans that are driven by hand."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import NoOpTracer, SpanKind
from recorded_spans import PARENT, TRACE_ID, UNSAMPLED, Recorded, attributes, failed, id_of, names, parent_of, trace_of

from songlens.core import ClientCore
from songlens.plans import Command, Get, Plan
from songlens.spans import spans_of
from songlens_shared.codec import decode_request, encode_reply
from songlens_shared.errors import BadImage, BrokerUnavailable, QueueFull
from songlens_shared.functions import Call
from songlens_shared.messages import Reply, Request, error_reply
from songlens_shared.spans import context_of
from songlens_shared.traceparent import sampled_trace_id

ACCEPTED = [b"accepted", 5000, 35_000]
DONE = [b"done", 5000, b""]
REPLY = Reply(id="r1", status="ok", model="m1")


class App:
    """A client core whose server answers what a test says."""

    def __init__(self, recorded: Recorded, *, queued: Any = DONE, reply: Reply = REPLY) -> None:
        self.core = ClientCore(name="app", partitions=1, trace=spans_of(recorded.tracer))
        self.sent: list[Request] = []
        self._queued = queued
        self._reply = reply

    def request(self, **options: Any) -> Request:
        return self.core.request(b"-", id="r1", **options)

    def run(self, plan: Plan[Any]) -> Any:
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
            return stop.value
        finally:
            plan.close()

    def _execute(self, command: Command) -> Any:
        match command:
            case Call(function="songlens_submit", args=(_, _, _, tuple(pieces), *_)):
                self.sent.append(decode_request(b"".join(pieces)))
                if isinstance(self._queued, Exception):
                    raise self._queued
                return self._queued
            case Get():
                return encode_reply(self._reply)
        raise AssertionError(command)


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


def test_a_request_has_two_spans(recorded: Recorded) -> None:
    """One for publishing it, whose child its workers' is to be, and one until its reply is there."""
    app = App(recorded)
    app.run(app.core.recommend(app.request(lane="bulk")))
    published, received = recorded.all()
    assert (published.name, received.name) == ("publish requests:bulk", "receive replies")
    assert (published.kind, received.kind) == (SpanKind.PRODUCER, SpanKind.CLIENT)
    assert (app.sent[0].trace or "")[:-3] == f"00-{trace_of(published)}-{id_of(published):016x}"
    assert sampled_trace_id(app.sent[0].trace) == trace_of(published)
    assert parent_of(received) == id_of(published)
    assert not failed(received)
    assert attributes(published) == {
        "messaging.system": "redis",
        "messaging.operation.name": "publish",
        "messaging.operation.type": "send",
        "messaging.destination.name": "requests:bulk",
        "messaging.message.conversation_id": "r1",
    }
    assert attributes(received)["songlens.code"] == "ok"


def test_publishing_alone_has_one(recorded: Recorded) -> None:
    """Nobody knows who will fetch the reply, and when."""
    app = App(recorded, queued=ACCEPTED)
    app.run(app.core.submit(app.request()))
    assert names(recorded.all()) == ["publish requests:interactive"]


def test_the_apps_span_is_the_parent(recorded: Recorded) -> None:
    """What the app does for its own caller goes on in the photo's trace."""
    app = App(recorded)
    with trace.use_span(trace.get_current_span(context_of(PARENT))):
        app.run(app.core.recommend(app.request()))
    assert {trace_of(span) for span in recorded.all()} == {TRACE_ID}
    assert f"{parent_of(recorded.one('publish requests:interactive')):016x}" == PARENT.split("-")[2]


def test_a_trace_that_is_not_kept_stays_so(recorded: Recorded) -> None:
    """Nothing is exported, and workers are told."""
    app = App(recorded)
    with trace.use_span(trace.get_current_span(context_of(UNSAMPLED))):
        app.run(app.core.recommend(app.request()))
    assert recorded.all() == []
    traceparent = app.sent[0].trace or ""
    assert traceparent.split("-")[1] == TRACE_ID
    assert traceparent.endswith("-00")


def test_who_names_a_trace_has_it_sent_as_it_is(recorded: Recorded) -> None:
    """His are the spans around it."""
    app = App(recorded)
    app.run(app.core.recommend(app.request(trace=PARENT)))
    assert app.sent[0].trace == PARENT
    assert recorded.all() == []


@pytest.mark.parametrize("context", [None, PARENT])
def test_without_a_provider_there_are_no_spans(recorded: Recorded, context: str | None) -> None:
    """The request is sent as it was made, or in the context that the app is in."""
    app = App(recorded)
    app.core = ClientCore(name="app", partitions=1, trace=spans_of(NoOpTracer()))
    with trace.use_span(trace.get_current_span(context_of(context))):
        assert app.run(app.core.recommend(app.request())) == REPLY
    assert app.sent[0].trace == context


@pytest.mark.parametrize(
    ("queued", "error_type"),
    [([b"full", 500, 9, 9], "queue_full"), (BrokerUnavailable("password"), "BrokerUnavailable")],
)
def test_what_is_not_queued_has_failed(recorded: Recorded, queued: Any, error_type: str) -> None:
    """The span tells the code or the error's name; its sentence may quote input, and stays here."""
    app = App(recorded, queued=queued)
    with pytest.raises((QueueFull, BrokerUnavailable)):
        app.run(app.core.recommend(app.request()))
    (published,) = recorded.all()
    assert failed(published)
    assert attributes(published)["error.type"] == error_type
    assert published.status.description is None
    assert published.events == ()


def test_an_error_reply_has_failed(recorded: Recorded) -> None:
    """By its code; publishing went well."""
    app = App(recorded, reply=error_reply("r1", BadImage("marks of the photo")))
    app.run(app.core.recommend(app.request()))
    published, received = recorded.all()
    assert not failed(published)
    assert failed(received)
    assert attributes(received)["error.type"] == attributes(received)["songlens.code"] == "bad_image"
    assert "marks" not in received.to_json()


def test_who_stops_waiting_leaves_no_span_open(recorded: Recorded) -> None:
    """A cancelled task closes its plan."""
    app = App(recorded, queued=ACCEPTED)
    plan = app.core.recommend(app.request())
    command = next(plan)
    while isinstance(command, Call):
        command = plan.send(app._execute(command))
    plan.close()
    assert names(recorded.all()) == ["publish requests:interactive", "receive replies"]
    assert not failed(recorded.one("receive replies"))
