"""What is told of the device of the forward pass; of a real GPU in tests/gpu."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from songlens_workers.vision.device_metrics import DeviceCollector


def test_a_processor_is_named_and_no_more() -> None:
    """Its use and memory are the process's own."""
    registry = CollectorRegistry()
    registry.register(DeviceCollector(lambda: "cpu"))
    assert [(s.name, s.labels, s.value) for m in registry.collect() for s in m.samples] == [
        ("songlens_device_info", {"device": "cpu"}, 1)
    ]


def test_before_a_model_is_there_nothing_is_told() -> None:
    """A worker may wait for the first version."""
    registry = CollectorRegistry()
    registry.register(DeviceCollector(lambda: None))
    assert list(registry.collect()) == []
