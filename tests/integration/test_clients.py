"""The public client, synchronous and asynchronous: the same guarantees, proved by the same tests on a real server."""

from __future__ import annotations

import asyncio
import gc
import inspect
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fake_worker import FakeWorker, create_groups, delivery_of, one_song, two_features

from songlens import (
    AsyncClient,
    BadImage,
    BadRequest,
    BrokerError,
    BrokerUnavailable,
    Cancelled,
    Client,
    ConfigError,
    DeadlineExceeded,
    InternalError,
    NoModel,
    QueueFull,
    RequestError,
    UnknownRequest,
    UnsupportedVersion,
)
from songlens_shared import functions
from songlens_shared.broker import BLOCK_MS, SOCKET_TIMEOUT_S, connect
from songlens_shared.codec import encode_reply
from songlens_shared.errors import REQUEST_ERRORS
from songlens_shared.keys import BULK, INTERACTIVE, VISION_GROUP, PartitionKeys, partition_of
from songlens_shared.messages import Personal, Reply, Request
from songlens_shared.streams import stream_entries
from songlens_workers.embedded import EmbeddedBroker

PHOTO = b"a photo"
AT = PartitionKeys(0)

Make = Callable[..., Any]


async def call(method: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call a method of either client; the synchronous one runs in a thread, as an asyncio app would have it."""
    if inspect.iscoroutinefunction(method):
        return await method(*args, **options)
    return await asyncio.to_thread(method, *args, **options)


async def collect(replies: Any) -> list[Any]:
    """Return all that either kind of `replies()` yields."""
    if hasattr(replies, "__aiter__"):
        return [received async for received in replies]
    return await asyncio.to_thread(list, replies)


@pytest.fixture(params=[Client, AsyncClient], ids=["sync", "async"])
async def make(request: pytest.FixtureRequest, broker: EmbeddedBroker) -> AsyncIterator[Make]:
    """Makes clients of one kind on the test's server, and closes them after the test."""
    made = []

    def make_one(url: str | None = None, **options: Any) -> Any:
        made.append(request.param(url or broker.url, **options))
        return made[-1]

    yield make_one
    for client in made:
        await call(client.close)


@pytest.fixture
def worker(broker: EmbeddedBroker) -> Iterator[FakeWorker]:
    with FakeWorker(broker.url) as running:
        yield running


async def answer_once(broker: EmbeddedBroker) -> None:
    """Answer the one request that waits in the interactive lane."""
    with connect(broker.url) as connection:
        create_groups(connection)
        stream = AT.requests(INTERACTIVE)
        [(_, [entry])] = stream_entries(connection.xreadgroup(VISION_GROUP, "w", {stream: ">"}))
        delivery = delivery_of(AT, stream, entry)
        reply = one_song(Request(id=delivery.request_id, client="app", image=PHOTO))
        functions.finish(delivery, encode_reply(reply)).on(connection)


async def test_recommend(make: Make, worker: FakeWorker) -> None:
    """A photo goes in, songs come out; the functions library, missing on this new server, is loaded on the way."""
    recommendation = await call(
        make().recommend, PHOTO, user="u1", user_weight=0.7, top_k=3, images_k=4, songs_per_image=1, trace="t"
    )
    [request] = worker.seen
    assert (request.image, request.user, request.trace, request.lane) == (PHOTO, "u1", "t", INTERACTIVE)
    assert (request.user_weight, recommendation.personal) == (0.7, Personal(user_weight=0.7, known=True))
    assert (request.top_k, request.images_k, request.songs_per_image, request.ttl_ms) == (3, 4, 1, 30_000)
    assert recommendation.id == request.id
    assert [song.id for song in recommendation.songs] == [f"song-{request.id}"]
    assert recommendation.images[0].keyword == "雪"
    assert (recommendation.model, recommendation.timings_ms["total"]) == ("m1", 15.0)


async def test_features(make: Make, broker: EmbeddedBroker) -> None:
    """The photo goes as it is, with what is asked for; the feature comes back and is taken from the result."""
    with FakeWorker(broker.url, two_features) as worker:
        client = make(name="extraction")
        plain = await call(client.features, PHOTO)
        half = await call(client.features, PHOTO, dtype="float16", backbone="tiny-0123456789ab", lane=BULK, timeout_s=9)
        many = await asyncio.gather(*(call(client.features, PHOTO, id=f"f{number}") for number in range(20)))
        assert [each.id for each in many] == [f"f{number}" for number in range(20)]
        assert await collect(client.replies(quiet_s=0.1)) == []
    assert (plain.data, plain.dtype, plain.dimensions) == (struct.pack("<2f", 0.25, 3.0), "float32", 2)
    assert (half.data, half.dtype, half.backbone) == (struct.pack("<2e", 0.25, 3.0), "float16", "tiny-0123456789ab")
    assert (plain.model, plain.timings_ms["embed"], plain.id) == ("m1", 3.0, worker.seen[0].id)
    first, second = worker.seen[:2]
    assert (first.want, first.backbone, first.features_dtype, first.lane) == ("features", None, "float32", INTERACTIVE)
    assert (second.backbone, second.lane, second.ttl_ms) == ("tiny-0123456789ab", BULK, 9000)
    with pytest.raises(BadRequest, match="asked for features"):
        await call(client.fetch, plain.id)


async def test_features_of_workers_of_an_earlier_release(make: Make, worker: FakeWorker) -> None:
    """They answer with songs, and the error says what they are."""
    with pytest.raises(UnsupportedVersion, match="the vision workers are of an earlier release"):
        await call(make().features, PHOTO)


async def test_features_that_cannot_be_had(make: Make, broker: EmbeddedBroker) -> None:
    """The errors are those of songs."""

    def refuse(request: Request) -> Reply:
        raise BadRequest(f"not {request.backbone}")

    with FakeWorker(broker.url, refuse):
        with pytest.raises(BadRequest, match="not other"):
            await call(make().features, PHOTO, backbone="other")
        with pytest.raises(BadRequest, match="features_dtype"):
            await call(make().features, PHOTO, dtype="float64")
    with pytest.raises(DeadlineExceeded):
        await call(make().features, PHOTO, timeout_s=0.001)


async def test_first_request_ever_loads_the_library(make: Make, broker: EmbeddedBroker) -> None:
    """A server that nobody has prepared takes a request: the client brings the functions."""
    handle = await call(make().submit, PHOTO)
    with connect(broker.url) as connection:
        assert connection.xlen(AT.requests(INTERACTIVE)) == 1
        assert connection.get(AT.result(handle.id)) == b""


async def test_submit_then_result(make: Make, broker: EmbeddedBroker) -> None:
    """A handle knows whether its reply is there, waits for it, and gives it again."""
    handle = await call(make().submit, PHOTO, id="r1", timeout_s=5)
    assert (handle.id, handle.timeout_s) == ("r1", 5)
    assert await call(handle.done) is False
    waiting = asyncio.create_task(call(handle.result))
    await answer_once(broker)
    assert (await waiting).id == "r1"
    assert await call(handle.done) is True
    assert (await call(handle.result)).id == "r1"


async def test_a_waiting_client_is_woken_at_once(make: Make, broker: EmbeddedBroker) -> None:
    """The reply channel wakes whoever waits; nobody sits out the two seconds between two looks at the stored reply."""
    client = make()
    handle = await call(client.submit, PHOTO)
    waiting = asyncio.create_task(call(handle.result))
    with connect(broker.url) as connection:
        await blocked(connection, 1)
        started_s = time.monotonic()
        await answer_once(broker)
        await waiting
    assert time.monotonic() - started_s < 1.0


async def blocked(connection: Any, clients: int) -> None:
    """Wait until so many clients of the server are inside a blocking read."""
    until_s = time.monotonic() + 10
    while connection.info("clients")["blocked_clients"] < clients:
        assert time.monotonic() < until_s, "nobody listens"
        await asyncio.sleep(0.01)


async def test_same_id_is_the_same_request(make: Make, worker: FakeWorker) -> None:
    """Submitted twice, before and after the answer, by two clients, a request is worked on once; all get its reply."""
    first, second = make(), make()
    handles = [await call(client.submit, PHOTO, id="r1") for client in (first, second, first)]
    songs = [(await call(handle.result)).songs for handle in handles]
    again = await call((await call(second.submit, PHOTO, id="r1")).result)
    assert songs == [again.songs] * 3
    assert len(worker.seen) == 1


async def test_two_waiters_for_one_request(make: Make, broker: EmbeddedBroker) -> None:
    """Two that wait for the same request are both woken at once, also when one of them has taken the reply already."""
    client = make()
    handle = await call(client.submit, PHOTO)
    waiting = [asyncio.create_task(call(handle.result)) for _ in range(2)]
    with connect(broker.url) as connection:
        await blocked(connection, 1)
    await asyncio.sleep(0.05)  # the second waiter shares the first one's read, which the server cannot show
    started_s = time.monotonic()
    await answer_once(broker)
    first, second = await asyncio.gather(*waiting)
    assert first == second
    assert time.monotonic() - started_s < 1.0


async def test_fetch_by_id_from_another_client(make: Make, worker: FakeWorker) -> None:
    """Any client gets a reply by its id; None while in flight; an unknown id has an error of its own."""
    handle = await call(make().submit, PHOTO)
    await call(handle.result)
    other = make()
    assert (await call(other.fetch, handle.id)).id == handle.id
    with pytest.raises(UnknownRequest, match="no request nobody is known; replies are kept for 60 minutes"):
        await call(other.fetch, "nobody")
    with pytest.raises(UnknownRequest):
        await call(other.result, "nobody")
    with pytest.raises(BadRequest, match="request id must be"):
        await call(other.fetch, "no id")


async def test_fetch_in_flight(make: Make) -> None:
    """A request that nobody has answered is in flight: fetch gives None."""
    handle = await call(make().submit, PHOTO)
    assert await call(make().fetch, handle.id) is None


async def test_cancel(make: Make, broker: EmbeddedBroker) -> None:
    """Any client takes a request back by its id: who waits is told at once, and its photo is gone from the server."""
    handle = await call(make().submit, PHOTO)
    waiting = asyncio.create_task(call(handle.result))
    assert await call(make().cancel, handle.id) is True
    with pytest.raises(Cancelled, match="taken back"):
        await asyncio.wait_for(waiting, 10)
    with connect(broker.url) as connection:
        assert connection.xlen(AT.requests(INTERACTIVE)) == 0
    assert await call(handle.done) is True
    assert await call(handle.cancel) is False
    with pytest.raises(UnknownRequest, match="no request nobody is known"):
        await call(make().cancel, "nobody")


async def test_cancel_after_the_answer(make: Make, worker: FakeWorker) -> None:
    """The songs stay."""
    handle = await call(make().submit, PHOTO)
    songs = (await call(handle.result)).songs
    assert await call(handle.cancel) is False
    assert (await call(handle.result)).songs == songs


async def test_result_from_another_process(make: Make, broker: EmbeddedBroker) -> None:
    """Another process that knows nothing but the id waits for the reply and gets it."""
    handle = await call(make().submit, PHOTO)
    code = "import sys; from songlens import Client; print(Client(sys.argv[1]).result(sys.argv[2]).songs[0].id)"
    command = [sys.executable, "-c", code, broker.url, handle.id]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    await answer_once(broker)
    out, _ = await process.communicate()
    assert (process.returncode, out.decode().strip()) == (0, f"song-{handle.id}")


async def test_result_polls_until_the_reply(make: Make, broker: EmbeddedBroker) -> None:
    """Waiting by id alone ends as soon as the reply is there, and with `DeadlineExceeded` when the wait is over."""
    handle = await call(make().submit, PHOTO)
    other = make()
    with pytest.raises(DeadlineExceeded, match=f"no answer to request {handle.id} within 0.1 s"):
        await call(other.result, handle.id, timeout_s=0.1)
    waiting = asyncio.create_task(call(other.result, handle.id))
    await answer_once(broker)
    assert (await waiting).id == handle.id


@pytest.mark.parametrize("error", REQUEST_ERRORS.values(), ids=REQUEST_ERRORS.keys())
async def test_typed_errors(make: Make, broker: EmbeddedBroker, error: type[RequestError]) -> None:
    """The error that a worker answers with is raised by recommend, result, fetch and the channel, with its sentence."""

    def refuse(request: Request) -> Reply:
        raise error("what to do")

    client = make()
    with FakeWorker(broker.url, refuse):
        handle = await call(client.submit, PHOTO)
        for attempt in (
            call(handle.result),
            call(client.recommend, PHOTO),
            call(client.fetch, handle.id),
            call(client.result, handle.id),
        ):
            with pytest.raises(RequestError) as raised:
                await attempt
            assert type(raised.value) is error
            assert raised.value.message == "what to do"
    assert await call(handle.done) is True
    received, _ = await collect(client.replies(quiet_s=0))
    with pytest.raises(error, match="what to do"):
        received.recommendation()


async def test_queue_full(make: Make, broker: EmbeddedBroker) -> None:
    """A full lane raises with the lane, its fill and when to try again; the other lane and fetches go on."""
    with connect(broker.url) as connection:
        connection.hset(AT.limits, mapping={"interactive.depth": 1})
    client = make()
    await call(client.submit, PHOTO)
    with pytest.raises(
        QueueFull, match=r"the interactive lane is full \(1 requests, \d+ bytes wait\); try again in"
    ) as full:
        await call(client.submit, PHOTO, id="r2")
    assert 100 <= full.value.retry_after_ms <= 5000
    assert f"{full.value.retry_after_ms} ms" in full.value.message
    with pytest.raises(UnknownRequest):
        await call(client.fetch, "r2")
    assert await call(client.submit, PHOTO, lane=BULK)


async def test_a_server_without_memory_is_a_full_queue(make: Make, broker: EmbeddedBroker) -> None:
    """A server at its memory limit refuses a photo as a full lane does: the app tries again later."""
    client = make()
    await call(client.submit, PHOTO)
    with connect(broker.url) as connection:
        connection.config_set("maxmemory", 1)
    with pytest.raises(QueueFull, match="memory limit"):
        await call(client.submit, PHOTO)


async def test_nobody_works(make: Make) -> None:
    """Without a worker the wait ends in time and says what to check; the request stays in flight."""
    handle = await call(make().submit, PHOTO)
    started_s = time.monotonic()
    with pytest.raises(DeadlineExceeded, match=r"within 0\.3 s; check with `songlens doctor`"):
        await call(handle.result, timeout_s=0.3)
    assert 0.3 <= time.monotonic() - started_s < 1.5
    with pytest.raises(DeadlineExceeded):
        await call(handle.result, timeout_s=0)
    assert await call(handle.done) is False


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"timeout_s": 0}, "timeout_s must lie between 0.001 and 604800 seconds; got 0"),
        ({"timeout_s": float("nan")}, "timeout_s"),
        ({"timeout_s": float("inf")}, "timeout_s"),
        ({"top_k": 0}, "top_k must be a whole number between 1 and 100; got 0"),
        ({"images_k": 2.5}, "images_k"),
        ({"user": 42}, "user must be a string; got 42"),
        ({"lane": "express"}, "unknown lane 'express'"),
        ({"id": ""}, "id must be"),
        ({"id": "{1}"}, "id must be"),
    ],
)
async def test_bad_options_are_refused_here(make: Make, options: dict[str, Any], complaint: str) -> None:
    """An option out of bounds is an error of the call, named as the caller named it; nothing is sent."""
    with pytest.raises(BadRequest, match=complaint):
        await call(make("redis://127.0.0.1:1").submit, PHOTO, **options)


