"""A real Redis Cluster: claims, outcomes and clients, where partitions lie on several nodes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from local_cluster import LocalCluster

from songlens import AsyncClient, Client
from songlens_shared import functions
from songlens_shared.broker import open_redis
from songlens_shared.cluster import RedisFault, nodes
from songlens_shared.codec import encode_reply
from songlens_shared.errors import BrokerUnavailable, Cancelled
from songlens_shared.functions import Delivery
from songlens_shared.keys import BULK, INTERACTIVE, VISION_GROUP, ModelKeys, PartitionKeys
from songlens_shared.messages import Reply
from songlens_shared.server import load_functions, server_info
from songlens_workers.runtime.claims import Claims, Inlet
from songlens_workers.runtime.watches import MOST
from songlens_workers.users import Users

PARTITIONS = [PartitionKeys(partition) for partition in range(7)]
PHOTO = b"\xff\xd8\xff photo"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, redis_server: Path | None) -> Iterator[LocalCluster]:
    """Three primaries; keep to requests of your own, and leave no entry behind."""
    with LocalCluster(tmp_path_factory.mktemp("cluster") / "nodes", binary=redis_server) as running:
        yield running


@pytest.fixture
def connection(cluster: LocalCluster) -> Iterator[redis.Redis]:
    with open_redis(cluster.url) as client:
        load_functions(client)
        yield client
        for key in client.scan_iter(match="sl:*"):
            client.unlink(key)


def claims_on(connection: redis.Redis, consumer: str = "c") -> Claims:
    inlets = [Inlet(at, at.requests(INTERACTIVE)) for at in PARTITIONS]
    inlets += [Inlet(at, at.requests(BULK), share=0.1) for at in PARTITIONS]
    claims = Claims(connection, inlets=inlets, group=VISION_GROUP, consumer=consumer)
    claims.ensure_groups()
    return claims


def claimed(claims: Claims, wanted: int, count: int = 48) -> list[Delivery]:
    """Claim until there are as many as wanted."""
    found: list[Delivery] = []
    until_s = time.monotonic() + 10
    while len(found) < wanted and time.monotonic() < until_s:
        found += claims.claim(count, 500)
    return found


def finish(connection: redis.Redis, deliveries: list[Delivery]) -> None:
    pipeline = connection.pipeline(transaction=False)
    for delivery in deliveries:
        reply = Reply(id=delivery.request_id, status="ok", model="m")
        functions.finish(delivery, encode_reply(reply)).on(pipeline)
    assert pipeline.execute() == [1] * len(deliveries)


def test_the_library_is_on_every_node(connection: redis.Redis) -> None:
    """Every primary has it, and a second look finds nothing to do."""
    assert len(nodes(connection)) == 3
    assert all(node.function_list(library="songlens") for node in nodes(connection))
    assert load_functions(connection) is False
    assert server_info(connection).cluster


def test_requests_of_every_partition_are_claimed_and_answered(cluster: LocalCluster, connection: redis.Redis) -> None:
    """What many clients send ends up on all nodes, is claimed from all, and answered through one channel."""
    claims = claims_on(connection)
    with Client(cluster.url, name="app", partitions=len(PARTITIONS)) as client:
        ids = {client.submit(PHOTO, lane=lane).id for lane in (INTERACTIVE, BULK) for _ in range(50)}
        deliveries = claimed(claims, len(ids))
        assert {delivery.request_id for delivery in deliveries} == ids
        assert len({delivery.keys.partition for delivery in deliveries}) == len(PARTITIONS)
        finish(connection, deliveries)
        assert {received.id for received in client.replies(quiet_s=0.5)} == ids


def test_more_partitions_than_are_watched_at_once(cluster: LocalCluster, connection: redis.Redis) -> None:
    """An idle worker finds a request wherever it lies, in a partition that it does not watch, too."""
    everywhere = [PartitionKeys(partition) for partition in range(MOST + 8)]
    inlets = [Inlet(at, at.requests(INTERACTIVE)) for at in everywhere]
    claims = Claims(connection, inlets=inlets, group=VISION_GROUP, consumer="c")
    claims.ensure_groups()
    with Client(cluster.url, partitions=len(everywhere)) as client:
        assert claims.claim(len(everywhere), 50) == []
        for at in everywhere:
            id = next(f"{at.partition}-{n}" for n in range(10_000) if client._core._at(f"{at.partition}-{n}") == at)
            client.submit(PHOTO, id=id)
        deliveries = claimed(claims, len(everywhere))
        assert {delivery.keys for delivery in deliveries} == set(everywhere)
        finish(connection, deliveries)


def test_room_for_fewer_than_there_are_streams(cluster: LocalCluster, connection: redis.Redis) -> None:
    """A worker with room for one finds each of many requests, wherever it lies."""
    claims = claims_on(connection)
    with Client(cluster.url, partitions=len(PARTITIONS)) as client:
        ids = {client.submit(PHOTO).id for _ in range(10)}
        deliveries = claimed(claims, len(ids), count=1)
        assert {delivery.request_id for delivery in deliveries} == ids
        finish(connection, deliveries)


def test_an_idle_worker_is_told_of_a_request_soon(cluster: LocalCluster, connection: redis.Redis) -> None:
    """A claim that waits looks at every partition: none has to wait until another has been busy."""
    claims = claims_on(connection)
    with Client(cluster.url, partitions=len(PARTITIONS)) as client:
        for at in PARTITIONS:
            id = next(f"{at.partition}-{n}" for n in range(1000) if client._core._at(f"{at.partition}-{n}") == at)
            client.submit(PHOTO, id=id)
            finish(connection, claimed(claims, 1))
            assert client.fetch(id) is not None


def test_what_was_on_its_way_when_a_worker_leaves_is_still_given_to_it(
    cluster: LocalCluster, connection: redis.Redis
) -> None:
    """Reads of other partitions go on when one has brought something; the last of them are asked before the end."""
    claims = claims_on(connection)
    with Client(cluster.url, partitions=len(PARTITIONS)) as client:
        first = client.submit(PHOTO).id
        found = claims.claim(48, 500)
        while not found:
            found = claims.claim(48, 500)
        claims.claim(48, 50)  # every partition is watched now
        later = {client.submit(PHOTO).id for _ in range(20)}
        found += claims.leave()
        assert first in {delivery.request_id for delivery in found}
        pending = sum(connection.xpending(at.requests(INTERACTIVE), VISION_GROUP)["pending"] for at in PARTITIONS)
        assert pending == len(found)  # none was claimed behind its back
        others = claimed(claims_on(connection, "next"), 1 + len(later) - len(found))
        assert {delivery.request_id for delivery in [*found, *others]} == {first, *later}
        finish(connection, [*found, *others])


def test_room_is_kept(cluster: LocalCluster, connection: redis.Redis) -> None:
    """However many partitions are watched at once, no more is claimed than there is room for."""
    claims = claims_on(connection)
    with Client(cluster.url, partitions=len(PARTITIONS)) as client:
        assert claims.claim(10, 50) == []
        ids = {client.submit(PHOTO).id for _ in range(60)}
        found: list[Delivery] = []
        until_s = time.monotonic() + 10
        while len(found) < 10 and time.monotonic() < until_s:
            found += claims.claim(10 - len(found), 100)
        found += claims.leave()
        assert len(found) == 10
        rest = claimed(claims_on(connection, "next"), len(ids) - 10)
        finish(connection, [*found, *rest])


def test_entries_of_a_dead_worker_are_taken_over_on_every_node(cluster: LocalCluster, connection: redis.Redis) -> None:
    """Renewed ones stay where they are; the others are taken over, wherever they lie."""
    first, second = claims_on(connection, "first"), claims_on(connection, "second")
    with Client(cluster.url, partitions=len(PARTITIONS)) as client:
        ids = {client.submit(PHOTO).id for _ in range(40)}
    held = claimed(first, len(ids))
    kept, dropped = held[:20], held[20:]
    time.sleep(0.3)
    first.renew(lambda: kept)
    taken = second.take_over(second.abandoned(250, 100), 250)
    assert {delivery.request_id for delivery in taken} == {delivery.request_id for delivery in dropped}
    assert {delivery.deliveries for delivery in taken} == {2}
    finish(connection, [*kept, *taken])


def test_the_access_rules_hold_on_every_node(cluster: LocalCluster, connection: redis.Redis) -> None:
    """Clients and workers under their own users find all nodes, and do there what they do on one server."""
    lines = (Path(__file__).parents[2] / "ops" / "redis" / "users.acl").read_text("utf-8").splitlines()
    for _, name, *rules in map(str.split, lines):
        for node in nodes(connection):
            if name != "default":
                node.execute_command("ACL", "SETUSER", name, *rules, ">pw")

    def address(role: str) -> str:
        return cluster.url.replace("redis://", f"redis://songlens-{role}:pw@")

    with (
        Client(address("client"), partitions=len(PARTITIONS)) as client,
        open_redis(address("vision")) as vision,
        open_redis(address("operator")) as operator,
    ):
        load_functions(vision)
        claims = claims_on(vision)
        handles = [client.submit(PHOTO, user="ann") for _ in range(20)]
        deliveries = claimed(claims, len(handles))
        finish(vision, deliveries[1:])
        assert sum(handle.done() for handle in handles) == len(handles) - 1
        removed = Users(operator, partitions=len(PARTITIONS)).forget("ann")
        assert (removed.cancelled, removed.results) == (1, len(handles) - 1)
        for refused in (lambda: client._connected().xrange(PARTITIONS[0].dead), lambda: vision.hgetall("sl:model:v")):
            with pytest.raises(redis.exceptions.NoPermissionError):
                refused()


def test_a_user_is_forgotten_on_every_node(cluster: LocalCluster, connection: redis.Redis) -> None:
    """Requests in flight, wherever they lie, and vectors of every version."""
    claims_on(connection)
    for bucket in range(20):
        connection.hset(ModelKeys("v").user_vectors(bucket), "ann", b"vector")
    with Client(cluster.url, name="app", partitions=len(PARTITIONS)) as client:
        ids = {client.submit(PHOTO, user="ann").id for _ in range(30)}
        others = [client.submit(PHOTO, user="bob") for _ in range(5)]
        removed = Users(connection, partitions=len(PARTITIONS)).forget("ann")
        assert (removed.cancelled, removed.vectors) == (len(ids), 20)
        assert not any(handle.done() for handle in others)
    assert not list(connection.scan_iter(match="*ne:users*"))


@pytest.mark.parametrize("kind", [Client, AsyncClient])
async def test_clients_wait_for_replies_of_any_node(
    cluster: LocalCluster, connection: redis.Redis, kind: type[Any]
) -> None:
    """Many requests are waited for at once; the replies come from every node."""
    claims = claims_on(connection)

    def answer(count: int) -> None:
        finish(connection, claimed(claims, count))

    if kind is AsyncClient:
        async with AsyncClient(cluster.url, partitions=len(PARTITIONS)) as client:
            handles = [await client.submit(PHOTO) for _ in range(30)]
            waiting = asyncio.gather(*(handle.result() for handle in handles))
            await asyncio.to_thread(answer, len(handles))
            assert {answered.model for answered in await waiting} == {"m"}
            last = await client.submit(PHOTO)
            assert await last.cancel()
            with pytest.raises(Cancelled):
                await last.result()
    else:
        with Client(cluster.url, partitions=len(PARTITIONS)) as waiter:
            own = [waiter.submit(PHOTO) for _ in range(30)]
            threads = [asyncio.create_task(asyncio.to_thread(handle.result)) for handle in own[:8]]
            await asyncio.to_thread(answer, len(own))
            assert {(await thread).model for thread in threads} == {"m"}
            assert {handle.result().model for handle in own} == {"m"}


async def test_many_may_come_first_at_once(cluster: LocalCluster, connection: redis.Redis) -> None:
    """A client whose first requests come all together loses none of them."""
    async with AsyncClient(cluster.url, partitions=len(PARTITIONS)) as client:
        handles = await asyncio.gather(*(client.submit(PHOTO) for _ in range(64)))
        for handle in handles:
            assert await handle.cancel()


def test_a_cluster_that_is_gone_is_told_without_the_photo(
    tmp_path: Path, redis_server: Path | None, caplog: pytest.LogCaptureFixture
) -> None:
    """The fault names the server, never the command that could not be sent; nor does any log."""
    caplog.set_level(logging.DEBUG)
    with (
        LocalCluster(tmp_path / "nodes", binary=redis_server) as gone,
        open_redis(gone.url, retries=0) as connection,
        Client(gone.url, partitions=len(PARTITIONS)) as client,
    ):
        load_functions(connection)
        handle = client.submit(PHOTO)
        for node in gone.nodes:
            node.kill()
        for attempt in (lambda: client.submit(PHOTO), handle.done):
            with pytest.raises(BrokerUnavailable, match="no Redis answers") as told:
                attempt()
            assert "photo" not in str(told.value)
        with pytest.raises(RedisFault):
            connection.hmget(ModelKeys("v").user_vectors(0), ["mark-of-a-user"])
    assert "photo" not in caplog.text
    assert "mark-of-a-user" not in caplog.text
