"""`songlens batch` as a data team has it: submit, watch, query, export; and docs/batch.md, whose queries are run."""

from __future__ import annotations

import csv
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from batch_system import job_worker, read_rows

from songlens_shared.address import PARTITIONS_VARIABLE
from songlens_workers.embedded import EmbeddedBroker

from .conftest import CLUSTER, PARTITIONS, System, songlens

pytestmark = pytest.mark.timeout(400)

DOCUMENTED = Path(__file__).parents[2] / "docs" / "batch.md"


@pytest.fixture(scope="module")
def environment(
    system: System, kind: str, tmp_path_factory: pytest.TempPathFactory, redis_server: Path | None
) -> Iterator[dict[str, str]]:
    """A job worker beside the system; its jobs lie on a server of their own where the system runs on a cluster."""
    folder = tmp_path_factory.mktemp("jobs")
    with EmbeddedBroker(folder / "broker", persistent=False, binary=redis_server) as apart:
        given = {"SONGLENS_JOBS_REDIS_URL": apart.url, PARTITIONS_VARIABLE: str(PARTITIONS)} if kind == CLUSTER else {}
        with job_worker(system.url, folder / "jobs.log", **given):
            yield given


@pytest.fixture(scope="module")
def scored(system: System, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a batch of all query photos, and one that is none."""
    folder = tmp_path_factory.mktemp("batch")
    lines = (system.model.catalogue / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    listed = [{**json.loads(line), "path": str(system.model.catalogue / json.loads(line)["path"])} for line in lines]
    (folder / "empty.jpg").write_bytes(b"")
    manifest = folder / "photos.jsonl"
    manifest.write_text("\n".join(json.dumps(row) for row in [*listed, {"path": "empty.jpg", "id": "empty"}]))
    done = system.command(
        *("batch", "submit", str(manifest), "--out", str(folder / "scored"), "--shard-size", "30", "--watch"),
        **environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 bad_image" in done.stdout
    return folder / "scored"


def batch(system: System, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a verb that must go well."""
    done = system.command("batch", *arguments, **environment)
    assert done.returncode == 0, done.stderr
    return done


def test_every_photo_gets_what_it_would_get_alone(system: System, scored: Path) -> None:
    """The same ten songs in the same order as by `Client.recommend`."""
    from songlens import Client

    rows = [row for row in read_rows(scored) if row["status"] == "ok"]
    assert len(rows) == sum(1 for _ in (system.model.catalogue / "queries").rglob("*.jpg"))
    with Client(system.url) as client:
        for row in rows[:5]:
            alone = client.recommend(row["path"])
            assert [song["id"] for song in row["songs"]] == [song.id for song in alone.songs]
            assert row["model"] == alone.model == system.model.version


def test_status_and_list(system: System, scored: Path, environment: dict[str, str]) -> None:
    """For people and for programs, by folder and by id."""
    found = json.loads(batch(system, "status", str(scored), "--json", **environment).stdout)
    assert (found["state"], found["rows"], found["errors"]) == ("done", found["images"], {"bad_image": 1})
    assert f"{found['rows']} of {found['images']}" in batch(system, "status", found["id"], **environment).stdout
    listed = batch(system, "list", **environment).stdout
    assert found["id"] in listed
    assert str(scored.name) in listed
    watched = batch(system, "watch", found["id"], "--json", **environment).stdout.splitlines()
    assert json.loads(watched[-1])["state"] == "done"


def test_exports(system: System, scored: Path, tmp_path: Path) -> None:
    """JSON lines: a photo each. CSV: a song each. The summary as it lies in the folder. None needs Redis."""
    lines = songlens("batch", "export", str(scored), SONGLENS_REDIS_URL="redis://127.0.0.1:1").stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    assert rows == read_rows(scored)
    batch(system, "export", str(scored), "--format", "csv", "--to", str(tmp_path / "rows.csv"))
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        songs = list(csv.DictReader(file))
    assert len(songs) == sum(max(1, len(row["songs"])) for row in rows)
    assert songs[0]["song_title"] == rows[0]["songs"][0]["title"]
    assert (songs[-1]["id"], songs[-1]["error_code"], songs[-1]["song_id"]) == ("empty", "bad_image", "")
    assert batch(system, "export", str(scored), "--format", "summary").stdout == (scored / "summary.md").read_text()


def test_the_documented_queries(scored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run as they stand in docs/batch.md, in the folder that holds `scored`."""
    monkeypatch.chdir(scored.parent)
    queries = re.findall(r"```sql\n(.*?)```", DOCUMENTED.read_text(encoding="utf-8"), re.DOTALL)
    assert len(queries) == 2
    for query in queries:
        assert duckdb.sql(query).fetchall()


def test_mistakes(system: System, scored: Path, environment: dict[str, str], tmp_path: Path) -> None:
    """One sentence each, and an exit status that tells what kind it is."""
    taken = system.command("batch", "submit", str(tmp_path), "--out", str(scored), **environment)
    assert (taken.returncode, "holds batch" in taken.stderr) == (5, True)
    bounds = system.command("batch", "submit", "x", "--out", str(tmp_path / "o"), "--top-k", "1000", **environment)
    assert (bounds.returncode, "--top-k must lie between 1 and 100; got 1000." in bounds.stderr) == (2, True)
    size = system.command("batch", "submit", "x", "--out", str(tmp_path / "o"), "--shard-size", "0", **environment)
    assert (size.returncode, "--shard-size" in size.stderr) == (2, True)
    unknown = system.command("batch", "status", "20260101-000000-abcdef", **environment)
    assert (unknown.returncode, "songlens batch list" in unknown.stderr) == (5, True)
    assert not (tmp_path / "o").exists()
