"""One trace from client to reply, over a real server and both real stages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import structlog
from chaos_models import photo, publish_version, write_version
from opentelemetry import trace
from prometheus_client import CollectorRegistry
from recorded_spans import (
    PARENT,
    TRACE_ID,
    UNSAMPLED,
    Recorded,
    attributes,
    failed,
    id_of,
    names,
    parent_of,
    trace_of,
)
from stages import GROUP, INLETS, KEYS, EchoStage, Running, back_date, submit, wait_until

from songlens import AsyncClient, Client
from songlens_shared.errors import BadImage, DeadlineExceeded
from songlens_shared.keys import SONGS_GROUP
from songlens_shared.spans import context_of
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.log import LogFormat, configure_logging
from songlens_workers.models.live import LiveModel
from songlens_workers.models.published import PublishedModels
from songlens_workers.models.store import ModelStore
from songlens_workers.runtime.claims import Inlet
from songlens_workers.runtime.clock import ServerClock
from songlens_workers.runtime.metrics import ContentCacheMetrics
from songlens_workers.runtime.spans import SpanTracing
from songlens_workers.runtime.tracing import Tracing
from songlens_workers.songs.model import SongModel
from songlens_workers.songs.stage import SongStage
from songlens_workers.vision import tiny
from songlens_workers.vision.content_cache import ContentCache
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.model import VisionModel, VisionModels
from songlens_workers.vision.stage import VisionStage

PUBLISHED, VISION, SONGS = "publish requests:interactive", "process requests:interactive", "process hits"
REPLY, RECEIVED = "publish replies", "receive replies"


def vision_stage(connection: redis.Redis, models: Path, tracing: Tracing) -> VisionStage:
    versions = VisionModels(ModelStore(str(models)), load_backbone=lambda spec, _: tiny.load(device="cpu"))
    live: LiveModel[VisionModel] = LiveModel(current=PublishedModels(connection).current, load=versions.open, poll_s=60)
    live.open()
    cache = ContentCache(10, 600.0, metrics=ContentCacheMetrics(CollectorRegistry()))
    return VisionStage(live, limits=ImageLimits(), cache=cache, clock=ServerClock(), follow=tracing.follow)


def song_stage(connection: redis.Redis, tracing: Tracing, told: list[str | None]) -> SongStage:
    published = PublishedModels(connection)

    def load(version: str) -> SongModel:
        return SongModel.load(connection, published, version, vector_cache=100, card_cache=100, user_cache=10)

    live: LiveModel[SongModel] = LiveModel(current=published.current, load=load, poll_s=60)
    live.open()
    return SongStage(
        live,
        load=load,
        clock=ServerClock(),
        user_weight=0.4,
        follow=tracing.follow,
        answered=lambda _ms, _lane, trace_id: told.append(trace_id),
    )


class System:
    """Both stages, the spans of all, and the trace ids that the song stage has shown beside its metric."""

    def __init__(self, url: str, recorded: Recorded) -> None:
        self.url = url
        self.recorded = recorded
        self.exemplars: list[str | None] = []

    def wait_for(self, *expected: str) -> None:
        """A reply is there before the spans of who sent it have ended."""
        wait_until(lambda: sorted(names(self.recorded.all())) == sorted(expected), f"{expected}")


@contextmanager
def running_system(url: str, connection: redis.Redis, models: Path, *, traced: bool = True) -> Iterator[System]:
    recorded = Recorded()
    system = System(url, recorded)
    tracing = {stage: SpanTracing(recorded.tracer, stage) if traced else Tracing() for stage in ("vision", "songs")}
    made: dict[str, tuple[Any, Any, str]] = {
        "vision": (vision_stage(connection, models, tracing["vision"]), INLETS, GROUP),
        "songs": (
            song_stage(connection, tracing["songs"], system.exemplars),
            [Inlet(KEYS, KEYS.hits)],
            SONGS_GROUP,
        ),
    }
    with ExitStack() as stack:
        for name, (stage, inlets, group) in made.items():
            worker = Running(stage, url, inlets=inlets, group=group, tracing=tracing[name], consumer=name)
            worker.start()
            stack.callback(worker.stop)
        yield system


@pytest.fixture
def models(connection: redis.Redis, tmp_path: Path) -> Path:
    write_version(ModelStore(str(tmp_path / "models")), "v1")
    publish_version(connection, "v1")
    return tmp_path / "models"


@pytest.fixture
def system(
    broker: EmbeddedBroker, connection: redis.Redis, models: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[System]:
    """Workers and app trace."""
    with running_system(broker.url, connection, models) as running:
        running.recorded.as_the_apps(monkeypatch)
        yield running


def assert_one_trace(recorded: Recorded) -> None:
    """Each stage has one span, in the order of the request's way, and begins before the next."""
    published, vision, songs = (recorded.one(name) for name in (PUBLISHED, VISION, SONGS))
    reply, received = recorded.one(REPLY), recorded.one(RECEIVED)
    assert len({trace_of(span) for span in recorded.all()}) == 1
    assert parent_of(vision) == parent_of(received) == id_of(published)
    assert parent_of(songs) == id_of(vision)
    assert parent_of(reply) == id_of(songs)
    starts = [span.start_time or 0 for span in (published, vision, songs, reply)]
    assert starts == sorted(starts)
    assert not any(map(failed, recorded.all()))


