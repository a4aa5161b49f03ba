"""Puts a vision worker together."""

from __future__ import annotations

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
from songlens_workers.runtime.metrics import ContentCacheMetrics
from songlens_workers.runtime.service import open_server, serve, starting_up
from songlens_workers.settings import VisionSettings
from songlens_workers.vision.backbone import Backbone
from songlens_workers.vision.content_cache import ContentCache
from songlens_workers.vision.cpus import available_cpus
from songlens_workers.vision.index.floats import set_search_threads
from songlens_workers.vision.index.gpu import SearchOptions
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.model import VisionModel, VisionModels
from songlens_workers.vision.photo_source import PhotoSource
from songlens_workers.vision.registry import load_backbone
from songlens_workers.vision.stage import VisionStage


def run(settings: VisionSettings) -> None:
    """Serve photos until stopped. Raises `BrokerError`, `ModelError` or `ConfigError` where it cannot start."""
    limits = ImageLimits(max_pixels=settings.max_image_pixels)
    photos = _photos(settings, limits)
    with starting_up(settings):
        connection = open_server(settings)
        partitions = [PartitionKeys(partition) for partition in range(settings.partitions)]
        for keys in partitions:
            connection.hset(keys.limits, mapping=settings.lane_limits())  # type: ignore[arg-type]
        set_search_threads(settings.threads or available_cpus())
        models = VisionModels(
            ModelStore(settings.models),
            load_backbone=lambda spec, calibration: _backbone(spec, calibration, settings),
            search=SearchOptions(
                devices=settings.search_devices, float16=settings.search_float16, shard=settings.search_shard
            ),
        )
        live: LiveModel[VisionModel] = LiveModel(
            current=PublishedModels(connection).current, load=models.open, poll_s=settings.model_poll_s
        )
        live.open()
        registry = CollectorRegistry()
        cache = ContentCache(settings.cache_entries, settings.cache_ttl_s, metrics=ContentCacheMetrics(registry))
        serve(
            VisionStage(live, limits=limits, cache=cache, photos=photos),
            settings,
            connection=connection,
            inlets=[
                inlet
                for keys in partitions
                for inlet in (
                    Inlet(keys, keys.requests(INTERACTIVE)),
                    Inlet(keys, keys.requests(BULK), share=settings.bulk_share),
                )
            ],
            group=VISION_GROUP,
            live=live,
            clock=ServerClock(),
            registry=registry,
        )


def _photos(settings: VisionSettings, limits: ImageLimits) -> PhotoSource:
    return PhotoSource(
        settings.uri_prefixes,
        limits=limits,
        timeout_s=settings.uri_timeout_s,
        private=settings.uri_private,
        threads=settings.prepare_threads,
    )


def _backbone(spec: BackboneSpec, calibration: Path | None, settings: VisionSettings) -> Backbone:
    """Load what a model was built with; raises `ModelMismatch` where the settings insist on another precision."""
    if settings.precision not in (None, spec.precision):
        raise ModelMismatch(
            f"this worker is set to {settings.precision} and the model was built in {spec.precision}: their features "
            "cannot be compared. Leave out SONGLENS_PRECISION, and the worker takes the model's; or re-index: "
            f"`songlens model build --precision {settings.precision}`, then `songlens model publish`."
        )
    return load_backbone(
        spec.name,
        weights=settings.weights,
        device=settings.device,
        threads=settings.threads,
        precision=spec.precision,
        ready_for=settings.max_batch if settings.warm_up else 0,
        calibration=calibration,
    )
