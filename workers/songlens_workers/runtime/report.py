"""What a worker tells of itself in Redis, so that `songlens top` needs no Prometheus: totals of its own metrics.

Renewed every few seconds. What a worker that was killed has told stays until it is stale, and another one begins.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import redis
from prometheus_client import CollectorRegistry

from songlens_shared.cluster import RedisFault
from songlens_shared.keys import WORKERS

TOLD = (
    "songlens_images_total",
    "songlens_requests_total",
    "songlens_batch_size_sum",
    "songlens_batch_size_count",
    "songlens_batch_fill_ratio_sum",
    "songlens_stage_seconds_sum",
    "songlens_stage_seconds_count",
    "songlens_request_seconds_count",
    "songlens_request_seconds_bucket",
)
"""Samples of the stage's metrics."""

STALE_S = 3600.0


@dataclass(frozen=True)
class Report:
    """The totals of one worker at one moment."""

    stage: str
    consumer: str
    """The name that it claims entries by."""

    at_s: float
    """Seconds since the epoch, on the worker's clock."""

    model: str | None
    """The version that serves."""

    totals: Mapping[str, float]
    """`songlens_requests_total ok`: samples by name and labels but the stage."""


class Reporting:
    """Reports for one worker. Raises what redis-py raises where the server is away."""

    def __init__(self, connection: redis.Redis, registry: CollectorRegistry, *, stage: str, consumer: str) -> None:
        self._redis = connection
        self._metrics = registry.restricted_registry(TOLD)
        self._stage = stage
        self._consumer = consumer
        self._field = f"{stage} {consumer}"
        self._begun = False

    def tell(self, model: str | None) -> None:
        """Report how it stands; at first remove what workers that are long gone have left."""
        if not self._begun:
            self._remove_stale()
            self._begun = True
        report = Report(self._stage, self._consumer, time.time(), model, self._totals())
        self._redis.hset(WORKERS, self._field, json.dumps(asdict(report)))

    def end(self) -> None:
        """This worker is no more."""
        try:
            self._redis.hdel(WORKERS, self._field)
        except RedisFault:
            return  # it will be stale soon

    def _remove_stale(self) -> None:
        now_s = time.time()
        stale = [f"{each.stage} {each.consumer}" for each in read(self._redis) if now_s - each.at_s > STALE_S]
        if stale:
            self._redis.hdel(WORKERS, *stale)

    def _totals(self) -> dict[str, float]:
        found = {}
        for metric in self._metrics.collect():
            for sample in metric.samples:
                labels = [value for name, value in sample.labels.items() if name != "stage"]
                found[" ".join((sample.name, *labels))] = sample.value
        return found


def read(connection: redis.Redis) -> list[Report]:
    """Return the latest report of each worker; raises what redis-py raises where the server is away.

    What another release has written otherwise is passed over.
    """
    found: Any = connection.hgetall(WORKERS)
    return [report for text in found.values() if (report := _report(text)) is not None]


def _report(text: bytes) -> Report | None:
    try:
        return Report(**json.loads(text))
    except (TypeError, ValueError):
        return None
