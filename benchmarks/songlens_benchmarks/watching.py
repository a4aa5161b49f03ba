"""What being watched costs: throughput with and without metrics, and the processor time inside their calls.

With no device, so that nothing but the queue and the runtime is left that metrics could slow down. The same processes
are measured with metrics turned on and off, either first as often as the other: two sets of processes that are alike
differ by more than is to be found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median, quantiles

from prometheus_client.parser import text_string_to_metric_families

from songlens_benchmarks.cpu_times import KNOWN
from songlens_benchmarks.device import NO_DEVICE
from songlens_benchmarks.metrics_switch import turn
from songlens_benchmarks.metrics_time import METRIC
from songlens_benchmarks.overhead import IN_FLIGHT
from songlens_benchmarks.payloads import payloads
from songlens_benchmarks.recorded import Recorded
from songlens_benchmarks.row import Effort, Reference, Row, Target
from songlens_benchmarks.simulated import Simulated, simulated
from songlens_benchmarks.workers import Worker, scrape

_SETS = 3
"""Of processes that are started anew."""

_PAIRS_A_ROUND = 4
"""Two of each order."""

_TURN_S = 3.0
"""With one scrape, where ops/prometheus has one every 5 s."""

Pair = tuple[float, float]
"""Requests a second, watched and not watched, one right after the other."""


def run(effort: Effort) -> Iterator[Row]:
    """Yield requests a second with and without, and the time in metrics."""
    seconds = 0.5 if effort.quick else _TURN_S
    pairs = [pair for _ in range(1 if effort.quick else _SETS) for pair in _pairs(effort.rounds, seconds)]
    low, _, high = quantiles([on / off for on, off in pairs], n=4)
    yield Row(
        what="no device, watched",
        value=median(on for on, _ in pairs),
        unit="requests/s",
        baseline=Reference("not watched", median(off for _, off in pairs)),
        target=Target(of="baseline", at_least=0.98),
        note=f"{len(pairs)} pairs of turns; half of their ratios are from {low:.3f} to {high:.3f}. "
        "Scraped once in each turn.",
    )
    if KNOWN:
        yield _time(seconds)


def _pairs(rounds: int, seconds: float) -> Iterator[Pair]:
    """Measure one set of processes so many rounds, in either order."""
    with (
        simulated(NO_DEVICE, persistent=False, metrics="switched") as system,
        ProcessPoolExecutor(1, get_context("spawn")) as scraper,
    ):
        load = system.load(payloads(IN_FLIGHT), in_flight=IN_FLIGHT, seconds=seconds)
        _watched(load, system, scraper)  # whatever is done only once is not counted
        for number in range(rounds * _PAIRS_A_ROUND):
            if number % 2 == 0:
                on, off = _watched(load, system, scraper), _not_watched(load, system)
            else:
                off, on = _not_watched(load, system), _watched(load, system, scraper)
            yield on, off


def _watched(load: Recorded, system: Simulated, scraper: Executor) -> float:
    """Measure once, while another process asks for /metrics as a Prometheus does."""
    told = [scraper.submit(scrape, worker.metrics_url) for worker in _workers(system)]
    rate = load()
    for page in told:
        page.result()
    return rate


def _not_watched(load: Recorded, system: Simulated) -> float:
    turn(_workers(system))
    try:
        return load()
    finally:
        turn(_workers(system))


def _time(seconds: float) -> Row:
    with simulated(NO_DEVICE, persistent=False, metrics="timed") as system:
        load = system.load(payloads(IN_FLIGHT), in_flight=IN_FLIGHT, seconds=seconds)
        load()
        told = [
            {sample.name: sample.value for family in families for sample in family.samples}
            for families in (text_string_to_metric_families(worker.metrics()) for worker in _workers(system))
        ]
    return Row(
        what="processor time a request in metrics, both stages",
        value=sum(one[METRIC] / one["songlens_deliveries_total"] for one in told) * 1e6,
        unit="µs",
        baseline=Reference("a request in all processes", sum(load.cpu_us().values())),
        note="The calls alone; what they cost in all is seen in requests a second.",
    )


def _workers(system: Simulated) -> Sequence[Worker]:
    return [*system.vision, *system.songs]
