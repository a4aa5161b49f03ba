"""The messages of wire protocol version 1: request, hits and reply, as frozen dataclasses.

Every message is one msgpack map (codec.py). Unknown fields are ignored; another version is refused. Field by field,
with test vectors for other languages: docs/protocol.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from songlens_shared.errors import BadRequest, RequestError, request_error
from songlens_shared.keys import INTERACTIVE, LANES

PROTOCOL_VERSION = 1

MAX_IMAGE_BYTES = 32 * 1024 * 1024
"""A larger photo is refused before it is queued. The client downsizes, so that only raw senders get near."""

MAX_TTL_MS = 7 * 24 * 3600 * 1000

BOUNDS: Mapping[str, tuple[int, int]] = {
    "top_k": (1, 100),
    "images_k": (1, 100),
    "songs_per_image": (1, 50),
    "ttl_ms": (1, MAX_TTL_MS),
}
"""Least and greatest value of each request option."""

_NAME = re.compile(r"[A-Za-z0-9._:@-]{1,128}")

Status = Literal["ok", "error"]


def check_name(what: str, value: str) -> str:
    """Return a request id or client name that can stand in a key, or raise `BadRequest`."""
    if not _NAME.fullmatch(value):
        raise BadRequest(f"{what} must be 1 to 128 letters, digits or any of . _ : @ -; got {value[:40]!r}.")
    return value


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One photo that wants songs. Raises `BadRequest` for a value out of its published bounds."""

    id: str
    client: str
    image: bytes | None = None
    """The photo's bytes as they came from a file; either this or `uri`."""

    uri: str | None = None
    lane: str = INTERACTIVE
    top_k: int = 10
    """Songs wanted."""

    images_k: int = 5
    """Nearest catalogue images that songs are taken from."""

    songs_per_image: int = 2
    user: str | None = None
    ttl_ms: int = 30_000
    """Time allowed, counted by the Redis server's clock from the moment it is queued."""

    trace: str | None = None
    """W3C traceparent, carried through every stage."""

    def __post_init__(self) -> None:
        check_name("id", self.id)
        check_name("client", self.client)
        if self.lane not in LANES:
            raise BadRequest(f"unknown lane {self.lane!r}; use one of: {', '.join(LANES)}.")
        for name, (least, most) in BOUNDS.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise BadRequest(f"{name} must lie between {least} and {most}; got {value}.")
        if (self.image is None) == (self.uri is None):
            raise BadRequest("give either image (the photo's bytes) or uri, and not both.")


@dataclass(frozen=True, kw_only=True, slots=True)
class NeighbourImage:
    """One catalogue image near the photo."""

    id: str
    distance: float
    """Euclidean, in the backbone's feature space."""

    keywords: tuple[str, ...]
    """Heaviest first."""

    @property
    def keyword(self) -> str:
        """The heaviest keyword."""
        return self.keywords[0] if self.keywords else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hits:
    """What the vision stage hands to the song stage. Holds no image bytes."""

    id: str
    client: str
    model: str
    images: tuple[NeighbourImage, ...]
    """Nearest first."""

    top_k: int
    songs_per_image: int
    submitted_ms: int
    """Redis server time."""

    timings_ms: Mapping[str, float]
    user: str | None = None
    trace: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Via:
    """Why a song was chosen."""

    image: str
    """Id of the neighbour image that it was found by."""

    keyword: str
    """A keyword that image and song share, or else the song's own first keyword."""

    line: str
    """The line of the lyrics that holds the keyword."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Song:
    """One recommended song."""

    id: str
    title: str
    artist: str
    distance: float
    """Euclidean, between the NE vectors of song and neighbour image."""

    score: float
    """1 / (1 + distance): 1 is a perfect match."""

    via: Via


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why a request got no songs."""

    code: str
    message: str

    def exception(self) -> RequestError:
        """Return the typed error for this failure."""
        return request_error(self.code, self.message)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """The answer to one request."""

    id: str
    status: Status
    model: str | None = None
    songs: tuple[Song, ...] = ()
    images: tuple[NeighbourImage, ...] = ()
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    """queue, decode, embed, search, songs, total. Decode, embed and search are times of the whole batch."""

    error: Failure | None = None


def error_reply(request_id: str, error: RequestError) -> Reply:
    """Return the reply that carries an error to the client."""
    return Reply(id=request_id, status="error", error=Failure(code=error.code, message=error.message))
