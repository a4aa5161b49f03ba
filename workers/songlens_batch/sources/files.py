"""What planning needs of a file system, be it this machine's or an object store's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Literal, Protocol

Kind = Literal["file", "folder", "other"]


@dataclass(slots=True, kw_only=True)
class Found:
    """A file within a folder."""

    name: str
    """Its path within the folder, with forward slashes."""

    address: str
    size: int | None
    """Bytes; None where the file is not a regular one, or cannot be looked at."""

    stamp: str


class Files(Protocol):
    """Files by their addresses. Every method raises `DataError` for what cannot be read."""

    def kind(self, address: str) -> Kind | None:
        """Return what is there; None for nothing."""

    def open(self, address: str) -> IO[bytes]:
        """Open a file for reading."""

    def facts(self, address: str) -> tuple[int, str]:
        """Return the size of a file in bytes, and its stamp."""

    def walk(self, folder: str) -> Iterator[Found]:
        """Yield all files beneath a folder, the hidden ones left out, in the order of their names."""

    def glob(self, pattern: str) -> list[str]:
        """Return the addresses that match a pattern of `*`, `?`, `[...]` and `**`, in order."""
