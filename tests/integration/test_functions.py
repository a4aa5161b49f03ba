"""The atomic steps of a request's life, on a real server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from fake_worker import create_groups, delivery_of
from free_ports import free_port

from songlens_shared import functions
from songlens_shared.broker import connect
from songlens_shared.codec import decode_reply, decode_request, encode_reply, encode_request
from songlens_shared.errors import Cancelled, InternalError
from songlens_shared.functions import Call, Delivery, library_source
from songlens_shared.keys import (
    BULK,
    FEATURES_TTL_S,
    INTERACTIVE,
    REPLIES_MAX_LENGTH,
    REPLIES_TTL_S,
    RESULT_TTL_S,
    SONGS_GROUP,
    VISION_GROUP,
    PartitionKeys,
    partition_of,
)
from songlens_shared.messages import Reply, Request, error_reply
from songlens_shared.server import library_revision, load_functions, loaded_revision
from songlens_shared.streams import stream_entries
from songlens_workers.embedded import EmbeddedBroker

AT = PartitionKeys(0)
TTL_MS = 30_000


def request(
    id: str,
    *,
    client: str = "app",
    lane: str = INTERACTIVE,
    image: bytes = b"photo",
    user: str | None = None,
    ttl_ms: int = TTL_MS,
) -> Request:
    return Request(id=id, client=client, lane=lane, image=image, user=user, ttl_ms=ttl_ms)


def submit(connection: redis.Redis, wanted: Request) -> list:
    return functions.submit(AT, wanted, encode_request(wanted)).on(connection)


def claim(connection: redis.Redis, stream: str = AT.requests(INTERACTIVE), group: str = VISION_GROUP) -> Delivery:
    """Take the next entry of a stream, as a worker does."""
    create_groups(connection)
    if group == SONGS_GROUP:
        connection.xgroup_create(stream, group, id="0", mkstream=True)
    [(_, [entry])] = stream_entries(connection.xreadgroup(group, "w", {stream: ">"}, count=1))
    return delivery_of(AT, stream, entry, group)


def submitted(connection: redis.Redis, id: str = "r1", **options: str) -> Delivery:
    assert submit(connection, request(id, **options))[0] == b"accepted"
    return claim(connection)


def ok(id: str = "r1", model: str = "m1") -> bytes:
    return encode_reply(Reply(id=id, status="ok", model=model))


def replies(connection: redis.Redis, client: str = "app") -> list[tuple[bytes, bytes]]:
    return [(fields[b"id"], fields[b"m"]) for _, fields in connection.xrange(AT.replies(client))]


def assert_flat(connection: redis.Redis, stream: str, group: str = VISION_GROUP) -> None:
    """Nothing of a finished request is left in its stream."""
    assert connection.xlen(stream) == 0
    assert connection.xpending(stream, group)["pending"] == 0
    assert int(connection.get(AT.bytes_of(stream)) or 0) == 0


def server_ms(connection: redis.Redis) -> int:
    seconds, microseconds = connection.time()
    return seconds * 1000 + microseconds // 1000


def test_submit_writes_entry_marker_and_counter(connection: redis.Redis) -> None:
    """An accepted request lies in its lane with id, client and deadline; its id is marked as in flight."""
    before = server_ms(connection)
    wanted = request("r1")
    status, now, deadline = submit(connection, wanted)
    assert status == b"accepted"
    assert before <= now <= server_ms(connection)
    assert deadline == now + TTL_MS
    [(entry_id, fields)] = connection.xrange(AT.requests(INTERACTIVE))
    assert decode_request(fields.pop(b"m")) == wanted
    assert fields == {b"id": b"r1", b"client": b"app", b"deadline": str(deadline).encode()}
    assert connection.get(AT.result("r1")) == b""
    assert int(connection.get(AT.bytes_of(AT.requests(INTERACTIVE)))) == len(encode_request(wanted))
    assert now <= int(entry_id.split(b"-")[0]) <= server_ms(connection)


@pytest.mark.parametrize(
    ("lane", "ttl_ms", "result_ttl_s", "sentence"),
    [
        ("express", 1000, 10, "interactive or bulk"),
        (INTERACTIVE, 0, 10, "ttl_ms must be"),
        (INTERACTIVE, -(10**18), 10, "ttl_ms must be"),
        (INTERACTIVE, "1.5", 10, "ttl_ms must be"),
        (INTERACTIVE, "soon", 10, "ttl_ms must be"),
        (INTERACTIVE, 10**12, 10, "ttl_ms must be"),
        (INTERACTIVE, 1000, "nan", "result_ttl_s must be"),
    ],
)
def test_submit_refuses_what_cannot_be_before_it_writes(
    connection: redis.Redis, lane: str, ttl_ms: int | str, result_ttl_s: int | str, sentence: str
) -> None:
    """An unknown lane or an impossible time is a named error, and leaves no key behind."""
    stream = AT.requests(lane)
    call = functions.Call(
        "songlens_submit",
        (stream, AT.bytes_of(stream), AT.result("r1"), AT.limits),
        (lane, "r1", "app", b"photo", ttl_ms, result_ttl_s),
    )
    with pytest.raises(redis.ResponseError, match=f"BADREQUEST.*{sentence}"):
        call.on(connection)
    assert connection.keys("sl:*") == []


def test_stream_ids_are_server_time(connection: redis.Redis) -> None:
    """A worker reads from the entry id when the entry was written, to the millisecond of the server."""
    _, now, _ = submit(connection, request("r1"))
    assert abs(claim(connection).entered_ms - now) <= 1


def test_marker_outlives_the_deadline(connection: redis.Redis) -> None:
    """The id of a request in flight is known for its whole time and the time that its reply would be kept."""
    submit(connection, request("r1"))
    assert TTL_MS < connection.pttl(AT.result("r1")) <= TTL_MS + RESULT_TTL_S * 1000


USER = "somebody / 某人"
NOTED_S = RESULT_TTL_S + REPLIES_TTL_S


def test_a_request_is_noted_under_its_user(connection: redis.Redis) -> None:
    """Request and client, by the time at which no reply is left; the key lives as long, and bears no user id."""
    _, now, _ = submit(connection, request("r1", user=USER, ttl_ms=600_000))
    submit(connection, request("r2", user=USER, client="other"))
    submit(connection, request("r3", user="another"))
    noted = connection.zrange(AT.user(USER), 0, -1, withscores=True)
    assert [member for member, _ in noted] == [b"r2 other", b"r1 app"]
    assert noted[1][1] == now + 600_000 + NOTED_S * 1000
    # The shorter time of the second did not shorten the first's.
    assert (NOTED_S + 595) * 1000 < connection.pttl(AT.user(USER)) <= (NOTED_S + 600) * 1000
    assert connection.keys("*somebody*") == []


def test_nothing_is_noted_without_need(connection: redis.Redis) -> None:
    """Nobody named, no key given, a lane that is full, an id that is known: no member is written."""
    wanted = request("r1", user=USER)
    call = functions.submit(AT, wanted, encode_request(wanted))
    functions.Call(call.function, call.keys[:5], call.args[:6]).on(connection)  # a client of an earlier release
    submit(connection, request("r2"))
    submit(connection, wanted)
    connection.hset(AT.limits, "interactive.depth", 2)
    assert submit(connection, request("r3", user=USER))[0] == b"full"
    assert connection.keys("sl:{0}:user:*") == []


def test_what_is_past_is_noted_no_more(connection: redis.Redis) -> None:
    """Each submit prunes its user's key of requests of which nothing is kept."""
    past_ms = server_ms(connection) - 1
    connection.zadd(AT.user(USER), {"old app": past_ms, "young app": past_ms + 60_000})
    submit(connection, request("r1", user=USER))
    assert connection.zrange(AT.user(USER), 0, -1) == [b"young app", b"r1 app"]


