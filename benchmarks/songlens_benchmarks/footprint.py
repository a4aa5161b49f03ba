"""What a request, a reply, a model and a worker take of the server: memory, bytes over the network and to disk, time.

What a capacity plan is made of (`songlens bench capacity`). Bytes are the same on every machine.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import median

import numpy as np
import redis

from songlens_benchmarks import made_models
from songlens_benchmarks.device import NO_DEVICE
from songlens_benchmarks.payloads import PAYLOAD_BYTES, payloads
from songlens_benchmarks.queue_steps import REPLY, ByFunctions, claims
from songlens_benchmarks.row import Effort, Reference, Row
from songlens_benchmarks.server_counters import Counters
from songlens_benchmarks.simulated import Simulated, simulated
from songlens_shared import functions
from songlens_shared.broker import connect
from songlens_shared.codec import encode_request
from songlens_shared.keys import BULK, PartitionKeys
from songlens_shared.messages import Request
from songlens_shared.server import load_functions
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.models.manifest import BackboneSpec
from songlens_workers.songs.ne_store import NeStore

SMALL_BYTES = 1000
IN_FLIGHT = 64
_AT = PartitionKeys()
_CLIENT = "benchmark"
_BACKBONE = BackboneSpec(name="none", weights_sha256="0" * 64, dimensions=1, precision="fp32", preprocessing={})
"""What Redis holds of a version does not depend on it."""


def run(effort: Effort) -> Iterator[Row]:
    """Yield bytes and microseconds, each of one."""
    with (
        tempfile.TemporaryDirectory(prefix="songlens-") as folder,
        EmbeddedBroker(Path(folder), persistent=False) as broker,
        connect(broker.url) as connection,
    ):
        load_functions(connection)
        yield from _queue(connection, 50 if effort.quick else 2000)
        yield from _answers(connection, 200 if effort.quick else 2000)
        yield from _model(connection, 500 if effort.quick else 10_000)
    yield from _traffic(effort)
    yield from _workers(1 if effort.quick else 4, 0.5 if effort.quick else 8.0, effort.rounds)


def _added(connection: redis.Redis, work: Callable[[], None], count: int) -> float:
    """Return the bytes of memory that each of so many things takes."""
    before = Counters.of(connection)
    work()
    return Counters.of(connection).since(before).memory_bytes / count


def _queue(connection: redis.Redis, requests: int) -> Iterator[Row]:
    for size_bytes in (PAYLOAD_BYTES, SMALL_BYTES):
        submit = Submit(connection, f"waits-{size_bytes}", size_bytes=size_bytes)
        taken = _added(connection, lambda submit=submit: submit.many(requests), requests)  # type: ignore[misc]
        yield _memory(f"a request that waits, its photo of {size_bytes // 1000} KB", taken, note=_allocator(connection))
    anonymous = _added(
        connection, lambda: Submit(connection, "nobody", size_bytes=SMALL_BYTES).many(requests), requests
    )
    of_a_user = _added(
        connection, lambda: Submit(connection, "somebody", size_bytes=SMALL_BYTES, user="user").many(requests), requests
    )
    yield _memory("the note of a request under its user", of_a_user - anonymous)
    _delete(connection, _AT.requests(BULK))


def _delete(connection: redis.Redis, key: str) -> None:
    """Return when its memory is given back as well, which the server does beside its other work."""
    connection.delete(key)
    while connection.info("memory")["lazyfree_pending_objects"]:
        time.sleep(0.01)


class Submit:
    """Queues requests of one kind."""

    def __init__(self, connection: redis.Redis, name: str, *, size_bytes: int, user: str | None = None) -> None:
        self._redis = connection
        self._name = name
        self._photo = payloads(1, size_bytes)[0]
        self._user = user

    def many(self, requests: int) -> None:
        """Queue so many, each under an id of 32 characters as clients take them."""
        for number in range(requests):
            id = f"{self._name}-{number}".ljust(32, "-")
            request = Request(id=id, client=_CLIENT, image=self._photo, lane=BULK, user=self._user)
            assert functions.submit(_AT, request, encode_request(request)).on(self._redis)[0] == b"accepted"


def _answers(connection: redis.Redis, requests: int) -> Iterator[Row]:
    """A reply is kept twice: under its id, and in its client's channel."""
    steps, pipeline = ByFunctions(), connection.pipeline(transaction=False)
    vision, songs = claims(connection, steps.partition)
    at, before = PartitionKeys(steps.partition), Counters.of(connection)
    # A few at a time: the lane is bounded.
    numbers = iter(range(requests))
    while page := list(islice(numbers, 50)):
        for number in page:
            steps.submit(pipeline, f"answered-{number}".ljust(32, "-"))
        pipeline.execute()
        for claimed, step in ((vision, steps.hand_over), (songs, steps.finish)):
            for delivery in claimed.claim(2 * len(page), 1000):
                step(pipeline, delivery)
            pipeline.execute()
    both = Counters.of(connection).since(before).memory_bytes / requests
    channels = list(connection.scan_iter(match=at.replies("*")))
    channel = sum(int(connection.memory_usage(key, samples=0) or 0) for key in channels) / requests
    note = f"The reply itself is {len(REPLY):,} bytes: ten songs, five images."
    yield _memory("a reply under its request's id", both - channel, note=note)
    yield _memory("a reply in its client's channel", channel)


