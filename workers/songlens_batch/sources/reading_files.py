"""The bytes of photos in files and tars of this machine."""

from __future__ import annotations

import errno
import os
import stat

from songlens_batch.sources.item import SourceItem
from songlens_batch.sources.open_files import OpenFiles, open_descriptor
from songlens_batch.sources.row_failed import NOT_FOUND, UNREADABLE, RowFailed, changed
from songlens_batch.sources.stamps import file_stamp
from songlens_workers.vision.limits import ImageLimits

_MOST_TARS = 64
_MISSING = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})
# What passes by itself: a network's file system that is away for a while, and too many open files.
_PASSING = frozenset({errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.EINTR, errno.EMFILE, errno.ENFILE})


class FilePhotos:
    """Reads photos by paths. Thread-safe."""

    def __init__(self, limits: ImageLimits) -> None:
        self._limits = limits
        self._tars = OpenFiles(_MOST_TARS)

    def read(self, path: str, item: SourceItem) -> bytes:
        """Return the photo's bytes. Raises `RowFailed`, and `ImageTooLarge` for more than the limits allow."""
        try:
            if item.offset is None:
                return self._whole_file(path, item)
            return self._member(path, item, item.offset, item.size or 0)
        except OSError as error:
            raise _failure(error) from error
        except ValueError as error:  # a null character
            raise RowFailed(NOT_FOUND, "there is no such file, and cannot be.") from error

    def close(self) -> None:
        """Close the tars."""
        self._tars.close()

    def _whole_file(self, path: str, item: SourceItem) -> bytes:
        descriptor = open_descriptor(path)
        try:
            stamp = _checked(descriptor, item)
            size = os.fstat(descriptor).st_size
            self._limits.check_bytes(size)
            image = _read_at(descriptor, 0, size)
            if file_stamp(os.fstat(descriptor)) != stamp:
                raise changed()
            return image
        finally:
            os.close(descriptor)

    def _member(self, path: str, item: SourceItem, offset: int, size: int) -> bytes:
        self._limits.check_bytes(size)
        with self._tars.lend(path) as descriptor:
            try:
                _checked(descriptor, item)
                return _read_at(descriptor, offset, size)
            except (OSError, RowFailed):
                self._tars.forget(path)  # by then another file may have its name
                raise


def _checked(descriptor: int, item: SourceItem) -> str:
    """Return the stamp of an open file. Raises `RowFailed` where it is not a file, or not the planned one."""
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode):
        raise RowFailed(UNREADABLE, "it is no regular file, but a folder or a device.")
    stamp = file_stamp(about)
    if item.stamp not in ("", stamp):
        raise changed("the file" if item.offset is None else "the tar")
    return stamp


def _read_at(descriptor: int, offset: int, size: int) -> bytes:
    image = os.pread(descriptor, size, offset)
    while len(image) < size:  # one call gives less on some network file systems, and where a signal comes in between
        more = os.pread(descriptor, size - len(image), offset + len(image))
        if not more:
            raise changed("the file is shorter than it was: it")
        image += more
    return image


def _failure(error: OSError) -> RowFailed:
    if error.errno in _MISSING:
        return RowFailed(NOT_FOUND, "there is no such file; put it back, or submit the batch again without it.")
    if error.errno in (errno.EACCES, errno.EPERM):
        return RowFailed(UNREADABLE, "the file may not be read by the user that the jobs run as; allow it.")
    reason = error.strerror or type(error).__name__
    return RowFailed(UNREADABLE, f"the file cannot be read: {reason}.", again=error.errno in _PASSING)
