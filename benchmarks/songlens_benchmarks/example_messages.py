"""One message of each kind, as large as they are in service."""

from __future__ import annotations

from songlens_benchmarks.payloads import payloads
from songlens_shared.messages import Hits, NeighbourImage, Reply, Request, Song, Via

_ID = "0123456789abcdef0123456789abcdef"
_CLIENT = f"client-{_ID}"
_MODEL = "20260102T030405Z"
_TIMINGS_MS = {"queue": 3.25, "decode": 4.5, "embed": 130.125, "search": 1.75}


def request() -> Request:
    """Return a request for a photo of 100 KB."""
    return Request(id=_ID, client=_CLIENT, image=payloads(1)[0])


def hits() -> Hits:
    """Return the five images nearest to a photo."""
    return Hits(
        id=_ID,
        client=_CLIENT,
        model=_MODEL,
        images=_images(),
        top_k=10,
        songs_per_image=2,
        submitted_ms=1_767_323_045_000,
        timings_ms=_TIMINGS_MS,
    )


def reply() -> Reply:
    """Return ten songs."""
    return Reply(
        id=_ID,
        status="ok",
        model=_MODEL,
        songs=tuple(_song(place) for place in range(10)),
        images=_images(),
        timings_ms={**_TIMINGS_MS, "songs": 0.75, "total": 145.0},
    )


def _images() -> tuple[NeighbourImage, ...]:
    keywords = ("雪", "森林", "冬天")
    return tuple(NeighbourImage(id=f"image-{place:05}", distance=10.5 + place, keywords=keywords) for place in range(5))


def _song(place: int) -> Song:
    return Song(
        id=f"song-{place:05}",
        title="雪落下的声音",
        artist="某位歌手",
        distance=0.25 + place,
        score=1 / (1.25 + place),
        via=Via(image=f"image-{place // 2:05}", keyword="雪", line="轻轻落在我掌心，静静在掌中结冰"),
    )
