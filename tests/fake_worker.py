"""Stands in for both stages where a test is about the client: reads the real streams and ends entries for real."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import redis

from songlens_shared.broker import connect
from songlens_shared.codec import decode_request, encode_reply
from songlens_shared.errors import RequestError
from songlens_shared.functions import Delivery, finish, finish_with_notice
from songlens_shared.keys import LANES, VISION_GROUP, PartitionKeys
from songlens_shared.messages import FeatureData, NeighbourImage, Personal, Reply, Request, Song, Via, error_reply
from songlens_shared.server import load_functions
from songlens_shared.streams import Entry, stream_entries


def one_song(request: Request) -> Reply:
    """Answer with a song that bears the request's id, so that a test sees whose reply it got."""
    song = Song(
        id=f"song-{request.id}",
        title="渔歌子 [1]",
        artist="张志和",
        distance=0.25,
        score=0.8,
        via=Via(image="snow/1.jpg", keyword="雪", line="孤舟蓑笠翁，独钓寒江雪"),
    )
    image = NeighbourImage(id="snow/1.jpg", distance=12.5, keywords=("雪", "江"))
    timings = {"queue": 1.0, "decode": 2.0, "embed": 3.0, "search": 4.0, "songs": 5.0, "total": 15.0}
    weight = 0.4 if request.user_weight is None else request.user_weight
    return Reply(
        id=request.id,
        status="ok",
        model="m1",
        songs=(song,),
        images=(image,),
        timings_ms=timings,
        personal=None if request.user is None else Personal(user_weight=weight, known=True),
    )


def two_features(request: Request) -> Reply:
    """Answer with a feature of two numbers, in the type that was asked for."""
    data = struct.pack("<2f" if request.features_dtype == "float32" else "<2e", 0.25, 3.0)
    features = FeatureData(dtype=request.features_dtype, dimensions=2, data=data, backbone="tiny-0123456789ab")
    timings = {"queue": 1.0, "decode": 2.0, "embed": 3.0, "total": 6.0}
    return Reply(id=request.id, status="ok", model="m1", timings_ms=timings, features=features)


def create_groups(connection: redis.Redis, partitions: int = 1) -> list[tuple[PartitionKeys, str]]:
    """Make the vision group on every request stream, and return the streams."""
    streams = [(at, at.requests(lane)) for at in map(PartitionKeys, range(partitions)) for lane in LANES]
    for _, stream in streams:
        try:
            connection.xgroup_create(stream, VISION_GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise
    return streams


def delivery_of(at: PartitionKeys, stream: str, entry: Entry, group: str = VISION_GROUP) -> Delivery:
    """Return an entry as a worker holds it."""
    entry_id, fields = entry
    return Delivery(
        keys=at,
        stream=stream,
        group=group,
        entry_id=entry_id,
        payload=fields[b"m"],
        request_id=fields[b"id"].decode(),
        client=fields[b"client"].decode(),
        deadline_ms=int(fields[b"deadline"]),
    )


class FakeWorker:
    """A thread that answers every request with what `answer` returns or raises, until the `with` block ends."""

    def __init__(self, url: str, answer: Callable[[Request], Reply] = one_song, *, partitions: int = 1) -> None:
        self._url = url
        self._answer = answer
        self._partitions = partitions
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.seen: list[Request] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        with connect(self._url, retries=0) as connection:
            while not self._stopping.is_set():
                try:
                    self._work(connection)
                except (redis.ConnectionError, redis.TimeoutError):
                    self._stopping.wait(0.05)

    def _work(self, connection: redis.Redis) -> None:
        load_functions(connection)
        at = {stream: keys for keys, stream in create_groups(connection, self._partitions)}
        while not self._stopping.is_set():
            waiting = dict.fromkeys(at, ">")
            response = connection.xreadgroup(VISION_GROUP, "fake", waiting, count=50, block=50)
            for stream, entries in stream_entries(response):
                for entry in entries:
                    self._finish(connection, delivery_of(at[stream], stream, entry))

    def _finish(self, connection: redis.Redis, delivery: Delivery) -> None:
        request = decode_request(delivery.payload)
        self.seen.append(request)
        try:
            reply = self._answer(request)
        except RequestError as error:
            reply = error_reply(request.id, error)
        end = finish if reply.features is None else finish_with_notice
        end(delivery, encode_reply(reply)).on(connection)