def _model(connection: redis.Redis, count: int) -> Iterator[Row]:
    manifest = made_models.manifest(_BACKBONE, images=count, songs=count)
    store, ids = NeStore(connection, manifest), [f"item-{number:08}" for number in range(count)]
    vectors = np.random.default_rng(1).random((count, manifest.ne_dimensions), np.float32)
    note = f"{manifest.ne_dimensions} dimensions"
    of_images = _added(connection, lambda: store.write_image_vectors(ids, vectors), count)
    of_songs = _added(connection, lambda: store.write_song_vectors(ids, vectors), count)
    cards = _added(connection, lambda: store.write_song_cards(made_models.cards(ids)), count)
    yield _memory("an image of a model version: its NE vector", of_images, note=note)
    yield _memory(
        "a song of a model version: NE vector and card",
        of_songs + cards,
        note=f"{note}; a card with {len(made_models.KEYWORDS)} keywords and lines",
    )


def _memory(what: str, value: float, *, note: str = "") -> Row:
    return Row(what=f"memory: {what}", value=value, unit="bytes", note=note)


def _allocator(connection: redis.Redis) -> str:
    return f"Allocator {connection.info('memory')['mem_allocator']}; one entry a stream node."


def _traffic(effort: Effort) -> Iterator[Row]:
    """What passes the server for each request, all answers looked at, and what that costs it."""
    seconds = 0.5 if effort.quick else 3.0
    found: dict[int, list[Counters]] = {PAYLOAD_BYTES: [], SMALL_BYTES: []}
    with simulated(NO_DEVICE) as system, connect(system.url) as connection:
        connection.config_set("auto-aof-rewrite-percentage", 0)  # the file shall only grow
        for _ in range(effort.rounds):
            for size_bytes, counted in found.items():
                counted.append(_passed(system, connection, size_bytes, seconds))

    def each(what: str, size_bytes: int) -> float:
        return float(median(getattr(counted, what) for counted in found[size_bytes]))

    for what, name in (("in_bytes", "into the server"), ("out_bytes", "out of it"), ("file_bytes", "into its file")):
        yield Row(
            what=f"{name}, a request with a photo of {PAYLOAD_BYTES // 1000} KB",
            value=each(what, PAYLOAD_BYTES),
            unit="bytes",
        )
    yield Row(
        what=f"server's processor time, a request with a photo of {SMALL_BYTES // 1000} KB",
        value=each("processor_us", SMALL_BYTES),
        unit="µs",
        baseline=Reference(f"a photo of {PAYLOAD_BYTES // 1000} KB", each("processor_us", PAYLOAD_BYTES)),
    )


def _passed(system: Simulated, connection: redis.Redis, size_bytes: int, seconds: float) -> Counters:
    """Return what the server counted for each request of a load, its connections as they were at the end."""
    load = system.load(payloads(IN_FLIGHT, size_bytes), in_flight=IN_FLIGHT, seconds=seconds)
    before = Counters.of(connection)
    load()
    counted, requests = Counters.of(connection).since(before), load.requests
    return Counters(**{name: value / requests for name, value in vars(counted).items()})


def _workers(more: int, seconds: float, rounds: int) -> Iterator[Row]:
    """What a worker takes that has nothing to do: the difference that some more of them make.

    Two servers are never quite alike. Where that is more than the workers make, nothing can be seen of them: 0.
    """
    added = [_idle(1 + more, seconds).since(_idle(1, seconds)) for _ in range(rounds)]

    def each(what: str) -> float:
        return max(0.0, float(median(getattr(difference, what) for difference in added)) / more)

    yield Row(what="connections of a worker", value=each("connections"), unit="connections")
    yield _memory("a worker's connections", each("memory_bytes"))
    yield Row(what="server's processor time, an idle worker, each second", value=each("processor_us"), unit="µs")


def _idle(vision: int, seconds: float) -> Counters:
    """Return what a server uses in a second in which nobody asks for anything, and what its connections hold then.

    Its workers have been busy before, and have all the connections that they open.
    """
    with simulated(NO_DEVICE, vision=vision) as system, connect(system.url) as connection:
        system.load(payloads(IN_FLIGHT, SMALL_BYTES), in_flight=8 * IN_FLIGHT, seconds=1.0)()
        time.sleep(1.0)
        before, began_s = Counters.of(connection), time.monotonic()
        time.sleep(seconds)
        after, took_s = Counters.of(connection), time.monotonic() - began_s
        held = sum(int(client["tot-mem"]) for client in connection.client_list())
    used = after.since(before).processor_us / took_s
    return replace(after, memory_bytes=held, processor_us=used)
