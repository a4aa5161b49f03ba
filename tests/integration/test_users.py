"""`songlens user forget`: what Redis holds of a user is removed, by the real command beside real requests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import redis
from fake_worker import FakeWorker, create_groups, delivery_of
from song_models import publish, random_vectors, user_ids

from songlens import Cancelled, Client, InternalError
from songlens_shared import functions
from songlens_shared.codec import encode_reply, encode_request
from songlens_shared.errors import ConfigError
from songlens_shared.functions import Delivery
from songlens_shared.keys import (
    BULK,
    INTERACTIVE,
    REPLIES_TTL_S,
    SONGS_GROUP,
    USERS_FORGETS,
    USERS_FORGOTTEN,
    VISION_GROUP,
    ModelKeys,
    PartitionKeys,
    partition_of,
    user_digest,
)
from songlens_shared.messages import Reply, Request, error_reply
from songlens_shared.streams import stream_entries
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.models.forgotten import ForgottenUsers
from songlens_workers.users import Removed, Users

PARTITIONS = 2
USER, OTHER = user_ids(2)
IDS = ["r1", "r2", "r3", "r4"]

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def users(connection: redis.Redis) -> Users:
    return Users(connection, partitions=PARTITIONS)


@pytest.fixture
def client(broker: EmbeddedBroker, connection: redis.Redis) -> Iterator[Client]:
    """A client of two partitions, in both of which the tests' ids lie."""
    create_groups(connection, PARTITIONS)
    assert {partition_of(id, PARTITIONS) for id in IDS} == {0, 1}
    with Client(broker.url, name="app", partitions=PARTITIONS) as connected:
        yield connected


def at(id: str) -> PartitionKeys:
    return PartitionKeys(partition_of(id, PARTITIONS))


def claim(connection: redis.Redis, id: str, lane: str = INTERACTIVE) -> Delivery:
    """Take the next entry of the lane in the partition of a request, as a worker does."""
    stream = at(id).requests(lane)
    [(_, [entry])] = stream_entries(connection.xreadgroup(VISION_GROUP, "w", {stream: ">"}, count=1))
    return delivery_of(at(id), stream, entry)


def bury(connection: redis.Redis, delivery: Delivery, *, keep_payload: bool = True) -> None:
    reply = encode_reply(error_reply(delivery.request_id, InternalError()))
    call = functions.bury(delivery, reply, stage="vision", error="why", keep_payload=keep_payload)
    assert call.on(connection) == 1


def replies(connection: redis.Redis, id: str) -> list[bytes]:
    """The requests whose replies stand in the channel of the request's partition."""
    return [fields[b"id"] for _, fields in connection.xrange(at(id).replies("app"))]


def ok(id: str) -> bytes:
    return encode_reply(Reply(id=id, status="ok", model="late"))


def test_nothing_is_found_of_a_stranger(users: Users, connection: redis.Redis) -> None:
    """No count, no key but the mark that keeps the user out of later versions."""
    assert not users.forget("a stranger")
    assert users.forget("a stranger") == Removed()
    assert sorted(connection.keys("*")) == [USERS_FORGETS.encode(), USERS_FORGOTTEN.encode()]
    assert connection.smembers(USERS_FORGOTTEN) == {user_digest("a stranger").encode()}


def test_vectors_leave_every_version(users: Users, connection: redis.Redis) -> None:
    """Also one whose publishing broke off before it was on the list; other users stay, and workers are told."""
    for version in ("v1", "v2"):
        publish(connection, version, random_vectors(1, 3), random_vectors(2, 5), random_vectors(3, 2))
    connection.hset(ModelKeys("half").user_vectors(7), USER, b"vector")
    assert users.forget(USER) == Removed(vectors=3)
    assert connection.hkeys(ModelKeys("v1").user_vectors(0)) == [OTHER.encode()]
    assert connection.hkeys(ModelKeys("v2").user_vectors(0)) == [OTHER.encode()]
    assert int(connection.get(USERS_FORGETS) or 0) == 1


def test_answered_requests_leave_nothing(
    broker: EmbeddedBroker, users: Users, client: Client, connection: redis.Redis
) -> None:
    """Results and replies of every partition and every client are gone, and those of others are there."""
    with FakeWorker(broker.url, partitions=PARTITIONS), Client(broker.url, partitions=PARTITIONS) as second:
        for id in IDS[:2]:
            client.submit(b"photo", id=id, user=USER).result()
        second.submit(b"photo", id=IDS[2], user=USER).result()
        client.submit(b"photo", id=IDS[3], user=OTHER).result()
    assert users.forget(USER) == Removed(results=3, replies=3)
    assert users.forget(USER) == Removed()
    assert connection.keys("sl:{*}:user:*") == [at(IDS[3]).user(OTHER).encode()]
    assert client.result(IDS[3]).songs
    assert [received.id for received in client.replies(quiet_s=0.1)] == [IDS[3]]
    assert users.forget(OTHER) == Removed(results=1, replies=1)


