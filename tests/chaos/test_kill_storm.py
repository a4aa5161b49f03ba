"""No photo lost, no answer twice, while workers are killed at random and at every step's boundary."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pytest
import redis
from chaos_fleet import Account, Fleet, Load, left_over, stored_replies, without
from chaos_models import photo, publish_version, write_version

from songlens_shared.codec import decode_reply
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.models.store import ModelStore

SETTINGS = {"heartbeat_ms": 150, "takeover_ms": 600, "max_deliveries": 50, "max_batch": 16, "max_in_flight": 32}
"""Fifty deliveries, because here it is never the photo's fault."""

CHANCE = 0.02
"""Of dying at a point of the seam."""
POINTS = ("claimed", "unsent", "sent")
LEAST_DISTURBED = 5

Disturb = Callable[[Fleet, Random], None]


def storm(
    broker: EmbeddedBroker,
    connection: redis.Redis,
    fleet: Fleet,
    disturb: Disturb,
    *,
    requests: int,
    disturbed: int = LEAST_DISTURBED,
    limit_s: float = 600,
    **load_options: Any,
) -> Account:
    """Send so many requests, or more until the storm has been one, and wait for them as long as the limit allows."""
    load, names = Load(broker.url, **load_options), (f"r{number}" for number in itertools.count())
    until_s = time.monotonic() + limit_s

    def over() -> bool:
        return time.monotonic() >= until_s or fleet.crashes > 0

    with fleet.running(disturb):
        while (len(load.account.accepted) < requests or fleet.disturbed < disturbed) and not over():
            load.submit(list(islice(names, 50)), give_up=over)
        load.wait(connection, limit_s=max(1.0, until_s - time.monotonic()), give_up=over)
    load.close()
    return load.account


def fleet_of(broker: EmbeddedBroker, folder: Path, **given: Any) -> Fleet:
    """Two workers of each stage."""
    return Fleet(broker.url, folder / "workers.log", **({"item_s": 0.001} | SETTINGS | given))


def check(connection: redis.Redis, account: Account) -> None:
    """Every request has exactly one reply, the stored one is the one in the channel, and nothing is left behind."""
    assert (account.lost, account.twice, account.failed) == (set(), set(), {})
    assert left_over(connection) == {}
    stored = stored_replies(connection, sorted(account.accepted))
    assert {id: decode_reply(value) for id, value in stored.items()} == account.answered


@pytest.mark.timeout(900)
@pytest.mark.parametrize("points", [("claimed",), ("unsent",), ("sent",), POINTS], ids=" ".join)
def test_killed_workers(
    broker: EmbeddedBroker, connection: redis.Redis, tmp_path: Path, long: bool, report: Any, points: tuple[str, ...]
) -> None:
    """Workers die at random, and at each boundary of a step by name."""
    started_s, fleet = time.monotonic(), fleet_of(broker, tmp_path, chance=CHANCE, points=points)
    wanted = 5000 if points == POINTS else 3000
    account = storm(broker, connection, fleet, Fleet.kill_one, requests=wanted if long else 300)
    report(**fleet.figures(account, started_s))
    check(connection, account)


@pytest.mark.timeout(900)
def test_killed_real_workers(
    broker: EmbeddedBroker, connection: redis.Redis, tmp_path: Path, long: bool, report: Any
) -> None:
    """The same with the real stages: photos are decoded, embedded and searched, songs are ranked. Kills are further
    apart, for these workers take some seconds to start."""
    write_version(ModelStore(str(tmp_path)), "v1")
    publish_version(connection, "v1")
    fleet = fleet_of(broker, tmp_path, models=str(tmp_path), chance=0.001, points=POINTS, every_s=(3, 6))
    started_s = time.monotonic()
    account = storm(
        broker,
        connection,
        fleet,
        Fleet.kill_one,
        requests=5000 if long else 300,
        disturbed=LEAST_DISTURBED if long else 2,
        photo=lambda id: photo(int(id[1:]) % 64),
    )
    report(**fleet.figures(account, started_s))
    check(connection, account)
    assert all(reply.songs for reply in account.answered.values())


@pytest.mark.timeout(900)
def test_paused_workers(
    broker: EmbeddedBroker, connection: redis.Redis, tmp_path: Path, long: bool, report: Any
) -> None:
    """Workers stand still until others have their entries, and go on as if nothing had been: two do the same work."""
    started_s, fleet = time.monotonic(), fleet_of(broker, tmp_path)
    account = storm(broker, connection, fleet, Fleet.pause_one, requests=5000 if long else 300)
    report(**fleet.figures(account, started_s))
    check(connection, account)


@dataclass(frozen=True)
class Break:
    """A mechanism that is switched off: in the functions library (`off`), or by a setting."""

    disturb: Disturb
    off: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Of the workers, so that every disturbance meets entries in their hands."""


BREAKS = {
    "nobody takes over": Break(
        Fleet.kill_one, settings={"takeover_ms": 10_000_000, "chance": CHANCE, "points": ("claimed",)}
    ),
    "entries stay when they are ended": Break(Fleet.kill_one, off=("deleting",)),
    "whoever finishes answers": Break(
        Fleet.pause_one,
        settings={"item_s": 0.005},  # always busy: whoever is held up holds entries
        off=("acknowledging", "answering once"),
    ),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("broken", BREAKS)
def test_the_storms_find_what_is_broken(
    broker: EmbeddedBroker, connection: redis.Redis, tmp_path: Path, broken: str
) -> None:
    """With one mechanism switched off, the same storm does not pass."""
    off = BREAKS[broken]
    connection.function_load(without(*off.off), replace=True)
    fleet = fleet_of(broker, tmp_path, **off.settings)
    account = storm(broker, connection, fleet, off.disturb, requests=300, limit_s=15)
    with pytest.raises(AssertionError):
        check(connection, account)