def test_one_trace_from_client_to_reply(system: System) -> None:
    """Publish, vision, songs, reply, receive: each the child of what it follows from."""
    with Client(system.url) as client:
        client.recommend(photo(1), user="marks of the user")
    system.wait_for(PUBLISHED, VISION, SONGS, REPLY, RECEIVED)
    assert_one_trace(system.recorded)
    vision, songs = attributes(system.recorded.one(VISION)), attributes(system.recorded.one(SONGS))
    assert vision["songlens.model"] == songs["songlens.model"] == "v1"
    assert vision["songlens.batch_size"] == songs["songlens.batch_size"] == 1
    assert {"decode", "embed", "search", "queue", "batch_wait"} <= steps(vision)
    assert {"songs", "total", "queue", "batch_wait"} <= steps(songs)
    assert system.exemplars == [trace_of(system.recorded.one(PUBLISHED))]
    assert all("marks of the user" not in span.to_json() for span in system.recorded.all())


def steps(told: dict[str, object]) -> set[str]:
    return {name.removeprefix("songlens.").removesuffix("_ms") for name in told if name.endswith("_ms")}


async def test_an_event_loop_s_photos_have_a_trace_each(system: System) -> None:
    """Also those that are published in one write."""
    async with AsyncClient(system.url) as client:
        await asyncio.gather(*(client.recommend(photo(number)) for number in range(3)))
    wait_until(lambda: len(system.recorded.all()) == 15, "five spans of each")
    for trace_id in {trace_of(span) for span in system.recorded.all()}:
        members = [span for span in system.recorded.all() if trace_of(span) == trace_id]
        assert sorted(names(members)) == sorted([PUBLISHED, VISION, SONGS, REPLY, RECEIVED])
        assert len({attributes(span)["messaging.message.conversation_id"] for span in members}) == 1


def test_a_photo_that_is_known_skips_the_batch(system: System) -> None:
    """Its vision span says so, and has no steps."""
    with Client(system.url) as client:
        client.recommend(photo(1))
        system.wait_for(PUBLISHED, VISION, SONGS, REPLY, RECEIVED)
        client.recommend(photo(1))
    wait_until(lambda: len(system.recorded.all()) == 10, "five more spans")
    first, second = (attributes(span) for span in system.recorded.all() if span.name == VISION)
    assert (first["songlens.cached"], second["songlens.cached"]) == (False, True)
    assert "songlens.batch_size" not in second
    assert second["songlens.embed_ms"] == 0


