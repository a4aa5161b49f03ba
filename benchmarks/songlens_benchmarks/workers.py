"""Worker processes of a benchmark, and what they count."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from songlens_benchmarks.programs import Program

_PORT = re.compile(r"health_served.*?port\D*(\d+)|port\D*(\d+).*?health_served")
_STARTED = "worker_started"


class Worker(Program):
    """A process of one stage, simulated or real, that serves its metrics on a free port."""

    def __init__(self, name: str, arguments: Sequence[str], *, folder: Path) -> None:
        """Its output goes to a file in the folder."""
        super().__init__(name, arguments, log=folder / f"{name}.log")

    def until_serving(self) -> None:
        """Wait until it claims entries. Raises `ProgramFailed` where it never does."""
        self.until(lambda: _STARTED in self.output())

    def counted(self, sample: str, **labels: str) -> float:
        """Return the sum of a metric's sample over all label values but those given."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=10) as response:
            text = response.read().decode()
        return sum(
            found.value
            for family in text_string_to_metric_families(text)
            for found in family.samples
            if found.name == sample and labels.items() <= found.labels.items()
        )

    @property
    def _port(self) -> int:
        found = _PORT.search(self.output())
        return int(found[1] or found[2]) if found else 0
