"""Versions go live and are rolled back under load: each reply is of one version, and none is lost."""

from __future__ import annotations

import itertools
import time
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import redis
from chaos_fleet import Account, Fleet, Load, left_over
from chaos_models import photo, publish_version, write_version

from songlens_shared.messages import Reply
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.models.manifest import IMAGE_INDEX
from songlens_workers.models.published import PublishedModels
from songlens_workers.models.store import ModelStore

VERSIONS = ("v1", "v2", "v3")
DAMAGED = "v4"
EACH = 100
"""Requests between one swap and the next."""


@pytest.fixture
def folder(connection: redis.Redis, tmp_path: Path) -> Path:
    """Three versions and a damaged one, all published; the first is live."""
    store = ModelStore(str(tmp_path))
    for seed, version in enumerate((*VERSIONS, DAMAGED)):
        write_version(store, version, seed=seed)
        publish_version(connection, version, seed=seed)
    index = store.folder / DAMAGED / IMAGE_INDEX
    index.write_bytes(index.read_bytes()[:-100])
    PublishedModels(connection).make_current(VERSIONS[0])
    return tmp_path


def swaps(connection: redis.Redis, load: Load, count: int) -> list[str]:
    """Make one version after another live, the damaged one and a step back among them, while requests go on."""
    published, ids = PublishedModels(connection), (f"r{number}" for number in itertools.count())
    order = itertools.cycle((*VERSIONS[1:], None, DAMAGED, VERSIONS[0]))
    served = []
    for version in islice(order, count):
        load.submit(list(islice(ids, EACH)))
        if version is None:
            published.rollback()
        else:
            published.make_current(version)
        served.append(published.current() or "")
        _serve(connection, load, served[-1], ids)
    published.make_current(VERSIONS[0])
    load.submit(list(islice(ids, EACH)))
    return served


def _serve(connection: redis.Redis, load: Load, version: str, ids: Any) -> None:
    """Go on until a reply is of this version; for the damaged one, which never serves, for as long as that takes."""
    until_s = time.monotonic() + (1.0 if version == DAMAGED else 20)
    while time.monotonic() < until_s:
        load.submit([next(ids)])
        load.read(connection)
        last = next(reversed(load.account.answered.values()), None)
        if last is not None and last.model == version:
            return
        time.sleep(0.005)
    assert version == DAMAGED, f"{version} is never served"


def mixed(reply: Reply) -> bool:
    """Say whether a reply has images or songs of another version than it says."""
    images = {image.keywords for image in reply.images}
    songs = {song.title.rpartition(" of ")[2] for song in reply.songs}
    return images != {(f"keyword of {reply.model}",)} or songs != {reply.model}


def check(account: Account, left: dict[str, int]) -> None:
    """All are answered with songs, once, each by one version that is whole."""
    assert (account.lost, account.twice, account.failed, left) == (set(), set(), {}, {})
    assert [reply.id for reply in account.answered.values() if mixed(reply)] == []
    assert {reply.model for reply in account.answered.values()} == set(VERSIONS)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("off", [(), ("versions",)], ids=["nothing off", "versions off"])
def test_versions_that_change_under_load(
    broker: EmbeddedBroker, connection: redis.Redis, folder: Path, long: bool, report: Any, off: tuple[str, ...]
) -> None:
    """Songs are ranked with the vectors of the version that the images came from; a damaged one is refused by the
    vision worker, and the one before goes on. A song worker that ranks with what is live mixes versions."""
    fleet = Fleet(broker.url, folder / "workers.log", vision=1, songs=1, models=str(folder), broken=off)
    load, started_s = Load(broker.url, photo=lambda id: photo(int(id[1:]) % 64)), time.monotonic()
    with fleet.running():
        served = swaps(connection, load, 40 if long and not off else 10)
        account = load.wait(connection, limit_s=120)
        left = left_over(connection)
    load.close()
    report(**fleet.figures(account, started_s), swaps=len(served))
    assert fleet.deaths == 0
    assert b"model_refused" in (folder / "workers.log").read_bytes()
    if off:
        with pytest.raises(AssertionError):
            check(account, left)
        assert any(mixed(reply) for reply in account.answered.values())
    else:
        check(account, left)
