"""Which files are photos, tars or hidden, by their names alone."""

from __future__ import annotations

PHOTO_SUFFIXES = ("jpg", "jpeg", "png", "webp", "heic", "heif", "avif", "gif", "bmp", "tif", "tiff")
"""Of the formats that workers decode (songlens_workers/vision/decode.py)."""

COUNTED = f"files that end in {', '.join(f'.{suffix}' for suffix in PHOTO_SUFFIXES)} count as photos"

_TAR = ".tar"
_COMPRESSIONS = ("gz", "bz2", "xz", "zst")
_COMPRESSED = (".tgz", ".tbz", ".tbz2", ".txz", ".tzst", *(f".tar.{name}" for name in _COMPRESSIONS))
_PHOTOS = frozenset(PHOTO_SUFFIXES)


def is_photo(name: str) -> bool:
    """Say whether a file or member is a photo by its name."""
    return name.rpartition(".")[2].lower() in _PHOTOS


def is_tar(name: str) -> bool:
    """Say whether a file is a tar by its name, compressed or not."""
    return name.lower().endswith((_TAR, *_COMPRESSED))


def is_compressed_tar(name: str) -> bool:
    """Say whether a file is a compressed tar by its name."""
    return name.lower().endswith(_COMPRESSED)


def is_hidden(name: str) -> bool:
    """Say whether a file, or a folder above it within the source, begins with a dot, as macOS' `._a.jpg` does."""
    return name.startswith(".") or "/." in name


def without_suffix(name: str) -> str:
    """Return a name without the last dot and what follows it."""
    return name.rpartition(".")[0]
