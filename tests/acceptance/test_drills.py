"""The drills of ops/runbook.md, done as they stand there: backup and restore, rollback of a model, upgrade.

One site for all of them, in this order: real workers with a tiny backbone, a real server with ops/redis/redis.conf.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
import redis
from chaos_fleet import AT, Account, Load, left_over
from distributed_build import BACKBONE, make_catalogue
from drills import Site, drills, newer_library, site

from songlens import Client
from songlens_shared.functions import library_source
from songlens_shared.keys import BULK
from songlens_shared.server import library_revision, loaded_revision
from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.model.build import build_model
from songlens_training.model.learn import BuildOptions
from songlens_workers.embedded import _wheel_binary
from songlens_workers.models.published import PublishedModels
from songlens_workers.models.store import ModelStore

Answer = list[tuple[str, float]]
"""Song ids and scores, in order."""

OURS = library_revision(library_source())


@dataclass(frozen=True)
class Drilled:
    """The site, and what is on it."""

    site: Site
    photos: list[bytes]
    versions: list[str]

    def answers(self) -> tuple[str, list[Answer]]:
        """Have the photos answered; return the version and each photo's songs."""
        with Client(self.site.url, name="drill") as client:
            found = [client.recommend(photo, timeout_s=60) for photo in self.photos]
        (version,) = {recommendation.model for recommendation in found}
        return version, [[(song.id, song.score) for song in each.songs] for each in found]

    def until_answered_by(self, version: str) -> list[Answer]:
        """Ask until this version answers all of them."""
        until_s = time.monotonic() + 60
        while time.monotonic() < until_s:
            with Client(self.site.url, name="drill") as client:
                models = {client.recommend(photo, timeout_s=60).model for photo in self.photos}
            if models == {version}:
                return self.answers()[1]
        raise AssertionError(f"{version} does not answer")


@pytest.fixture(scope="module")
def drilled(tmp_path_factory: pytest.TempPathFactory, redis_server: Path | None) -> Iterator[Drilled]:
    """Two versions are built, the first is live, one worker of each stage runs."""
    folder = tmp_path_factory.mktemp("site")
    binary = redis_server or _wheel_binary()
    catalogue = make_catalogue(folder / "catalogue", broken=False)
    photos = [path.read_bytes() for path in sorted((folder / "catalogue" / "images").rglob("*.png"))[::6]]
    with site(folder, binary) as made:
        options = [BuildOptions(embedding=EmbeddingOptions(dimensions=16, samples=20_000, seed=s)) for s in (1, 2)]
        store = ModelStore(str(made.models))
        versions = [build_model(catalogue, store, BACKBONE, each).manifest.version for each in options]
        shown = made.type("Start from the models alone", VERSION=versions[0])
        assert all(version in shown for version in versions)
        made.start("vision", "songs")
        yield Drilled(made, photos, versions)


@contextmanager
def load(drilled: Drilled) -> Iterator[Account]:
    """Requests come in all the time; at the end each has its reply, one, with songs, and nothing is left."""
    name, photos = uuid.uuid4().hex, drilled.photos
    going = Load(drilled.site.url, name, photo=lambda id: photos[int(id.rpartition("-")[2]) % len(photos)])
    ids, ended = (f"{name}-{number}" for number in count()), threading.Event()

    def keep_on() -> None:
        while not ended.wait(0.02):
            going.submit([next(ids)])

    thread = threading.Thread(target=keep_on)
    thread.start()
    with drilled.site.connection() as connection:
        try:
            yield going.account
        finally:
            ended.set()
            thread.join()
        account = going.wait(connection, limit_s=30)
        going.close()
        assert len(account.accepted) > 50
        assert (account.lost, account.twice, account.failed, left_over(connection)) == (set(), set(), {}, {})


def test_every_drill_of_the_runbook_is_done_here() -> None:
    """A line that nobody has typed is a guess."""
    assert drills() == set(re.findall(r"\.type\(\s*\"([^\"]+)\"", Path(__file__).read_text("utf-8")))


def test_a_model_is_rolled_back(drilled: Drilled) -> None:
    """A second version goes live and answers otherwise; after the rollback the answers are those of the first again,
    to the last digit of each score, and no request of all that time is lost."""
    first, before = drilled.answers()
    assert first == drilled.versions[0]
    assert all(len(songs) == 10 for songs in before)
    with load(drilled) as account:
        drilled.site.shell('songlens model publish "$VERSION" --models "$MODELS"', VERSION=drilled.versions[1])
        assert drilled.until_answered_by(drilled.versions[1]) != before
        shown = drilled.site.type("Roll a model back")
        assert drilled.until_answered_by(first) == before
    assert "live" in shown
    assert {reply.model for reply in account.answered.values()} == set(drilled.versions)


