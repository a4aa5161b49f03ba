"""Adaptive batching on a simulated device, in simulated time: the figures are the same on every machine."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import quantiles

from songlens_benchmarks.row import Effort, Reference, Row, Target
from songlens_shared.keys import BULK, INTERACTIVE
from songlens_workers.runtime.batcher import MicroBatcher
from songlens_workers.runtime.sizing import BatchPolicy, Sizing

MAX_BATCH, MAX_DELAY_S = 16, 0.005
ADAPTED = BatchPolicy(MAX_BATCH, 2**40, MAX_DELAY_S, target_s={INTERACTIVE: 0.3, BULK: 1.0})
PLAIN = BatchPolicy(MAX_BATCH, 2**40, MAX_DELAY_S)
_NOISE = 0.05
_KNOWN_AFTER = 100
"""Batches."""


@dataclass(frozen=True)
class Device:
    """Takes item_s x items + fixed_s for a batch, give or take a twentieth."""

    name: str
    item_s: float
    fixed_s: float

    def seconds(self, items: int) -> float:
        """Return what a batch takes on average."""
        return self.item_s * items + self.fixed_s

    @property
    def rate(self) -> float:
        """Items a second of the bare loop with batches of the largest size."""
        return MAX_BATCH / self.seconds(MAX_BATCH)


CPU = Device("VGG-19 on a CPU: 240 ms a photo and 10 ms a batch", 0.24, 0.01)
INT8 = Device("int8: 60 ms and 10 ms", 0.06, 0.01)
GPU = Device("a GPU: 0.5 ms and 5 ms", 0.0005, 0.005)


@dataclass
class Simulation:
    """A worker without Redis: what arrives is prepared at once, and one batch runs at a time."""

    policy: BatchPolicy
    device: Device
    now_s: float = 0.0
    waits_s: dict[str, list[float]] = field(default_factory=lambda: {INTERACTIVE: [], BULK: []})
    """By lane: from arrival to the end of the batch."""

    def __post_init__(self) -> None:
        self.sizing = Sizing(self.policy)
        self._batcher: MicroBatcher[tuple[float, str]] = MicroBatcher(self.policy, self.sizing, lambda: self.now_s)
        self._dice = random.Random(1)

    def run(self, arrivals: Sequence[tuple[float, str]]) -> None:
        """Work off what arrives when, in order of time, with its lane."""
        coming = list(reversed(arrivals))
        while coming or len(self._batcher):
            while coming and coming[-1][0] <= self.now_s:
                self._batcher.add(coming[-1], 1, float("inf"), coming[-1][1])
                coming.pop()
            batch = self._batcher.release()
            if batch is not None:
                self._run_batch(batch.items)
                continue
            due_in_s = self._batcher.due_in_s()
            due_s = float("inf") if due_in_s is None else self.now_s + max(due_in_s, 1e-6)
            self.now_s = min(due_s, coming[-1][0] if coming else due_s)

    def run_one(self) -> None:
        """Have as many come as a batch shall hold: nobody waits for longer than a batch."""
        self.run([(self.now_s, INTERACTIVE)] * self.sizing.size(INTERACTIVE))

    def _run_batch(self, items: Sequence[tuple[float, str]]) -> None:
        seconds = self.device.seconds(len(items)) * self._dice.uniform(1 - _NOISE, 1 + _NOISE)
        waited_s = next((self.now_s - arrived_s for arrived_s, lane in items if lane == INTERACTIVE), 0.0)
        self.now_s += seconds
        self.sizing.observe(len(items), seconds, waited_s=waited_s)
        for arrived_s, lane in items:
            self.waits_s[lane].append(self.now_s - arrived_s)


def run(effort: Effort) -> Iterator[Row]:
    """Yield throughput, latency, and how soon a change of the device is followed."""
    items = 400 if effort.quick else 4000
    for device in (CPU, INT8, GPU):
        yield _saturated(device, items)
        yield _half_load(device, items)
    for device in (CPU, INT8):
        yield _beside_bulk(device, items)
    yield from _changed(INT8, CPU)
    yield from _changed(CPU, INT8)


def _saturated(device: Device, items: int) -> Row:
    simulation = Simulation(ADAPTED, device)
    simulation.run([(0.0, INTERACTIVE)] * items)
    return Row(
        what=f"saturated, {device.name}",
        value=items / simulation.now_s,
        unit="photos/s",
        limit=Reference(f"forward loop, batch {MAX_BATCH}", device.rate),
        target=Target(of="limit", at_least=0.9),
    )


def _half_load(device: Device, items: int) -> Row:
    arrivals = _poisson(device.rate / 2, items, lambda number: INTERACTIVE)
    adapted, plain = (_p99(policy, device, arrivals) for policy in (ADAPTED, PLAIN))
    bound_s = MAX_DELAY_S + 2 * device.seconds(MAX_BATCH)
    return Row(
        what=f"p99 at half load, {device.name}",
        value=adapted * 1000,
        unit="ms",
        baseline=Reference("max_batch alone", plain * 1000),
        limit=Reference("max_delay + 2 of the largest batches", bound_s * 1000),
        target=Target(of="limit", at_most=1.0),
    )


def _beside_bulk(device: Device, items: int) -> Row:
    """A photo in ten is interactive; bulk is always there."""
    arrivals = _poisson(device.rate * 1.5, items, lambda number: BULK if number % 10 else INTERACTIVE)
    adapted, plain = (_p99(policy, device, arrivals) for policy in (ADAPTED, PLAIN))
    return Row(
        what=f"p99 of interactive beside more bulk than can be done, {device.name}",
        value=adapted * 1000,
        unit="ms",
        baseline=Reference("max_batch alone", plain * 1000),
    )


def _changed(before: Device, after: Device) -> Iterator[Row]:
    """Batches until the size for interactive is what it will stay at, within one."""
    simulation, known = Simulation(ADAPTED, before), Simulation(ADAPTED, after)
    for _ in range(_KNOWN_AFTER):
        simulation.run_one()
        known.run_one()
    simulation.device, batches = after, 0
    while abs(simulation.sizing.size(INTERACTIVE) - known.sizing.size(INTERACTIVE)) > 1 and batches < 1000:
        simulation.run_one()
        batches += 1
    yield Row(
        what=f"batches until the size fits, {before.name} -> {after.name}",
        value=float(batches),
        unit="batches",
        target=Target(of="value", at_most=40),
    )


def _p99(policy: BatchPolicy, device: Device, arrivals: Sequence[tuple[float, str]]) -> float:
    """Of interactive photos, once the device is known."""
    simulation = Simulation(policy, device)
    simulation.run(arrivals)
    waits_s = simulation.waits_s[INTERACTIVE]
    return quantiles(waits_s[len(waits_s) // 10 :], n=100, method="inclusive")[-1]


def _poisson(rate: float, items: int, lane: Callable[[int], str]) -> list[tuple[float, str]]:
    dice, now_s, arrivals = random.Random(2), 0.0, []
    for number in range(items):
        now_s += dice.expovariate(rate)
        arrivals.append((now_s, lane(number)))
    return arrivals