async def test_bad_photos_are_refused_here(make: Make, tmp_path: Path) -> None:
    """What is no photo at all never reaches the queue."""
    client = make("redis://127.0.0.1:1")
    for photo in (b"", tmp_path / "missing.jpg", 42):
        with pytest.raises(BadImage):
            await call(client.recommend, photo)


@pytest.mark.parametrize("partitions", [1, 4])
async def test_replies_go_on_from_a_saved_cursor(make: Make, broker: EmbeddedBroker, partitions: int) -> None:
    """A named client's replies are all received, once each, across partitions and wherever it was stopped."""
    ids = [f"r{number}" for number in range(12)]
    assert partitions == 1 or len({partition_of(id, partitions) for id in ids}) == partitions
    client = make(name="shop", partitions=partitions)
    with FakeWorker(broker.url, partitions=partitions):
        for handle in [await call(client.submit, PHOTO, id=id) for id in ids]:
            await call(handle.result)
    received = await collect(make(name="shop", partitions=partitions).replies(quiet_s=0))
    assert sorted(each.id for each in received) == sorted(ids)
    assert all(each.recommendation().songs[0].id == f"song-{each.id}" for each in received)
    for stop in range(12):
        later = make(name="shop", partitions=partitions).replies(received[stop].cursor, quiet_s=0)
        assert {each.id for each in await collect(later)} == {each.id for each in received[stop + 1 :]}
    assert await collect(make(name="other", partitions=partitions).replies(quiet_s=0)) == []