def test_workers_are_upgraded_and_back(drilled: Drilled) -> None:
    """Workers of a release with newer functions come in beside the old ones, which then drain; one of the old release
    that is started once more takes nothing away; and back again. No request is lost or answered twice."""
    place, before, old = drilled.site, drilled.answers(), list(drilled.site.workers)
    with load(drilled), place.connection() as connection:
        new = place.start("vision", "songs", release=newer_library())
        assert loaded_revision(connection) == OURS + 1
        shown = place.type("Upgrade", release=newer_library(), OLD=" ".join(str(worker.pid) for worker in old))
        assert f"the functions library is loaded (revision {OURS + 1})" in shown
        assert place.stop(old) == [0, 0]
        assert drilled.answers() == before
        place.start("vision", "songs")
        assert connection.fcall("songlens_of_the_next_release", 0) == b"next"
        assert place.stop(new) == [0, 0]
        assert drilled.answers() == before
        place.type("Go back to an older release")
        assert drilled.answers() == before
        assert loaded_revision(connection) == OURS


def test_everything_is_restored(drilled: Drilled) -> None:
    """Data and models are deleted. After the restore the same photos get the same songs with the same scores; what
    waited when the backup was made is answered, though it had been answered since; what came later is gone, and is
    taken when it is sent again. Of what came while the files were copied, all is there up to some point."""
    place, before = drilled.site, drilled.answers()
    vision = next(worker for worker in place.workers if worker.name.startswith("vision"))
    assert vision.pid is not None
    waiting = [f"waiting-{number}" for number in range(5)]
    with Client(place.url, name="batcher") as client:
        os.kill(vision.pid, signal.SIGSTOP)
        for number, id in enumerate(waiting):
            client.submit(drilled.photos[number % len(drilled.photos)], id=id, lane=BULK, timeout_s=600)
        with submitting(client, drilled.photos[0]) as meanwhile:
            place.type("Back up")
        os.kill(vision.pid, signal.SIGCONT)
        first = [client.result(id, timeout_s=60).songs for id in waiting]
        client.submit(drilled.photos[0], id="later", timeout_s=600).result()
    assert place.stop(list(place.workers)) == [0, 0]
    place.kill_server()
    shutil.rmtree(place.data)
    shutil.rmtree(place.models)

    assert "its files are whole" in place.type("Restore")
    with place.connection() as connection, Client(place.url, name="batcher") as client:
        restored = connection.xlen(AT.requests(BULK))
        assert len(waiting) < restored <= len(waiting) + len(meanwhile)
        assert connection.get(AT.result("later")) is None
        place.start("vision", "songs")
        expected = [*waiting, *meanwhile][:restored]
        assert [client.result(id, timeout_s=60).songs for id in expected][: len(waiting)] == first
        assert sorted(received.id for received in client.replies(quiet_s=0.5)) == sorted(expected)
        assert drilled.answers() == before
        assert client.submit(drilled.photos[0], id="later", timeout_s=600).result().songs == first[0]
        assert left_over(connection) == {}


@contextmanager
def submitting(client: Client, photo: bytes) -> Iterator[list[str]]:
    """Submit one request after the other; yield the list of their ids, which grows."""
    ids: list[str] = []
    ended = threading.Event()

    def keep_on() -> None:
        while not ended.wait(0.02):
            client.submit(photo, id=f"meanwhile-{len(ids)}", lane=BULK, timeout_s=600)
            ids.append(f"meanwhile-{len(ids)}")

    thread = threading.Thread(target=keep_on)
    thread.start()
    try:
        yield ids
    finally:
        ended.set()
        thread.join()


def test_the_models_alone_are_enough(drilled: Drilled) -> None:
    """Redis loses all that it had, while workers run. Once the version is published again, they answer as before."""
    place, (version, before) = drilled.site, drilled.answers()
    place.kill_server()
    shutil.rmtree(place.data)
    place.type("Start from the models alone", VERSION=version)
    assert drilled.until_answered_by(version) == before
    for worker in place.workers:
        worker.check()


def test_a_snapshot_is_restored(tmp_path: Path, drilled: Drilled) -> None:
    """By the lines of the runbook, and then at every start. The way that seems right loses everything."""
    with site(tmp_path, drilled.site.binary) as other:
        (tmp_path / "backup").mkdir()
        with drilled.site.connection() as connection:
            connection.bgsave()
            while connection.info("persistence")["rdb_bgsave_in_progress"]:
                time.sleep(0.01)
        shutil.copy(drilled.site.data / "dump.rdb", tmp_path / "backup")
        other.type("Restore from a snapshot")
        assert live(other) == drilled.versions[0]
        other.kill_server()
        other.shell('redis-server "$CONF" --dir "$DATA" --daemonize yes')
        assert live(other) == drilled.versions[0]
        other.kill_server()
        shutil.rmtree(other.data)
        as_ever = (
            'mkdir "$DATA" && cp "$BACKUP/dump.rdb" "$DATA/" && redis-server "$CONF" --dir "$DATA" --daemonize yes'
        )
        other.shell(as_ever)
        assert live(other) is None


def live(place: Site) -> str | None:
    """Return the live version, as soon as the server answers."""
    with place.connection() as connection:
        until_s = time.monotonic() + 15
        while time.monotonic() < until_s:
            try:
                return PublishedModels(connection).current()
            except (redis.ConnectionError, redis.BusyLoadingError):
                time.sleep(0.02)
    raise AssertionError("the server does not answer")
