"""How large a photo is by the first bytes of its file: without Pillow, without decoding, in microseconds."""

from __future__ import annotations

_JPEG = b"\xff\xd8"
_PNG = b"\x89PNG\r\n\x1a\n"
_OTHERS = (b"RIFF", b"GIF8", b"BM", b"II", b"MM")
_BOX = b"ftyp"
"""HEIF and AVIF begin with a box of this name, whose length stands before it."""

# The frame headers of JPEG (ITU-T T.81, table B.1); C4, C8 and CC are tables among them.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_MOST_SEGMENTS = 100


def is_photo(image: bytes) -> bool:
    """Say whether a file begins as one of a format that can be made smaller does."""
    return image.startswith((_JPEG, _PNG, *_OTHERS)) or image[4:8] == _BOX


def size(image: bytes) -> tuple[int, int] | None:
    """Return the two sides of a JPEG or PNG in pixels; None where they cannot be told in so simple a way."""
    if image.startswith(_JPEG):
        return _jpeg_size(image)
    if image.startswith(_PNG) and image[12:16] == b"IHDR" and len(image) >= 24:
        return int.from_bytes(image[16:20]), int.from_bytes(image[20:24])
    return None


def _jpeg_size(image: bytes) -> tuple[int, int] | None:
    at = len(_JPEG)
    for _ in range(_MOST_SEGMENTS):
        if at + 9 > len(image) or image[at] != 0xFF:
            return None
        if image[at + 1] in _FRAMES:
            return int.from_bytes(image[at + 5 : at + 7]), int.from_bytes(image[at + 7 : at + 9])
        at += 2 + int.from_bytes(image[at + 2 : at + 4])
    return None
