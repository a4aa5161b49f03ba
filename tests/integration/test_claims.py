"""Claiming, renewing and taking over, on a real server."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest
import redis
from stages import (
    BULK_STREAM,
    CLIENT,
    GROUP,
    INTERACTIVE_STREAM,
    KEYS,
    back_date,
    pending,
    submit,
    submit_many,
    wait_until,
)

from songlens_shared import functions
from songlens_shared.broker import connect
from songlens_shared.functions import Delivery
from songlens_shared.keys import BULK, INTERACTIVE, PartitionKeys
from songlens_shared.messages import Request
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.runtime.claims import Claims, Inlet

IDLE_MS = 60_000


def claims_of(connection: redis.Redis, consumer: str = "worker", share: float = 0.25) -> Claims:
    """Claims on both lanes, their groups made."""
    claims = Claims(
        connection,
        inlets=[Inlet(KEYS, INTERACTIVE_STREAM), Inlet(KEYS, BULK_STREAM, share=share)],
        group=GROUP,
        consumer=consumer,
    )
    claims.ensure_groups()
    return claims


def take_over(claims: Claims, limit: int = 100) -> list[Delivery]:
    return claims.take_over(claims.abandoned(IDLE_MS, limit), IDLE_MS)


def lanes(deliveries: list[Delivery]) -> Counter[str]:
    return Counter(delivery.stream.rsplit(":", 1)[-1] for delivery in deliveries)


def fill(connection: redis.Redis, interactive: int, bulk: int) -> None:
    submit_many(connection, interactive)
    for number in range(bulk):
        submit(connection, 5000 + number, lane=BULK)


def test_a_claim_tells_everything_about_an_entry(connection: redis.Redis) -> None:
    """Where it lies, whose it is, its payload, its deadline and its delivery count."""
    claims = claims_of(connection)
    request_id = submit(connection, 1, "the payload", ttl_ms=5000)
    (delivery,) = claims.claim(10, 0)
    assert (delivery.request_id, delivery.client, delivery.payload) == (request_id, CLIENT, b"the payload")
    assert (delivery.stream, delivery.group, delivery.keys) == (INTERACTIVE_STREAM, GROUP, KEYS)
    assert delivery.deadline_ms == delivery.entered_ms + 5000
    assert delivery.deliveries == 1


def test_a_fault_halfway_keeps_what_was_claimed(connection: redis.Redis) -> None:
    """What one lane has given is not lost from sight because the other cannot be read; the fault comes again."""
    claims = claims_of(connection, share=0.5)
    fill(connection, 0, 2)
    connection.delete(INTERACTIVE_STREAM)
    connection.set(INTERACTIVE_STREAM, "no stream")
    assert lanes(claims.claim(4, 0)) == {"bulk": 2}
    with pytest.raises(redis.ResponseError):
        claims.claim(4, 0)


def test_nothing_queued_before_the_group_is_passed_over(connection: redis.Redis) -> None:
    """Requests sent before the first worker ever started are claimed, in order; making groups again is harmless."""
    submit_many(connection, 3)
    claims = claims_of(connection)
    claims.ensure_groups()
    assert [delivery.request_id for delivery in claims.claim(10, 0)] == ["r0000", "r0001", "r0002"]
    assert claims.claim(10, 0) == []


def reads(connection: redis.Redis) -> int:
    """Return how often entries were asked for so far."""
    counted = connection.info("commandstats").get("cmdstat_xreadgroup", {"calls": 0})
    return int(counted["calls"])


def test_a_claim_is_one_round_trip_while_nothing_is_left_behind(connection: redis.Redis) -> None:
    """Who has taken all that there was waits for both lanes at once, and takes what has come meanwhile; who has left
    something looks at interactive first, so that the order of the lanes holds."""
    claims, numbers = claims_of(connection), iter(range(100))

    def come(of_each: int) -> None:
        for number in islice(numbers, of_each):
            submit(connection, number)
            submit(connection, 5000 + number, lane=BULK)

    come(1)
    assert lanes(claims.claim(10, 100)) == {"interactive": 1, "bulk": 1}
    come(2)
    before = reads(connection)
    assert lanes(claims.claim(10, 100)) == {"interactive": 2, "bulk": 2}
    assert reads(connection) - before == 1
    come(20)
    assert lanes(claims.claim(10, 100)) == {"interactive": 5, "bulk": 5}, "the wait"
    assert lanes(claims.claim(10, 100))["interactive"] >= 7, "and then the order"


def test_each_entry_goes_to_one_consumer(connection: redis.Redis) -> None:
    """Two workers never claim the same new entry."""
    first, second = claims_of(connection, "first"), claims_of(connection, "second")
    submit_many(connection, 10)
    claimed = [*first.claim(4, 0), *second.claim(4, 0), *first.claim(4, 0), *second.claim(4, 0)]
    assert sorted(delivery.request_id for delivery in claimed) == [f"r{number:04}" for number in range(10)]


def test_interactive_comes_first(connection: redis.Redis) -> None:
    """With no share for bulk it is claimed only where interactive leaves room."""
    claims = claims_of(connection, share=0)
    fill(connection, interactive=10, bulk=10)
    assert lanes(claims.claim(8, 0)) == {INTERACTIVE: 8}
    assert lanes(claims.claim(8, 0)) == {INTERACTIVE: 2, BULK: 6}
    assert lanes(claims.claim(8, 0)) == {BULK: 4}


def test_bulk_gets_its_share_while_interactive_is_full(connection: redis.Redis) -> None:
    """In the long run exactly its share, in every claim about that many, whatever the size of a claim."""
    for count, rounds in ((16, 10), (3, 40), (1, 80)):
        claims = claims_of(connection, f"worker-{count}", share=0.1)
        connection.delete(INTERACTIVE_STREAM, BULK_STREAM, *connection.keys("sl:{0}:result:*"))
        claims.ensure_groups()
        fill(connection, interactive=count * rounds, bulk=count * rounds)
        claimed = [lanes(claims.claim(count, 0)) for _ in range(rounds)]
        assert all(lane.total() == count for lane in claimed)
        assert sum(lane[BULK] for lane in claimed) == pytest.approx(0.1 * count * rounds, abs=1.01)
        assert max(lane[BULK] for lane in claimed) <= 1 + 0.1 * count


def test_a_share_of_one_takes_everything(connection: redis.Redis) -> None:
    """share=1 turns the preference round; interactive gets what bulk leaves."""
    claims = claims_of(connection, share=1)
    fill(connection, interactive=10, bulk=10)
    assert lanes(claims.claim(8, 0)) == {BULK: 8}
    assert lanes(claims.claim(8, 0)) == {BULK: 2, INTERACTIVE: 6}


def test_bulk_cannot_save_up(connection: redis.Redis) -> None:
    """After an hour without any bulk request its first ones do not push interactive aside."""
    claims = claims_of(connection, share=0.25)
    submit_many(connection, 600)
    for _ in range(50):
        claims.claim(8, 0)
    for number in range(50):
        submit(connection, 5000 + number, lane=BULK)
    assert lanes(claims.claim(8, 0)) == {INTERACTIVE: 5, BULK: 3}
    assert lanes(claims.claim(8, 0)) == {INTERACTIVE: 6, BULK: 2}


@pytest.mark.parametrize("lane", [INTERACTIVE, BULK])
def test_a_claim_waits_and_wakes(connection: redis.Redis, broker: EmbeddedBroker, lane: str) -> None:
    """An idle worker blocks in the server and is woken by the first entry of either lane, long before its time."""
    claims = claims_of(connection)
    claimed: list[Delivery] = []
    waiting = threading.Thread(target=lambda: claimed.extend(claims.claim(8, 4000)))
    waiting.start()
    with connect(broker.url) as other:
        while not int(other.info("clients")["blocked_clients"]):
            time.sleep(0.005)
        started_s = time.monotonic()
        submit(other, 1, lane=lane)
    waiting.join(10)
    assert [delivery.request_id for delivery in claimed] == ["r0001"]
    assert time.monotonic() - started_s < 2


def test_a_claim_that_waits_in_vain_ends_in_time(connection: redis.Redis) -> None:
    """It returns nothing after block_ms, so that a worker can look at its other duties."""
    claims = claims_of(connection)
    started_s = time.monotonic()
    assert claims.claim(8, 100) == []
    assert 0.05 < time.monotonic() - started_s < 2


def test_a_claim_never_brings_more_than_asked(connection: redis.Redis) -> None:
    """COUNT is per stream in Redis; with many streams the bound on what is in flight still holds."""
    partitions = [PartitionKeys(number) for number in range(5)]
    claims = Claims(
        connection,
        inlets=[Inlet(keys, keys.requests(lane), share) for keys in partitions for lane, share in LANES],
        group=GROUP,
        consumer="worker",
    )
    claims.ensure_groups()
    submitted = set()
    for number in range(60):
        keys = partitions[number % 5 if number < 30 else 2]  # one partition is much fuller than the others
        submitted.add(submit(connection, number, lane=LANES[number % 2][0], keys=keys))
    claimed: list[str] = []
    for count in (1, 2, 3, 4, 7, 11, 1, 40):
        found = claims.claim(count, 20)
        assert len(found) == min(count, 60 - len(claimed))
        assert all(f"{{{delivery.keys.partition}}}" in delivery.stream for delivery in found)
        claimed += [delivery.request_id for delivery in found]
    assert len(claimed) == 60
    assert set(claimed) == submitted


LANES = ((INTERACTIVE, None), (BULK, 0.25))


def test_every_partition_gets_its_turn(connection: redis.Redis) -> None:
    """With room for one entry at a time, a busy partition does not keep the others waiting."""
    partitions = [PartitionKeys(number) for number in range(4)]
    inlets = [Inlet(keys, keys.hits) for keys in partitions]
    claims = Claims(connection, inlets=inlets, group=GROUP, consumer="worker")
    claims.ensure_groups()
    for keys in partitions:
        for number in range(10):
            connection.xadd(keys.hits, {"m": f"{keys.partition}-{number}"})
    claimed = [delivery.keys.partition for _ in range(8) for delivery in claims.claim(1, 0)]
    assert Counter(claimed) == {0: 2, 1: 2, 2: 2, 3: 2}


def test_waiting_with_little_room_watches_every_stream_in_turn(connection: redis.Redis) -> None:
    """With less room than streams a wait is short, and the next one watches others: nothing waits for long."""
    partitions = [PartitionKeys(number) for number in range(6)]
    inlets = [Inlet(keys, keys.hits) for keys in partitions]
    claims = Claims(connection, inlets=inlets, group=GROUP, consumer="worker")
    claims.ensure_groups()
    started_s = time.monotonic()
    assert claims.claim(1, 4000) == []
    assert time.monotonic() - started_s < 2


def test_only_idle_entries_are_taken_over(connection: redis.Redis) -> None:
    """What its worker renewed lately stays with it; what nobody renewed moves on, its delivery counted."""
    dead, heir = claims_of(connection, "dead"), claims_of(connection, "heir")
    submit_many(connection, 3)
    dead.claim(10, 0)
    assert take_over(heir) == []
    back_date(connection, "dead", IDLE_MS - 5000)
    assert take_over(heir) == []
    back_date(connection, "dead", IDLE_MS)
    taken = take_over(heir)
    assert [delivery.request_id for delivery in taken] == ["r0000", "r0001", "r0002"]
    assert {delivery.deliveries for delivery in taken} == {2}
    assert {delivery.payload for delivery in taken} == {b"photo"}
    assert take_over(heir) == []  # and now they are the heir's


def test_deliveries_are_counted_through_several_deaths(connection: redis.Redis) -> None:
    """Each takeover counts one; renewing counts nothing."""
    claims = claims_of(connection)
    submit(connection, 1)
    (delivery,) = claims.claim(1, 0)
    for deliveries in (2, 3, 4):
        held = [delivery]
        claims.renew(held.copy)
        back_date(connection, "worker", IDLE_MS)
        (delivery,) = take_over(claims)
        assert delivery.deliveries == deliveries
        assert set(pending(connection).values()) == {deliveries}


def test_renewed_entries_are_safe(connection: redis.Redis) -> None:
    """A heartbeat starts the idle time again, for exactly the entries it names, on every stream."""
    worker, heir = claims_of(connection), claims_of(connection, "heir")
    fill(connection, interactive=2, bulk=2)
    claimed = worker.claim(4, 0)
    back_date(connection, "worker", IDLE_MS)
    back_date(connection, "worker", IDLE_MS, BULK_STREAM)
    renewed = [delivery for delivery in claimed if delivery.request_id in ("r0000", "r5001")]
    worker.renew(lambda: renewed)
    assert sorted(delivery.request_id for delivery in take_over(heir)) == ["r0001", "r5000"]
    worker.renew(list)


def test_what_is_given_back_can_be_taken_at_once(connection: redis.Redis) -> None:
    """Another worker need not wait until it looks abandoned; and giving back is no delivery."""
    worker, heir = claims_of(connection), claims_of(connection, "heir")
    fill(connection, interactive=2, bulk=1)
    claimed = worker.claim(3, 0)
    worker.give_back([delivery for delivery in claimed if delivery.request_id != "r0000"], IDLE_MS)
    taken = take_over(heir)
    assert sorted(delivery.request_id for delivery in taken) == ["r0001", "r5000"]
    assert {delivery.deliveries for delivery in taken} == {2}


def test_an_entry_that_is_gone_is_neither_renewed_nor_taken(connection: redis.Redis) -> None:
    """What somebody else has ended does not come back by a late heartbeat, a giving back or a takeover."""
    worker, heir = claims_of(connection), claims_of(connection, "heir")
    submit_many(connection, 2)
    ended, trimmed = worker.claim(2, 0)
    connection.xack(INTERACTIVE_STREAM, GROUP, ended.entry_id)
    connection.xdel(INTERACTIVE_STREAM, ended.entry_id, trimmed.entry_id)
    worker.renew(lambda: [ended, trimmed])
    worker.give_back([ended, trimmed], IDLE_MS)
    assert take_over(heir) == []
    assert pending(connection) == {}


def test_two_heirs_do_not_share_an_entry(connection: redis.Redis) -> None:
    """Both see the same abandoned entry, and one gets it."""
    dead, first, second = (claims_of(connection, name) for name in ("dead", "first", "second"))
    submit(connection, 1)
    dead.claim(1, 0)
    back_date(connection, "dead", IDLE_MS)
    seen_by_both = first.abandoned(IDLE_MS, 10)
    assert seen_by_both == second.abandoned(IDLE_MS, 10)
    assert len(first.take_over(seen_by_both, IDLE_MS)) == 1
    assert second.take_over(seen_by_both, IDLE_MS) == []


def test_abandoned_is_limited_and_oldest_first(connection: redis.Redis) -> None:
    """A dead worker's thousands are looked at a page at a time."""
    dead, heir = claims_of(connection, "dead"), claims_of(connection, "heir")
    submit_many(connection, 30)
    dead.claim(30, 0)
    back_date(connection, "dead", IDLE_MS)
    assert [delivery.request_id for delivery in take_over(heir, limit=4)] == ["r0000", "r0001", "r0002", "r0003"]


