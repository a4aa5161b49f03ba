"""The fault behind each alert: how it comes about in a running system, and how it is mended."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from batch_system import make_photos, submit
from chaos_models import photo, publish_version, write_version
from hits_entries import hand_over
from paced_worker import set_pace
from watched_system import BALLAST_BYTES, WatchedSystem, sending

from songlens import Client
from songlens_batch.batches import Batches
from songlens_workers.models.manifest import IMAGE_INDEX
from songlens_workers.models.published import PublishedModels

Lasting = Callable[[WatchedSystem], Iterator[None]]
_FLOOD_EVERY_S = 0.03
_SLOW_S = 0.8
_DAMAGED = "v2"
_PHOTOS = 4
_MEMORY_LIMIT_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and which alerts shall tell of it."""

    lasting: Lasting
    """Causes it, and mends it when it is resumed."""

    alerts: frozenset[str]

    @property
    def name(self) -> str:
        return self.lasting.__name__

    @contextmanager
    def present(self, system: WatchedSystem) -> Iterator[None]:
        """Cause it, and mend it at the end of the block."""
        with contextmanager(self.lasting)(system):
            yield


@contextmanager
def present(faults: tuple[Fault, ...], system: WatchedSystem) -> Iterator[None]:
    """Have several faults at once."""
    with ExitStack() as stack:
        for fault in faults:
            stack.enter_context(fault.present(system))
        yield


def overload(system: WatchedSystem) -> Iterator[None]:
    """Photos come faster than the only vision worker, slow of late, gets on; some have little time."""
    time_limits_s = itertools.cycle((120.0, 3.0))

    def flood(client: Client) -> None:
        client.submit(photo(1), timeout_s=next(time_limits_s))

    set_pace(system.pace, _SLOW_S)
    with sending(flood, system.url, pause_s=_FLOOD_EVERY_S):
        yield
    set_pace(system.pace, 0)


def poison(system: WatchedSystem) -> Iterator[None]:
    """An entry that the song stage fails on, whoever tries: a neighbour image that the model does not know."""
    version = PublishedModels(system.connection).current()
    assert version is not None
    hand_over(system.connection, "poison", model=version, image="unknown")
    yield


def damaged_version(system: WatchedSystem) -> Iterator[None]:
    """A version is published whose index is cut short; then it is rolled back."""
    index = write_version(system.models, _DAMAGED, seed=1) / IMAGE_INDEX
    index.write_bytes(index.read_bytes()[:-100])
    publish_version(system.connection, _DAMAGED, seed=1)
    yield
    PublishedModels(system.connection).rollback()


def failed_batch(system: WatchedSystem) -> Iterator[None]:
    """A batch of files that are damaged; then they are restored, and the batch is tried again."""
    source = make_photos(system.folder / "photos", _PHOTOS)
    good = {path: path.read_bytes() for path in source.rglob("*.jpg")}
    for path, content in good.items():
        _write_as_of(0, path, bytes(len(content)))
    batch = submit(system.url, source, system.folder / "scored")
    with Batches(system.url) as batches:
        assert batches.wait(batch).state == "failed"  # before another fault changes the model that it began with
        yield
        for path, content in good.items():
            _write_as_of(0, path, content)
        assert batches.retry(batch) == 1


def _write_as_of(time_s: int, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    os.utime(path, (time_s, time_s))


def full_disk(system: WatchedSystem) -> Iterator[None]:
    """Something fills the disk of SONGLENS_HOME."""
    with system.ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, BALLAST_BYTES)
    yield
    system.ballast.unlink()


def full_memory(system: WatchedSystem) -> Iterator[None]:
    """Something else fills the server's memory, up to its limit but for some room."""
    system.connection.config_set("maxmemory", _MEMORY_LIMIT_BYTES)
    for number in itertools.count():
        if system.connection.info("memory")["used_memory"] > 0.92 * _MEMORY_LIMIT_BYTES:
            break  # more than the alert asks for: what waited when this began leaves meanwhile
        system.connection.hset("ballast", str(number), bytes(2**20))
    yield
    system.connection.delete("ballast")


def no_song_worker(system: WatchedSystem) -> Iterator[None]:
    """The only song worker is killed."""
    system.songs.kill()
    yield
    system.songs.start()


def hung_vision_worker(system: WatchedSystem) -> Iterator[None]:
    """A forward pass of the only vision worker does not come back."""
    set_pace(system.pace, float("inf"))
    yield
    set_pace(system.pace, 0)


def unwritable_file(system: WatchedSystem) -> Iterator[None]:
    """The disk of the server's append-only file is full."""
    system.broker.fill_disk()
    yield
    system.broker.free_disk()


def dead_server(system: WatchedSystem) -> Iterator[None]:
    """The server is killed, and starts again with its data."""
    system.broker.die()
    yield
    system.broker.start()


def _fault(lasting: Lasting, *alerts: str) -> Fault:
    return Fault(lasting, frozenset(f"Songlens{alert}" for alert in alerts))


WAVES: dict[str, tuple[Fault, ...]] = {
    "overload, poison, a damaged version, a failed batch, a full disk": (
        _fault(failed_batch, "BatchesFail"),
        _fault(damaged_version, "ModelRefused", "ModelStale"),
        _fault(full_disk, "DiskFull"),
        _fault(overload, "SlowReplies", "InteractiveWaits", "LagRising", "Errors"),
        _fault(poison, "DeadLetters"),
    ),
    "no song worker, full memory": (
        _fault(no_song_worker, "NothingAnswered", "WorkerDown"),
        _fault(full_memory, "RedisMemory"),
    ),
    "a hung vision worker": (_fault(hung_vision_worker, "NothingAnswered", "WorkerStuck"),),
    "a full disk of the server": (_fault(unwritable_file, "RedisDisk"),),
    "a dead server": (_fault(dead_server, "RedisAway"),),
}
"""Faults that are had at once, so that all of it does not take too long."""