async def test_replies_wait_for_the_next(make: Make, broker: EmbeddedBroker) -> None:
    """A consumer that listens gets a reply when it comes, and ends after the quiet that it was told to allow."""
    client = make(name="shop")
    await call(client.submit, PHOTO, id="r1")
    started_s = time.monotonic()
    consuming = asyncio.create_task(collect(client.replies(quiet_s=0.6)))
    with connect(broker.url) as connection:
        await blocked(connection, 1)
    await answer_once(broker)
    assert [received.id for received in await consuming] == ["r1"]
    assert 0.6 <= time.monotonic() - started_s < 3


async def test_a_long_channel_is_read_in_pieces(make: Make, broker: EmbeddedBroker) -> None:
    """Some hundreds of replies all come, in order."""
    with connect(broker.url) as connection:
        pipeline = connection.pipeline(transaction=False)
        for number in range(350):
            reply = encode_reply(Reply(id=f"r{number}", status="ok"))
            pipeline.xadd(AT.replies("shop"), {"id": f"r{number}", "m": reply})
        pipeline.execute()
    received = await collect(make(name="shop").replies(quiet_s=0))
    assert [each.id for each in received] == [f"r{number}" for number in range(350)]


async def test_a_reply_that_cannot_be_read_does_not_stop_the_channel(make: Make, broker: EmbeddedBroker) -> None:
    """A reply of a newer protocol, or a foreign entry, is received as an error, and the cursor moves on."""
    with connect(broker.url) as connection:
        connection.xadd(AT.replies("shop"), {"id": "r1", "m": b"\x81\xa1v\x02"})
        connection.xadd(AT.replies("shop"), {"what": "is this"})
        connection.xadd(AT.replies("shop"), {"id": "r3", "m": encode_reply(Reply(id="r3", status="ok"))})
    client = make(name="shop")
    newer, foreign, good = await collect(client.replies(quiet_s=0))
    assert newer.id == "r1"
    with pytest.raises(RequestError, match="protocol version"):
        newer.recommendation()
    with pytest.raises(BadRequest):
        foreign.recommendation()
    assert good.recommendation().id == "r3"
    assert await collect(client.replies(good.cursor, quiet_s=0)) == []


