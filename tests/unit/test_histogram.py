"""The histogram of ours shows what the client library's shows."""

from __future__ import annotations

import threading

import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics

from songlens_workers.runtime.histogram import Histogram

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # as runtime/metrics.py has it

_BUCKETS = (0.001, 0.1, 1, 2.5)
_VALUES = st.lists(st.one_of(st.sampled_from(_BUCKETS), st.floats(0, 5)))


@given(one_by_one=_VALUES, together=_VALUES)
def test_it_shows_what_the_client_library_shows(one_by_one: list[float], together: list[float]) -> None:
    """The same text to the letter, whichever way values come; those on a bound included."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    mine = Histogram("seconds", "How long.", ["step"], buckets=_BUCKETS, registry=ours).labels("embed")
    peer = prometheus_client.Histogram("seconds", "How long.", ["step"], buckets=_BUCKETS, registry=theirs).labels(
        "embed"
    )
    for value in one_by_one:
        mine.observe(value)
        peer.observe(value)
    mine.observe_all(together)
    for value in together:
        peer.observe(value)
    assert prometheus_client.generate_latest(ours) == prometheus_client.generate_latest(theirs)
    assert openmetrics(ours) == openmetrics(theirs)


def test_a_trace_id_is_shown_beside_its_bucket() -> None:
    """The latest of each bucket."""
    registry = CollectorRegistry()
    series = Histogram("seconds", "How long.", ["lane"], buckets=_BUCKETS, registry=registry).labels("bulk")
    for value, trace_id in ((0.5, "first"), (0.6, "second"), (0.7, None), (9.0, "slow")):
        series.observe(value, trace_id)
    lines = [line for line in openmetrics(registry).decode().splitlines() if " # " in line]
    assert [line.split('le="')[1].rsplit(" ", 1)[0] for line in lines] == [
        '1.0"} 3.0 # {trace_id="second"} 0.6',
        '+Inf"} 4.0 # {trace_id="slow"} 9.0',
    ]


def test_no_observation_is_lost_between_threads() -> None:
    """Threads that observe at once are all counted, and what is read meanwhile never goes back."""
    registry = CollectorRegistry()
    histogram = Histogram("seconds", "How long.", ["step"], buckets=_BUCKETS, registry=registry)

    def observe() -> None:
        for _ in range(20_000):
            histogram.labels("decode").observe(0.5)
            histogram.labels("decode").observe_all([0.25, 4.0])

    threads = [threading.Thread(target=observe) for _ in range(4)]
    for thread in threads:
        thread.start()
    seen = [0.0]
    while any(thread.is_alive() for thread in threads):
        seen.append(registry.get_sample_value("seconds_count", {"step": "decode"}) or 0.0)
    for thread in threads:
        thread.join()
    assert seen == sorted(seen)
    assert registry.get_sample_value("seconds_count", {"step": "decode"}) == 240_000
    assert registry.get_sample_value("seconds_sum", {"step": "decode"}) == 80_000 * (0.5 + 0.25 + 4.0)


def test_a_name_is_taken_once() -> None:
    """As with the client library's: a second metric of the name, or of one of its samples', is refused."""
    registry = CollectorRegistry()
    Histogram("seconds", "How long.", ["step"], buckets=_BUCKETS, registry=registry)
    with pytest.raises(ValueError, match="seconds"):
        prometheus_client.Gauge("seconds_sum", "All of it.", registry=registry)


def test_what_does_not_fit_is_refused() -> None:
    """Buckets that do not ascend, and labels that are too few."""
    registry = CollectorRegistry()
    with pytest.raises(ValueError, match="must ascend"):
        Histogram("seconds", "How long.", ["step"], buckets=(1, 1), registry=registry)
    with pytest.raises(ValueError, match="has the labels"):
        Histogram("seconds", "How long.", ["step"], buckets=_BUCKETS, registry=registry).labels()