def test_second_submit_is_pending_then_done(connection: redis.Redis) -> None:
    """The same id is queued once; after the answer, submit returns the stored reply."""
    delivery = submitted(connection)
    assert submit(connection, request("r1"))[0] == b"pending"
    assert connection.xlen(delivery.stream) == 1
    functions.finish(delivery, ok()).on(connection)
    status, _, reply = submit(connection, request("r1"))
    assert (status, reply) == (b"done", ok())
    assert_flat(connection, delivery.stream)


def test_depth_limit(connection: redis.Redis) -> None:
    """At its depth limit a lane refuses, says how full it is, and takes nothing; the other lane is not concerned."""
    connection.hset(AT.limits, mapping={"interactive.depth": 2})
    for id in ("r1", "r2"):
        assert submit(connection, request(id))[0] == b"accepted"
    status, retry_after_ms, depth, waiting = submit(connection, request("r3"))
    assert (status, depth) == (b"full", 2)
    assert waiting == 2 * len(encode_request(request("r1")))
    assert 100 <= retry_after_ms <= 5000
    assert connection.exists(AT.result("r3")) == 0
    assert submit(connection, request("r3", lane=BULK))[0] == b"accepted"
    functions.finish(claim(connection), ok()).on(connection)
    assert submit(connection, request("r4"))[0] == b"accepted"


