"""Photos in files beneath a folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.uri.prefixes import Place
from songlens_workers.vision.uri.reading import NotFetched, read_all
from songlens_workers.vision.uri.time_limit import TimeLimit

# The same words for what is missing, forbidden, outside or no file: a request shall not find out which.
_NO_FILE = "there is no such regular file that may be read"

_FOLDER = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY
# Without waiting: a FIFO has nobody at its other end. Without becoming the terminal of this process.
_FILE = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


class FilePhotos:
    """Reads regular files beneath one folder."""

    def __init__(self, prefix: Place) -> None:
        self._root = Path("/", *prefix.segments)
        self._depth = len(prefix.segments)

    def read(self, place: Place, limits: ImageLimits, limit: TimeLimit) -> bytes:
        """Return the file's bytes. Raises `NotFetched`, `ImageTooLarge` or `TimeoutError`."""
        try:
            descriptor = _open_beneath(self._root, place.segments[self._depth :])
            try:
                about = os.fstat(descriptor)
                if not stat.S_ISREG(about.st_mode):
                    raise NotFetched(_NO_FILE)
                limits.check_bytes(about.st_size)
                return read_all(lambda size: os.read(descriptor, size), limits, limit)
            finally:
                os.close(descriptor)
        except TimeoutError:
            raise
        except OSError:
            raise NotFetched(_NO_FILE) from None


def _open_beneath(root: Path, segments: Sequence[str]) -> int:
    """Open a file beneath a folder, whatever symbolic links lie there, and return its descriptor.

    Links are resolved, and what lies outside is refused. The resolved path is then opened folder by folder without
    following links, so that one that is put there between look and opening makes it fail, and never leads out. Hard
    links and mounts inside the folder are the folder's. Raises `OSError`; `NotFetched` for what lies outside.
    """
    real_root = Path(os.path.realpath(root, strict=True))
    real = Path(os.path.realpath(real_root.joinpath(*segments), strict=True))
    if real == real_root or not real.is_relative_to(real_root):
        raise NotFetched(_NO_FILE)
    *folders, name = real.relative_to(real_root).parts
    opened = os.open(real_root, _FOLDER)
    try:
        for folder in folders:
            inner = os.open(folder, _FOLDER, dir_fd=opened)
            os.close(opened)
            opened = inner
        return os.open(name, _FILE, dir_fd=opened)
    finally:
        os.close(opened)
