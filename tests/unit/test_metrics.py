"""What a stage counts."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics

from songlens_shared.errors import REQUEST_ERRORS
from songlens_workers.runtime.metrics import (
    ContentCacheMetrics,
    ModelMetrics,
    RequestMetrics,
    StageMetrics,
    show_process,
)
from songlens_workers.runtime.sizing import BatchPolicy, Sizing


def test_every_count_carries_its_stage() -> None:
    """Requests by code, batches by reason, times by step, takeovers, refusals and what is in flight."""
    registry = CollectorRegistry()
    metrics = StageMetrics(registry, "vision")
    metrics.finished("ok")
    metrics.finished("ok")
    metrics.finished("bad_image")
    metrics.refused()
    metrics.batch(7, "timer", 0.3, capacity=28)
    metrics.took_over(4)
    metrics.claimed([1500])
    metrics.step("decode", 0.25)
    metrics.sent(0.125)
    metrics.buried()
    sizing = Sizing(BatchPolicy(max_items=12, max_bytes=100, max_delay_s=0.5))
    metrics.show(lambda: 9, sizing)
    for items in (2, 4):
        sizing.observe(items, 0.01 + items * 0.25)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, {"stage": "vision", **labels})

    assert value("songlens_requests_total", code="ok") == 2
    assert value("songlens_requests_total", code="bad_image") == 1
    assert value("songlens_deliveries_refused_total") == 1
    assert value("songlens_batches_total", reason="timer") == 1
    assert value("songlens_batch_size_sum") == 7
    assert value("songlens_batch_fill_ratio_sum") == 0.25
    assert value("songlens_stage_seconds_sum", step="batch") == 0.3
    assert value("songlens_stage_seconds_sum", step="queue") == 1.5
    assert value("songlens_takeovers_total") == 4
    assert value("songlens_images_total") == 7
    assert value("songlens_deliveries_total") == 1
    assert value("songlens_stage_seconds_sum", step="decode") == 0.25
    assert value("songlens_stage_seconds_sum", step="reply") == 0.125
    assert value("songlens_dead_letters_buried_total") == 1
    assert value("songlens_in_flight") == 9
    assert value("songlens_batch_target_size", lane="bulk") == 12
    assert value("songlens_batch_item_seconds") == sizing.time.item_s > 0
    assert value("songlens_batch_fixed_seconds") == sizing.time.fixed_s


def test_what_alerts_watch_is_there_from_the_start() -> None:
    """Of a counter that begins with its first event, Prometheus never sees that it rises."""
    registry = CollectorRegistry()
    StageMetrics(registry, "vision")
    assert registry.get_sample_value("songlens_dead_letters_buried_total", {"stage": "vision"}) == 0
    for code in ("ok", *REQUEST_ERRORS):
        assert registry.get_sample_value("songlens_requests_total", {"stage": "vision", "code": code}) == 0


def test_lookups_in_the_content_cache() -> None:
    """Hits and misses apart, both there from the start, so that a share of hits can be drawn before the first one."""
    registry = CollectorRegistry()
    metrics = ContentCacheMetrics(registry)

    def lookups(result: str) -> float | None:
        labels = {"stage": "vision", "result": result}
        return registry.get_sample_value("songlens_content_cache_lookups_total", labels)

    assert (lookups("hit"), lookups("miss")) == (0, 0)
    for hit in (True, False, False):
        metrics.looked_up(hit=hit)
    assert (lookups("hit"), lookups("miss")) == (1, 2)


def test_requests_are_timed_with_their_trace_beside() -> None:
    """An exemplar leads from a slow bucket to the trace of a request in it."""
    registry = CollectorRegistry()
    metrics = RequestMetrics(registry)
    metrics.answered(300.0, "interactive", "4bf92f3577b34da6a3ce929d0e0e4736")
    metrics.answered(20.0, "interactive", None)
    assert registry.get_sample_value("songlens_request_seconds_sum", {"lane": "interactive"}) == pytest.approx(0.32)
    assert b'songlens_request_seconds_bucket{lane="interactive",le="0.5"} 2.0 # {trace_id="4bf92f35' in openmetrics(
        registry
    )


def test_one_model_version_at_a_time() -> None:
    """The version that served before is not told of any more; one that cannot be loaded leaves it alone."""
    registry = CollectorRegistry()
    metrics = ModelMetrics(registry, "vision")

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, {"stage": "vision", **labels})

    assert value("songlens_model_refused") == 0
    metrics.loaded("v1", 2.5)
    metrics.loaded("v2", 1.5)
    metrics.refused()
    assert value("songlens_model_info", model="v1") is None
    assert value("songlens_model_info", model="v2") == 1
    assert value("songlens_model_load_seconds") == 1.5
    assert value("songlens_model_refused") == 1


def test_a_process_shows_itself() -> None:
    """Its versions, its disk, and on Linux its memory."""
    registry = CollectorRegistry()
    show_process(registry)
    text = openmetrics(registry)
    assert b"songlens_build_info{" in text
    assert (registry.get_sample_value("songlens_disk_free_bytes") or 0) > 0


def test_two_stages_share_nothing_but_names() -> None:
    """The registry is passed in: two workers in one process count apart."""
    first, second = CollectorRegistry(), CollectorRegistry()
    StageMetrics(first, "vision").finished("ok")
    StageMetrics(second, "vision")
    assert first.get_sample_value("songlens_requests_total", {"stage": "vision", "code": "ok"}) == 1
    assert second.get_sample_value("songlens_requests_total", {"stage": "vision", "code": "ok"}) == 0


def test_only_bounded_labels() -> None:
    """No metric has an id as a label: the label names are a closed list."""
    registry = CollectorRegistry()
    metrics = StageMetrics(registry, "songs")
    metrics.finished("ok")
    metrics.batch(1, "full", 0.1, capacity=1)
    metrics.claimed([1])
    metrics.show(lambda: 1, Sizing(BatchPolicy(max_items=4, max_bytes=100, max_delay_s=0.5)))
    ContentCacheMetrics(registry).looked_up(hit=True)
    names = {name for family in registry.collect() for sample in family.samples for name in sample.labels}
    assert names <= {"stage", "code", "reason", "step", "le", "result", "lane"}
