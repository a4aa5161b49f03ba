"""What a stage counts."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from songlens_workers.runtime.metrics import ContentCacheMetrics, StageMetrics


def test_every_count_carries_its_stage() -> None:
    """Requests by code, batches by reason, times by step, takeovers, refusals and what is in flight."""
    registry = CollectorRegistry()
    metrics = StageMetrics(registry, "vision")
    metrics.finished("ok")
    metrics.finished("ok")
    metrics.finished("bad_image")
    metrics.refused()
    metrics.batch(7, "timer", 0.3)
    metrics.waited(1500)
    metrics.took_over(4)
    metrics.in_flight(9)
    metrics.target_size("bulk", 12)
    metrics.batch_time(0.25, 0.01)

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, {"stage": "vision", **labels})

    assert value("songlens_requests_total", code="ok") == 2
    assert value("songlens_requests_total", code="bad_image") == 1
    assert value("songlens_deliveries_refused_total") == 1
    assert value("songlens_batches_total", reason="timer") == 1
    assert value("songlens_batch_size_sum") == 7
    assert value("songlens_stage_seconds_sum", step="batch") == 0.3
    assert value("songlens_stage_seconds_sum", step="queue") == 1.5
    assert value("songlens_takeovers_total") == 4
    assert value("songlens_in_flight") == 9
    assert value("songlens_batch_target_size", lane="bulk") == 12
    assert value("songlens_batch_item_seconds") == 0.25
    assert value("songlens_batch_fixed_seconds") == 0.01


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


def test_two_stages_share_nothing_but_names() -> None:
    """The registry is passed in: two workers in one process count apart."""
    first, second = CollectorRegistry(), CollectorRegistry()
    StageMetrics(first, "vision").finished("ok")
    StageMetrics(second, "vision")
    assert first.get_sample_value("songlens_requests_total", {"stage": "vision", "code": "ok"}) == 1
    assert second.get_sample_value("songlens_requests_total", {"stage": "vision", "code": "ok"}) is None


def test_only_bounded_labels() -> None:
    """No metric has an id as a label: the label names are a closed list."""
    registry = CollectorRegistry()
    metrics = StageMetrics(registry, "songs")
    metrics.finished("ok")
    metrics.batch(1, "full", 0.1)
    metrics.waited(1)
    metrics.target_size("interactive", 4)
    metrics.batch_time(0.1, 0.1)
    ContentCacheMetrics(registry).looked_up(hit=True)
    names = {name for family in registry.collect() for sample in family.samples for name in sample.labels}
    assert names <= {"stage", "code", "reason", "step", "le", "result", "lane"}