def test_bytes_limit(connection: redis.Redis) -> None:
    """A lane refuses the request whose bytes would pass its limit, and takes a smaller one."""
    connection.hset(AT.limits, mapping={"interactive.bytes": 1000})
    assert submit(connection, request("r1", image=bytes(600)))[0] == b"accepted"
    assert submit(connection, request("r2", image=bytes(600)))[0] == b"full"
    assert submit(connection, request("r3", image=bytes(100)))[0] == b"accepted"


def test_default_limits_are_used_without_a_hash(connection: redis.Redis) -> None:
    """Without any setting the interactive lane holds 1000 requests and no more."""
    pipeline = connection.pipeline(transaction=False)
    for number in range(1001):
        wanted = request(f"r{number}")
        functions.submit(AT, wanted, encode_request(wanted)).on(pipeline)
    statuses = [result[0] for result in pipeline.execute()]
    assert statuses == [b"accepted"] * 1000 + [b"full"]


@pytest.mark.parametrize(("age_ms", "least", "most"), [(0, 100, 100), (8000, 2000, 2100), (3_600_000, 5000, 5000)])
def test_retry_hint_follows_the_oldest_entry(connection: redis.Redis, age_ms: int, least: int, most: int) -> None:
    """The hint is a quarter of the oldest entry's age, between 100 ms and 5 s."""
    stream = AT.requests(INTERACTIVE)
    connection.xadd(stream, {"m": b""}, id=f"{server_ms(connection) - age_ms}-0")
    connection.hset(AT.limits, mapping={"interactive.depth": 1})
    status, retry_after_ms, *_ = submit(connection, request("r1"))
    assert status == b"full"
    assert least <= retry_after_ms <= most


def test_a_cleared_lane_takes_requests_again(connection: redis.Redis) -> None:
    """Bytes that somebody deleted behind the counter's back do not close the lane for ever."""
    connection.hset(AT.limits, mapping={"interactive.bytes": 1000})
    submit(connection, request("r1", image=bytes(900)))
    connection.xtrim(AT.requests(INTERACTIVE), maxlen=0, approximate=False)
    assert submit(connection, request("r2", image=bytes(900)))[0] == b"accepted"
    functions.finish(claim(connection), ok("r2")).on(connection)
    assert_flat(connection, AT.requests(INTERACTIVE))


def test_finish_stores_publishes_and_frees(connection: redis.Redis) -> None:
    """The reply is stored and in the channel, both with their TTL, and a subscriber gets it; the entry is gone."""
    delivery = submitted(connection)
    with connection.pubsub() as listener:
        listener.ssubscribe(AT.reply_channel("app"))
        assert listener.get_sharded_message(timeout=5)["type"] == "ssubscribe"
        assert functions.finish(delivery, ok()).on(connection) == 1
        message = listener.get_sharded_message(timeout=5)
    assert (message["type"], message["data"]) == ("smessage", ok())
    assert connection.get(AT.result("r1")) == ok()
    assert RESULT_TTL_S - 5 < connection.ttl(AT.result("r1")) <= RESULT_TTL_S
    assert replies(connection) == [(b"r1", ok())]
    assert REPLIES_TTL_S - 5 < connection.ttl(AT.replies("app")) <= REPLIES_TTL_S
    assert_flat(connection, delivery.stream)


def test_finish_with_a_notice(connection: redis.Redis) -> None:
    """The reply is stored for a minute; channel and subscriber are told that it is there, and the entry is gone."""
    delivery = submitted(connection)
    with connection.pubsub() as listener:
        listener.ssubscribe(AT.reply_channel("app"))
        assert listener.get_sharded_message(timeout=5)["type"] == "ssubscribe"
        assert functions.finish_with_notice(delivery, ok()).on(connection) == 1
        assert listener.get_sharded_message(timeout=5)["data"] == b""
    assert connection.get(AT.result("r1")) == ok()
    assert FEATURES_TTL_S - 5 < connection.ttl(AT.result("r1")) <= FEATURES_TTL_S
    assert replies(connection) == [(b"r1", b"")]
    assert REPLIES_TTL_S - 5 < connection.ttl(AT.replies("app")) <= REPLIES_TTL_S
    assert functions.finish_with_notice(delivery, ok(model="second")).on(connection) == 0
    assert_flat(connection, delivery.stream)


