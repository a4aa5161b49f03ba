"""One photo of a batch, as planning finds it and a job reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_ID_CHARACTERS = 512

# Unicode's category Cc, and halves of surrogate pairs, which stand for bytes that are not UTF-8.
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_NOT_UTF8 = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceItem:
    """Where one photo lies. Raises `ValueError` for an offset without a size."""

    id: str
    """What names the photo in the results: 1 to 512 characters, no control characters. Whoever plans sees to it that
    no other photo of the batch has it."""

    path: str
    """An absolute path on this machine; or a URL: http, https or what fsspec opens."""

    offset: int | None = None
    """In a tar: the byte at which the photo begins. None: the photo is the whole file."""

    size: int | None = None
    """Bytes of the photo, where they are known."""

    stamp: str = ""
    """The fingerprint of the file, of a tar for a photo in one, when the batch was planned; empty where unknown."""

    def __post_init__(self) -> None:
        if self.offset is not None and self.size is None:
            raise ValueError("a photo with an offset needs its size")


def id_problem(id_: str) -> str | None:
    """Return why this cannot be an item's id; None where it can."""
    if not id_:
        return "is empty"
    if len(id_) > MAX_ID_CHARACTERS:
        return f"has {len(id_)} characters, and {MAX_ID_CHARACTERS} are allowed"
    if id_.isprintable() or not _UNFIT.search(id_):  # the first is fast and true for nearly all
        return None
    return "is not UTF-8" if _NOT_UTF8.search(id_) else "has a control character"


def shown_id(id_: str) -> str:
    """Return an id, or a name that can be none, on one line and not too long."""
    text = id_.encode("utf-8", "backslashreplace").decode()
    text = _UNFIT.sub(lambda found: repr(found.group())[1:-1], text)
    return text if len(text) <= 120 else f"{text[:117]}..."
