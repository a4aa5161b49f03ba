"""The messages of wire protocol version 1: request, hits and reply, as frozen dataclasses.

Every message is one msgpack map (codec.py). Unknown fields are ignored; another version is refused. Field by field,
with test vectors for other languages: docs/protocol.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from songlens_shared.errors import BadRequest, ImageTooLarge, RequestError, request_error
from songlens_shared.keys import INTERACTIVE, LANES

PROTOCOL_VERSION = 1

MAX_IMAGE_BYTES = 32 * 1024 * 1024
"""A larger photo is refused before it is queued. The client downsizes, so that only raw senders get near."""

MAX_TEXT_BYTES = 64 * 1024
"""The limit of each string of a request."""

MAX_TTL_MS = 7 * 24 * 3600 * 1000

BOUNDS: Mapping[str, tuple[int, int]] = {
    "top_k": (1, 100),
    "images_k": (1, 100),
    "songs_per_image": (1, 50),
    "ttl_ms": (1, MAX_TTL_MS),
}
"""Least and greatest value of each request option."""

SONGS = "songs"
FEATURES = "features"
WANTS = (SONGS, FEATURES)
"""What a request may want for its photo."""

FLOAT32 = "float32"
FLOAT16 = "float16"
FEATURE_BYTES: Mapping[str, int] = {FLOAT32: 4, FLOAT16: 2}
"""Bytes of one number of a feature, by dtype."""

DTYPES = tuple(FEATURE_BYTES)

_NAME = re.compile(r"[A-Za-z0-9._:@-]{1,128}")

Status = Literal["ok", "error"]


def shown(value: object) -> str:
    """Return a foreign value as an error message may show it: short, and of plain types only."""
    if not isinstance(value, (str, bytes, int, float, bool, type(None))):
        return type(value).__name__
    return repr(value[:40] if isinstance(value, (str, bytes)) else value)


def check_name(what: str, value: str) -> str:
    """Return a request id or client name that can stand in a key, or raise `BadRequest`."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise BadRequest(f"{what} must be 1 to 128 letters, digits or any of . _ : @ -; got {shown(value)}.")
    return value


def _check_number(name: str, value: int) -> None:
    least, most = BOUNDS[name]
    if type(value) is not int or not least <= value <= most:  # bool is an int, and no number here
        raise BadRequest(f"{name} must be a whole number between {least} and {most}; got {shown(value)}.")


def _check_user_weight(value: float | None) -> None:
    if value is None:
        return
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= 1:
        raise BadRequest(f"user_weight must be a number between 0 and 1; got {shown(value)}.")


def _check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    if value not in choices:
        raise BadRequest(f"unknown {name} {shown(value)}; use one of: {', '.join(choices)}.")


