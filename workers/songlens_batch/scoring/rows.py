"""A row of the output: what one photo got, or why it got nothing."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from songlens.recommendation import Recommendation
from songlens_batch.sources.item import SourceItem

_SONG = pa.struct(
    [
        ("id", pa.string()),
        ("title", pa.string()),
        ("artist", pa.string()),
        ("score", pa.float64()),
        ("distance", pa.float64()),
        ("image", pa.string()),
        ("keyword", pa.string()),
        ("line", pa.string()),
    ]
)
_IMAGE = pa.struct([("id", pa.string()), ("distance", pa.float64()), ("keywords", pa.list_(pa.string()))])
_TIMINGS = ("queue", "decode", "embed", "search", "songs", "total")

SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("error", pa.struct([("code", pa.string()), ("message", pa.string())])),
        pa.field("songs", pa.list_(_SONG), nullable=False),
        pa.field("images", pa.list_(_IMAGE), nullable=False),
        pa.field("model", pa.string()),
        pa.field("timings_ms", pa.struct([(name, pa.float64()) for name in _TIMINGS])),
        pa.field("cached", pa.bool_(), nullable=False),
    ]
)
"""row: the photo's place in the batch. status: ok or error. songs: best first; their image is the neighbour image that
they were found by. images: nearest first. timings_ms: as in a reply, milliseconds."""

OK = "ok"
ERROR = "error"

Row = dict[str, Any]


def ok_row(row: int, item: SourceItem, got: Recommendation) -> Row:
    """Return the row of a photo that got songs."""
    return {
        **_named(row, item, OK),
        "songs": [_song(song) for song in got.songs],
        "images": [{"id": one.id, "distance": one.distance, "keywords": list(one.keywords)} for one in got.images],
        "model": got.model,
        "timings_ms": {name: got.timings_ms.get(name) for name in _TIMINGS},
        "cached": got.cached,
    }


def error_row(row: int, item: SourceItem, code: str, message: str) -> Row:
    """Return the row of a photo that got nothing."""
    return {**_named(row, item, ERROR), "error": {"code": code, "message": message}}


def _named(row: int, item: SourceItem, status: str) -> Row:
    return {
        "row": row,
        "id": item.id,
        "path": item.path,
        "status": status,
        "error": None,
        "songs": [],
        "images": [],
        "model": None,
        "timings_ms": None,
        "cached": False,
    }


def _song(song: Any) -> dict[str, Any]:
    return {
        "id": song.id,
        "title": song.title,
        "artist": song.artist,
        "score": song.score,
        "distance": song.distance,
        "image": song.via.image,
        "keyword": song.via.keyword,
        "line": song.via.line,
    }
