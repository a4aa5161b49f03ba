"""The build's side: what the store lacks is planned, queued and waited for. The store says what has been done."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import chain, islice

from songlens_batch.connections import jobs_redis, queue_redis
from songlens_shared.cluster import RedisFault
from songlens_shared.errors import ConfigError
from songlens_training.distributed.errors import ExtractionFailed, LeftToJobs
from songlens_training.distributed.line import ShardLine, Standing
from songlens_training.distributed.plan import FeaturePlan, existing_plan, plan_id
from songlens_training.distributed.vision_workers import ANSWER_S, check_vision_workers
from songlens_training.model.feature_store import Digest, FeatureStore
from songlens_training.model.image_file import ImageFile
from songlens_training.progress import Progress, silent
from songlens_workers.settings import JobsSettings

SHARD_IMAGES = 1000
_STEP = "Image features by job workers"
_NO_WORKER = "no job worker runs; start `songlens worker jobs`"
_REASONS = 3

_Look = Callable[[Sequence[int]], tuple[dict[int, Standing], int]]


def check_precision(precision: str) -> None:
    """Raise `ConfigError` for int8."""
    if precision == "int8":
        raise ConfigError(
            "int8 cannot be distributed: it is calibrated while the model is built, so that no vision worker has it "
            "before. Take fp32 or bf16, or build without --distributed."
        )


@dataclass(frozen=True)
class _Wanted:
    """What a plan's shards lack."""

    plan: FeaturePlan
    shards: int
    digests: Mapping[int, Set[Digest]]
    """Of each shard that lacks something."""

    @property
    def images(self) -> int:
        return sum(len(digests) for digests in self.digests.values())

    def left(self) -> dict[int, int]:
        """Return how many images of each shard have neither a feature nor a reason why not."""
        held = self.plan.store().held()
        left = {shard: len(digests - held - self.plan.refused(shard).keys()) for shard, digests in self.digests.items()}
        return {shard: images for shard, images in left.items() if images}

    def refused(self) -> int:
        """Return how many images the vision workers have refused."""
        return sum(len(digests & self.plan.refused(shard).keys()) for shard, digests in self.digests.items())


