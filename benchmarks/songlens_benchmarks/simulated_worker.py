"""A worker process as `songlens worker` is one, around a simulated stage.

python -m songlens_benchmarks.simulated_worker takes one argument, JSON: the stage, the device, how metrics are kept,
and settings.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, Literal

from prometheus_client import CollectorRegistry

from songlens_benchmarks.device import Device
from songlens_benchmarks.metrics_switch import Switch
from songlens_benchmarks.metrics_time import MetricsTime
from songlens_benchmarks.simulated_stages import VERSION, SimulatedSongs, SimulatedVision
from songlens_shared.keys import BULK, INTERACTIVE, SONGS_GROUP, VISION_GROUP, PartitionKeys
from songlens_workers.log import configure_logging
from songlens_workers.models.live import LiveModel
from songlens_workers.runtime.claims import Inlet
from songlens_workers.runtime.clock import ServerClock
from songlens_workers.runtime.metrics import RequestMetrics, StageMetrics
from songlens_workers.runtime.service import open_server, serve, starting_up
from songlens_workers.runtime.tracing import Tracing
from songlens_workers.settings import SongsSettings, StageSettings, VisionSettings

Kept = Literal["plain", "timed", "switched"]
"""Metrics as every worker has them, or those whose calls are timed, or those that a signal turns off and on."""


def main(given: dict[str, Any]) -> None:
    """Serve until SIGTERM."""
    configure_logging("json")
    name, device, kept = given.pop("stage"), Device(**given.pop("device")), given.pop("metrics")
    settings: StageSettings = VisionSettings(**given) if name == "vision" else SongsSettings(**given)
    registry = CollectorRegistry()
    wrapped = _wrapping(kept, registry)
    metrics = wrapped(StageMetrics(registry, name))
    with starting_up(settings):
        connection = open_server(settings)
        live = LiveModel(current=lambda: VERSION, load=str, poll_s=settings.model_poll_s)
        live.open()
        serve(
            _stage(name, device, metrics, wrapped(RequestMetrics(registry))),
            settings,
            connection=connection,
            inlets=_inlets(name, [PartitionKeys(partition) for partition in range(settings.partitions)]),
            group=VISION_GROUP if name == "vision" else SONGS_GROUP,
            live=live,
            clock=ServerClock(),
            metrics=metrics,
            registry=registry,
            tracing=Tracing(),
        )


def _wrapping(kept: Kept, registry: CollectorRegistry) -> Callable[[object], Any]:
    if kept == "timed":
        return MetricsTime(registry).of
    return Switch().of if kept == "switched" else lambda metrics: metrics


def _stage(name: str, device: Device, metrics: Any, requests: Any) -> Any:
    if name == "vision":
        return SimulatedVision(device, metrics.step)
    return SimulatedSongs(metrics.step, requests.answered)


def _inlets(stage: str, partitions: Sequence[PartitionKeys]) -> list[Inlet]:
    """Return the streams that the real stage consumes."""
    if stage == "songs":
        return [Inlet(keys, keys.hits) for keys in partitions]
    lanes = ((INTERACTIVE, None), (BULK, 0.1))
    return [Inlet(keys, keys.requests(lane), share=share) for keys in partitions for lane, share in lanes]


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