def _check_text(name: str, value: str | None) -> None:
    if value is None:
        return
    if not isinstance(value, str):
        raise BadRequest(f"{name} must be a string; got {shown(value)}.")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise BadRequest(f"{name} holds a lone surrogate, which no message can carry.") from None
    if size > MAX_TEXT_BYTES:
        raise BadRequest(f"{name} has {size} bytes; the limit is {MAX_TEXT_BYTES}.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One photo that wants songs, or its features.

    Raises `BadRequest` for a value out of its published bounds, and `ImageTooLarge` for too large a photo.
    """

    id: str
    client: str
    image: bytes | None = field(default=None, repr=False)
    """The photo's bytes as they came from a file; either this or `uri`. Never shown: photos are private."""

    uri: str | None = field(default=None, repr=False)
    """Where workers find the photo. Never shown: a query may hold a password."""

    lane: str = INTERACTIVE
    top_k: int = 10
    """Songs wanted."""

    images_k: int = 5
    """Nearest catalogue images that songs are taken from."""

    songs_per_image: int = 2
    user: str | None = field(default=None, repr=False)
    """Whom the songs are for, an id of the listening log. Never shown."""

    user_weight: float | None = None
    """Share of the user's taste in the ranking of songs, 0 to 1; None leaves it to the song worker's setting. Without
    `user` it means nothing."""

    ttl_ms: int = 30_000
    """Time allowed, counted by the Redis server's clock from the moment it is queued."""

    trace: str | None = None
    """W3C traceparent. A stage that traces hands over its own span's."""

    want: str = SONGS
    """songs, or features: the vision stage then answers with the photo's feature, and nothing is searched."""

    backbone: str | None = None
    """Fingerprint of the backbone that features must come from; None takes whichever the workers have. Without
    features wanted it means nothing, as `features_dtype`."""

    features_dtype: str = FLOAT32
    """float32 or float16, of half the size and rounded."""

    def __post_init__(self) -> None:
        check_name("id", self.id)
        check_name("client", self.client)
        _check_choice("lane", self.lane, LANES)
        _check_choice("want", self.want, WANTS)
        _check_choice("features_dtype", self.features_dtype, DTYPES)
        for name in BOUNDS:
            _check_number(name, getattr(self, name))
        for name in ("uri", "user", "trace", "backbone"):
            _check_text(name, getattr(self, name))
        _check_user_weight(self.user_weight)
        if (self.image is None) == (self.uri is None):
            raise BadRequest("give either image (the photo's bytes) or uri, and not both.")
        self._check_image()

    def _check_image(self) -> None:
        if self.image is None:
            return
        if not isinstance(self.image, bytes):
            raise BadRequest(f"image must be bytes; got {type(self.image).__name__}.")
        if len(self.image) > MAX_IMAGE_BYTES:
            raise ImageTooLarge(f"the photo has {len(self.image)} bytes; the limit is {MAX_IMAGE_BYTES}.")


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
    """What the vision stage hands to the song stage. Holds no image bytes.

    Raises `BadRequest` for a number out of the request's published bounds.
    """

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
    user: str | None = field(default=None, repr=False)
    user_weight: float | None = None
    trace: str | None = None
    cached: bool = False
    """The vision worker knew these bytes: it neither decoded nor embedded them."""

    lane: str = INTERACTIVE
    """The request's. Metrics tell times by it; the stream of hits has no lanes."""

    def __post_init__(self) -> None:
        for name in ("top_k", "songs_per_image"):
            _check_number(name, getattr(self, name))
        _check_user_weight(self.user_weight)
        _check_choice("lane", self.lane, LANES)


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
    """Euclidean, between the NE vectors of song and neighbour image; in a personal reply blended with that between song
    and user, `(1 - user_weight) * |image - song| + user_weight * |user - song|`."""

    score: float
    """1 / (1 + distance): 1 is a perfect match."""

    via: Via


@dataclass(frozen=True, kw_only=True, slots=True)
class Personal:
    """What the user of a request had to do with the songs."""

    user_weight: float
    """Share of the user's taste in the ranking as it was applied: 0 where the model version does not know the user."""

    known: bool
    """Whether the model version has a vector for the user."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureData:
    """The feature of one photo, as it travels. Raises `BadRequest` where the parts do not go together."""

    dtype: str
    """float32 or float16."""

    dimensions: int
    """D, how many numbers there are."""

    data: bytes = field(repr=False)
    """D numbers, little-endian. Never shown: they tell what is on the photo."""

    backbone: str
    """Fingerprint of the backbone that made it. Features of different backbones cannot be compared."""

    def __post_init__(self) -> None:
        _check_choice("dtype", self.dtype, DTYPES)
        if self.dimensions < 1 or len(self.data) != self.dimensions * FEATURE_BYTES[self.dtype]:
            raise BadRequest(
                f"data of {len(self.data)} bytes are not {shown(self.dimensions)} numbers of {self.dtype}."
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why a request got nothing."""

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
    """queue, decode, embed, search, songs, total. Embed, search and songs are times of the whole batch; decode, embed
    and search are 0 in a cached reply."""

    personal: Personal | None = None
    """There when the request named a user; a song worker of an earlier release leaves it out."""

    cached: bool = False
    """The images come from a vision worker's content cache: the same bytes had been searched in this model version."""

    error: Failure | None = None
    features: FeatureData | None = None
    """There when the request wanted them, instead of songs and images; `timings_ms` has queue, decode, embed, total."""


def error_reply(request_id: str, error: RequestError) -> Reply:
    """Return the reply that carries an error to the client."""
    return Reply(id=request_id, status="error", error=Failure(code=error.code, message=error.message))
