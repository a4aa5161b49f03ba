"""Where settings come from, and how a bad one is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from songlens_shared.errors import ConfigError
from songlens_workers.settings import CONFIG_VARIABLE, SongsSettings, StageSettings, VisionSettings, load_settings


@pytest.fixture(autouse=True)
def no_other_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment of whoever runs the tests does not count."""
    for name in {*VisionSettings.model_fields, *SongsSettings.model_fields, "config"}:
        monkeypatch.delenv(f"SONGLENS_{name.upper()}", raising=False)
    monkeypatch.setenv("SONGLENS_HOME", str(tmp_path / "home"))


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A TOML file that SONGLENS_CONFIG names; the test writes it."""
    path = tmp_path / "songlens.toml"
    monkeypatch.setenv(CONFIG_VARIABLE, str(path))
    return path


@pytest.mark.parametrize("kind", [VisionSettings, SongsSettings])
def test_the_defaults_are_consistent(kind: type[StageSettings]) -> None:
    """A worker without any setting starts, and waits for nothing longer than redis-py's socket timeout."""
    settings = load_settings(kind)
    assert settings.takeover_ms >= 3 * settings.heartbeat_ms
    assert settings.max_in_flight >= settings.max_batch


def test_each_worker_has_a_name_of_its_own() -> None:
    """The default consumer name holds host and process."""
    host, _, pid = load_settings(SongsSettings).consumer.rpartition("-")
    assert host
    assert pid.isdigit()


def test_precedence(monkeypatch: pytest.MonkeyPatch, config: Path) -> None:
    """Command line before environment before file before default, setting by setting."""
    config.write_text('max_batch = 5\nmax_in_flight = 50\ndrain_s = 7\nmodel_poll_s = 3.5\nconsumer = "from-file"\n')
    monkeypatch.setenv("SONGLENS_MAX_BATCH", "6")
    monkeypatch.setenv("SONGLENS_MAX_IN_FLIGHT", "60")
    settings = load_settings(SongsSettings, max_batch=8, drain_s=None)
    assert settings.max_batch == 8
    assert settings.max_in_flight == 60
    assert settings.drain_s == 7
    assert settings.consumer == "from-file"
    assert settings.start_wait_s == 30


def test_values_are_read_from_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment holds strings; each setting gets its own type."""
    monkeypatch.setenv("SONGLENS_METRICS_PORT", "9100")
    monkeypatch.setenv("SONGLENS_WEIGHTS", "/weights/vgg19.pth")
    monkeypatch.setenv("SONGLENS_BULK_SHARE", "0.25")
    settings = load_settings(VisionSettings)
    assert isinstance(settings, VisionSettings)
    assert (settings.metrics_port, settings.weights, settings.bulk_share) == (9100, Path("/weights/vgg19.pth"), 0.25)


@pytest.mark.parametrize("source", ["command line", "environment", "file", "list in the file"])
def test_prefixes_stand_with_spaces_between_them(monkeypatch: pytest.MonkeyPatch, config: Path, source: str) -> None:
    """One way to write them, wherever they are set; TOML may have a list as well."""
    text, given = "https://cdn.example.com/a,b/  file:///srv/photos/", {}
    config.write_text("")
    match source:
        case "command line":
            given = {"uri_prefixes": text}
        case "environment":
            monkeypatch.setenv("SONGLENS_URI_PREFIXES", text)
        case "file":
            config.write_text(f'uri_prefixes = "{text}"\n')
        case _:
            config.write_text(f"uri_prefixes = {text.split()}\n")
    settings = load_settings(VisionSettings, **given)
    assert isinstance(settings, VisionSettings)
    assert settings.uri_prefixes == ("https://cdn.example.com/a,b/", "file:///srv/photos/")


def test_uris_are_off_by_default() -> None:
    """Nothing is fetched, and no private address is asked, unless somebody says so."""
    settings = load_settings(VisionSettings)
    assert isinstance(settings, VisionSettings)
    assert (settings.uri_prefixes, settings.uri_private) == ((), False)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"max_batch": "many"}, "max_batch"),
        ({"max_batch": 0}, "max_batch"),
        ({"metrics_port": 70_000}, "metrics_port"),
        ({"bulk_share": 1.5}, "bulk_share"),
        ({"start_wait_s": -1}, "start_wait_s"),
        ({"target_ms_interactive": -1}, "target_ms_interactive"),
        ({"target_ms_bulk": "fast"}, "target_ms_bulk"),
        ({"takeover_ms": 3000, "heartbeat_ms": 2000}, "takeover_ms"),
        ({"max_batch": 64, "max_in_flight": 16}, "max_in_flight"),
    ],
)
def test_a_bad_setting_is_named(given: dict[str, object], named: str) -> None:
    """Values out of bounds and settings that contradict each other end with a sentence that names them."""
    with pytest.raises(ConfigError, match=named):
        load_settings(VisionSettings, **given)


def test_every_bad_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody wants to mend them one start at a time."""
    monkeypatch.setenv("SONGLENS_PARTITIONS", "none")
    with pytest.raises(ConfigError, match=r"(?s)partitions.*drain_s|drain_s.*partitions"):
        load_settings(SongsSettings, drain_s=-5)


def test_a_bad_value_in_the_file_is_named(config: Path) -> None:
    """The file is checked like the command line."""
    config.write_text('max_delay_ms = "soon"\n')
    with pytest.raises(ConfigError, match="max_delay_ms"):
        load_settings(SongsSettings)


def test_one_file_serves_both_stages(config: Path) -> None:
    """What is only the other stage's is passed over."""
    config.write_text("bulk_share = 0.5\nvector_cache = 10\n")
    vision, songs = load_settings(VisionSettings), load_settings(SongsSettings)
    assert isinstance(vision, VisionSettings)
    assert isinstance(songs, SongsSettings)
    assert vision.bulk_share == 0.5
    assert songs.vector_cache == 10


def test_a_misspelt_setting_in_the_file_is_named(config: Path) -> None:
    """A slip of the pen is not silently ignored."""
    config.write_text("max_bacth = 4\n")
    with pytest.raises(ConfigError, match="max_bacth"):
        load_settings(VisionSettings)


def test_a_file_that_is_not_toml_is_named(config: Path) -> None:
    """The sentence names file and line, and there is no stack trace of a parser."""
    config.write_text("max_batch: 4\n")
    with pytest.raises(ConfigError, match=r"songlens\.toml.*line 1"):
        load_settings(VisionSettings)


def test_a_missing_file_is_named(config: Path) -> None:
    """A worker does not start on defaults where a file was asked for."""
    with pytest.raises(ConfigError, match=r"SONGLENS_CONFIG names .*songlens\.toml"):
        load_settings(VisionSettings)


def test_lane_limits_have_the_names_that_submit_reads() -> None:
    """Depth and bytes of each lane, as fields of the limits hash."""
    settings = load_settings(VisionSettings, interactive_depth=7, bulk_bytes=2**21)
    assert isinstance(settings, VisionSettings)
    assert settings.lane_limits() == {
        "interactive.depth": 7,
        "interactive.bytes": 256 * 2**20,
        "bulk.depth": 10_000,
        "bulk.bytes": 2**21,
    }
