"""Puts a song worker together."""

from __future__ import annotations

from functools import partial

from prometheus_client import CollectorRegistry

from songlens_shared.keys import SONGS_GROUP, PartitionKeys
from songlens_workers.models.forgotten import ForgetsWatch
from songlens_workers.models.live import LiveModel
from songlens_workers.models.published import PublishedModels
from songlens_workers.runtime.claims import Inlet
from songlens_workers.runtime.clock import ServerClock
from songlens_workers.runtime.exporting import open_tracing
from songlens_workers.runtime.metrics import ModelMetrics, RequestMetrics, StageMetrics
from songlens_workers.runtime.service import open_server, serve, starting_up
from songlens_workers.settings import SongsSettings
from songlens_workers.songs.model import SongModel
from songlens_workers.songs.stage import SongStage
from songlens_workers.threads import bound_products


def run(settings: SongsSettings) -> None:
    """Serve hits until stopped. Raises `BrokerError`, `ModelError` or `ConfigError` where it cannot start."""
    tracing = open_tracing("songs", settings.consumer)
    with starting_up(settings):
        bound_products(settings.ranking_threads)
        connection = open_server(settings)
        published = PublishedModels(connection)
        load = partial(
            SongModel.load,
            connection,
            published,
            vector_cache=settings.vector_cache,
            card_cache=settings.card_cache,
            user_cache=settings.user_cache,
        )
        registry = CollectorRegistry()
        metrics = StageMetrics(registry, "songs")
        live: LiveModel[SongModel] = LiveModel(
            current=published.current,
            load=load,
            poll_s=settings.model_poll_s,
            metrics=ModelMetrics(registry, "songs"),
        )
        live.open()
        clock = ServerClock()
        stage = SongStage(
            live,
            load=load,
            clock=clock,
            user_weight=settings.user_weight,
            observe=metrics.step,
            answered=RequestMetrics(registry).answered,
            follow=tracing.follow,
        )
        live.poll_also(ForgetsWatch(connection, stage.drop_users).poll)
        serve(
            stage,
            settings,
            connection=connection,
            inlets=[Inlet(keys, keys.hits) for keys in map(PartitionKeys, range(settings.partitions))],
            group=SONGS_GROUP,
            live=live,
            clock=clock,
            metrics=metrics,
            registry=registry,
            tracing=tracing,
        )