@pytest.mark.parametrize("cursor", ["$", "", "abc", "0,0", "1-2-3", "+", "-1"])
async def test_what_is_no_cursor(make: Make, cursor: str) -> None:
    """A cursor of another client or a mistyped one is refused before anything is read."""
    with pytest.raises(ConfigError, match="not a cursor of a client with 1 partitions; start from '0'"):
        await collect(make().replies(cursor))


async def test_a_named_client_does_not_read_its_past(make: Make, broker: EmbeddedBroker, worker: FakeWorker) -> None:
    """Waiting for a new request skips the thousands of old replies in the channel of a named client."""
    with connect(broker.url) as connection:
        for _ in range(50):
            connection.xadd(AT.replies("shop"), {"id": "old", "m": b"old"}, id="*")
        await asyncio.sleep(0.002)  # the next millisecond: an entry id has no finer time
        client = make(name="shop")
        await call(client.recommend, PHOTO)
        read = client._core.inbox.positions([AT.replies("shop")])[AT.replies("shop")]
        assert connection.xrange(AT.replies("shop"), max=read)[0]
        assert int(read.split("-")[0]) > int(connection.xrange(AT.replies("shop"))[49][0].split(b"-")[0])


async def test_names(make: Make) -> None:
    """A client has a name of its own unless it is given one that can stand in a key."""
    assert make(name="shop").name == "shop"
    assert make().name != make().name
    for name in ("", "a b", "{0}"):
        with pytest.raises(BadRequest, match="client name must be"):
            make(name=name)
    with pytest.raises(ConfigError, match="partitions must be a whole number of at least 1"):
        make(partitions=0)