def test_finish_only_once(connection: redis.Redis) -> None:
    """Of two workers that finish the same entry the first wins; the second stores nothing and is told so."""
    delivery = submitted(connection)
    assert functions.finish(delivery, ok(model="first")).on(connection) == 1
    assert functions.finish(delivery, ok(model="second")).on(connection) == 0
    assert connection.get(AT.result("r1")) == ok(model="first")
    assert replies(connection) == [(b"r1", ok(model="first"))]
    assert_flat(connection, delivery.stream)


@pytest.mark.parametrize(
    ("key", "argument", "value"),
    [(None, 2, "many"), (None, 6, "1e-3"), (None, 8, ""), (0, None, "text"), (2, None, "list")],
)
def test_a_call_that_cannot_be_done_changes_nothing(
    connection: redis.Redis, key: int | None, argument: int | None, value: str
) -> None:
    """A key of another type or an argument that is no number is refused before the entry is touched."""
    delivery = submitted(connection)
    connection.set("text", "some text")
    connection.rpush("list", "a")
    call = functions.finish(delivery, ok())
    keys = tuple(value if position == key else name for position, name in enumerate(call.keys))
    args = tuple(value if position == argument else given for position, given in enumerate(call.args))
    with pytest.raises(redis.ResponseError, match=r"BADREQUEST|WRONGTYPE"):
        Call(call.function, keys, args).on(connection)
    assert connection.get(AT.result("r1")) == b""
    assert connection.xpending(delivery.stream, VISION_GROUP)["pending"] == 1
    assert call.on(connection) == 1
    assert_flat(connection, delivery.stream)


def test_finish_after_expiry_does_not_resurrect(connection: redis.Redis) -> None:
    """A worker that comes back after the reply has expired does not store another one."""
    delivery = submitted(connection)
    functions.finish(delivery, ok()).on(connection)
    connection.delete(AT.result("r1"))
    assert functions.finish(delivery, ok(model="late")).on(connection) == 0
    assert connection.exists(AT.result("r1")) == 0


def test_one_reply_for_an_id_that_was_queued_twice(connection: redis.Redis) -> None:
    """A request that lies in the stream twice (its marker was lost) still gets one stored reply, and both are freed."""
    first = submitted(connection)
    connection.delete(AT.result("r1"))
    second = submitted(connection)
    assert functions.finish(first, ok(model="first")).on(connection) == 1
    assert functions.finish(second, ok(model="second")).on(connection) == 0
    assert replies(connection) == [(b"r1", ok(model="first"))]
    assert_flat(connection, first.stream)


def test_hand_over_moves_the_entry_once(connection: redis.Redis) -> None:
    """Hits appear in the next stream with id, client and deadline of the request; a second hand-over adds nothing."""
    delivery = submitted(connection)
    call = functions.hand_over(delivery, AT.hits, b"hits")
    assert [call.on(connection), call.on(connection)] == [1, 0]
    assert_flat(connection, delivery.stream)
    hits = claim(connection, AT.hits, SONGS_GROUP)
    assert (hits.payload, hits.request_id, hits.client) == (b"hits", "r1", "app")
    assert hits.deadline_ms == delivery.deadline_ms
    assert int(connection.get(AT.bytes_of(AT.hits))) == len(b"hits")
    assert functions.finish(hits, ok()).on(connection) == 1
    assert_flat(connection, AT.hits, SONGS_GROUP)


def test_late_finish_after_hand_over_is_refused(connection: redis.Redis) -> None:
    """A worker whose entry was taken over and handed on by another cannot answer any more."""
    delivery = submitted(connection)
    functions.hand_over(delivery, AT.hits, b"hits").on(connection)
    assert functions.finish(delivery, ok()).on(connection) == 0
    assert functions.bury(delivery, ok(), stage="vision", error="late").on(connection) == 0
    assert connection.get(AT.result("r1")) == b""
    assert connection.xlen(AT.dead) == 0
    assert replies(connection) == []


def test_hand_over_after_finish_is_refused(connection: redis.Redis) -> None:
    """An answered request does not go on to the next stage."""
    delivery = submitted(connection)
    functions.finish(delivery, ok()).on(connection)
    assert functions.hand_over(delivery, AT.hits, b"hits").on(connection) == 0
    assert connection.xlen(AT.hits) == 0