def test_features_end_in_the_vision_stage(system: System) -> None:
    """Which replies to their client itself."""
    with Client(system.url) as client:
        client.features(photo(1))
    system.wait_for(PUBLISHED, VISION, REPLY, RECEIVED)
    assert parent_of(system.recorded.one(REPLY)) == id_of(system.recorded.one(VISION))
    assert len({trace_of(span) for span in system.recorded.all()}) == 1


def test_an_error_is_seen_from_both_ends(system: System) -> None:
    """The stage that refuses a photo has failed, and so has the wait for songs."""
    with Client(system.url) as client, pytest.raises(BadImage):
        client.recommend(b"marks of no photo")
    system.wait_for(PUBLISHED, VISION, REPLY, RECEIVED)
    for name in (VISION, RECEIVED):
        span = system.recorded.one(name)
        assert failed(span)
        assert attributes(span)["error.type"] == "bad_image"
    assert not failed(system.recorded.one(PUBLISHED))
    assert all("marks" not in span.to_json() for span in system.recorded.all())


@pytest.mark.parametrize("traceparent", [PARENT, UNSAMPLED])
def test_a_trace_of_the_app_s_own(system: System, traceparent: str) -> None:
    """Who names a traceparent gets the workers' spans beneath it; none where its flags say that nobody keeps it."""
    with Client(system.url) as client:
        client.recommend(photo(1), trace=traceparent)
        client.recommend(photo(2), trace=PARENT)
    expected = [VISION, SONGS, REPLY] * (2 if traceparent == PARENT else 1)
    system.wait_for(*expected)
    assert {trace_of(span) for span in system.recorded.all()} == {TRACE_ID}
    assert {f"{parent_of(span):016x}" for span in system.recorded.all() if span.name == VISION} == {
        PARENT.split("-")[2]
    }
    assert system.exemplars == [TRACE_ID if traceparent == PARENT else None, TRACE_ID]


@pytest.mark.parametrize("stranger", ["t", "00-abc", "x" * 10_000])
def test_a_stranger_s_traceparent_is_no_error(system: System, stranger: str) -> None:
    """The photo gets its songs, and a trace that begins in the vision stage."""
    with Client(system.url) as client:
        assert client.recommend(photo(1), trace=stranger).songs
    system.wait_for(VISION, SONGS, REPLY)
    assert parent_of(system.recorded.one(VISION)) is None
    assert parent_of(system.recorded.one(SONGS)) == id_of(system.recorded.one(VISION))


def test_workers_that_do_not_trace_pass_the_trace_on(
    broker: EmbeddedBroker, connection: redis.Redis, models: Path
) -> None:
    """From the request to the hits, as it came."""
    with running_system(broker.url, connection, models, traced=False) as system, Client(broker.url) as client:
        client.recommend(photo(1), trace=PARENT)
        client.recommend(photo(2), trace="t")
    assert system.recorded.all() == []
    assert system.exemplars == [TRACE_ID, None]


