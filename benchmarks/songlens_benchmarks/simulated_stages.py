"""Stages whose messages are real and whose work is none: what is left is what the queue and the runtime cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from songlens_benchmarks.device import Device
from songlens_benchmarks.payloads import mark
from songlens_shared.codec import decode_hits, decode_request, encode_hits
from songlens_shared.functions import Delivery
from songlens_shared.messages import Hits, NeighbourImage, Reply, Song, Via
from songlens_workers.runtime.stage import Answer, HandOver, Observe, Work, unobserved
from songlens_workers.songs.stage import Answered, unheard

VERSION = "simulated"
_PIXEL_BYTES = 224 * 224 * 3


@dataclass(frozen=True)
class Asked:
    """What is kept of a request while its batch waits."""

    delivery: Delivery
    mark: str
    images_k: int
    top_k: int
    songs_per_image: int
    queue_ms: float


class SimulatedVision:
    """Decodes requests, has a device take its time for each batch, and hands over as many images as were asked for."""

    name = "vision"

    def __init__(self, device: Device, observe: Observe = unobserved) -> None:
        """`observe` is told of the steps that the real stage has."""
        self._device = device
        self._observe = observe

    def prepare(self, work: Work) -> Asked:
        """Decode the request; its photo is not looked at."""
        request = decode_request(work.delivery.payload)
        self._observe("decode", 0.0)
        return Asked(
            delivery=work.delivery,
            mark=mark(request.image or b""),
            images_k=request.images_k,
            top_k=request.top_k,
            songs_per_image=request.songs_per_image,
            queue_ms=work.queue_ms,
        )

    def size_bytes(self, item: Asked) -> int:
        """Return what the pixels of a photo take."""
        return _PIXEL_BYTES

    def run(self, items: Sequence[Asked]) -> list[HandOver]:
        """Return the hits of each photo, the first of which bears its mark."""
        self._device.run(len(items))
        self._observe("embed", 0.0)
        self._observe("search", 0.0)
        return [HandOver(item.delivery.keys.hits, partial(_encoded_hits, item)) for item in items]

    def ready(self) -> list[str]:
        """Nothing to wait for."""
        return []


def _encoded_hits(item: Asked) -> bytes:
    return encode_hits(_hits(item))


def _hits(item: Asked) -> Hits:
    ids = [item.mark, *(f"image-{number:05}" for number in range(1, item.images_k))]
    return Hits(
        id=item.delivery.request_id,
        client=item.delivery.client,
        model=VERSION,
        images=tuple(
            NeighbourImage(id=id, distance=10.5 + place, keywords=("雪", "森林", "冬天"))
            for place, id in enumerate(ids)
        ),
        top_k=item.top_k,
        songs_per_image=item.songs_per_image,
        submitted_ms=item.delivery.entered_ms,
        timings_ms={"queue": item.queue_ms, "decode": 0.0, "embed": 0.0, "search": 0.0},
    )


class SimulatedSongs:
    """Decodes hits, and answers with as many songs as were asked for."""

    name = "songs"

    def __init__(self, observe: Observe = unobserved, answered: Answered = unheard) -> None:
        """`observe` and `answered` are told what the real stage tells."""
        self._observe = observe
        self._answered = answered

    def prepare(self, work: Work) -> Hits:
        """Decode the hits."""
        return decode_hits(work.delivery.payload)

    def size_bytes(self, item: Hits) -> int:
        """Hits are small."""
        return 1

    def run(self, items: Sequence[Hits]) -> list[Answer]:
        """Return the reply to each request; its songs bear the photo's mark."""
        self._observe("songs", 0.0)
        for item in items:
            self._answered(0.0, item.lane, None)
        return [Answer(_reply(item)) for item in items]

    def ready(self) -> list[str]:
        """Nothing to wait for."""
        return []


def _reply(hits: Hits) -> Reply:
    found_by = hits.images[0].id
    songs = tuple(
        Song(
            id=f"song-{place:05}",
            title="雪落下的声音",
            artist="某位歌手",
            distance=0.25 + place,
            score=1 / (1.25 + place),
            via=Via(image=found_by, keyword="雪", line="轻轻落在我掌心，静静在掌中结冰"),
        )
        for place in range(hits.top_k)
    )
    timings_ms = {**hits.timings_ms, "songs": 0.0, "total": 0.0}
    return Reply(id=hits.id, status="ok", model=hits.model, songs=songs, images=hits.images, timings_ms=timings_ms)
