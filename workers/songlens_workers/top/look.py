"""What `songlens top` shows, read from Redis alone: lanes, workers, model, jobs; rates come from two looks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import redis

from songlens_shared.cluster import RedisFault
from songlens_shared.keys import PartitionKeys
from songlens_workers.exporter.backlog import Backlog, Backlogs, Place, places
from songlens_workers.models.published import PublishedModels
from songlens_workers.runtime.clock import ServerClock
from songlens_workers.runtime.report import read
from songlens_workers.top.rates import Change, Changes, Latency, Pace, latencies


@dataclass(frozen=True, kw_only=True)
class Lane:
    """A lane, or the hits between the stages, over all partitions."""

    lane: str
    waiting: int
    """Claimed by nobody."""

    in_flight: int
    size_bytes: int
    oldest_s: float
    claimed_per_s: float | None
    """None at the first look."""


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A consumer that took part of late."""

    name: str
    stage: str
    in_flight: int
    idle_s: float
    """Since it last asked for entries, or renewed what it holds."""

    model: str | None
    """The version that serves, as the worker reports; None where it has not reported, or has none."""

    pace: Pace | None
    """None where it has not reported."""


@dataclass(frozen=True, kw_only=True)
class Glance:
    """All of it at one moment."""

    lanes: tuple[Lane, ...]
    latencies: Mapping[str, Latency]
    """By lane, of those in which photos got songs of late."""

    workers: tuple[Worker, ...]
    dead_letters: int
    model: str | None
    model_before: str | None
    jobs: Mapping[str, int] | None
    """By RQ's status; None where the Redis of the jobs does not answer."""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain types."""
        return asdict(self)


class Looking:
    """Looks again and again."""

    def __init__(
        self,
        connection: redis.Redis,
        partitions: int,
        jobs: Callable[[], Mapping[str, int] | None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = connection
        self._places = places(partitions)
        self._clock = ServerClock()
        self._backlogs = Backlogs(connection, self._places, lambda: float(self._clock.now_ms()))
        self._jobs = jobs
        self._changes = Changes()
        self._monotonic = monotonic
        self._before: tuple[float, dict[str, int]] | None = None

    def __call__(self) -> Glance:
        """Look once; raises what redis-py raises where the server is away."""
        self._clock.sync(self._redis)
        now_s, backlogs = self._monotonic(), self._backlogs()
        groups = {place.stream: self._group(place) for place in self._places}
        claimed = _by_lane(self._places, {stream: int(one.get("entries-read") or 0) for stream, one in groups.items()})
        rates = self._rates(now_s, claimed)
        models = PublishedModels(self._redis)
        reports = read(self._redis)
        changes = self._changes(reports)
        return Glance(
            lanes=tuple(_lane(lane, backlogs, rates.get(lane)) for lane in claimed),
            latencies={one.lane: one for one in latencies(changes.values())},
            workers=self._workers({(one.stage, one.consumer): one.model for one in reports}, changes),
            dead_letters=self._dead(),
            model=models.current(),
            model_before=models.previous(),
            jobs=self._jobs(),
        )

    def _rates(self, now_s: float, claimed: dict[str, int]) -> dict[str, float]:
        before, self._before = self._before, (now_s, claimed)
        if before is None or now_s <= before[0]:
            return {}
        return {lane: max(0, count - before[1].get(lane, 0)) / (now_s - before[0]) for lane, count in claimed.items()}

    def _group(self, place: Place) -> dict[str, Any]:
        try:
            found: Any = self._redis.xinfo_groups(place.stream)
        except redis.ResponseError:
            return {}  # nobody has used it yet
        return next((group for group in found if group["name"] == place.group.encode()), {})

    def _workers(
        self, models: Mapping[tuple[str, str], str | None], changes: Mapping[tuple[str, str], Change]
    ) -> tuple[Worker, ...]:
        found: dict[tuple[str, str], Worker] = {}
        for place in self._places:
            for consumer in self._consumers(place):
                key = place.group, consumer["name"].decode()
                known, idle_s = found.get(key), consumer["idle"] / 1000
                found[key] = Worker(
                    name=key[1],
                    stage=place.group,
                    in_flight=consumer["pending"] + (known.in_flight if known else 0),
                    idle_s=min(idle_s, known.idle_s) if known else idle_s,
                    model=models.get(key),
                    pace=changes[key].pace() if key in changes else None,
                )
        return tuple(sorted(found.values(), key=lambda worker: (worker.stage, worker.name)))

    def _consumers(self, place: Place) -> list[dict[str, Any]]:
        try:
            consumers: Any = self._redis.xinfo_consumers(place.stream, place.group)
        except redis.ResponseError:
            return []
        return list(consumers)

    def _dead(self) -> int:
        return sum(int(self._redis.xlen(PartitionKeys(number).dead)) for number in {p.partition for p in self._places})


def _by_lane(where: list[Place], counts: dict[str, int]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for place in where:
        sums[place.lane] = sums.get(place.lane, 0) + counts[place.stream]
    return sums


def _lane(lane: str, backlogs: list[Backlog], claimed_per_s: float | None) -> Lane:
    own = [backlog for backlog in backlogs if backlog.place.lane == lane]
    return Lane(
        lane=lane,
        waiting=sum(backlog.lag for backlog in own),
        in_flight=sum(backlog.pending for backlog in own),
        size_bytes=sum(backlog.size_bytes for backlog in own),
        oldest_s=max(backlog.oldest_s for backlog in own),
        claimed_per_s=claimed_per_s,
    )


def jobs_of(url: str) -> Callable[[], Mapping[str, int] | None]:
    """Return what counts the jobs of a Redis by status."""

    def jobs() -> Mapping[str, int] | None:
        from songlens_batch.jobs.standing import standing
        from songlens_shared.broker import connect

        try:
            with connect(url, retries=0) as connection:
                return standing(connection).counts
        except RedisFault:
            return None

    return jobs
