"""What is told of a real GPU."""

from __future__ import annotations

import pytest
import torch
from prometheus_client import CollectorRegistry

from songlens_workers.vision.device_metrics import DeviceCollector

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
]


def test_memory_and_use_are_told() -> None:
    """What we take is among what is in use; a share is a share."""
    registry = CollectorRegistry()
    registry.register(DeviceCollector(lambda: "cuda:0"))

    def value(name: str) -> float | None:
        return registry.get_sample_value(name, {"device": "cuda:0"})

    taken = torch.empty(256 << 20, dtype=torch.uint8, device="cuda:0")
    used, limit = value("songlens_device_memory_bytes"), value("songlens_device_memory_limit_bytes")
    assert used is not None and limit is not None
    assert taken.nbytes <= used <= limit
    busy = value("songlens_device_busy_ratio")
    assert busy is None or 0 <= busy <= 1