def test_a_server_without_memory_is_told_of_the_groups_again(connection: redis.Redis) -> None:
    """After a restart without persistence the group is missing: every call says so, and ensure_groups mends it."""
    claims = claims_of(connection)
    submit(connection, 1)
    (lost,) = claims.claim(1, 0)
    connection.flushdb()
    claims.renew(lambda: [lost])
    claims.give_back([lost], IDLE_MS)
    for call in (lambda: claims.claim(1, 0), lambda: claims.claim(1, 100), lambda: take_over(claims)):
        with pytest.raises(redis.ResponseError, match="NOGROUP"):
            call()
    claims.ensure_groups()
    submit(connection, 2)
    assert [delivery.request_id for delivery in claims.claim(1, 0)] == ["r0002"]


def test_a_foreign_entry_still_has_an_id(connection: redis.Redis) -> None:
    """What was written without our function is claimed under an id of its own, so that it can be answered and ended."""
    claims = claims_of(connection)
    entry_id = connection.xadd(INTERACTIVE_STREAM, {"some": "thing", "deadline": "soon"})
    assert isinstance(entry_id, bytes)
    (delivery,) = claims.claim(1, 0)
    assert delivery.request_id == f"entry-{entry_id.decode()}"
    assert (delivery.client, delivery.payload, delivery.deadline_ms) == ("unknown", b"", 0)