def test_reply_channel_is_trimmed(connection: redis.Redis) -> None:
    """A client that never reads its channel does not fill the server."""
    connection.config_set("stream-node-max-entries", 100)  # a server's own default; a trim is of up to 100 nodes
    pipeline = connection.pipeline(transaction=False)
    for _ in range(REPLIES_MAX_LENGTH + 500):
        pipeline.xadd(AT.replies("app"), {"id": "old", "m": b"old"})
    pipeline.execute()
    functions.finish(submitted(connection), ok()).on(connection)
    # Trimming is approximate: whole nodes of 100 entries (stream-node-max-entries).
    assert REPLIES_MAX_LENGTH <= connection.xlen(AT.replies("app")) < REPLIES_MAX_LENGTH + 100
    assert replies(connection)[-1] == (b"r1", ok())
    kept = connection.xlen(AT.replies("app"))
    assert int(connection.get(AT.trimmed)) == REPLIES_MAX_LENGTH + 501 - kept  # and what is lost is counted


def test_a_count_that_cannot_be_kept_costs_no_reply(connection: redis.Redis) -> None:
    """Whatever lies where replies lost are counted; the reply itself is stored and told."""
    connection.set(AT.trimmed, "no number")
    pipeline = connection.pipeline(transaction=False)
    for _ in range(REPLIES_MAX_LENGTH + 500):
        pipeline.xadd(AT.replies("app"), {"id": "old", "m": b"old"})
    pipeline.execute()
    assert functions.finish(submitted(connection), ok()).on(connection) == 1
    assert replies(connection)[-1] == (b"r1", ok())


@pytest.mark.parametrize("age_s", [REPLIES_TTL_S - 60, REPLIES_TTL_S + 60])
def test_replies_past_their_time_go_with_the_next(connection: redis.Redis, age_s: int) -> None:
    """By age and exactly, however few they are and however the server packs them."""
    connection.config_set("stream-node-max-entries", 100)
    connection.xadd(AT.replies("app"), {"id": "old", "m": b"old"}, id=f"{server_ms(connection) - age_s * 1000}-0")
    functions.finish(submitted(connection), ok()).on(connection)
    kept = [(b"old", b"old")] if age_s < REPLIES_TTL_S else []
    assert replies(connection) == [*kept, (b"r1", ok())]


def bury(connection: redis.Redis, delivery: Delivery) -> int:
    reply = encode_reply(error_reply(delivery.request_id, InternalError()))
    return functions.bury(delivery, reply, stage="vision", error="delivered 4 times").on(connection)


def test_bury_keeps_the_letter_and_answers(connection: redis.Redis) -> None:
    """A dead letter holds all that is needed to understand and replay it; the client gets the error, once."""
    delivery = submitted(connection)
    assert [bury(connection, delivery), bury(connection, delivery)] == [1, 0]
    [(_, letter)] = connection.xrange(AT.dead)
    assert letter == {
        b"m": delivery.payload,
        b"id": b"r1",
        b"client": b"app",
        b"deadline": str(delivery.deadline_ms).encode(),
        b"stage": b"vision",
        b"error": b"delivered 4 times",
        b"deliveries": b"1",
        b"source": delivery.stream.encode(),
    }
    failure = decode_reply(connection.get(AT.result("r1"))).error
    assert failure is not None
    assert failure.code == "internal"
    assert len(replies(connection)) == 1
    assert_flat(connection, delivery.stream)


def cancel(connection: redis.Redis, id: str = "r1") -> int:
    return functions.cancel(AT, id, encode_reply(error_reply(id, Cancelled()))).on(connection)


def assert_cancelled(connection: redis.Redis, id: str = "r1") -> None:
    """The one reply says so, under the id and in the channel; nothing else knows of the request."""
    failure = decode_reply(connection.get(AT.result(id))).error
    assert failure is not None
    assert failure.code == "cancelled"
    assert replies(connection) == [(id.encode(), connection.get(AT.result(id)))]
    assert connection.exists(AT.place(id)) == 0


def test_cancel_takes_a_waiting_request_out(connection: redis.Redis) -> None:
    """Nobody has claimed it: entry, bytes and place are gone at once, no worker ever sees it."""
    create_groups(connection)
    submit(connection, request("r1"))
    assert cancel(connection) == 1
    assert_cancelled(connection)
    assert_flat(connection, AT.requests(INTERACTIVE))
    assert cancel(connection) == 0


