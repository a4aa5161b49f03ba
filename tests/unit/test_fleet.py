"""A vision worker of several processes: what each of them is told, and which settings make no sense."""

from __future__ import annotations

from typing import Any

import pytest

from songlens_shared.errors import ConfigError
from songlens_workers.commands import fleet
from songlens_workers.commands.fleet import vision_fleet
from songlens_workers.settings import VisionSettings, load_settings


@pytest.fixture(autouse=True)
def eight_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "available_cpus", lambda: 8)


def told(**given: Any) -> list[dict[str, str]]:
    """Return the environment of each process of a worker with these settings."""
    settings = load_settings(VisionSettings, **given)
    assert isinstance(settings, VisionSettings)
    return [worker._environment for worker in vision_fleet(settings, given, [])]


def test_processes_take_devices_in_turns() -> None:
    """Two workers on each of two GPUs."""
    devices = [environment["SONGLENS_DEVICE"] for environment in told(processes=4, devices="cuda:0,cuda:1")]
    assert devices == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]


def test_devices_alone_take_one_process_each() -> None:
    """A device that is named twice takes two."""
    assert [environment["SONGLENS_DEVICE"] for environment in told(devices="cuda:0 cuda:0, cuda:3")] == [
        "cuda:0",
        "cuda:0",
        "cuda:3",
    ]


def test_no_process_is_a_fleet_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the environment asks for several: each process reads itself as one."""
    monkeypatch.setenv("SONGLENS_PROCESSES", "3")
    monkeypatch.setenv("SONGLENS_DEVICES", "cpu")
    found = told()
    assert len(found) == 3
    for name, value in found[0].items():
        monkeypatch.setenv(name, value)
    inside = load_settings(VisionSettings)
    assert isinstance(inside, VisionSettings)
    assert (inside.process_count, inside.devices, inside.device) == (1, (), "cpu")


def test_processors_are_shared() -> None:
    """Eight processors make four threads for each of two processes, unless threads are given."""
    assert [environment["SONGLENS_THREADS"] for environment in told(processes=2)] == ["4", "4"]
    assert [environment["SONGLENS_THREADS"] for environment in told(processes=2, threads=1)] == ["1", "1"]
    assert {environment["SONGLENS_THREADS"] for environment in told(processes=100)} == {"1"}


def test_consumers_are_unique() -> None:
    """A name that was given is numbered; otherwise each process takes its own, with its process id."""
    assert [environment["SONGLENS_CONSUMER"] for environment in told(processes=2, consumer="photos")] == [
        "photos-1",
        "photos-2",
    ]
    assert all("SONGLENS_CONSUMER" not in environment for environment in told(processes=2))


def test_a_consumer_of_the_environment_is_numbered_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes inherit the environment, and two must not be one consumer."""
    monkeypatch.setenv("SONGLENS_CONSUMER", "photos")
    assert [environment["SONGLENS_CONSUMER"] for environment in told(processes=2)] == ["photos-1", "photos-2"]


def test_each_process_has_its_own_port() -> None:
    """From the port that was given upwards; 0, a free one, is passed on as it is."""
    assert [environment["SONGLENS_METRICS_PORT"] for environment in told(processes=3, metrics_port=9100)] == [
        "9100",
        "9101",
        "9102",
    ]
    assert [environment["SONGLENS_METRICS_PORT"] for environment in told(processes=2, metrics_port=0)] == ["0", "0"]
    assert all("SONGLENS_METRICS_PORT" not in environment for environment in told(processes=2))


def test_what_was_given_reaches_every_process() -> None:
    """The command line goes on as environment; what was not given is not set."""
    for environment in told(processes=2, redis_url="redis://:word@localhost:1", max_batch="8", weights=None):
        assert environment["SONGLENS_REDIS_URL"] == "redis://:word@localhost:1"
        assert environment["SONGLENS_MAX_BATCH"] == "8"
        assert "SONGLENS_WEIGHTS" not in environment


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"device": "cuda:1", "devices": "cuda:0,cuda:1"}, "give device or devices, not both"),
        ({"processes": 1, "devices": "cuda:0,cuda:1"}, "processes must be at least as many as devices"),
        ({"processes": 2, "metrics_port": 65535}, "metrics_port must leave a port for each of the processes"),
        ({"processes": 0}, "processes: Input should be greater than or equal to 1"),
    ],
    ids=["both", "idle device", "no port left", "none"],
)
def test_settings_that_make_no_sense(given: dict[str, Any], complaint: str) -> None:
    """They are refused before any process starts."""
    with pytest.raises(ConfigError, match=complaint):
        told(**given)


def test_the_last_port_may_be_used() -> None:
    """65535 is a port."""
    assert told(processes=2, metrics_port=65534)[1]["SONGLENS_METRICS_PORT"] == "65535"
