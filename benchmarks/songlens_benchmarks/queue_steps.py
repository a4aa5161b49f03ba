"""A request's way through the queue in three steps: by Songlens's functions, or by plain commands to the same end."""

from __future__ import annotations

from typing import Any, Protocol

import redis

from songlens_benchmarks import example_messages
from songlens_shared import functions
from songlens_shared.codec import encode_hits, encode_reply, encode_request
from songlens_shared.functions import Delivery
from songlens_shared.keys import INTERACTIVE, SONGS_GROUP, VISION_GROUP, PartitionKeys
from songlens_shared.messages import Request
from songlens_workers.runtime.claims import Claims, Inlet

REQUEST = encode_request(example_messages.request())
HITS = encode_hits(example_messages.hits())
REPLY = encode_reply(example_messages.reply())
_CLIENT = "benchmark"
_CONSUMER = "benchmark"


class Steps(Protocol):
    """Each step puts the commands of one request into a pipeline."""

    partition: int

    def submit(self, pipeline: Any, id: str) -> None:
        """Queue a photo."""

    def hand_over(self, pipeline: Any, delivery: Delivery) -> None:
        """Queue its hits instead."""

    def finish(self, pipeline: Any, delivery: Delivery) -> None:
        """Answer it."""


class ByFunctions:
    """One call a step."""

    partition = 0
    _keys = PartitionKeys(partition)

    def submit(self, pipeline: Any, id: str) -> None:
        """songlens_submit."""
        functions.submit(self._keys, Request(id=id, client=_CLIENT, image=b"-"), REQUEST).on(pipeline)

    def hand_over(self, pipeline: Any, delivery: Delivery) -> None:
        """songlens_hand_over."""
        functions.hand_over(delivery, self._keys.hits, HITS).on(pipeline)

    def finish(self, pipeline: Any, delivery: Delivery) -> None:
        """songlens_finish."""
        functions.finish(delivery, REPLY).on(pipeline)


class ByCommands:
    """XADD, XACK, XDEL and SET; nothing is checked, counted or atomic."""

    partition = 1
    _keys = PartitionKeys(partition)

    def submit(self, pipeline: Any, id: str) -> None:
        """XADD."""
        pipeline.xadd(self._keys.requests(INTERACTIVE), {"m": REQUEST, "id": id, "client": _CLIENT, "deadline": 0})

    def hand_over(self, pipeline: Any, delivery: Delivery) -> None:
        """XADD, XACK, XDEL."""
        entry = {"m": HITS, "id": delivery.request_id, "client": _CLIENT, "deadline": 0}
        pipeline.xadd(self._keys.hits, entry)
        _end(pipeline, delivery)

    def finish(self, pipeline: Any, delivery: Delivery) -> None:
        """SET, XADD, XACK, XDEL."""
        pipeline.set(self._keys.result(delivery.request_id), REPLY, ex=60)
        pipeline.xadd(self._keys.replies(_CLIENT), {"id": delivery.request_id, "m": REPLY}, maxlen=10_000)
        _end(pipeline, delivery)


def _end(pipeline: Any, delivery: Delivery) -> None:
    pipeline.xack(delivery.stream, delivery.group, delivery.entry_id)
    pipeline.xdel(delivery.stream, delivery.entry_id)


def claims(connection: redis.Redis, partition: int) -> tuple[Claims, Claims]:
    """Return what claims the photos, and what claims the hits, as the two stages do."""
    keys = PartitionKeys(partition)
    vision, songs = (
        Claims(connection, inlets=[Inlet(keys, stream)], group=group, consumer=_CONSUMER)
        for stream, group in ((keys.requests(INTERACTIVE), VISION_GROUP), (keys.hits, SONGS_GROUP))
    )
    vision.ensure_groups()
    songs.ensure_groups()
    return vision, songs
