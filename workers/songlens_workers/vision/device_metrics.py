"""What Prometheus sees of the device that the forward pass runs on, read when it asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

_log = structlog.get_logger()


class DeviceCollector(Collector):
    """Tells the device, and of a GPU how busy it is and how full: all of it, whoever else runs on it.

    Of a processor `process_cpu_seconds_total` and `process_resident_memory_bytes` tell already.
    """

    def __init__(self, device: Callable[[], str | None]) -> None:
        """`device` returns `cpu`, `cuda:0`, ..., or None before a backbone is there."""
        self._device = device
        self._untold = False

    def describe(self) -> Iterable[Metric]:
        """Nothing need be read to register this."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Return every metric."""
        device = self._device()
        if device is None:
            return []
        return [_gauge("songlens_device_info", "1 for the device of the forward pass.", device, 1), *self._gpu(device)]

    def _gpu(self, device: str) -> Iterator[Metric]:
        if not device.startswith("cuda"):
            return
        import torch

        free_bytes, limit_bytes = torch.cuda.mem_get_info(device)
        used = limit_bytes - free_bytes
        yield _gauge("songlens_device_memory_bytes", "Memory of the GPU in use.", device, used)
        yield _gauge("songlens_device_memory_limit_bytes", "Memory of the GPU.", device, limit_bytes)
        busy = self._busy(device)
        if busy is not None:
            yield _gauge("songlens_device_busy_ratio", "Share of time in which the GPU ran kernels.", device, busy)

    def _busy(self, device: str) -> float | None:
        """Return None where the driver does not tell, as it does not of a part of a GPU (MIG)."""
        import pynvml
        import torch

        try:
            return torch.cuda.utilization(device) / 100
        except (RuntimeError, pynvml.NVMLError) as error:
            if not self._untold:
                _log.warning("device_use_not_told", device=device, error=str(error))
            self._untold = True
            return None


def _gauge(name: str, what: str, device: str, value: float) -> Metric:
    metric = GaugeMetricFamily(name, what, labels=["device"])
    metric.add_metric([device], value)
    return metric