@pytest.mark.parametrize("stage", [VISION_GROUP, SONGS_GROUP])
def test_cancel_takes_a_request_from_the_worker_that_holds_it(connection: redis.Redis, stage: str) -> None:
    """In either stage: what the worker makes of it comes too late, and neither stream keeps anything."""
    delivery = submitted(connection)
    if stage == SONGS_GROUP:
        functions.hand_over(delivery, AT.hits, b"hits").on(connection)
        delivery = claim(connection, AT.hits, SONGS_GROUP)
    assert cancel(connection) == 1
    assert functions.finish(delivery, ok()).on(connection) == 0
    assert functions.hand_over(delivery, AT.hits, b"late").on(connection) == 0
    assert bury(connection, delivery) == 0
    assert_cancelled(connection)
    assert_flat(connection, delivery.stream, stage)
    assert connection.xlen(AT.dead) == 0


def test_cancel_of_what_is_answered_or_unknown(connection: redis.Redis) -> None:
    """An answer stays; an id that nobody knows is told apart."""
    functions.finish(submitted(connection), ok()).on(connection)
    assert cancel(connection) == 0
    assert connection.get(AT.result("r1")) == ok()
    assert cancel(connection, "r2") == -1
    assert connection.exists(AT.result("r2")) == 0


def test_cancel_without_a_place(connection: redis.Redis) -> None:
    """A client that gave no place has the request answered under its id; its entry ends when a worker comes to it."""
    wanted = request("r1")
    call = functions.submit(AT, wanted, encode_request(wanted))
    functions.Call(call.function, call.keys[:4], call.args).on(connection)
    assert cancel(connection) == 1
    failure = decode_reply(connection.get(AT.result("r1"))).error
    assert failure is not None
    assert failure.code == "cancelled"
    delivery = claim(connection)
    assert functions.finish(delivery, ok()).on(connection) == 0
    assert_flat(connection, delivery.stream)


def test_cancel_of_what_was_seen(connection: redis.Redis) -> None:
    """Marker and place have expired, since no worker has come for so long: whoever sees the entry can take it out."""
    create_groups(connection)
    submit(connection, request("r1"))
    connection.delete(AT.result("r1"), AT.place("r1"))
    [(entry_id, _)] = connection.xrange(AT.requests(INTERACTIVE))
    assert cancel(connection) == -1
    reply = encode_reply(error_reply("r1", Cancelled()))
    call = functions.cancel(AT, "r1", reply, seen=(AT.requests(INTERACTIVE), entry_id))
    assert call.on(connection) == 1
    assert_cancelled(connection)
    assert_flat(connection, AT.requests(INTERACTIVE))
    assert call.on(connection) == 0


def test_cancel_of_what_has_gone_on_since_it_was_seen(connection: redis.Redis) -> None:
    """It is found in the next stage; what has been answered keeps its answer."""
    delivery = submitted(connection)
    functions.hand_over(delivery, AT.hits, b"hits").on(connection)
    reply = encode_reply(error_reply("r1", Cancelled()))
    call = functions.cancel(AT, "r1", reply, seen=(delivery.stream, delivery.entry_id))
    hits = claim(connection, AT.hits, SONGS_GROUP)
    assert call.on(connection) == 1
    assert_cancelled(connection)
    assert_flat(connection, AT.hits, SONGS_GROUP)
    assert functions.finish(hits, ok()).on(connection) == 0

    second = submitted(connection, "r2")
    functions.finish(second, ok("r2")).on(connection)
    call = functions.cancel(AT, "r2", reply, seen=(second.stream, second.entry_id))
    assert call.on(connection) == 0
    assert connection.get(AT.result("r2")) == ok("r2")


def test_a_replayed_letter_can_be_cancelled(connection: redis.Redis) -> None:
    """It has a place again."""
    bury(connection, submitted(connection))
    [(letter_id, letter)] = connection.xrange(AT.dead)
    functions.replay(AT, letter_id, letter, ttl_ms=90_000).on(connection)
    assert cancel(connection) == 1
    assert_flat(connection, AT.requests(INTERACTIVE))


def test_the_place_lives_as_long_as_the_request(connection: redis.Redis) -> None:
    """It follows the request, keeps its time, and is gone with the answer."""
    delivery = submitted(connection)
    assert connection.get(AT.place("r1")) == f"{delivery.stream} {delivery.entry_id.decode()}".encode()
    left_ms = connection.pttl(AT.place("r1"))
    functions.hand_over(delivery, AT.hits, b"hits").on(connection)
    hits = claim(connection, AT.hits, SONGS_GROUP)
    assert connection.get(AT.place("r1")) == f"{AT.hits} {hits.entry_id.decode()}".encode()
    assert left_ms - 5000 < connection.pttl(AT.place("r1")) <= left_ms
    functions.finish(hits, ok()).on(connection)
    assert connection.exists(AT.place("r1")) == 0


