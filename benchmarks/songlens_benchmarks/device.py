"""A device that does nothing but take its time, as a forward pass does: so much a batch, and so much an image."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Device:
    """How long a batch takes."""

    batch_ms: float
    image_ms: float

    def seconds(self, images: int) -> float:
        """Return how long a batch of so many images takes."""
        return (self.batch_ms + self.image_ms * images) / 1000

    def run(self, images: int) -> None:
        """Take that time."""
        if seconds := self.seconds(images):
            time.sleep(seconds)

    def ceiling(self, max_batch: int) -> float:
        """Return the images a second that it can do at most."""
        return max_batch / self.seconds(max_batch)


MODEL = Device(batch_ms=5.0, image_ms=0.5)
NO_DEVICE = Device(batch_ms=0.0, image_ms=0.0)