class Distribution:
    """An `Elsewhere`: features are computed by `songlens worker jobs` and `songlens worker vision`."""

    def __init__(
        self,
        settings: JobsSettings,
        *,
        shard_images: int = SHARD_IMAGES,
        progress: Progress = silent,
        say: Callable[[str], None] = lambda line: None,
        answer_s: float = ANSWER_S,
        look_every_s: float = 1.0,
    ) -> None:
        """`shard_images` is for a plan that is not begun. `say` gets what is worth a line of its own."""
        self._settings = settings
        self._shard_images = shard_images
        self._progress = progress
        self._say = say
        self._answer_s = answer_s
        self._look_every_s = look_every_s

    def check(self) -> None:
        """Raise a `BrokerError` where the Redis of the jobs or of the queue cannot be used."""
        with jobs_redis(self._settings.jobs_url), queue_redis(self._settings.redis_url) as connection:
            connection.ping()

    def __call__(self, images: Sequence[ImageFile], store: FeatureStore) -> int:
        """Return how many features the jobs have put into the store.

        Raises `ExtractionFailed` where shards have failed, `LeftToJobs` on Ctrl-C, what `check_vision_workers` does,
        and `BrokerError`.
        """
        check_precision(store.spec.precision)
        wanted = self._wanted(images, store)
        if wanted is None or not wanted.digests:
            return 0
        settings = self._settings
        check_vision_workers(settings.redis_url, settings.partitions, store.spec, answer_s=self._answer_s)
        with jobs_redis(settings.jobs_url) as connection:
            line = ShardLine(connection, wanted.plan)
            self._queue(line, wanted)
            self._wait(line, wanted)
            if left := wanted.left():
                raise _failed(line, wanted, left)
        return self._done(wanted)

    def _wanted(self, images: Sequence[ImageFile], store: FeatureStore) -> _Wanted | None:
        """Return what is to be done by the plan that there is, or by a new one where that lacks an image."""
        held = store.held()
        missing = {image.digest: image for image in images if image.digest not in held}
        if not missing:
            return None
        id = plan_id(store, images)
        plan = existing_plan(store, id)
        if plan is None or not missing.keys() <= set(chain.from_iterable(plan.digests())):
            plan = FeaturePlan.write(store, id, list(missing.values()), self._shard_images)
        shards = plan.digests()
        lacking = {shard: (missing.keys() & set(one)) - plan.refused(shard).keys() for shard, one in enumerate(shards)}
        return _Wanted(plan, len(shards), {shard: digests for shard, digests in lacking.items() if digests})

    def _queue(self, line: ShardLine, wanted: _Wanted) -> None:
        queued = line.queue({shard: len(digests) for shard, digests in wanted.digests.items()}, wanted.shards)
        under_way = len(wanted.digests) - queued
        self._say(
            f"Features {wanted.plan.id}: {wanted.images:,} images in {len(wanted.digests):,} shards for the job workers"
            + (f", {under_way:,} of them under way" if under_way else "")
        )
        if not line.workers():
            self._say(f"{_NO_WORKER}; the build waits.")

    def _wait(self, line: ShardLine, wanted: _Wanted) -> None:
        """Return when no job waits or runs any more."""
        waiting, look = list(wanted.digests), self._patient(line)
        try:
            while True:
                found, workers = look(waiting)
                waiting = [shard for shard in waiting if shard not in found or found[shard].active]
                if found:
                    self._tell(wanted, {shard: found[shard].images for shard in waiting}, workers)
                if not waiting:
                    return
                time.sleep(self._look_every_s)
        except KeyboardInterrupt:
            raise LeftToJobs(
                f"the jobs of features {wanted.plan.id} go on without this build; the same build takes up what they "
                "have done."
            ) from None

    def _patient(self, line: ShardLine) -> _Look:
        """Return what looks at jobs and counts workers, and finds none where Redis is away for a while."""
        seen_s = time.monotonic()

        def look(shards: Sequence[int]) -> tuple[dict[int, Standing], int]:
            nonlocal seen_s
            try:
                found = line.look(shards), line.workers()
            except RedisFault:
                if time.monotonic() - seen_s > self._settings.patience_s:
                    raise
                return {}, 0
            seen_s = time.monotonic()
            return found

        return look

    def _tell(self, wanted: _Wanted, waiting: Mapping[int, int], workers: int) -> None:
        """Say how far it is, where so many images of the shards that wait or run have been dealt with."""
        ended = sum(len(digests) for shard, digests in wanted.digests.items() if shard not in waiting)
        running = sum(min(images, len(wanted.digests[shard])) for shard, images in waiting.items())
        shards = len(wanted.digests)
        note = f"{shards - len(waiting):,} of {shards:,} shards" if not waiting or workers else _NO_WORKER
        self._progress(_STEP, ended + running, wanted.images, note)

    def _done(self, wanted: _Wanted) -> int:
        refused = wanted.refused()
        if refused:
            self._say(f"{refused:,} images were refused by the vision workers; this build tries them itself.")
        else:
            wanted.plan.remove()
        return wanted.images - refused


def _failed(line: ShardLine, wanted: _Wanted, left: Mapping[int, int]) -> ExtractionFailed:
    """Return what to say of shards that have ended with so many images left."""
    shards: dict[str, list[int]] = {}
    for shard in left:
        shards.setdefault(line.why(shard), []).append(shard)
    reasons = [f"shard {which[0]}{_others(which)}: {why}" for why, which in islice(shards.items(), _REASONS)]
    return ExtractionFailed(
        f"{sum(left.values()):,} of {wanted.images:,} images have no features: {len(left):,} of "
        f"{len(wanted.digests):,} shards of features {wanted.plan.id} have failed. {' '.join(reasons)} What is done is "
        "kept; the same build goes on with what is missing."
    )


def _others(shards: Sequence[int]) -> str:
    return f" and {len(shards) - 1} more" if len(shards) > 1 else ""