def test_dead_letters_expire(connection: redis.Redis) -> None:
    """Those past the time that is set go when the next one comes, photos and all, and the last with the key."""
    connection.config_set("stream-node-max-entries", 100)
    now = server_ms(connection)
    for age_s in (65, 55):
        connection.xadd(AT.dead, {"m": b"photo", "id": f"old-{age_s}"}, id=f"{now - age_s * 1000}-0")
    delivery = submitted(connection)
    reply = encode_reply(error_reply("r1", InternalError()))
    functions.bury(delivery, reply, stage="vision", error="why", dead_ttl_s=60).on(connection)
    assert [letter[b"id"] for _, letter in connection.xrange(AT.dead)] == [b"old-55", b"r1"]
    assert 0 < connection.ttl(AT.dead) <= 60


def test_a_replayed_letter_is_noted_under_its_user_again(connection: redis.Redis) -> None:
    """A letter may be kept for longer than its request was noted."""
    wanted = request("r1", user=USER)
    submit(connection, wanted)
    bury(connection, claim(connection))
    connection.delete(AT.user(USER))
    [(letter_id, letter)] = connection.xrange(AT.dead)
    functions.replay(AT, letter_id, letter, ttl_ms=90_000, user=USER).on(connection)
    assert connection.zrange(AT.user(USER), 0, -1) == [b"r1 app"]
    assert (NOTED_S + 80) * 1000 < connection.pttl(AT.user(USER)) <= (NOTED_S + 90) * 1000


def test_a_letter_without_its_payload(connection: redis.Redis) -> None:
    """It tells what went wrong, and no photo is kept."""
    delivery = submitted(connection)
    reply = encode_reply(error_reply("r1", InternalError()))
    functions.bury(delivery, reply, stage="vision", error="why", keep_payload=False).on(connection)
    [(_, letter)] = connection.xrange(AT.dead)
    assert (letter[b"m"], letter[b"error"]) == (b"", b"why")


def test_replay_restores_the_request(connection: redis.Redis) -> None:
    """A replayed letter is the same request with a new deadline, and its new answer takes the place of the error."""
    delivery = submitted(connection)
    bury(connection, delivery)
    [(letter_id, letter)] = connection.xrange(AT.dead)
    call = functions.replay(AT, letter_id, letter, ttl_ms=90_000)
    before = server_ms(connection)
    assert [call.on(connection), call.on(connection)] == [1, 0]
    assert connection.xlen(AT.dead) == 0
    assert connection.get(AT.result("r1")) == b""
    again = claim(connection)
    assert (again.payload, again.request_id, again.client) == (delivery.payload, "r1", "app")
    assert before + 90_000 <= again.deadline_ms <= server_ms(connection) + 90_000
    assert functions.finish(again, ok()).on(connection) == 1
    assert connection.get(AT.result("r1")) == ok()
    assert replies(connection)[-1] == (b"r1", ok())
    assert_flat(connection, delivery.stream)


def test_many_requests_leave_nothing_behind(connection: redis.Redis) -> None:
    """After a hundred requests through both stages, every stream is empty and every counter is 0."""
    for number in range(100):
        submit(connection, request(f"r{number}", image=bytes(number * 10)))
    create_groups(connection)
    connection.xgroup_create(AT.hits, SONGS_GROUP, id="0", mkstream=True)
    for stream, group in ((AT.requests(INTERACTIVE), VISION_GROUP), (AT.hits, SONGS_GROUP)):
        [(_, entries)] = stream_entries(connection.xreadgroup(group, "w", {stream: ">"}))
        assert len(entries) == 100
        for entry in entries:
            delivery = delivery_of(AT, stream, entry, group)
            if group == VISION_GROUP:
                functions.hand_over(delivery, AT.hits, entry[1][b"id"]).on(connection)
            else:
                functions.finish(delivery, ok(delivery.request_id)).on(connection)
        assert_flat(connection, stream, group)
    assert len(replies(connection)) == 100


def test_out_of_memory_refuses_submits_and_lets_work_end(connection: redis.Redis) -> None:
    """A server at its memory limit takes no new request, but every step that frees memory still runs."""
    first, second, third = (submitted(connection, id) for id in ("r1", "r2", "r3"))
    connection.config_set("maxmemory", 1)
    with pytest.raises(redis.OutOfMemoryError):
        submit(connection, request("r4"))
    assert functions.finish(first, ok("r1")).on(connection) == 1
    assert functions.hand_over(second, AT.hits, b"hits").on(connection) == 1
    assert bury(connection, third) == 1