async def test_wait_survives_a_restart_of_the_server(
    request: pytest.FixtureRequest, tmp_path: Path, redis_server: Path | None
) -> None:
    """A server that is stopped and started again while a client waits delays the reply and loses nothing."""
    for kind in (Client, AsyncClient):
        broker = EmbeddedBroker(tmp_path / kind.__name__, binary=redis_server)
        with broker:
            client = kind(broker.url)
            handle = await call(client.submit, PHOTO, timeout_s=30)
            waiting = asyncio.create_task(call(handle.result))
            with connect(broker.url) as connection:
                await blocked(connection, 1)
            await asyncio.to_thread(broker.stop)
            await asyncio.to_thread(broker.start)
            await answer_once(broker)
            assert (await waiting).id == handle.id
            await call(client.close)


async def test_wait_survives_killed_connections(make: Make, broker: EmbeddedBroker) -> None:
    """Connections that are cut while a client waits are made again."""
    handle = await call(make().submit, PHOTO)
    waiting = asyncio.create_task(call(handle.result))
    with connect(broker.url) as connection:
        for _ in range(3):
            await blocked(connection, 1)
            connection.execute_command("CLIENT KILL TYPE NORMAL SKIPME YES")
    await answer_once(broker)
    assert (await waiting).id == handle.id


