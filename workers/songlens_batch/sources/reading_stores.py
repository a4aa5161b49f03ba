"""The bytes of photos in object stores, and in tars there: by one request for their range each."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from songlens_batch.sources.addresses import is_chained
from songlens_batch.sources.item import SourceItem
from songlens_batch.sources.row_failed import IMAGE_TOO_LARGE, NOT_FETCHED, NOT_FOUND, UNREADABLE, RowFailed, changed
from songlens_batch.sources.stamps import stamp_of
from songlens_batch.sources.store_files import open_store
from songlens_shared.errors import DataError, ImageTooLarge
from songlens_workers.vision.limits import ImageLimits

_MOST_TARS = 256
_TAR_LOOK_S = 10.0
"""A look at a tar holds for so long: one before each photo would double the requests."""


class StorePhotos:
    """Reads photos by URLs, with the credentials that the store's package finds in its usual places. Thread-safe."""

    def __init__(self, limits: ImageLimits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._looks: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def read(self, address: str, item: SourceItem) -> bytes:
        """Return the photo's bytes. Raises `RowFailed`, and `ImageTooLarge` for more than the limits allow."""
        filesystem, path = _opened(address)
        try:
            if item.offset is None:
                return self._whole_object(filesystem, path, item)
            return self._member(filesystem, path, item, item.offset, item.size or 0)
        except (RowFailed, ImageTooLarge):
            raise
        except Exception as error:  # every store has errors of its own
            raise _failure(error) from None  # its text may hold the URL

    def _whole_object(self, filesystem: Any, path: str, item: SourceItem) -> bytes:
        size = item.size
        if item.stamp:
            about = filesystem.info(path)
            if stamp_of(about) != item.stamp:
                raise changed("the object")
            size = about.get("size", size)
        self._limits.check_bytes(size or 0)
        if size == 0:  # a range within nothing is an error in some stores
            return b""
        most = self._limits.max_image_bytes
        image: bytes = filesystem.cat_file(path, start=0, end=most + 1 if size is None else size)
        if len(image) > most:
            raise RowFailed(IMAGE_TOO_LARGE, f"the photo has more than {most} bytes, which is the limit.")
        if size is not None and len(image) != size:
            raise changed("the object is shorter than it was: it")
        return image

    def _member(self, filesystem: Any, path: str, item: SourceItem, offset: int, size: int) -> bytes:
        self._limits.check_bytes(size)
        if item.stamp and self._tar_stamp(filesystem, path, item.path) != item.stamp:
            raise changed("the tar")
        if not size:
            return b""
        image: bytes = filesystem.cat_file(path, start=offset, end=offset + size)
        if len(image) != size:
            raise changed("the tar is shorter than it was: it")
        return image

    def _tar_stamp(self, filesystem: Any, path: str, address: str) -> str:
        now_s = self._clock()
        with self._lock:
            seen_s, stamp = self._looks.get(address, (float("-inf"), ""))
        if now_s - seen_s < _TAR_LOOK_S:
            return stamp
        stamp = stamp_of(filesystem.info(path))
        with self._lock:
            self._looks[address] = now_s, stamp
            self._looks.move_to_end(address)
            while len(self._looks) > _MOST_TARS:
                self._looks.popitem(last=False)
        return stamp


def _opened(address: str) -> tuple[Any, str]:
    if is_chained(address):
        raise RowFailed(UNREADABLE, "its URL holds another one after ::, which is not followed.")
    try:
        return open_store(address)
    except DataError as error:
        if isinstance(error.__cause__, ImportError | ValueError):
            raise RowFailed(
                UNREADABLE, "the package that opens such URLs is not installed where the jobs run; install it."
            ) from None
        raise RowFailed(NOT_FETCHED, "the store cannot be opened; try again later.", again=True) from None


def _failure(error: Exception) -> RowFailed:
    if isinstance(error, FileNotFoundError | IsADirectoryError):
        return RowFailed(NOT_FOUND, "there is no such object; put it back, or submit the batch again without it.")
    if isinstance(error, PermissionError):
        return RowFailed(UNREADABLE, "the store does not let the jobs read the object; allow it.")
    return RowFailed(NOT_FETCHED, f"the store did not give the object ({type(error).__name__}).", again=True)
