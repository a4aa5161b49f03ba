"""A server that is killed and comes back."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from songlens_workers.embedded import EmbeddedBroker


class MortalBroker(EmbeddedBroker):
    """A server with an append-only file, which can be killed and started again on the same port."""

    def __init__(self, folder: Path, *, binary: Path | None, fsync: str = "everysec", persistent: bool = True) -> None:
        super().__init__(folder, binary=binary, persistent=persistent)
        self._fsync = fsync

    def _arguments(self) -> list[str]:
        return [*super()._arguments(), "--appendfsync", self._fsync]

    def die(self) -> None:
        """End it without warning."""
        os.kill(self.pid, signal.SIGKILL)
        self.stop()
