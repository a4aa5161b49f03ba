"""Files on this machine."""

from __future__ import annotations

import errno
import glob
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from songlens_batch.sources.addresses import shown
from songlens_batch.sources.files import Found, Kind
from songlens_batch.sources.photo_names import is_hidden
from songlens_batch.sources.stamps import file_stamp
from songlens_shared.errors import DataError

# Paths are text where there are millions of them: pathlib would take longer than the file system.


class LocalFiles:
    """Files by absolute paths; errors as in `Files`."""

    def kind(self, address: str) -> Kind | None:
        """Return what is there, links followed; None for nothing."""
        try:
            mode = Path(address).stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise _unreadable(address, error) from error
        if stat.S_ISDIR(mode):
            return "folder"
        return "file" if stat.S_ISREG(mode) else "other"

    def open(self, address: str) -> IO[bytes]:
        """Open a file for reading."""
        try:
            return Path(address).open("rb")
        except OSError as error:
            raise _unreadable(address, error) from error

    def facts(self, address: str) -> tuple[int, str]:
        """Return the size of a file in bytes, and its stamp."""
        try:
            about = Path(address).stat()
        except OSError as error:
            raise _unreadable(address, error) from error
        return about.st_size, file_stamp(about)

    def walk(self, folder: str) -> Iterator[Found]:
        """Yield all files beneath a folder, the hidden ones left out, in the order of their names.

        Links are followed, but for a link to a folder that it lies in, whose files are yielded anyway. Holds the names
        of one folder at a time, and of those above it.
        """
        root = folder.rstrip("/") + "/"
        above = [_identity(folder)]
        waiting = [iter(_names(root, "", above))]
        while waiting:
            name = next(waiting[-1], None)
            if name is None:
                waiting.pop()
                above.pop()
            elif name.endswith("/"):
                above.append(_identity(root + name))
                waiting.append(iter(_names(root, name, above)))
            else:
                yield _found(root, name)

    def glob(self, pattern: str) -> list[str]:
        """Return the paths that match a pattern, in order."""
        return sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207


_Identity = tuple[int, int]


def _names(root: str, folder: str, above: list[_Identity]) -> list[str]:
    """Return the names in a folder, relative to the root and in order; those of folders end with a slash.

    The slash counts in the order, so that all names of a walk are in order, too.
    """
    names = []
    try:
        with os.scandir(root + folder) as entries:
            for entry in entries:
                if is_hidden(entry.name):
                    continue
                if not _is_folder(entry):
                    names.append(folder + entry.name)
                elif not (entry.is_symlink() and _identity(entry.path) in above):
                    names.append(f"{folder}{entry.name}/")
    except OSError as error:
        raise _unreadable(root + folder, error) from error
    names.sort()
    return names


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link that leads to itself is like one to nothing
            return False
        raise _unreadable(entry.path, error) from error


def _identity(folder: str) -> _Identity:
    try:
        about = Path(folder).stat()
    except OSError as error:
        raise _unreadable(folder, error) from error
    return about.st_dev, about.st_ino


def _found(root: str, name: str) -> Found:
    path = root + name
    try:
        about = os.stat(path)  # noqa: PTH116
    except OSError:  # a link to nothing, or gone since: the job that reads it says so in its row
        return Found(name=name, address=path, size=None, stamp="")
    if not stat.S_ISREG(about.st_mode):
        return Found(name=name, address=path, size=None, stamp="")
    return Found(name=name, address=path, size=about.st_size, stamp=file_stamp(about))


def _unreadable(path: str, error: OSError | ValueError) -> DataError:
    path = path.rstrip("/") or "/"
    if isinstance(error, FileNotFoundError):
        return DataError(f"{shown(path)} does not exist; correct the name.")
    reason = error.strerror if isinstance(error, OSError) else None
    return DataError(
        f"{shown(path)} cannot be read: {reason or error}. Let this user read it, or leave it out of the source."
    )
