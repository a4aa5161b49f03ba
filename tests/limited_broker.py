"""A persistent server whose disk can be made full: no file that it writes may grow beyond a limit."""

from __future__ import annotations

import resource
from pathlib import Path

from mortal_broker import MortalBroker

from songlens_workers.embedded import _wheel_binary

# A write past the limit would end a process that does not ignore this signal; ignored, it fails as on a full disk.
_WRAPPER = """#!/bin/sh
trap '' XFSZ
exec '{binary}' "$@"
"""


class LimitedBroker(MortalBroker):
    """`fill_disk` makes every further write to the append-only file fail, until `free_disk`."""

    def __init__(self, folder: Path, *, binary: Path | None) -> None:
        wrapper = folder.with_suffix(".sh")
        wrapper.write_text(_WRAPPER.format(binary=binary or _wheel_binary()))
        wrapper.chmod(0o700)
        self._files = folder / "appendonlydir"
        super().__init__(folder, binary=wrapper)

    def fill_disk(self) -> None:
        """Leave no room."""
        largest = max(path.stat().st_size for path in self._files.iterdir())
        self._limit(largest)

    def free_disk(self) -> None:
        """Leave as much room as there is."""
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, size_bytes: int) -> None:
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size_bytes, resource.RLIM_INFINITY))
