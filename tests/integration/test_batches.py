"""Batches from submit to manifest: real Redis, real RQ, real job worker processes; stages that answer at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from batch_system import MODEL, job_worker, jpeg, make_photos, publish_fake_model, read_rows, submit, work_off
from fake_worker import FakeWorker, create_groups, one_song
from process_tree import children, kill_tree

from songlens_batch.batches import Batches
from songlens_batch.errors import BatchError, OutputTaken, UnknownBatch
from songlens_batch.folder import MANIFEST, SUMMARY, BatchFolder
from songlens_batch.jobs.standing import standing
from songlens_batch.result.manifest import BatchManifest
from songlens_shared.broker import connect
from songlens_shared.errors import BadImage
from songlens_shared.messages import Reply, Request, error_reply
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.models.manifest import file_entry

pytestmark = pytest.mark.timeout(240)


def runs(pid: int) -> bool:
    """Say whether a process is there and no zombie."""
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(found.stdout.strip()) and "Z" not in found.stdout


def only_photos(request: Request) -> Reply:
    """Answer as the stages do: a file that is no photo gets an error."""
    if request.image is None or not request.image.startswith(b"\xff\xd8"):
        return error_reply(request.id, BadImage("these bytes are no photo."))
    return one_song(request)


@pytest.fixture
def url(broker: EmbeddedBroker) -> Iterator[str]:
    """A server with stages that answer."""
    with connect(broker.url) as connection:
        create_groups(connection)
    publish_fake_model(broker.url)
    with FakeWorker(broker.url, only_photos):
        yield broker.url


def test_a_folder_becomes_rows_manifest_and_summary(url: str, tmp_path: Path) -> None:
    """Each photo has one row, in order; files that are no photos have a row that says so; all checksums are right."""
    source, out = make_photos(tmp_path / "photos", 25), tmp_path / "out"
    (source / "000" / "broken.jpg").write_bytes(b"no photo at all")
    (source / "notes.txt").write_text("passed over")
    batch = submit(url, source, out, shard_size=10)
    work_off(url)
    rows = read_rows(out)
    assert [row["row"] for row in rows] == list(range(26))
    assert len({row["id"] for row in rows}) == 26
    failed = [row for row in rows if row["status"] == "error"]
    assert [(row["id"], row["error"]["code"]) for row in failed] == [("000/broken.jpg", "bad_image")]
    good = rows[0]
    assert (good["id"], good["status"], good["model"]) == ("000/000000.jpg", "ok", MODEL)
    assert good["songs"][0]["title"] == "渔歌子 [1]"
    assert good["songs"][0]["keyword"] == "雪"
    assert good["images"] == [{"id": "snow/1.jpg", "distance": 12.5, "keywords": ["雪", "江"]}]
    assert good["timings_ms"]["embed"] == 3.0
    manifest = BatchManifest.model_validate_json((out / MANIFEST).read_bytes())
    assert (manifest.id, manifest.images, manifest.shards, manifest.ok) == (batch, 26, 3, 25)
    assert (manifest.errors, manifest.models) == ({"bad_image": 1}, {MODEL: 25})
    assert {name: file_entry(out / name) for name in manifest.files} == manifest.files
    told = (out / SUMMARY).read_text()
    assert "26 photos in 3 shards: 25 got songs, 1 did not" in told
    assert "| 渔歌子 [1] (张志和) | 1 |" in told
    assert "`000/broken.jpg`: these bytes are no photo." in told
    with Batches(url) as batches:
        found = batches.status(batch)
    assert (found.state, found.rows, found.shards_done, found.errors) == ("done", 26, 3, {"bad_image": 1})


def test_nothing_of_a_finished_batch_stays_in_the_queue(url: str, tmp_path: Path) -> None:
    """Neither replies nor reply channels: a million photos would leave gigabytes."""
    submit(url, make_photos(tmp_path / "photos", 12), tmp_path / "out", shard_size=5)
    work_off(url)
    with connect(url) as connection:
        left = [key for key in connection.scan_iter("sl:{*") if b":result:" in key or b":replies:" in key]
    assert left == []


def test_submitted_again_it_does_nothing_twice(url: str, tmp_path: Path) -> None:
    """The same source and options into the same folder are the same batch; its files stay as they are."""
    source, out = make_photos(tmp_path / "photos", 6), tmp_path / "out"
    batch = submit(url, source, out, shard_size=3)
    work_off(url)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    assert submit(url, source, out, shard_size=3) == batch
    work_off(url)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()} == before


def test_another_batch_does_not_get_the_folder(url: str, tmp_path: Path) -> None:
    """The error names what differs, and nothing is touched; --replace begins anew."""
    source, out = make_photos(tmp_path / "photos", 6), tmp_path / "out"
    first = submit(url, source, out, shard_size=3)
    work_off(url)
    with pytest.raises(OutputTaken, match=f"holds batch {first} .*top_k is 10 there and 5 here"):
        submit(url, source, out, shard_size=3, top_k=5)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.doc").write_text("mine")
    with pytest.raises(OutputTaken, match="is not empty; give a folder of its own"):
        submit(url, source, tmp_path / "other")
    with Batches(url) as batches:
        record = BatchFolder(str(out)).record()
        assert record is not None
        second = batches.submit(record.config.model_copy(update={"top_k": 5}), str(out), replace=True)
    assert second != first
    work_off(url)
    assert len(read_rows(out)) == 6


def test_a_resume_does_what_is_missing(url: str, tmp_path: Path) -> None:
    """Shards that are done are not touched; also where Redis has forgotten the batch."""
    source, out = make_photos(tmp_path / "photos", 9), tmp_path / "out"
    submit(url, source, out, shard_size=3)
    work_off(url)
    kept, gone = out / "shards" / "shard-00000.parquet", out / "shards" / "shard-00001.parquet"
    before = kept.stat().st_mtime_ns
    gone.unlink()
    (out / MANIFEST).unlink()
    with connect(url) as connection:
        for key in [*connection.scan_iter("rq:*"), *connection.scan_iter("sl:batch*")]:
            connection.delete(key)
    with Batches(url) as batches:
        assert batches.status(str(out)).state == "forgotten"
        batches.resume(str(out))
    work_off(url)
    assert (kept.stat().st_mtime_ns, len(read_rows(out))) == (before, 9)
    assert (out / MANIFEST).exists()


def test_ctrl_c_at_the_worker_and_a_new_one(url: str, tmp_path: Path) -> None:
    """A worker that is interrupted in the middle leaves whole shards and no partial file; the next does the rest."""
    source, out = make_photos(tmp_path / "photos", 400), tmp_path / "out"
    batch = submit(url, source, out, shard_size=20)
    with job_worker(url, tmp_path / "jobs.log"), Batches(url) as batches:
        while batches.status(batch).shards_done < 3:
            time.sleep(0.05)
    done = len(BatchFolder(str(out)).finished())
    assert 3 <= done < 20
    work_off(url)
    assert sorted(row["row"] for row in read_rows(out)) == list(range(400))
    assert not list(out.rglob("*.partial"))


def test_cancelled_it_ends_within_seconds(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """Also while nobody answers its photos; a resume goes on with it."""
    publish_fake_model(broker.url)
    batch = submit(broker.url, make_photos(tmp_path / "photos", 40), tmp_path / "out", shard_size=10)
    with job_worker(broker.url, tmp_path / "jobs.log"), Batches(broker.url) as batches:
        while not batches.status(batch).shards_running:
            time.sleep(0.1)
        batches.cancel(batch)
        until = time.monotonic() + 20
        while batches.status(batch).shards_running and time.monotonic() < until:
            time.sleep(0.1)
        found = batches.status(batch)
    assert (found.state, found.shards_running, found.shards_done) == ("cancelled", 0, 0)
    with connect(broker.url) as connection:
        create_groups(connection)
    with FakeWorker(broker.url), Batches(broker.url) as batches:
        batches.resume(batch)
        work_off(broker.url)
        assert batches.status(batch).state == "done"


def test_another_model_is_refused_until_it_is_accepted(url: str, tmp_path: Path) -> None:
    """In the middle of a batch, rows of two versions would be mixed unseen."""
    publish_fake_model(url, "m0")
    batch = submit(url, make_photos(tmp_path / "photos", 6), tmp_path / "out", shard_size=3)
    work_off(url)
    publish_fake_model(url)
    with Batches(url) as batches:
        found = batches.status(batch)
        assert found.state == "failed"
        assert "model version m1 is live, and this batch began with m0" in found.why
        with pytest.raises(BatchError, match="--accept-model"):
            batches.resume(batch)
        batches.resume(batch, accept_model=True)
        work_off(url)
        assert batches.status(batch).state == "done"


def test_too_many_errors_fail_the_shard_and_a_retry_does_it_again(url: str, tmp_path: Path) -> None:
    """A broken camera or mount is no result; the rows of a shard over its limit are not written."""
    source, out = make_photos(tmp_path / "photos", 6), tmp_path / "out"
    for path in sorted(source.rglob("*.jpg"))[:2]:
        path.write_bytes(b"broken")
    batch = submit(url, source, out, shard_size=3)
    work_off(url)
    with Batches(url) as batches:
        found = batches.status(batch)
        assert (found.state, found.shards_done, found.shards_failed) == ("failed", 1, 1)
        assert "1 of 2 shards are not done. shard 0: 2 of 3 photos of a shard failed (2 bad_image)" in found.why
        assert batches.retry(batch) == 1
        work_off(url)
        assert batches.status(batch).state == "failed"
    assert [row["row"] for row in read_rows(out)] == [3, 4, 5]


def test_a_failed_batch_that_is_cancelled_leaves_no_failed_job(url: str, tmp_path: Path) -> None:
    """What nobody can mend need not be told of for a month; what is done stays, and a resume goes on with the rest."""
    source = make_photos(tmp_path / "photos", 6)
    for path in sorted(source.rglob("*.jpg"))[:2]:
        path.write_bytes(b"broken")
    batch = submit(url, source, tmp_path / "out", shard_size=3)
    work_off(url)
    with Batches(url) as batches, connect(url) as connection:
        assert standing(connection).counts["failed"] == 2
        batches.cancel(batch)
        assert standing(connection).counts["failed"] == 0
        found = batches.status(batch)
        assert (found.state, found.shards_done, found.shards_failed) == ("cancelled", 1, 0)
        batches.resume(batch)
        work_off(url)
        assert batches.status(batch).state == "failed"


def test_a_source_that_changes_after_planning(url: str, tmp_path: Path) -> None:
    """A photo that was replaced or removed between plan and run gets a row that says so."""
    source, out = make_photos(tmp_path / "photos", 8), tmp_path / "out"
    submit(url, source, out, shard_size=8)
    work_off(url)
    (out / "shards" / "shard-00000.parquet").unlink()
    (out / MANIFEST).unlink()
    first, second, *_ = sorted(source.rglob("*.jpg"))
    first.write_bytes(jpeg(77, (64, 64)))
    second.unlink()
    with Batches(url) as batches:
        batches.resume(str(out))
    work_off(url)
    rows = read_rows(out)
    assert [row["error"]["code"] for row in rows[:2]] == ["source_changed", "not_found"]
    assert [row["status"] for row in rows[2:]] == ["ok"] * 6


def test_a_source_that_cannot_be_planned(url: str, tmp_path: Path) -> None:
    """The batch fails with the sentence, and leaves no plan."""
    (tmp_path / "list.jsonl").write_text('{"path": "a.jpg"}\n{"path": \n')
    batch = submit(url, tmp_path / "list.jsonl", tmp_path / "out")
    work_off(url)
    with Batches(url) as batches:
        found = batches.status(batch)
    assert found.state == "failed"
    assert "list.jsonl:2" in found.why or "line 2" in found.why
    assert not (tmp_path / "out" / "plan.parquet").exists()


def test_ids_that_are_there_twice(url: str, tmp_path: Path) -> None:
    """Named with both places."""
    lines = [{"path": f"{name}.jpg", "id": id} for name, id in (("a", "1"), ("b", "2"), ("c", "1"))]
    (tmp_path / "list.jsonl").write_text("\n".join(map(json.dumps, lines)))
    batch = submit(url, tmp_path / "list.jsonl", tmp_path / "out")
    work_off(url)
    with Batches(url) as batches:
        why = batches.status(batch).why
    assert "the id '1' is there twice" in why
    assert "a.jpg" in why and "c.jpg" in why


def test_no_space_left(url: str, tmp_path: Path) -> None:
    """A full disk fails the shard with a sentence, and leaves nothing half-written behind."""
    out = tmp_path / "out"
    batch = submit(url, make_photos(tmp_path / "photos", 300), out, shard_size=300)
    command = f"ulimit -f 8; exec {sys.executable} -m songlens worker jobs --burst"
    subprocess.run(["bash", "-c", command], env={**os.environ, "SONGLENS_REDIS_URL": url}, timeout=120, check=True)
    with Batches(url) as batches:
        found = batches.status(batch)
    assert found.state == "failed"
    assert "there is no space left in" in found.why
    assert not list(out.rglob("*.partial"))


def test_a_killed_worker_s_shard_is_done_by_the_next(url: str, tmp_path: Path) -> None:
    """Killed outright, job process included; another worker takes over, and no row is lost or doubled."""
    source, out = make_photos(tmp_path / "photos", 600), tmp_path / "out"
    batch = submit(url, source, out, shard_size=300)
    with Batches(url) as batches:
        with job_worker(url, tmp_path / "first.log", SONGLENS_TAKEOVER_S="5") as first:
            while not batches.status(batch).rows:
                time.sleep(0.02)
            assert first.pid is not None
            kill_tree(first.pid)
        with job_worker(url, tmp_path / "second.log", SONGLENS_TAKEOVER_S="5"):
            assert batches.wait(batch).state == "done"
    assert sorted(row["row"] for row in read_rows(out)) == list(range(600))
    assert not list(out.rglob("*.partial"))


def test_workers_do_not_outlive_their_pool(url: str, tmp_path: Path) -> None:
    """Where the pool is killed, nobody would ever stop what it has started."""
    with job_worker(url, tmp_path / "jobs.log") as pool:
        assert pool.pid is not None
        while not (begun := children(pool.pid)):
            time.sleep(0.1)
        os.kill(pool.pid, signal.SIGKILL)
        pool.wait()
    until_s = time.monotonic() + 20
    while any(map(runs, begun)) and time.monotonic() < until_s:
        time.sleep(0.1)
    assert not any(map(runs, begun))


def test_an_unknown_batch(url: str) -> None:
    """The error says where to look."""
    with Batches(url) as batches, pytest.raises(UnknownBatch, match="songlens batch list"):
        batches.status("20260101-000000-abcdef")
