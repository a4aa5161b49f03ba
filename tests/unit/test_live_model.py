"""Following the live version: swapped when the new one is ready, and only then."""

from __future__ import annotations

import threading

import pytest
import redis
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from songlens_shared.errors import ConfigError, ModelDamaged, NoModel
from songlens_workers.models.live import _RETRY_FAILED_AFTER_POLLS, LiveModel
from songlens_workers.runtime.metrics import ModelMetrics


class Registry:
    """What is published, and what is wrong with it; a model is its version in capitals."""

    def __init__(self, current: str | None = None) -> None:
        self.current = current
        self.faults: dict[str, Exception] = {}
        self.loads: list[str] = []

    def live(self, poll_s: float = 60, metrics: ModelMetrics | None = None) -> LiveModel[str]:
        return LiveModel(current=lambda: self.current, load=self.load, poll_s=poll_s, metrics=metrics)

    def load(self, version: str) -> str:
        self.loads.append(version)
        if version in self.faults:
            raise self.faults[version]
        return version.upper()


def test_nothing_is_published_yet() -> None:
    """Without a model a request is told what to do, and the worker is not ready for the same reason."""
    live = Registry().live()
    live.open()
    live.poll()
    assert live.version is None
    assert live.faults() == ["no model version is published"]
    with pytest.raises(NoModel, match="songlens model publish"):
        live.get()


def test_a_refused_version_is_told_from_none() -> None:
    """Nothing published is no refusal; a version that could not be loaded is, until one can be."""
    registry = Registry()
    live = registry.live()
    live.poll()
    assert not live.refused
    registry.current, registry.faults["v1"] = "v1", ModelDamaged("songs.parquet is missing")
    live.poll()
    assert live.refused
    registry.current = "v2"
    live.poll()
    assert not live.refused


def test_a_refused_version_that_is_rolled_back_is_forgotten() -> None:
    """What serves is what shall serve again: no fault is left, none is shown, and a second publish is tried at once."""
    registry, shown = Registry("v1"), CollectorRegistry()
    live = registry.live(metrics=ModelMetrics(shown, "vision"))
    live.open()

    def refused() -> tuple[bool, float | None]:
        return live.refused, shown.get_sample_value("songlens_model_refused", {"stage": "vision"})

    registry.current, registry.faults["v2"] = "v2", ModelDamaged("songs.parquet is missing")
    live.poll()
    assert refused() == (True, 1)
    registry.current = "v1"
    live.poll()
    assert refused() == (False, 0)
    registry.current = "v2"
    registry.faults.clear()
    live.poll()
    assert live.get() == ("v2", "V2")


def test_what_is_live_at_the_start_is_opened() -> None:
    """A worker starts with the live version, and does not load it twice."""
    registry = Registry("v1")
    live = registry.live()
    live.open()
    live.poll()
    assert live.get() == ("v1", "V1")
    assert live.version == "v1"
    assert live.faults() == []
    assert registry.loads == ["v1"]


def test_a_damaged_version_at_the_start_is_raised() -> None:
    """A worker that cannot open the live version when it starts says so and ends."""
    registry = Registry("v1")
    registry.faults["v1"] = ModelDamaged("songs.parquet is missing")
    with pytest.raises(ModelDamaged, match="is missing"):
        registry.live().open()


def test_the_first_publish_is_picked_up() -> None:
    """A worker that started before any publish serves the first one."""
    registry = Registry()
    live = registry.live()
    live.open()
    registry.current = "v1"
    live.poll()
    assert live.get() == ("v1", "V1")


def test_a_new_version_is_swapped_in_and_back() -> None:
    """Publish and rollback are followed; what a batch has taken before stays what it is."""
    registry = Registry("v1")
    live = registry.live()
    live.open()
    taken = live.get()
    registry.current = "v2"
    live.poll()
    assert (taken, live.get()) == (("v1", "V1"), ("v2", "V2"))
    registry.current = "v1"
    live.poll()
    assert live.get() == ("v1", "V1")


