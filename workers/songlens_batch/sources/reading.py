"""The bytes of a batch's photos, wherever they lie."""

from __future__ import annotations

from typing import Self

from songlens_batch.sources.addresses import WEB, is_local, local_path, scheme_of
from songlens_batch.sources.item import SourceItem
from songlens_batch.sources.reading_files import FilePhotos
from songlens_batch.sources.reading_stores import StorePhotos
from songlens_batch.sources.reading_web import WebPhotos
from songlens_batch.sources.row_failed import IMAGE_TOO_LARGE, NOT_FETCHED, NOT_FOUND, RowFailed
from songlens_shared.errors import DataError, ImageTooLarge
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.uri.time_limit import Aside, TimeLimit

__all__ = ["PhotoReader", "RowFailed"]

_MOST_FETCHES = 80
"""At once, those among them that were given up and still hang in a name server or an object store."""


class PhotoReader:
    """Reads photos; to be used from many threads, and closed. No message holds a photo's address."""

    def __init__(self, *, limits: ImageLimits, private: bool = False, timeout_s: float = 30) -> None:
        """`timeout_s` is for one photo of a store or web server; `private` allows web hosts with private addresses."""
        self._timeout_s = timeout_s
        self._aside = Aside(_MOST_FETCHES)
        self._files = FilePhotos(limits)
        self._stores = StorePhotos(limits)
        self._web = WebPhotos(limits, private=private)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, item: SourceItem) -> bytes:
        """Return the bytes of a photo, all of them. Raises `RowFailed`."""
        try:
            if is_local(item.path):
                return self._files.read(_path(item), item)
            limit = TimeLimit(self._timeout_s)
            return self._aside.call(lambda: self._fetched(item, limit), limit)
        except ImageTooLarge as error:
            raise RowFailed(IMAGE_TOO_LARGE, error.message) from None
        except TimeoutError:
            raise RowFailed(NOT_FETCHED, f"the photo was not there within {self._timeout_s:g} s.", again=True) from None

    def close(self) -> None:
        """Close what is kept open; photos that are being read are read to their end."""
        self._files.close()

    def _fetched(self, item: SourceItem, limit: TimeLimit) -> bytes:
        if scheme_of(item.path) in WEB:
            return self._web.read(item.path, limit)
        return self._stores.read(item.path, item)


def _path(item: SourceItem) -> str:
    try:
        return local_path(item.path)
    except DataError:
        raise RowFailed(NOT_FOUND, "the file URL names another machine, or no file.") from None
