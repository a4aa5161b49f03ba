"""The file of schedules: what it may say, and what is said of one that is not in order."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from songlens_batch.schedule.batch import ScheduledBatch, dated
from songlens_batch.schedule.file import RETRAIN, SUBMIT, Schedule, read_schedules
from songlens_batch.schedule.scheduler import SlotJob
from songlens_shared.errors import ConfigError

EXAMPLE = Path(__file__).parents[2] / "ops" / "jobs" / "schedule.toml"
BATCH = '[[batch]]\nname = "nightly"\ncron = "0 2 * * *"\nsource = "/photos"\nout = "/scored/{date}"\n'
RETRAINING = '[[retrain]]\nname = "sundays"\ncron = "0 4 * * sun"\nsongs = "/songs.jsonl"\nimages = "/images"\n'


def read(folder: Path, text: str) -> list[Schedule]:
    (folder / "schedule.toml").write_text(text)
    return read_schedules(folder / "schedule.toml")


def test_the_example_is_in_order() -> None:
    """It can be taken as it is, and its options can be queued as JSON."""
    found = read_schedules(EXAMPLE)
    assert [(one.name, one.function) for one in found] == [
        ("nightly", SUBMIT),
        ("hourly-camera", SUBMIT),
        ("sundays", RETRAIN),
    ]
    assert found[0].options["out"] == "/srv/scored/{date}"
    assert found[2].options["keywords"] == 72
    for one in found:
        assert json.loads(json.dumps(one.options)) == one.options


def test_paths_are_made_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job worker may run in another folder than the scheduler."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deny.txt").write_text("雪\n")
    more = 'models = "s3://models"\ndeny_file = ["deny.txt"]\n'
    batch, retraining = read(
        tmp_path,
        BATCH.replace('"/', '"') + RETRAINING.replace('"/images"', '"images"') + more,
    )
    assert (batch.options["source"], batch.options["out"]) == (f"{tmp_path}/photos", f"{tmp_path}/scored/{{date}}")
    assert retraining.options["images"] == f"{tmp_path}/images"
    assert retraining.options["models"] == "s3://models"
    assert retraining.options["deny_file"] == [f"{tmp_path}/deny.txt"]


FAULTS = {
    "no TOML": ("[[batch]\n", "schedule.toml cannot be read: .*line 1"),
    "nothing": ("", "has no schedule"),
    "another table": ("[[batches]]\n", "unknown table batches"),
    "no list": ('[batch]\nname = "a"\n', r"begin each with \[\[batch\]\]"),
    "unknown key": (BATCH + 'sauce = "x"\n', r"batch 1 \(nightly\): unknown key 'sauce'; there are .*shard_size"),
    "replace": (BATCH + "replace = true\n", "unknown key 'replace'"),
    "missing key": (BATCH.replace("source", "#"), r"batch 1 \(nightly\): the key 'source' is missing"),
    "no name": (BATCH.replace("name", "#"), "batch 1: the key 'name' is missing"),
    "bad name": (BATCH.replace("nightly", "Every night"), "small letters, digits and dashes, and not 'Every night'"),
    "the same name": (BATCH + BATCH, "the name 'nightly' is there twice"),
    "too few fields": (BATCH.replace("0 2 * * *", "0 2 *"), "cron has five fields .* not 3"),
    "every second": (BATCH.replace("0 2 * * *", "* * * * * *"), "cron has five fields .* not 6"),
    "out of range": (BATCH.replace("0 2 * * *", "0 25 * * *"), "'0 25 .*' is no cron expression"),
    "never": (BATCH.replace("0 2 * * *", "0 0 31 2 *"), "'0 0 31 2 .*' is no cron expression that ever comes due"),
    "one folder": (BATCH.replace("{date}", "all"), r"out must hold \{date\} or \{time\}"),
    "other braces": (BATCH.replace("{date}", "{date}/{hour}"), "no other braces"),
    "wrong type": (BATCH + 'top_k = "many"\n', r"top_k: Input should be a valid integer"),
    "out of bounds": (BATCH + "top_k = 5000\n", r"batch 1 \(nightly\): --top-k must lie between"),
    "lane": (BATCH + 'lane = "fast"\n', "--lane must be one of"),
    "retrain: unknown key": (RETRAINING + "seeds = 1\n", r"retrain 1 \(sundays\): unknown key 'seeds'"),
    "retrain: missing key": (RETRAINING.replace("images", "#"), "the key 'images' is missing"),
    "retrain: wrong type": (RETRAINING + 'seed = "x"\n', "seed: Input should be a valid integer"),
    "retrain: choice": (RETRAINING + 'sampling = "x"\n', "sampling: Input should be 'balanced'"),
    "retrain: out of range": (RETRAINING + "order = 3\n", "The order of proximity is 1 or 2"),
    "retrain: no such file": (RETRAINING + 'allow_file = ["/nowhere/x"]\n', "/nowhere/x cannot be read"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_that_is_not_in_order(tmp_path: Path, fault: str) -> None:
    """The error names the file, the schedule and the key."""
    text, said = FAULTS[fault]
    with pytest.raises(ConfigError, match=said) as raised:
        read(tmp_path, text)
    assert str(tmp_path / "schedule.toml") in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """As a person sees it: one line, and the status of bad settings."""
    done = subprocess.run(
        [sys.executable, "-m", "songlens", "worker", "schedule", str(tmp_path / "none.toml")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == ConfigError.exit_status
    assert "none.toml cannot be read: No such file or directory" in " ".join(done.stderr.split())


def test_slots_are_in_utc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the host's time zone is, which two schedulers may not share."""
    (schedule,) = read(tmp_path, BATCH)
    slots = []
    for zone in ("Asia/Shanghai", "America/New_York"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        slots.append(SlotJob(schedule).next_enqueue_time)
    monkeypatch.undo()
    time.tzset()
    assert slots[0] == slots[1]
    assert slots[0] is not None and slots[0].astimezone(UTC).strftime("%H:%M") == "02:00"


def test_dates_and_braces() -> None:
    """Only what we know is replaced: a source of tars has braces of its own."""
    slot = datetime(2026, 1, 31, 2, 5, tzinfo=UTC)
    assert dated("/tars/{date}/p-{000..099}-{time}.tar", slot) == "/tars/2026-01-31/p-{000..099}-0205.tar"
    batch = ScheduledBatch(source="/tars/p-{000..099}.tar", out="/scored/{date}")
    assert batch.config(slot).source == "/tars/p-{000..099}.tar"