REFUSED = "redis://app:s3cret@127.0.0.1:1/0"


async def test_no_server(make: Make) -> None:
    """Nobody at the address: an error within seconds that names the address without its password, and the remedy."""
    started_s = time.monotonic()
    client = make(REFUSED)
    for attempt in (
        call(client.recommend, PHOTO),
        call(client.fetch, "r1"),
        call(client.result, "r1"),
        collect(client.replies(quiet_s=0)),
    ):
        with pytest.raises(BrokerUnavailable, match=r"redis://app:\*\*\*@127\.0\.0\.1:1/0.*songlens up") as raised:
            await attempt
        assert "s3cret" not in str(raised.value)
    assert time.monotonic() - started_s < 10


async def test_a_server_that_never_answers(make: Make) -> None:
    """A host that accepts and says nothing is unavailable too, after a socket timeout."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started_s = time.monotonic()
        with pytest.raises(BrokerUnavailable):
            await call(make(f"redis://127.0.0.1:{silent.getsockname()[1]}").submit, PHOTO)
        assert time.monotonic() - started_s < 2 * SOCKET_TIMEOUT_S


async def test_wrong_password(make: Make, broker: EmbeddedBroker) -> None:
    """A server that refuses us says so, not that it is away; the password is not shown."""
    with connect(broker.url) as connection:
        connection.config_set("requirepass", "right")
    for url in (broker.url, broker.url.replace("//", "//:wr0ng@")):
        with pytest.raises(BrokerUnavailable, match="refuses the user name or password") as raised:
            await call(make(url).submit, PHOTO)
        assert "wr0ng" not in str(raised.value)


async def test_missing_rights(make: Make, broker: EmbeddedBroker) -> None:
    """A user who may not call functions gets the command that is forbidden."""
    with connect(broker.url) as connection:
        connection.acl_setuser("app", enabled=True, passwords=["+pw"], commands=["+@all", "-fcall"], keys=["*"])
    with pytest.raises(BrokerUnavailable, match=r"forbids a needed command.*fcall"):
        await call(make(broker.url.replace("//", "//app:pw@")).submit, PHOTO)


async def test_other_refusals_are_broker_errors(make: Make, broker: EmbeddedBroker) -> None:
    """Whatever else the server refuses is an error of Songlens, so that `except SonglensError` catches everything."""
    with connect(broker.url) as connection:
        connection.lpush(AT.result("r1"), "not a string")
    with pytest.raises(BrokerError, match="refused a command: WRONGTYPE"):
        await call(make().fetch, "r1")


async def test_a_closed_client_says_so(make: Make, broker: EmbeddedBroker) -> None:
    """After close every call fails at once, a wait in progress too, and no connection is left on the server."""
    with connect(broker.url) as connection:
        client = make()
        handle = await call(client.submit, PHOTO)
        waiting = asyncio.create_task(call(handle.result))
        await blocked(connection, 1)
        await call(client.close)
        with pytest.raises(BrokerError, match="closed"):
            await waiting
        with pytest.raises(BrokerError, match="closed"):
            await call(client.submit, PHOTO)
        await call(client.close)
        await only_we_are_connected(connection)


async def only_we_are_connected(connection: Any) -> None:
    until_s = time.monotonic() + 5
    while len(connection.client_list()) > 1:
        assert time.monotonic() < until_s, connection.client_list()
        await asyncio.sleep(0.01)


async def test_nothing_is_left_behind(broker: EmbeddedBroker) -> None:
    """Context managers of both clients close every connection, thread and task they made."""
    threads, tasks = threading.active_count(), len(asyncio.all_tasks())
    with connect(broker.url) as connection:
        with FakeWorker(broker.url):
            with Client(broker.url) as client:
                await asyncio.to_thread(client.recommend, PHOTO)
            async with AsyncClient(broker.url) as asynchronous:
                await asyncio.gather(*(asynchronous.recommend(PHOTO) for _ in range(20)))
        await only_we_are_connected(connection)
    assert len(asyncio.all_tasks()) == tasks
    assert threading.active_count() - threads <= 32, "only the event loop's own pool may have grown"


async def test_closing_waits_for_nothing(broker: EmbeddedBroker, worker: FakeWorker) -> None:
    """A client that is closed as soon as its songs are there does not wait for its reader, which waits for more."""
    for _ in range(5):
        client = AsyncClient(broker.url)
        await client.recommend(PHOTO)
        await asyncio.wait_for(client.close(), BLOCK_MS / 1000 / 2)


async def test_an_error_in_the_with_block_passes(broker: EmbeddedBroker) -> None:
    """The context managers do not swallow what happens inside."""
    with pytest.raises(NoModel), Client(broker.url):
        raise NoModel
    with pytest.raises(InternalError):
        async with AsyncClient(broker.url):
            raise InternalError


IN_FLIGHT = 200


def test_threads_get_their_own_replies(broker: EmbeddedBroker) -> None:
    """200 requests from 16 threads of one client, answered out of order: each thread gets its own songs."""
    with FakeWorker(broker.url), Client(broker.url) as client, ThreadPoolExecutor(16) as pool:
        handles = list(pool.map(lambda number: client.submit(PHOTO, id=f"r{number}"), range(IN_FLIGHT)))
        songs = list(pool.map(lambda handle: handle.result().songs[0].id, reversed(handles)))
        together = list(pool.map(lambda _: client.recommend(PHOTO), range(IN_FLIGHT)))
        with connect(broker.url) as connection:
            assert len(connection.client_list()) <= 32 + 2
    assert songs == [f"song-r{number}" for number in reversed(range(IN_FLIGHT))]
    assert all(got.songs[0].id == f"song-{got.id}" for got in together)
    assert len({got.id for got in together}) == IN_FLIGHT


async def test_tasks_get_their_own_replies(broker: EmbeddedBroker) -> None:
    """200 requests in flight in one event loop over few connections: each task gets its own songs."""
    with FakeWorker(broker.url):
        async with AsyncClient(broker.url) as client:
            together = await asyncio.gather(*(client.recommend(PHOTO) for _ in range(IN_FLIGHT)))
            with connect(broker.url) as connection:
                assert len(connection.client_list()) <= 32 + 2
    assert all(got.songs[0].id == f"song-{got.id}" for got in together)
    assert len({got.id for got in together}) == IN_FLIGHT


def test_one_slow_request_does_not_hold_up_the_others(broker: EmbeddedBroker) -> None:
    """Of two threads that wait, the one whose reply comes goes on at once, whoever happens to be reading."""
    with Client(broker.url) as client, connect(broker.url) as connection:
        slow, quick = client.submit(PHOTO, id="slow", lane=BULK), client.submit(PHOTO, id="quick")
        create_groups(connection)
        waiters = [threading.Thread(target=pytest.raises, args=(DeadlineExceeded, slow.result, 1.8)) for _ in range(8)]
        for waiter in waiters:
            waiter.start()
        took_s = []

        def wait_for_quick() -> None:
            quick.result(5)
            took_s.append(time.monotonic())

        waiter = threading.Thread(target=wait_for_quick)
        waiter.start()
        asyncio.run(blocked(connection, 1))
        answered_s = time.monotonic()
        asyncio.run(answer_once(broker))
        waiter.join()
        assert took_s[0] - answered_s < 1.0
        for waiting in waiters:
            waiting.join()


async def test_a_cancelled_wait_disturbs_nobody(broker: EmbeddedBroker) -> None:
    """Cancelling one waiting task ends it at once, leaves nothing in the inbox, and the other gets its reply."""
    async with AsyncClient(broker.url) as client:
        first = await client.submit(PHOTO, id="r1")
        waiting = [asyncio.create_task(first.result()) for _ in range(2)]
        with connect(broker.url) as connection:
            await blocked(connection, 1)
        waiting[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting[0]
        await answer_once(broker)
        assert (await waiting[1]).id == "r1"
        assert client._core.inbox.arrived("r1") is None


async def test_a_timeout_of_the_app_is_respected(broker: EmbeddedBroker) -> None:
    """`asyncio.timeout` around a wait ends it; the handle can be awaited again."""
    async with AsyncClient(broker.url) as client:
        handle = await client.submit(PHOTO)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await handle
        await answer_once(broker)
        assert (await handle).id == handle.id


async def test_errors_that_nobody_waits_for_are_silent(tmp_path: Path, redis_server: Path | None) -> None:
    """A server that goes away after the last waiter has gone leaves no complaint about a task's lost exception."""
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    with EmbeddedBroker(tmp_path / "broker", persistent=False, binary=redis_server) as broker:
        client = AsyncClient(broker.url)
        handle = await client.submit(PHOTO)
        waiting = asyncio.create_task(handle.result())
        with connect(broker.url) as connection:
            await blocked(connection, 1)
        waiting.cancel()
        await asyncio.wait([waiting])
        await asyncio.to_thread(broker.stop)
        [reading] = client._listening.reading.values()
        await asyncio.wait([reading])
        assert "exception=" in repr(reading)  # asking for it would count as having seen it
        client._listening.reading.clear()
        reading = waiting = None  # whatever refers to the task: it complains when it is freed
        gc.collect()
        await client.close()
    assert not complaints


def test_a_client_made_before_the_event_loop(broker: EmbeddedBroker) -> None:
    """An app makes its client on import and uses it in the loop that runs later."""
    client = AsyncClient(broker.url)

    async def main() -> str:
        async with client:
            return (await client.submit(PHOTO, id="r1")).id

    assert asyncio.run(main()) == "r1"
