"""A worker process that may die at any moment: the real loop around a stage, on a seam that kills.

    python chaos_worker.py '{"url": ..., "stage": "vision" | "songs", "consumer": ..., ...}'

The stage is one of no weight, or, where `models` names a folder of model versions, the real one (chaos_stages.py).

The seam is the connection to Redis. It kills its own process, by chance and by name, where a stage's step meets the
server: after entries were claimed and before we know it, before outcomes are sent, after they were sent and before we
know it. What a worker has not heard of the server, it cannot have acted on.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import signal
import sys
import time
import uuid
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import redis
from prometheus_client import CollectorRegistry
from redis.client import Pipeline

from songlens_shared import keys
from songlens_shared.broker import open_redis
from songlens_shared.cluster import RedisFault, is_cluster
from songlens_shared.functions import Delivery
from songlens_shared.keys import BULK, INTERACTIVE, SONGS_GROUP, VISION_GROUP, PartitionKeys
from songlens_shared.messages import Reply
from songlens_workers.log import configure_logging
from songlens_workers.runtime.claims import Claims, Inlet
from songlens_workers.runtime.clock import ServerClock
from songlens_workers.runtime.health import Pulse
from songlens_workers.runtime.metrics import StageMetrics
from songlens_workers.runtime.stage import Answer, HandOver, Outcome, Work
from songlens_workers.runtime.worker import StageWorker
from songlens_workers.settings import StageSettings

Point = Literal["claimed", "unsent", "sent"]


class Fate:
    """Decides where the process dies."""

    def __init__(self, chance: float, points: Sequence[Point]) -> None:
        self._chance = chance
        self._points = points
        self._dice = random.Random()

    def at(self, point: Point) -> None:
        """Die here, perhaps."""
        if point in self._points and self._dice.random() < self._chance:
            os.kill(os.getpid(), signal.SIGKILL)


class MortalPipeline(Pipeline):
    """Sends outcomes; the process may die before or after."""

    fate: Fate

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """As a pipeline does."""
        ends = any(command[0][0] == "FCALL" for command in self.command_stack)
        if ends:
            self.fate.at("unsent")
        results = super().execute(raise_on_error)
        if ends:
            self.fate.at("sent")
            if refused := sum(result == 0 for result in results):
                print(f"outcomes_refused n={refused}", flush=True)
        return results


class MortalRedis(redis.Redis):
    """A client whose process may die once the server has given it entries."""

    fate: Fate

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """As a client does."""
        result = super().execute_command(*args, **options)
        if args[0] in ("XREADGROUP", "XCLAIM") and result:
            self.fate.at("claimed")
        return result

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> MortalPipeline:
        """Return a pipeline with the same fate."""
        pipeline = MortalPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        pipeline.fate = self.fate
        return pipeline


class WeightlessStage:
    """Takes a fixed time for each entry; hands it over, or answers with a reply that is like no other."""

    def __init__(self, name: str, item_s: float) -> None:
        self.name = name
        self._item_s = item_s

    def prepare(self, work: Work) -> Delivery:
        """Take the entry as it is."""
        return work.delivery

    def size_bytes(self, item: Delivery) -> int:
        """Return the payload's."""
        return len(item.payload)

    def run(self, items: Sequence[Delivery]) -> list[Outcome]:
        """Work on a batch."""
        time.sleep(self._item_s * len(items))
        if self.name == "vision":
            return [HandOver(item.keys.hits, partial(_hits_of, item)) for item in items]
        return [Answer(Reply(id=item.request_id, status="ok", model=uuid.uuid4().hex)) for item in items]

    def ready(self) -> list[str]:
        """Nothing to wait for."""
        return []


def _hits_of(item: Delivery) -> bytes:
    return b"hits of " + item.request_id.encode()


def inlets(stage: str, partitions: int) -> list[Inlet]:
    """Return the streams that a stage consumes."""
    everywhere = [PartitionKeys(partition) for partition in range(partitions)]
    if stage == "songs":
        return [Inlet(at, at.hits) for at in everywhere]
    interactive = [Inlet(at, at.requests(INTERACTIVE)) for at in everywhere]
    return interactive + [Inlet(at, at.requests(BULK), share=0.1) for at in everywhere]


def opened(url: str, fate: Fate) -> redis.Redis:
    """Connect by the seam, as soon as there is a server; a cluster has none."""
    while True:
        try:
            found = open_redis(url)
            break
        except RedisFault:
            time.sleep(0.2)
    if is_cluster(found):
        return found
    connection = MortalRedis(connection_pool=found.connection_pool)
    connection.fate = fate
    return connection


def main(given: dict[str, Any]) -> None:
    """Work until SIGTERM, or until fate has it."""
    configure_logging("console")
    name, url = given.pop("stage"), given.pop("url")
    fate = Fate(given.pop("chance", 0.0), given.pop("points", ()))
    item_s, models, broken = given.pop("item_s", 0.0), given.pop("models", None), given.pop("broken", ())
    keys.RESULT_TTL_S = given.pop("result_ttl_s", keys.RESULT_TTL_S)
    keys.REPLIES_MAX_LENGTH = given.pop("replies_max", keys.REPLIES_MAX_LENGTH)
    settings = StageSettings(redis_url=url, **given)
    connection = opened(url, fate)
    group = VISION_GROUP if name == "vision" else SONGS_GROUP
    registry, kind = CollectorRegistry(), StageWorker
    stage: Any = WeightlessStage(name, item_s)
    if models is not None:
        # Named as text: a worker without weight shall not load torch.
        real = importlib.import_module("chaos_stages")
        stage, kind = real.stage(name, connection, models, broken), real.worker_kind(broken)
    worker = kind(
        stage,
        settings,
        connection=connection,
        claims=Claims(connection, inlets=inlets(name, settings.partitions), group=group, consumer=settings.consumer),
        clock=ServerClock(),
        metrics=StageMetrics(registry, name),
        pulse=Pulse(settings.stuck_s),
    )
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    worker.run()
    told = f"\ncounted {json.dumps(counted(registry))}\n"
    os.write(sys.stdout.fileno(), told.encode())  # in one piece: all workers write to the same file


def counted(registry: CollectorRegistry) -> dict[str, float]:
    """Return each counter's value: stage, name, label."""
    return {
        " ".join(
            (sample.labels["stage"], sample.name, *(v for k, v in sample.labels.items() if k != "stage"))
        ): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