@pytest.mark.parametrize("stage", ["waiting", VISION_GROUP, SONGS_GROUP])
@pytest.mark.parametrize("noted", [True, False])
def test_requests_in_flight_are_cancelled(
    users: Users, client: Client, connection: redis.Redis, stage: str, noted: bool
) -> None:
    """Wherever they lie, also those that a client has not noted: what a worker makes of them comes too late."""
    handle = client.submit(b"photo", id="r1", lane=BULK, user=USER)
    other = client.submit(b"photo", id="r3", lane=BULK, user=OTHER)
    if not noted:
        connection.delete(at("r1").user(USER))
    delivery = None
    if stage != "waiting":
        delivery = claim(connection, "r1", BULK)
    if stage == SONGS_GROUP:
        assert delivery is not None
        hits = encode_request(Request(id="r1", client="app", image=b"-", user=USER))  # hits name their user alike
        functions.hand_over(delivery, at("r1").hits, hits).on(connection)
        connection.xgroup_create(at("r1").hits, SONGS_GROUP, id="0")
        [(_, [entry])] = stream_entries(connection.xreadgroup(SONGS_GROUP, "w", {at("r1").hits: ">"}))
        delivery = delivery_of(at("r1"), at("r1").hits, entry, SONGS_GROUP)
    assert users.forget(USER) == Removed(cancelled=1)
    with pytest.raises(Cancelled):
        handle.result(timeout_s=5)
    if delivery is not None:
        assert functions.finish(delivery, ok("r1")).on(connection) == 0
    with pytest.raises(Cancelled):
        client.result("r1")
    assert connection.xlen(at("r1").hits) == 0
    assert other.done() is False


def test_a_photo_leaves_that_waited_for_too_long(users: Users, client: Client, connection: redis.Redis) -> None:
    """No worker came until result, place and note had expired, and then nobody knows of the request but its lane."""
    client.submit(b"photo", id="r1", user=USER)
    connection.delete(at("r1").result("r1"), at("r1").place("r1"), at("r1").user(USER))
    assert users.forget(USER) == Removed(cancelled=1)
    assert connection.xlen(at("r1").requests(INTERACTIVE)) == 0
    assert int(connection.get(at("r1").bytes_of(at("r1").requests(INTERACTIVE))) or 0) == 0


def test_a_photo_leaves_that_was_cancelled_without_a_place(
    users: Users, client: Client, connection: redis.Redis
) -> None:
    """Its answer stands, and the entry that would have stayed until a worker came is gone."""
    client.submit(b"photo", id="r1", user=USER)
    connection.delete(at("r1").place("r1"))
    client.cancel("r1")
    assert connection.xlen(at("r1").requests(INTERACTIVE)) == 1
    users.forget(USER)
    assert connection.xlen(at("r1").requests(INTERACTIVE)) == 0


@pytest.mark.parametrize("keep_payload", [True, False])
def test_dead_letters_are_dropped(users: Users, client: Client, connection: redis.Redis, keep_payload: bool) -> None:
    """By the user whom their payload names, or by their request where none is kept; and so is the error reply."""
    client.submit(b"photo", id="r1", user=USER)
    bury(connection, claim(connection, "r1"), keep_payload=keep_payload)
    client.submit(b"photo", id="r3", user=OTHER)
    bury(connection, claim(connection, "r3"), keep_payload=keep_payload)
    if keep_payload:
        connection.delete(at("r1").user(USER))  # noted no more: letters may be kept for longer
    assert users.forget(USER) == Removed(results=1, replies=1, dead_letters=1)
    assert [letter[b"id"] for _, letter in connection.xrange(at("r3").dead)] == [b"r3"]
    assert connection.xlen(at("r1").dead) == (1 if at("r1") == at("r3") else 0)
    assert connection.exists(at("r1").result("r1")) == 0