def test_a_request_that_is_too_late_is_in_its_trace(
    broker: EmbeddedBroker, connection: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is answered before any stage has read it."""
    recorded = Recorded()
    recorded.as_the_apps(monkeypatch)
    with Client(broker.url) as client, trace.use_span(trace.get_current_span(context_of(PARENT))):
        handle = client.submit(photo(1), timeout_s=0.001)
        worker = Running(EchoStage(), broker.url, tracing=SpanTracing(recorded.tracer, "echo"))
        worker.start()
        with pytest.raises(DeadlineExceeded):
            handle.result(20)
        worker.stop()
    span = recorded.one(VISION)
    assert trace_of(span) == TRACE_ID
    assert parent_of(span) == id_of(recorded.one(PUBLISHED))
    assert attributes(span)["error.type"] == "deadline_exceeded"


def told_by(url: str, recorded: Recorded, stage: EchoStage, **given: Any) -> tuple[Running, SpanTracing]:
    tracing = SpanTracing(recorded.tracer, "echo")
    return Running(stage, url, tracing=tracing, **given), tracing


def test_each_try_is_a_span(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """Two of an entry that fails twice: the first is given back, the second is the dead letter."""
    recorded = Recorded()
    submit(connection, 1, "crash-run")
    worker, _ = told_by(broker.url, recorded, EchoStage(), max_deliveries=2, takeover_ms=400)
    worker.start()
    wait_until(lambda: connection.xlen(KEYS.dead) == 1, "a dead letter")
    worker.stop()
    first, second = (span for span in recorded.all() if span.name == VISION)
    assert [attributes(span)["songlens.deliveries"] for span in (first, second)] == [1, 2]
    assert [attributes(span)["error.type"] for span in (first, second)] == ["given_back", "internal"]
    assert attributes(second)["songlens.dead_letter"] is True
    assert names(recorded.all()).count(REPLY) == 1


def test_an_entry_in_two_hands_has_two_spans_and_one_reply(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """A worker that was taken for dead has its span, too, marked as having come second."""
    recorded, slow = Recorded(), EchoStage()
    slow.gate.clear()
    submit(connection, 1)
    first, _ = told_by(broker.url, recorded, slow, heartbeat_ms=20_000, takeover_ms=60_000, consumer="slow")
    first.start()
    assert slow.running.wait(20)
    back_date(connection, "slow", 60_000)
    second, _ = told_by(broker.url, recorded, EchoStage(), consumer="quick")
    second.start()
    wait_until(lambda: len(recorded.all()) == 2, "a reply")
    slow.gate.set()
    for worker in (first, second):
        worker.stop()
    spans = [span for span in recorded.all() if span.name == VISION]
    assert [attributes(span).get("songlens.refused", False) for span in spans] == [False, True]
    assert [attributes(span)["songlens.deliveries"] for span in spans] == [2, 1]
    assert names(recorded.all()).count(REPLY) == 1


def test_what_a_stopping_worker_gives_back_is_told(connection: redis.Redis, broker: EmbeddedBroker) -> None:
    """As given back, when its tracing is closed."""
    recorded, stage = Recorded(), EchoStage()
    stage.gate.clear()
    submit(connection, 1)
    worker, tracing = told_by(broker.url, recorded, stage, drain_s=0.1)
    worker.start()
    assert stage.running.wait(20)
    submit(connection, 2)
    wait_until(lambda: len(stage.prepared) == 2, "a second entry")
    worker.worker.stop()
    stage.gate.set()
    worker.join()
    tracing.close()
    told = [attributes(span) for span in recorded.all() if span.name == VISION]
    assert len(told) == 2
    assert {each["messaging.message.conversation_id"] for each in told} == {"r0001", "r0002"}


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_log_lines_about_one_request_name_it_and_its_trace(
    connection: redis.Redis, broker: EmbeddedBroker, log_format: LogFormat, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether it fails while it is prepared or alone in its batch; each line has one action."""
    recorded = Recorded()
    configure_logging(log_format)
    submit(connection, 1, "crash-prepare")
    submit(connection, 2, "crash-run")
    worker, _ = told_by(broker.url, recorded, EchoStage(), max_deliveries=1)
    worker.start()
    wait_until(lambda: connection.xlen(KEYS.dead) == 2, "two dead letters")
    worker.stop()
    structlog.reset_defaults()
    traces = {
        str(attributes(span)["messaging.message.conversation_id"]): trace_of(span)
        for span in recorded.all()
        if span.name == VISION
    }
    said = capsys.readouterr().err
    for action, request in (("prepare_failed", "r0001"), ("batch_failed", "r0002")):
        (line,) = [line for line in said.splitlines() if action in line]
        if log_format == "json":
            told = json.loads(line)
            assert (told["action"], told["request"], told["trace_id"]) == (action, request, traces[request])
        else:
            assert f"request={request}" in line
            assert f"trace_id={traces[request]}" in line
