"""Which files were found whole before: several workers on one machine read gigabytes for their checksums once.

A stamp says what a file was when its checksum was right: device, inode, size, and when content and inode last changed.
The last of these (ctime) is the kernel's own; no program can set it back. So a file that was written, replaced or moved
since is read again. What a disk does to a file by itself is not seen so; `songlens model show` reads everything.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from songlens_shared.address import home

_SETTLED_NS = 100_000_000
"""A clock that ticks slowly could give two changes one time, so that a file is stamped some ticks after a change."""

Stamp = list[int | str]


class VerifiedFiles:
    """The stamps of one version's files. Where they cannot be kept, every file is read each time."""

    def __init__(self, path: Path, *, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._path = path
        self._clock_ns = clock_ns
        self._stamps = _read(path)
        self._changed = False

    def holds(self, path: Path, sha256: str) -> bool:
        """Say whether a file is the one that was found to have this checksum."""
        return self._stamps.get(path.name) == [*_state(path.stat()), sha256]

    def state(self, path: Path) -> os.stat_result | None:
        """Return what a file is, before it is read; None for one that changed just now, which gets no stamp."""
        found = path.stat()
        return found if self._clock_ns() - max(found.st_mtime_ns, found.st_ctime_ns) >= _SETTLED_NS else None

    def add(self, path: Path, before: os.stat_result | None, sha256: str) -> None:
        """Note that a file has this checksum, unless it changed while it was read."""
        if before is not None and _state(before) == _state(path.stat()):
            self._stamps[path.name] = [*_state(before), sha256]
            self._changed = True

    def keep(self) -> None:
        """Write the stamps, whole or not at all."""
        if not self._changed:
            return
        partial = self._path.with_name(f"{self._path.name}.{uuid.uuid4().hex}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(self._stamps), encoding="utf-8")
            partial.replace(self._path)
        except OSError:
            # A folder that we may only read: nothing is lost but time.
            with suppress(OSError):
                partial.unlink()


def stamps_path(folder: Path) -> Path:
    """Return where the stamps of a version's folder are kept: on this machine, and not among the versions."""
    place = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:12]
    return home() / "verified" / f"{folder.name}-{place}.json"


def _state(found: os.stat_result) -> list[int]:
    return [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _read(path: Path) -> dict[str, Stamp]:
    try:
        stamps = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamps if isinstance(stamps, dict) else {}
