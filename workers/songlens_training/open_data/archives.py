"""Reads members of a package archive where it lies; nothing is unpacked, so no member name can choose a path."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from songlens_shared.errors import DataError

MAX_MEMBER_BYTES = 64 << 20


def read_members(archive: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Yield (member name, content) for each regular file of the `.tgz` or `.whl` whose name is wanted.

    A member name is only ever a key to look up. Raises `DataError` when the archive cannot be read, or when a
    wanted member is larger than any file these packages hold (`MAX_MEMBER_BYTES`).
    """
    reader = _read_zip if archive.suffix == ".whl" else _read_tar
    try:
        yield from reader(archive, wanted)
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{archive} cannot be read ({error}). Delete it and run again to fetch it anew.") from error


def _read_tar(archive: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            if member.isfile() and wanted(member.name):
                _check_size(archive, member.name, member.size)
                content = tar.extractfile(member)
                assert content is not None  # it is a regular file
                yield member.name, content.read()


def _read_zip(archive: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(archive) as wheel:
        for member in wheel.infolist():
            if not member.is_dir() and wanted(member.filename):
                _check_size(archive, member.filename, member.file_size)
                yield member.filename, wheel.read(member)


def _check_size(archive: Path, name: str, size_bytes: int) -> None:
    if size_bytes > MAX_MEMBER_BYTES:
        raise DataError(f"{name} in {archive} claims {size_bytes} bytes, more than any file that belongs there.")
