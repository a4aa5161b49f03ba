"""From a listening log to a personal reply, through the command line, a real server and real workers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from two_listeners import FOREST_LOVER, NIGHT, SEA, SEA_LOVER, write_catalogue, write_log

from songlens_training.model.built import Built
from songlens_workers.models.store import ModelStore

from .conftest import Model, System, running_system, songlens


@pytest.fixture(scope="module")
def personal(tmp_path_factory: pytest.TempPathFactory, redis_server: Path | None, kind: str) -> Iterator[System]:
    """A running system whose model was built with a listening log by the command."""
    folder = tmp_path_factory.mktemp("listening")
    write_catalogue(folder)
    write_log(folder / "log.csv")
    built = songlens(
        "model", "build", "--songs", str(folder / "songs.csv"), "--images", str(folder / "images"),
        "--listening", str(folder / "log.csv"), "--models", str(folder / "models"), "--backbone", "tiny",
        "--samples", "100000", "--threads", "1",
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    store = ModelStore(str(folder / "models"))
    (version,) = store.versions()
    rejects = folder / "models" / f"{version}.rejects.jsonl"
    output = re.sub(r"\s+", " ", built.stdout)
    assert "12 rows taken, 4 refused" in output
    assert "listening: 2 users and 12 pairs of user and song" in output
    assert re.search(r"36 songs, 15 images, 2 users,", output)
    reasons = [(row["line"], row["reason"]) for row in map(json.loads, rejects.read_text("utf-8").splitlines())]
    assert [line for line, _ in reasons] == [14, 15, 16, 17]
    assert [reason.split()[0] for _, reason in reasons] == ["unknown", "plays", "time", "missing"]
    known = Built(manifest=store.manifest(version), folder=folder, summaries=(), rejects=rejects, report={})
    with running_system(folder, redis_server, Model(catalogue=folder, store=store, built=known), kind=kind) as running:
        yield running


def songs_for(system: System, *options: str) -> dict[str, Any]:
    """Send a neutral photo and return the reply."""
    photo = system.model.catalogue / "images" / NIGHT / "2.jpg"
    sent = system.command("send", str(photo), "--json", *options)
    assert sent.returncode == 0, sent.stderr
    reply: dict[str, Any] = json.loads(sent.stdout)
    return reply


def of_the_sea(reply: dict[str, Any]) -> int:
    return sum(int(song["id"].removeprefix("s")) % 2 == 0 for song in reply["songs"])


@pytest.mark.slow
def test_who_asks_decides_what_a_neutral_photo_gets(personal: System) -> None:
    """Two listeners get songs to their own taste for one photo; weight 0 and a stranger get the songs of nobody.

    Each reply says which it was, and no listener is named in any log.
    """
    nobody = songs_for(personal)
    sea, forest = (songs_for(personal, "--user", user) for user in (SEA_LOVER, FOREST_LOVER))
    assert nobody["personal"] is None
    assert sea["personal"] == forest["personal"] == {"user_weight": 0.4, "known": True}
    assert of_the_sea(sea) >= 9
    assert of_the_sea(forest) <= 1
    zero = songs_for(personal, "--user", SEA_LOVER, "--user-weight", "0")
    stranger = songs_for(personal, "--user", "a stranger", "--user-weight", "0.9")
    assert zero["songs"] == stranger["songs"] == nobody["songs"]
    assert zero["personal"] == {"user_weight": 0.0, "known": True}
    assert stranger["personal"] == {"user_weight": 0.0, "known": False}
    shown = personal.command("send", str(personal.model.catalogue / "images" / SEA / "1.jpg"), "--user", SEA_LOVER)
    assert "Personal: the user's taste has a weight of 0.4." in shown.stdout
    for log in personal.model.catalogue.glob("*.log"):
        assert "listener-of" not in log.read_text(encoding="utf-8")
