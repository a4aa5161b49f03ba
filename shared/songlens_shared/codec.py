"""The one seam between messages and bytes: msgpack maps, checked field by field.

Nothing here trusts its input: sizes are limited before anything is allocated, and whatever is wrong raises
`BadRequest`, `ImageTooLarge` or `UnsupportedVersion` with a sentence that names the field. Nil stands for an absent
field.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import msgpack

from songlens_shared.errors import BadRequest, RequestError, UnsupportedVersion
from songlens_shared.keys import INTERACTIVE
from songlens_shared.messages import (
    FLOAT32,
    PROTOCOL_VERSION,
    SONGS,
    Failure,
    FeatureData,
    Hits,
    NeighbourImage,
    Personal,
    Reply,
    Request,
    Song,
    Via,
    shown,
)

_REQUIRED = object()

# msgpack allocates a list at its declared length, at every level of nesting, before it has seen a single element.
# Strings and bytes need no bound here: they are slices of a payload that is in memory already.
_MAX_ITEMS = 10_000


def _unpack(payload: bytes) -> dict[str, Any]:
    try:
        message = msgpack.unpackb(
            payload,
            raw=False,
            strict_map_key=True,
            max_array_len=_MAX_ITEMS,
            max_map_len=_MAX_ITEMS,
            max_ext_len=0,
        )
    except (ValueError, msgpack.UnpackException, RecursionError, TypeError) as error:
        raise BadRequest(f"the message is not a msgpack map within the protocol's limits: {error}") from None
    if not isinstance(message, dict):
        raise BadRequest(f"the message must be a msgpack map, not {type(message).__name__}.")
    version = message.get("v")
    if type(version) is not int or version != PROTOCOL_VERSION:
        raise UnsupportedVersion(
            f"this side speaks protocol version {PROTOCOL_VERSION}; the field 'v' of the message is {shown(version)}."
        )
    return message


def _take(message: Mapping[str, Any], name: str, kind: type, default: Any = _REQUIRED) -> Any:
    value: Any = message.get(name)
    if type(value) is kind:  # bool is an int, and no number here
        if type(value) is float and not math.isfinite(value):
            raise BadRequest(f"the field {name!r} must be a finite number, not {value}.")
        return value
    if value is None:
        if default is _REQUIRED:
            raise BadRequest(f"the field {name!r} is missing.")
        return default
    if kind is float and type(value) is int:
        return float(value)
    raise BadRequest(f"the field {name!r} must be {kind.__name__}, not {type(value).__name__}.")


def _maps(message: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    items = _take(message, name, list, [])
    if any(type(item) is not dict for item in items):
        raise BadRequest(f"the field {name!r} must be a list of maps.")
    return list(items)


def _strings(message: Mapping[str, Any], name: str) -> tuple[str, ...]:
    items = _take(message, name, list, [])
    if any(type(item) is not str for item in items):
        raise BadRequest(f"the field {name!r} must be a list of strings.")
    return tuple(items)


def _timings(message: Mapping[str, Any]) -> dict[str, float]:
    timings = _take(message, "timings_ms", dict, {})
    return {name: _take(timings, name, float) for name in timings if isinstance(name, str)}


def _pack(message: Mapping[str, Any]) -> bytes:
    packed: bytes = msgpack.packb({"v": PROTOCOL_VERSION, **message}, use_bin_type=True)
    return packed


def _without_none(message: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if value is not None}


def _if_true(value: bool) -> bool | None:
    return value or None


def encode_request(request: Request) -> bytes:
    """Return the msgpack map of a request."""
    return b"".join(encode_request_pieces(request))


def encode_request_pieces(request: Request) -> tuple[bytes, ...]:
    """Return the same in pieces, of which the photo is one: it is not copied."""
    # Not asdict(): that copies the photo as well.
    message = {name: value for name in _REQUEST_DEFAULTS if (value := getattr(request, name)) != _UNSENT[name]}
    image = message.get("image")
    if image is None:
        return (_pack(message),)
    # What stands before the photo are names, in which no such bytes can be.
    before, _, after = _pack({**message, "image": b""}).partition(_IMAGE + _bytes_header(0))
    return before + _IMAGE + _bytes_header(len(image)), image, after


def _bytes_header(size: int) -> bytes:
    """Return what msgpack puts before so many bytes (https://github.com/msgpack/msgpack/blob/master/spec.md)."""
    if size < 1 << 8:
        return struct.pack(">BB", 0xC4, size)
    if size < 1 << 16:
        return struct.pack(">BH", 0xC5, size)
    return struct.pack(">BI", 0xC6, size)


_IMAGE: bytes = msgpack.packb("image")


_REQUEST_DEFAULTS = {f.name: f.default for f in fields(Request)}
# Not written where they are the default: an earlier release gets the messages that it knows.
_UNSENT = dict.fromkeys(_REQUEST_DEFAULTS) | {"want": SONGS, "features_dtype": FLOAT32}


def trace_of(payload: bytes) -> str | None:
    """Return the traceparent that a request or hits carry, or None where there is none to be read; raises nothing."""
    try:
        trace: str | None = _take(_unpack(payload), "trace", str, None)
    except RequestError:
        return None
    return trace


def decode_request(payload: bytes) -> Request:
    """Return the request in `payload`; raises `BadRequest`, `ImageTooLarge` or `UnsupportedVersion`."""
    message = _unpack(payload)

    def option(name: str, kind: type) -> Any:
        return _take(message, name, kind, _REQUEST_DEFAULTS[name])

    return Request(
        id=_take(message, "id", str),
        client=_take(message, "client", str),
        image=option("image", bytes),
        uri=option("uri", str),
        lane=option("lane", str),
        top_k=option("top_k", int),
        images_k=option("images_k", int),
        songs_per_image=option("songs_per_image", int),
        user=option("user", str),
        user_weight=option("user_weight", float),
        ttl_ms=option("ttl_ms", int),
        trace=option("trace", str),
        want=option("want", str),
        backbone=option("backbone", str),
        features_dtype=option("features_dtype", str),
    )


def user_of(payload: bytes) -> str | None:
    """Return the user whom a request or hits name; None where they name nobody or cannot be read."""
    try:
        user = _unpack(payload).get("user")
    except (BadRequest, UnsupportedVersion):
        return None
    return user if isinstance(user, str) else None


def _encode_image(image: NeighbourImage) -> dict[str, Any]:
    return {
        "id": image.id,
        "distance": image.distance,
        "keyword": image.keyword,
        "keywords": list(image.keywords),
    }


def _decode_image(message: Mapping[str, Any]) -> NeighbourImage:
    return NeighbourImage(
        id=_take(message, "id", str),
        distance=_take(message, "distance", float),
        keywords=_strings(message, "keywords"),
    )


def encode_hits(hits: Hits) -> bytes:
    """Return the msgpack map of hits."""
    message = {f.name: getattr(hits, f.name) for f in fields(hits)}
    message["images"] = [_encode_image(image) for image in hits.images]
    message["timings_ms"] = dict(hits.timings_ms)
    message["cached"] = _if_true(hits.cached)
    message["lane"] = None if hits.lane == INTERACTIVE else hits.lane
    return _pack(_without_none(message))


def decode_hits(payload: bytes) -> Hits:
    """Return the hits in `payload`; raises `BadRequest` or `UnsupportedVersion`."""
    message = _unpack(payload)
    return Hits(
        id=_take(message, "id", str),
        client=_take(message, "client", str),
        model=_take(message, "model", str),
        images=tuple(_decode_image(image) for image in _maps(message, "images")),
        top_k=_take(message, "top_k", int),
        songs_per_image=_take(message, "songs_per_image", int),
        submitted_ms=_take(message, "submitted_ms", int),
        timings_ms=_timings(message),
        user=_take(message, "user", str, None),
        user_weight=_take(message, "user_weight", float, None),
        trace=_take(message, "trace", str, None),
        cached=_take(message, "cached", bool, False),
        lane=_take(message, "lane", str, INTERACTIVE),
    )


def _encode_song(song: Song) -> dict[str, Any]:
    # Not asdict(): it takes ten times as long.
    via = song.via
    return {
        "id": song.id,
        "title": song.title,
        "artist": song.artist,
        "distance": song.distance,
        "score": song.score,
        "via": {"image": via.image, "keyword": via.keyword, "line": via.line},
    }


def encode_reply(reply: Reply) -> bytes:
    """Return the msgpack map of a reply."""
    message: dict[str, Any] = {
        "id": reply.id,
        "status": reply.status,
        "model": reply.model,
        "timings_ms": dict(reply.timings_ms),
    }
    if reply.error is not None:
        message["error"] = asdict(reply.error)
    elif reply.features is not None:
        message["features"] = asdict(reply.features)
    else:
        message["songs"] = [_encode_song(song) for song in reply.songs]
        message["images"] = [_encode_image(image) for image in reply.images]
        message["personal"] = None if reply.personal is None else asdict(reply.personal)
        message["cached"] = _if_true(reply.cached)
    return _pack(_without_none(message))


def _decode_song(message: Mapping[str, Any]) -> Song:
    via = _take(message, "via", dict)
    return Song(
        id=_take(message, "id", str),
        title=_take(message, "title", str),
        artist=_take(message, "artist", str),
        distance=_take(message, "distance", float),
        score=_take(message, "score", float),
        via=Via(
            image=_take(via, "image", str),
            keyword=_take(via, "keyword", str),
            line=_take(via, "line", str, ""),
        ),
    )


def decode_reply(payload: bytes) -> Reply:
    """Return the reply in `payload`; raises `BadRequest` or `UnsupportedVersion`."""
    message = _unpack(payload)
    status = _take(message, "status", str)
    if status not in ("ok", "error"):
        raise BadRequest(f"the field 'status' must be 'ok' or 'error', not {shown(status)}.")
    failure = _take(message, "error", dict, None)
    personal = _take(message, "personal", dict, None)
    features = _take(message, "features", dict, None)
    if (failure is None) != (status == "ok"):
        raise BadRequest("a reply has the field 'error' exactly when its status is 'error'.")
    return Reply(
        id=_take(message, "id", str),
        status=status,
        model=_take(message, "model", str, None),
        songs=tuple(_decode_song(song) for song in _maps(message, "songs")),
        images=tuple(_decode_image(image) for image in _maps(message, "images")),
        timings_ms=_timings(message),
        personal=None if personal is None else _decode_personal(personal),
        cached=_take(message, "cached", bool, False),
        error=None if failure is None else _decode_failure(failure),
        features=None if features is None else _decode_features(features),
    )


def _decode_personal(message: Mapping[str, Any]) -> Personal:
    return Personal(user_weight=_take(message, "user_weight", float), known=_take(message, "known", bool))


def _decode_features(message: Mapping[str, Any]) -> FeatureData:
    return FeatureData(
        dtype=_take(message, "dtype", str),
        dimensions=_take(message, "dimensions", int),
        data=_take(message, "data", bytes),
        backbone=_take(message, "backbone", str),
    )


def _decode_failure(message: Mapping[str, Any]) -> Failure:
    return Failure(code=_take(message, "code", str), message=_take(message, "message", str))