@pytest.mark.parametrize(
    "fault",
    [
        ModelDamaged("songs.parquet is missing"),
        ConfigError("'../x' is not a model version"),
        OSError("disk full"),
        MemoryError("no memory"),
        RuntimeError("CUDA out of memory"),
        ValueError("not a Parquet file"),
    ],
)
def test_whatever_is_wrong_the_old_version_serves_on(fault: Exception) -> None:
    """No fault of a new version ends the following or takes the old one away, not even one that nobody foresaw."""
    registry = Registry("v1")
    live = registry.live()
    live.open()
    registry.current, registry.faults["v2"] = "v2", fault
    live.poll()
    assert live.get() == ("v1", "V1")
    assert live.faults() == []
    registry.current = "v3"
    live.poll()
    assert live.get() == ("v3", "V3")


def test_a_damaged_version_is_tried_again_later() -> None:
    """Not at every poll, for that would read gigabytes again and again; but a mended file is found."""
    registry = Registry("v1")
    live = registry.live()
    live.open()
    registry.current, registry.faults["v2"] = "v2", ModelDamaged("cut short")
    for _ in range(_RETRY_FAILED_AFTER_POLLS):
        live.poll()
    assert registry.loads.count("v2") == 1
    del registry.faults["v2"]
    live.poll()
    assert registry.loads.count("v2") == 2
    assert live.get() == ("v2", "V2")
    assert live.faults() == []


def test_without_an_old_version_the_fault_is_shown() -> None:
    """Where nothing serves, readiness and error replies carry the reason."""
    registry = Registry()
    live = registry.live()
    live.open()
    registry.current, registry.faults["v1"] = "v1", ModelDamaged("songs.parquet is missing")
    live.poll()
    reason = "model version v1 could not be loaded: songs.parquet is missing"
    assert live.faults() == [reason]
    with pytest.raises(NoModel, match=reason):
        live.get()


def test_redis_away_says_nothing_about_a_version() -> None:
    """A version whose load fails for lack of Redis is tried again at the very next poll."""
    registry = Registry("v1")
    live = registry.live()
    registry.faults["v1"] = redis.ConnectionError("away")
    with pytest.raises(redis.ConnectionError):
        live.poll()
    del registry.faults["v1"]
    live.poll()
    assert live.get() == ("v1", "V1")


def test_the_background_thread_follows_and_outlives_faults() -> None:
    """Polling goes on after a Redis error and after a broken version, and stop() ends it."""
    registry = Registry("v1")
    answers: list[str | Exception] = [redis.ConnectionError("away"), "broken", "v2"]
    registry.faults["broken"] = KeyError("unforeseen")
    swapped = threading.Event()

    def current() -> str:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def load(version: str) -> str:
        model = registry.load(version)
        if version == "v2":
            swapped.set()
        return model

    live = LiveModel(current=current, load=load, poll_s=0.001)
    with capture_logs() as logs:
        live.start()
        assert swapped.wait(10)
        live.stop()
    assert live.get() == ("v2", "V2")
    assert [log["model"] for log in logs if log["event"] == "model_refused"] == ["broken"]


def test_stop_does_not_wait_for_a_long_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is told to stop does not first load a version that nobody will use."""
    monkeypatch.setattr("songlens_workers.models.live._STOP_LIMIT_S", 0.01)
    loading, release = threading.Event(), threading.Event()

    def load(version: str) -> str:
        loading.set()
        release.wait(30)
        return version

    live = LiveModel(current=lambda: "v1", load=load, poll_s=0.001)
    live.start()
    assert loading.wait(10)
    live.stop()
    assert not release.is_set()
    release.set()
    monkeypatch.undo()
    live.stop()


def test_what_else_is_polled_disturbs_nothing() -> None:
    """Another thing is looked at as often as the live version; where it fails, versions are followed all the same."""
    registry = Registry("v1")
    live = registry.live(poll_s=0.001)
    looked = threading.Event()

    def look() -> None:
        if live.version == "v1":
            looked.set()
        raise redis.exceptions.NoPermissionError("not for you")

    live.poll_also(look)
    live.start()
    assert looked.wait(10)
    live.stop()
