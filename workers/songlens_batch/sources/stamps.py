"""The fingerprint of a file: equal as long as the file is, compared by planning and reading."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

# What stores tell of an object, the surest first: of its content or version, then of the time when it was written.
_VERSIONS = ("ETag", "etag", "generation", "md5Hash", "content_md5", "content_settings.content_md5")
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified", "created")


def file_stamp(about: os.stat_result) -> str:
    """Return the stamp of a file on this machine: its size, and when it was written in nanoseconds."""
    return f"{about.st_size}-{about.st_mtime_ns}"


def stamp_of(info: Mapping[str, Any]) -> str:
    """Return the stamp of what fsspec's `info` or `find` tells of an object; empty where it tells nothing.

    Both must tell the same of the same object, so that a listing can be held against a later look.
    """
    size = info.get("size")
    parts = [_text(info[name]) for name in (*_VERSIONS, *_TIMES) if info.get(name)][:1]
    return "-".join([str(size)] * (size is not None) + parts)


def _text(value: Any) -> str:
    if isinstance(value, datetime):  # listings of some stores have it as a number, and a look as a datetime
        return str((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp())
    if isinstance(value, int | float):
        return str(float(value))
    # Listings of some stores leave out the quotes that RFC 9110, section 8.8.3, has around an entity tag.
    return str(value).removeprefix("W/").strip('"')
