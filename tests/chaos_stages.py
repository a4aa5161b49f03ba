"""The real stages as chaos workers run them, and the mechanisms that can be switched off in them.

`broken` names what is off: `isolation` (photos are decoded inside their batch), `halving` (a batch that fails is not
halved), `versions` (songs are ranked with whatever version is live), `memory` (every entry stays in a list).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import redis
from prometheus_client import CollectorRegistry

from songlens_shared.errors import InternalError, RequestError
from songlens_shared.functions import Delivery
from songlens_workers.models.live import LiveModel
from songlens_workers.models.published import PublishedModels
from songlens_workers.models.store import ModelStore
from songlens_workers.runtime.clock import ServerClock
from songlens_workers.runtime.metrics import ContentCacheMetrics
from songlens_workers.runtime.stage import Outcome, Work
from songlens_workers.runtime.worker import StageWorker
from songlens_workers.songs.model import SongModel
from songlens_workers.songs.stage import SongStage

if TYPE_CHECKING:
    from songlens_workers.vision.stage import VisionStage

MAX_PIXELS = 1_000_000
_POLL_S = 0.1
LEAK_BYTES = 20_000


def stage(name: str, connection: redis.Redis, models: str, broken: Sequence[str]) -> Any:
    """Return a real stage that follows the live version."""
    made = _vision(connection, models) if name == "vision" else _songs(connection, "versions" in broken)
    if name == "vision" and "isolation" in broken:
        return DecodesInTheBatch(made)
    return KeepsEverything(made) if "memory" in broken else made


def _vision(connection: redis.Redis, folder: str) -> VisionStage:
    # Song workers start without them, and sooner.
    import torch

    from songlens_workers.vision.content_cache import ContentCache
    from songlens_workers.vision.index.floats import set_search_threads
    from songlens_workers.vision.limits import ImageLimits
    from songlens_workers.vision.model import VisionModel, VisionModels
    from songlens_workers.vision.registry import load_backbone
    from songlens_workers.vision.stage import VisionStage

    torch.set_num_threads(1)
    set_search_threads(1)
    models = VisionModels(
        ModelStore(folder),
        load_backbone=lambda spec, _: load_backbone(spec.name, weights=None, device="cpu", threads=1),
    )
    live: LiveModel[VisionModel] = LiveModel(
        current=PublishedModels(connection).current, load=models.open, poll_s=_POLL_S
    )
    live.open()
    live.start()
    # Every photo is computed, or few of them would keep the stage busy.
    cache = ContentCache(0, 1.0, metrics=ContentCacheMetrics(CollectorRegistry()))
    return VisionStage(live, limits=ImageLimits(max_pixels=MAX_PIXELS), cache=cache, clock=ServerClock())


def _songs(connection: redis.Redis, whatever_is_live: bool) -> SongStage:
    published = PublishedModels(connection)
    load = partial(SongModel.load, connection, published, vector_cache=1000, card_cache=1000, user_cache=10)
    live: LiveModel[SongModel] = LiveModel(current=published.current, load=load, poll_s=_POLL_S)
    live.open()
    live.start()
    kind = RanksWithWhateverIsLive if whatever_is_live else SongStage
    return kind(live, load=load, clock=ServerClock(), user_weight=0.4)


def worker_kind(broken: Sequence[str]) -> type[StageWorker[Any]]:
    """Return the loop."""
    return NeverHalves if "halving" in broken else StageWorker


class DecodesInTheBatch:
    """A vision stage whose photos are decoded when their batch runs."""

    name = "vision"

    def __init__(self, real: VisionStage) -> None:
        self._real = real

    def prepare(self, work: Work) -> Work:
        return work

    def size_bytes(self, item: Work) -> int:
        return 0

    def run(self, items: Sequence[Work]) -> list[Outcome]:
        return self._real.run([self._real.prepare(item) for item in items])

    def ready(self) -> list[str]:
        return self._real.ready()


class KeepsEverything:
    """A stage that leaks something for each entry."""

    def __init__(self, real: Any) -> None:
        self.name = real.name
        self._real = real
        self._kept: list[bytearray] = []
        self.size_bytes, self.run, self.ready = real.size_bytes, real.run, real.ready

    def prepare(self, work: Work) -> Any:
        self._kept.append(bytearray(LEAK_BYTES))
        return self._real.prepare(work)


class NeverHalves(StageWorker[Any]):
    """A batch that fails is answered with its fault as a whole."""

    def _outcomes(self, batch: Sequence[Any]) -> list[tuple[Delivery, Outcome]]:
        deliveries = [prepared.work.delivery for prepared in batch]
        try:
            return list(zip(deliveries, self._stage.run([prepared.item for prepared in batch]), strict=True))
        except RequestError as error:
            return [(delivery, error) for delivery in deliveries]
        except Exception:
            return [(delivery, InternalError()) for delivery in deliveries]


class RanksWithWhateverIsLive(SongStage):
    """Songs of one version for images of another."""

    def _model(self, version: str) -> SongModel:
        return self._live.get()[1]