def test_replies_past_their_time_go_too(users: Users, client: Client, connection: redis.Redis) -> None:
    """Nobody knows any more whose they are; no later reply has trimmed their channel."""
    channel = at("r1").replies("app")
    seconds, _ = connection.time()
    for age_s in (REPLIES_TTL_S + 60, REPLIES_TTL_S - 60):
        connection.xadd(channel, {"id": "whose", "m": b"-"}, id=f"{(seconds - age_s) * 1000}-0")
    users.forget(USER)
    assert connection.xlen(channel) == 1


def test_a_request_after_that_is_a_new_one(broker: EmbeddedBroker, users: Users, client: Client) -> None:
    """A forgotten user may ask again, under the same id even, and is forgotten again."""
    with FakeWorker(broker.url, partitions=PARTITIONS):
        for _ in range(2):
            assert client.submit(b"photo", id="r1", user=USER).result().songs
            assert users.forget(USER) == Removed(results=1, replies=1)


def test_a_forgotten_user_can_be_allowed(users: Users, connection: redis.Redis) -> None:
    """Once; the mark is what publishing goes by."""
    users.forget(USER)
    assert ForgottenUsers(connection).among([OTHER, USER]) == [False, True]
    assert (users.allow(USER), users.allow(USER)) == (True, False)
    assert ForgottenUsers(connection).among([OTHER, USER]) == [False, False]
    with pytest.raises(ConfigError, match="no text in UTF-8") as raised:
        users.forget("\udcff private")
    assert "private" not in raised.value.message


def test_thousands_of_requests(users: Users, client: Client, connection: redis.Redis) -> None:
    """More than a page of each stream: all of the user's are found among others', and none of the others'."""
    pipeline = connection.pipeline(transaction=False)
    for number in range(600):
        id, user = f"n{number}", (USER, OTHER)[number % 2]
        wanted = Request(id=id, client="app", image=b"photo", user=user)
        functions.submit(at(id), wanted, encode_request(wanted)).on(pipeline)
    pipeline.execute()
    for number in range(PARTITIONS):
        keys = PartitionKeys(number)
        stream = keys.requests(INTERACTIVE)
        [(_, entries)] = stream_entries(connection.xreadgroup(VISION_GROUP, "w", {stream: ">"}, count=500))
        for entry in entries[:200]:
            delivery = delivery_of(keys, stream, entry)
            functions.finish(delivery, ok(delivery.request_id)).on(connection)
        for entry in entries[200:230]:
            bury(connection, delivery_of(keys, stream, entry))
    removed = users.forget(USER)
    assert (removed.dead_letters + removed.cancelled, removed.results) == (300 - 200, 200 + removed.dead_letters)
    left = users.forget(OTHER)
    assert removed == replace(left, vectors=0)
    assert [connection.xlen(PartitionKeys(number).dead) for number in range(PARTITIONS)] == [0, 0]


@pytest.fixture
def songlens(broker: EmbeddedBroker) -> Command:
    """Run `songlens user ...` on this test's server."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "songlens", "user", *arguments, "--redis", broker.url]
        environment = {**os.environ, "COLUMNS": "120"}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)

    return run


def test_the_command(songlens: Command, broker: EmbeddedBroker, client: Client) -> None:
    """It tells how much it has removed, never what; a stranger is no error."""
    with FakeWorker(broker.url, partitions=PARTITIONS):
        for id in IDS:
            client.submit(b"photo", id=id, user=USER).result()
    forgotten = songlens("forget", USER, "--partitions", str(PARTITIONS))
    assert (forgotten.returncode, forgotten.stderr) == (0, "")
    assert "     4  results" in forgotten.stdout and "     4  replies in reply channels" in forgotten.stdout
    assert "docs/privacy.md" in forgotten.stdout
    assert USER not in forgotten.stdout and "r1" not in forgotten.stdout

    stranger = songlens("forget", "a stranger")
    assert (stranger.returncode, stranger.stderr) == (0, "")
    assert stranger.stdout.startswith("Nothing was found of this user.")
    assert json.loads(songlens("forget", USER, "--json").stdout)["results"] == 0
    assert songlens("allow", USER).stdout == "The next version that is published may hold the user.\n"
    assert songlens("allow", USER).stdout == "Nobody had forgotten this user.\n"


def test_the_partitions_are_those_of_the_workers(
    songlens: Command, broker: EmbeddedBroker, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the option they are as the workers are set."""
    with FakeWorker(broker.url, partitions=PARTITIONS):
        for id in IDS:
            client.submit(b"photo", id=id, user=USER).result()
    monkeypatch.setenv("SONGLENS_PARTITIONS", str(PARTITIONS))
    assert json.loads(songlens("forget", USER, "--json").stdout)["results"] == len(IDS)
