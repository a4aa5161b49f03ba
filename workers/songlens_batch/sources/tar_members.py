"""The photos in one tar, found by reading its headers only."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import IO

from songlens_batch.sources.addresses import shown
from songlens_batch.sources.files import Files
from songlens_batch.sources.item import SourceItem, id_problem, shown_id
from songlens_batch.sources.photo_names import is_compressed_tar, is_hidden, is_photo, without_suffix
from songlens_shared.errors import DataError

_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "Zstandard"}

# What tarfile raises on headers that make no sense.
_DAMAGE = (tarfile.TarError, ValueError, IndexError, OverflowError, EOFError, RecursionError)

_AGAIN = "copy or pack it again"


class TarMembers:
    """Lists the photos of one tar. `skipped` counts members that are none, folders left out."""

    def __init__(self, files: Files, address: str, id_prefix: str = "") -> None:
        """An id is `id_prefix` and the member's name without its suffix."""
        self.skipped = 0
        self._files = files
        self._address = address
        self._id_prefix = id_prefix
        self._stamp = ""

    def items(self) -> Iterator[SourceItem]:
        """Yield the photos in the tar's order; links, sparse and hidden members are skipped.

        Raises `DataError` for what is no tar, is compressed or damaged, and for one that is cut short.
        """
        if is_compressed_tar(self._address):
            raise self._compressed("by its name")
        size, self._stamp = self._files.facts(self._address)
        try:
            with self._files.open(self._address) as file:
                self._check_kind(file, size)
                for member in self._whole_members(file, size):
                    yield from self._photo(member)
        except OSError as error:
            raise DataError(f"{shown(self._address)} cannot be read to its end: {error}. Try again.") from error

    def _check_kind(self, file: IO[bytes], size: int) -> None:
        if not size:
            raise DataError(f"{shown(self._address)} has 0 bytes; {_AGAIN}.")
        start = file.read(8)
        for magic, name in _MAGIC.items():
            if start.startswith(magic):
                raise self._compressed(f"with {name}")
        file.seek(0)

    def _compressed(self, how: str) -> DataError:
        return DataError(
            f"{shown(self._address)} is compressed {how}, so that no photo can be read from its middle; "
            "unpack it to a plain .tar (photos hardly shrink anyway)."
        )

    def _whole_members(self, file: IO[bytes], size: int) -> Iterator[tarfile.TarInfo]:
        """Yield the members, each known to be there to its last byte.

        tarfile takes any odd header past the first, and a missing end mark, for the end.
        """
        last, count, end = "", 0, 0
        try:
            with tarfile.TarFile(fileobj=file, errorlevel=2) as tar:
                while (member := tar.next()) is not None:
                    tar.members.clear()  # type: ignore[attr-defined]  # a million would fill the memory
                    end = self._end(member, end, size)
                    last, count = member.name, count + 1
                    yield member
                self._check_end_mark(file, tar.offset)
        except _DAMAGE as error:
            if not count:
                raise DataError(f"{shown(self._address)} is no tar, or is cut short in its first member.") from error
            whole = "1 member is" if count == 1 else f"{count} members are"
            raise DataError(
                f"{shown(self._address)} is cut short or damaged after {shown_id(last)!r}: {whole} whole; {_AGAIN}."
            ) from error

    def _end(self, member: tarfile.TarInfo, before: int, size: int) -> int:
        """Return where a member ends. Raises `ReadError` where that is past the tar, or before the last one's end."""
        length = member.size if member.isreg() and not member.issparse() else 0
        end = member.offset_data + length
        if end > size or length < 0 or member.offset_data < before:
            raise tarfile.ReadError("a member is not within the file")
        return end

    def _check_end_mark(self, file: IO[bytes], offset: int) -> None:
        file.seek(offset)
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("there is no end mark")

    def _photo(self, member: tarfile.TarInfo) -> Iterator[SourceItem]:
        name = member.name.removeprefix("./")
        if not member.isreg() or member.issparse() or is_hidden(name) or not is_photo(name):
            self.skipped += not member.isdir()
            return
        id_ = self._id_prefix + without_suffix(name)
        problem = id_problem(id_)
        if problem:
            raise DataError(
                f"the id {shown_id(id_)!r} of a photo in {shown(self._address)} {problem}; "
                "pack the tar with another name for it."
            )
        yield SourceItem(id=id_, path=self._address, offset=member.offset_data, size=member.size, stamp=self._stamp)
