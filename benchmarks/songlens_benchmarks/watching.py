"""What being watched costs: processor time in metrics, of what a request takes in all, and throughput without any.

With no device, so that nothing but the queue and the runtime is left that metrics could slow down. The time in metrics
is less than what they cost: threads that wait for each other and colder caches are not in it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from prometheus_client.parser import text_string_to_metric_families

from songlens_benchmarks.cpu_times import KNOWN
from songlens_benchmarks.device import NO_DEVICE
from songlens_benchmarks.metrics_time import METRIC
from songlens_benchmarks.overhead import IN_FLIGHT
from songlens_benchmarks.payloads import payloads
from songlens_benchmarks.recorded import Recorded
from songlens_benchmarks.row import Effort, Reference, Row, Target
from songlens_benchmarks.simulated import Simulated, simulated
from songlens_benchmarks.turns import in_turns
from songlens_benchmarks.workers import Worker

_SYSTEMS = _WATCHED, _UNWATCHED = "watched", "not watched"
_SCRAPE_EVERY_S = 5.0
"""As ops/prometheus has it."""


def run(effort: Effort) -> Iterator[Row]:
    """Yield the time in metrics, and requests a second with and without."""
    with ExitStack() as stack:
        systems = {
            name: stack.enter_context(simulated(NO_DEVICE, persistent=False, watched=name == _WATCHED))
            for name in _SYSTEMS
        }
        watched = _workers(systems[_WATCHED])
        stack.enter_context(_scraped(watched))
        photos, seconds = payloads(IN_FLIGHT), 0.5 if effort.quick else 3.0
        measured = {name: each.load(photos, in_flight=IN_FLIGHT, seconds=seconds) for name, each in systems.items()}
        in_turns(measured, effort.rounds)
        if KNOWN:
            yield _time(measured[_WATCHED], watched)
    yield Row(
        what="no device, watched",
        value=measured[_WATCHED].rate,
        unit="requests/s",
        baseline=Reference(_UNWATCHED, measured[_UNWATCHED].rate),
        target=Target(of="baseline", at_least=0.98),
        note=f"Scraped every {_SCRAPE_EVERY_S:g} s. Two sets of processes that are alike differ by 2 to 4 %.",
    )


def _time(recorded: Recorded, workers: Sequence[Worker]) -> Row:
    told = [
        {sample.name: sample.value for family in families for sample in family.samples}
        for families in (text_string_to_metric_families(worker.metrics()) for worker in workers)
    ]
    took_us = sum(one[METRIC] / one["songlens_deliveries_total"] for one in told) * 1e6
    return Row(
        what="processor time a request in metrics, both stages",
        value=took_us,
        unit="µs",
        baseline=Reference("a request in all processes", sum(recorded.cpu_us().values())),
        note="The calls alone; what they cost in all is seen in requests a second.",
    )


def _workers(system: Simulated) -> list[Worker]:
    return [*system.vision, *system.songs]


@contextmanager
def _scraped(workers: Sequence[Worker]) -> Iterator[None]:
    """Ask for /metrics as a Prometheus does, until the end."""
    over = threading.Event()

    def scrape() -> None:
        while not over.wait(_SCRAPE_EVERY_S):
            for worker in workers:
                worker.metrics()

    thread = threading.Thread(target=scrape, name="scrape")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
