"""What a worker holds, shared by its threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from songlens_shared.functions import Delivery
from songlens_shared.keys import BULK, PartitionKeys
from songlens_workers.runtime.in_flight import InFlight

KEYS = PartitionKeys()


def delivery(number: int, stream: str = "a stream") -> Delivery:
    return Delivery(
        keys=KEYS,
        stream=stream,
        group="a group",
        entry_id=b"%d-0" % number,
        payload=b"",
        request_id=f"request-{number}",
        client="client",
        deadline_ms=0,
    )


def test_room_is_what_the_limit_leaves() -> None:
    """Room shrinks with each entry held and grows with each let go; held() lists what is held."""
    in_flight = InFlight(2)
    assert in_flight.wait_for_room(0) == 2
    assert in_flight.hold(delivery(1))
    assert in_flight.hold(delivery(2))
    assert in_flight.wait_for_room(0) == 0
    assert [held.entry_id for held in in_flight.held()] == [b"1-0", b"2-0"]
    in_flight.let_go([delivery(1)])
    assert in_flight.wait_for_room(0) == 1
    assert len(in_flight) == 1


def test_an_entry_is_held_once() -> None:
    """An entry that comes again while it is held is refused, even with a higher delivery count."""
    in_flight = InFlight(2)
    assert in_flight.hold(delivery(1))
    assert not in_flight.hold(replace(delivery(1), deliveries=2))
    assert len(in_flight) == 1


def test_equal_ids_in_two_streams_are_two_entries() -> None:
    """Stream ids are unique in one stream only."""
    in_flight = InFlight(2)
    assert in_flight.hold(delivery(1, "interactive"))
    assert in_flight.hold(delivery(1, "bulk"))
    in_flight.let_go([delivery(1, "bulk")])
    assert [held.stream for held in in_flight.held()] == ["interactive"]


def test_letting_go_of_what_is_not_held_is_harmless() -> None:
    """Two ways of ending may meet on one entry."""
    in_flight = InFlight(1)
    in_flight.let_go([delivery(1)])
    assert in_flight.wait_for_room(0) == 1


def test_room_wakes_the_waiter() -> None:
    """Whoever waits for room gets it as soon as an entry is let go, not at the end of its time."""
    in_flight = InFlight(1)
    in_flight.hold(delivery(1))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(in_flight.wait_for_room, 60)
        in_flight.let_go([delivery(1)])
        assert waiting.result(timeout=10) == 1


BULK_STREAM = KEYS.requests(BULK)


def test_bulk_leaves_room_for_interactive() -> None:
    """Once limited, bulk may fill its own room and no more; what interactive may have besides is never bulk's."""
    in_flight = InFlight(10)
    assert (in_flight.wait_for_room(0), in_flight.room_for_bulk()) == (10, 10)
    in_flight.limit_to(4, interactive=2)
    for number in range(4):
        in_flight.hold(delivery(number, BULK_STREAM))
    assert (in_flight.wait_for_room(0), in_flight.room_for_bulk()) == (2, 0)
    in_flight.hold(delivery(9, "interactive"))
    in_flight.let_go([delivery(1, BULK_STREAM)])
    in_flight.let_go([delivery(1, BULK_STREAM)])
    assert (in_flight.wait_for_room(0), in_flight.room_for_bulk()) == (2, 1)


def test_no_limit_goes_past_the_bound() -> None:
    """And one that is below what is held leaves no room, not less than none."""
    in_flight = InFlight(3)
    in_flight.limit_to(100, interactive=100)
    assert (in_flight.wait_for_room(0), in_flight.room_for_bulk()) == (3, 3)
    for number in range(3):
        in_flight.hold(delivery(number, BULK_STREAM))
    in_flight.limit_to(1, interactive=1)
    assert (in_flight.wait_for_room(0), in_flight.room_for_bulk()) == (0, 0)


def test_a_higher_limit_wakes_the_waiter() -> None:
    """As soon as it is set."""
    in_flight = InFlight(8)
    in_flight.limit_to(1, interactive=0)
    in_flight.hold(delivery(1))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(in_flight.wait_for_room, 60)
        in_flight.limit_to(4, interactive=1)
        assert waiting.result(timeout=10) == 4