def test_partitions_keep_their_own_keys(connection: redis.Redis) -> None:
    """An entry is ended in the partition that it came from."""
    partitions = [PartitionKeys(number) for number in range(3)]
    inlets = [Inlet(keys, keys.requests(INTERACTIVE)) for keys in partitions]
    claims = Claims(connection, inlets=inlets, group=GROUP, consumer="worker")
    claims.ensure_groups()
    for number, keys in enumerate(partitions):
        submit(connection, number, keys=keys)
    found = {delivery.request_id: delivery.keys.partition for delivery in claims.claim(10, 0)}
    assert found == {"r0000": 0, "r0001": 1, "r0002": 2}


def test_streams_of_lower_rank_can_be_held_back(connection: redis.Redis) -> None:
    """No more than asked for comes from them, though there is room and they are sure of a share; nor by waiting."""
    claims = claims_of(connection, share=0.5)
    fill(connection, 2, 10)
    assert lanes(claims.claim(8, 0, sharing=3)) == {"interactive": 2, "bulk": 3}
    assert claims.claim(8, 1000, sharing=0) == []
    assert lanes(claims.claim(8, 1000, sharing=1)) == {"bulk": 1}
    submit(connection, 99)
    assert lanes(claims.claim(8, 1000, sharing=0)) == {"interactive": 1}
    assert lanes(claims.claim(8, 0)) == {"bulk": 6}


def test_waiting_brings_no_more_of_lower_rank_than_asked_for(connection: redis.Redis) -> None:
    """Also where entries come in while the claim waits."""
    claims = claims_of(connection)
    with ThreadPoolExecutor(1) as pool:
        claiming = pool.submit(claims.claim, 8, 5000, sharing=1)
        wait_until(lambda: connection.info("clients")["blocked_clients"] == 1, "the claim waits")  # type: ignore[index]
        pipeline = connection.pipeline(transaction=True)
        for number in range(4):
            request = Request(id=f"b{number}", client=CLIENT, image=b"-", lane=BULK, ttl_ms=60_000)
            functions.submit(KEYS, request, b"photo").on(pipeline)
        pipeline.execute()
        assert lanes(claiming.result(timeout=10)) == {"bulk": 1}
