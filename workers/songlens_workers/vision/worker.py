"""Puts a vision worker together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry

from songlens_shared.errors import ModelMismatch
from songlens_shared.keys import BULK, INTERACTIVE, VISION_GROUP, PartitionKeys
from songlens_workers.models.live import LiveModel
from songlens_workers.models.manifest import BackboneSpec
from songlens_workers.models.published import PublishedModels
from songlens_workers.models.store import ModelStore
from songlens_workers.runtime.claims import Inlet
from songlens_workers.runtime.clock import ServerClock
from songlens_workers.runtime.exporting import open_tracing
from songlens_workers.runtime.metrics import ContentCacheMetrics, ModelMetrics, StageMetrics
from songlens_workers.runtime.service import open_server, serve, starting_up
from songlens_workers.runtime.stage import Stage
from songlens_workers.settings import VisionSettings
from songlens_workers.threads import bound_products
from songlens_workers.vision.backbone import Backbone
from songlens_workers.vision.content_cache import ContentCache
from songlens_workers.vision.cpus import available_cpus
from songlens_workers.vision.device_metrics import DeviceCollector
from songlens_workers.vision.features import FeaturesWork
from songlens_workers.vision.index.floats import set_search_threads
from songlens_workers.vision.index.gpu import SearchOptions
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.model import Embedder, VisionModel, VisionModels
from songlens_workers.vision.photo_source import PhotoSource
from songlens_workers.vision.registry import load_backbone
from songlens_workers.vision.stage import PhotoWork, VisionStage


def run(settings: VisionSettings) -> None:
    """Serve photos until stopped. Raises `BrokerError`, `ModelError` or `ConfigError` where it cannot start."""
    limits = ImageLimits(max_pixels=settings.max_image_pixels)
    photos = _photos(settings, limits)
    tracing = open_tracing("vision", settings.consumer)
    with starting_up(settings):
        threads = settings.threads or available_cpus()
        set_search_threads(threads)
        bound_products(threads)
        connection = open_server(settings)
        partitions = [PartitionKeys(partition) for partition in range(settings.partitions)]
        for keys in partitions:
            connection.hset(keys.limits, mapping=settings.lane_limits())  # type: ignore[arg-type]
        registry, clock = CollectorRegistry(), ServerClock()
        metrics = StageMetrics(registry, "vision")
        first = _first_backbone(settings)
        live: LiveModel[VisionModel] = LiveModel(
            current=PublishedModels(connection).current,
            load=_models(settings, first).open,
            poll_s=settings.model_poll_s,
            metrics=ModelMetrics(registry, "vision"),
        )
        live.open()
        registry.register(DeviceCollector(lambda: _device(live, first)))
        cache = ContentCache(settings.cache_entries, settings.cache_ttl_s, metrics=ContentCacheMetrics(registry))
        stage: Stage[PhotoWork | FeaturesWork] = VisionStage(
            live,
            limits=limits,
            cache=cache,
            clock=clock,
            photos=photos,
            first=None if first is None else Embedder.of(first),
            observe=metrics.step,
            follow=tracing.follow,
        )
        serve(
            stage,
            settings,
            connection=connection,
            inlets=[inlet for keys in partitions for inlet in _inlets(keys, settings)],
            group=VISION_GROUP,
            live=live,
            clock=clock,
            metrics=metrics,
            registry=registry,
            tracing=tracing,
        )


def _device(live: LiveModel[VisionModel], first: Backbone | None) -> str | None:
    serving = live.get()[1].backbone if live.version else first
    return None if serving is None else serving.device


def _inlets(keys: PartitionKeys, settings: VisionSettings) -> tuple[Inlet, Inlet]:
    return Inlet(keys, keys.requests(INTERACTIVE)), Inlet(keys, keys.requests(BULK), share=settings.bulk_share)


def _photos(settings: VisionSettings, limits: ImageLimits) -> PhotoSource:
    return PhotoSource(
        settings.uri_prefixes,
        limits=limits,
        timeout_s=settings.uri_timeout_s,
        private=settings.uri_private,
        threads=settings.prepare_threads,
    )


def _first_backbone(settings: VisionSettings) -> Backbone | None:
    """Load the backbone that the settings name; raises `ConfigError` for one that needs what only a version has."""
    if settings.backbone is None:
        return None
    return _loaded(settings.backbone, settings.precision or "fp32", None, settings)


def _models(settings: VisionSettings, first: Backbone | None) -> VisionModels:
    return VisionModels(
        ModelStore(settings.models),
        load_backbone=_loader(settings, first),
        search=SearchOptions(
            devices=settings.search_devices, float16=settings.search_float16, shard=settings.search_shard
        ),
    )


def _loader(settings: VisionSettings, first: Backbone | None) -> Callable[[BackboneSpec, Path | None], Backbone]:
    """Return how a version's backbone is come by. A worker that was given one has no other: `VisionModels` compares."""
    if first is not None:
        return lambda *_: first
    return lambda spec, calibration: _backbone(spec, calibration, settings)


def _backbone(spec: BackboneSpec, calibration: Path | None, settings: VisionSettings) -> Backbone:
    """Load what a model was built with; raises `ModelMismatch` where the settings insist on another precision."""
    if settings.precision not in (None, spec.precision):
        raise ModelMismatch(
            f"this worker is set to {settings.precision} and the model was built in {spec.precision}: their features "
            "cannot be compared. Leave out SONGLENS_PRECISION, and the worker takes the model's; or re-index: "
            f"`songlens model build --precision {settings.precision}`, then `songlens model publish`."
        )
    return _loaded(spec.name, spec.precision, calibration, settings)


def _loaded(name: str, precision: str, calibration: Path | None, settings: VisionSettings) -> Backbone:
    return load_backbone(
        name,
        weights=settings.weights,
        device=settings.device,
        threads=settings.threads,
        precision=precision,
        ready_for=settings.max_batch if settings.warm_up else 0,
        calibration=calibration,
    )