def test_library_is_loaded_once(connection: redis.Redis) -> None:
    """Loading again changes nothing; a library that differs is replaced."""
    assert load_functions(connection) is False
    connection.function_load(
        "#!lua name=songlens\nredis.register_function('songlens_old', function() end)", replace=True
    )
    assert load_functions(connection) is True
    assert load_functions(connection) is False


OTHER = "\nredis.register_function('songlens_other', function() return 1 end)"


@pytest.mark.parametrize(("revisions_ahead", "replaced"), [(-1, True), (0, True), (1, False)])
def test_a_newer_library_stays(connection: redis.Redis, revisions_ahead: int, replaced: bool) -> None:
    """A worker of an older release that starts in the middle of an upgrade, or after it, takes no function away; one
    of a newer release brings its own. Of one revision, as while one is being written, the last to come has its way."""
    ours = library_revision(library_source())
    other = library_source().replace(f"-- revision {ours}\n", f"-- revision {ours + revisions_ahead}\n") + OTHER
    connection.function_load(other, replace=True)
    assert load_functions(connection) is replaced
    assert loaded_revision(connection) == ours + max(0, revisions_ahead)
    if replaced:
        with pytest.raises(redis.ResponseError, match="Function not found"):
            connection.fcall("songlens_other", 0)
    else:
        assert connection.fcall("songlens_other", 0) == 1
        assert functions.finish(submitted(connection), ok()).on(connection) == 1


@pytest.mark.parametrize("protocol", [2, 3])
def test_both_versions_of_the_redis_protocol(broker: EmbeddedBroker, protocol: int) -> None:
    """Library, submit, claim and finish work over RESP2 and RESP3."""
    with connect(f"{broker.url}?protocol={protocol}") as connection:
        assert [load_functions(connection), load_functions(connection)] == [True, False]
        assert functions.finish(submitted(connection), ok()).on(connection) == 1
        [(stream, [(_, fields)])] = stream_entries(connection.xread({AT.replies("app"): "0"}))
        assert (stream, fields[b"m"]) == (AT.replies("app"), ok())
        assert stream_entries(connection.xread({AT.replies("nobody"): "0"}, block=1)) == []


class ClusterNode(EmbeddedBroker):
    """One server that is a whole Redis Cluster: it serves every slot, and checks that a call stays within one."""

    def _arguments(self) -> list[str]:
        # The default, the server's port + 10000, may not exist.
        return [*super()._arguments(), "--cluster-enabled", "yes", "--cluster-port", str(free_port())]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, redis_server: Path | None) -> Iterator[redis.Redis]:
    with (
        ClusterNode(tmp_path_factory.mktemp("cluster"), persistent=False, binary=redis_server) as node,
        connect(node.url) as connection,
    ):
        connection.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        until_s = time.monotonic() + 10
        while connection.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
            assert time.monotonic() < until_s, "the node does not serve its slots"
            time.sleep(0.01)
        load_functions(connection)
        yield connection


def test_every_step_stays_in_one_slot_of_a_cluster(cluster: redis.Redis) -> None:
    """On a cluster node all keys and the channel of a call are in one slot, whatever the step."""
    functions.finish(submitted(cluster, "r1"), ok()).on(cluster)
    functions.hand_over(submitted(cluster, "r2"), AT.hits, b"hits").on(cluster)
    bury(cluster, submitted(cluster, "r3"))
    [(letter_id, letter)] = cluster.xrange(AT.dead)
    assert functions.replay(AT, letter_id, letter, ttl_ms=1000).on(cluster) == 1


def test_without_the_hash_tag_a_cluster_refuses_the_call(cluster: redis.Redis) -> None:
    """It is the tag that keeps the keys together."""
    call = functions.finish(submitted(cluster, "r9"), ok())
    with pytest.raises(redis.exceptions.ClusterCrossSlotError):
        replace(call, keys=tuple(key.replace("{0}", "0") for key in call.keys)).on(cluster)


def test_partition_is_the_slot_hash_of_redis_cluster(cluster: redis.Redis) -> None:
    """With 16384 partitions, an id's partition is the slot that the server itself computes."""
    for id in ("r1", "123456789", "0b1f", "a" * 128, "user@host:1-2_3.4"):
        assert partition_of(id, 16384) == cluster.execute_command("CLUSTER KEYSLOT", id)
