"""The bytes of a photo that comes from elsewhere, never more than allowed."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

from songlens_shared.errors import ImageTooLarge
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.uri.time_limit import TimeLimit

_CHUNK_BYTES = 64 * 1024


class NotFetched(Exception):
    """The photo could not be fetched; the message is the reason in a few words, without the uri."""


def read_all(read: Callable[[int], bytes], limits: ImageLimits, limit: TimeLimit) -> bytes:
    """Return all that `read` gives (up to so many bytes at a time, none at the end).

    Holds one byte more than allowed at most. Raises `ImageTooLarge`, `TimeoutError`, and what `read` raises.
    """
    image = BytesIO()
    most = limits.max_image_bytes
    while chunk := read(min(_CHUNK_BYTES, most + 1 - image.tell())):
        limit.left_s()
        image.write(chunk)
        if image.tell() > most:
            raise ImageTooLarge(
                f"The photo has more than {most} bytes, which is the limit; send a smaller copy "
                "(256 pixels on the short side is enough)."
            )
    return image.getvalue()
