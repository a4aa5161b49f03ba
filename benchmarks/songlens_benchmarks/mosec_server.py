"""The process of peer_mosec.py: python -m songlens_benchmarks.mosec_server, with mosec's own arguments."""

from __future__ import annotations

import json
import os

from mosec import Server, Worker

from songlens_benchmarks.device import Device
from songlens_benchmarks.payloads import mark
from songlens_benchmarks.peer_mosec import DEVICE_VARIABLE

_MAX_BATCH = 32
_MAX_WAIT_MS = 5
"""As Songlens has it."""


class Marks(Worker):
    """Answers each photo with its mark."""

    def __init__(self) -> None:
        super().__init__()
        self._device = Device(**json.loads(os.environ[DEVICE_VARIABLE]))

    def deserialize(self, data: bytes) -> bytes:
        """Take the photo as it is: mosec's own JSON would cost more."""
        return data

    def serialize(self, data: str) -> bytes:
        """Return the mark as it is."""
        return data.encode()

    def forward(self, data: list[bytes]) -> list[str]:
        """Work on a batch."""
        self._device.run(len(data))
        return [mark(photo) for photo in data]


if __name__ == "__main__":
    server = Server()
    server.append_worker(Marks, num=1, max_batch_size=_MAX_BATCH, max_wait_time=_MAX_WAIT_MS)
    server.run()
