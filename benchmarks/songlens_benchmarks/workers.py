"""Worker processes of a benchmark, and what they count."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

from songlens_benchmarks.programs import Program, ProgramFailed
from songlens_shared.keys import INTERACTIVE

_STARTED, _HEALTH = "worker_started", "health_served"


class Worker(Program):
    """A process of one stage, simulated or real, that logs JSON and serves its metrics on a free port."""

    def __init__(self, name: str, arguments: Sequence[str], *, folder: Path) -> None:
        """Its output goes to a file in the folder."""
        super().__init__(name, arguments, log=folder / f"{name}.log")

    def until_serving(self) -> None:
        """Wait until it claims entries. Raises `ProgramFailed` where it never does."""
        self.until(lambda: _STARTED in self.output())

    def metrics(self) -> str:
        """Return what /metrics shows."""
        return scrape(self.metrics_url)

    @property
    def metrics_url(self) -> str:
        """Where it shows its metrics."""
        return f"http://127.0.0.1:{self._port()}/metrics"

    def _port(self) -> int:
        for line in self.output().splitlines():
            if f'"{_HEALTH}"' in line:
                return int(json.loads(line)["port"])
        raise ProgramFailed(f"{self.name} serves no metrics.")


def scrape(url: str) -> str:
    """Return what a page of metrics shows."""
    with urllib.request.urlopen(url, timeout=10) as response:
        text: str = response.read().decode()
    return text


def largest_batch_s(worker: Worker) -> float:
    """Return how long the largest batch of interactive photos takes that the worker makes now, as it has learned."""
    found = {
        sample.name: sample.value
        for family in text_string_to_metric_families(worker.metrics())
        for sample in family.samples
        if sample.labels.get("lane") in (None, INTERACTIVE)
    }
    items = found["songlens_batch_target_size"]
    return items * found["songlens_batch_item_seconds"] + found["songlens_batch_fixed_seconds"]


@dataclass(frozen=True)
class Counted:
    """What workers of one stage have counted since they started."""

    images: float
    """In batches."""

    batches: float
    batch_seconds: float
    """That they ran batches, and sent the outcomes, in all."""

    @classmethod
    def of(cls, workers: Iterable[Worker]) -> Self:
        """Ask all of them."""
        samples: dict[str, float] = {}
        for worker in workers:
            for family in text_string_to_metric_families(worker.metrics()):
                for sample in family.samples:
                    name = " ".join((sample.name, sample.labels.get("step", ""))).strip()
                    samples[name] = samples.get(name, 0.0) + sample.value
        return cls(
            images=samples.get("songlens_batch_size_sum", 0.0),
            batches=samples.get("songlens_batch_size_count", 0.0),
            batch_seconds=samples.get("songlens_stage_seconds_sum batch", 0.0),
        )

    def since(self, before: Self) -> Counted:
        """Return what was counted after `before`."""
        return Counted(
            self.images - before.images, self.batches - before.batches, self.batch_seconds - before.batch_seconds
        )
