"""Distributed builds: real Redis, a real vision worker and real job workers; beside each, the same build made here."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from batch_system import job_worker
from distributed_build import (
    KEYWORDS,
    REJECTED,
    SPEC,
    build,
    distribution,
    indexed,
    make_catalogue,
    rows_kept,
    store_in,
    vision_worker,
)
from process_tree import kill_tree

from songlens_batch.errors import NotServing
from songlens_shared.broker import connect
from songlens_training.distributed.errors import ExtractionFailed, NotGiven
from songlens_training.distributed.line import ShardLine, shard_job
from songlens_training.distributed.plan import FeaturePlan
from songlens_training.model.built import Built
from songlens_training.model.feature_store import FeatureStore
from songlens_training.model.image_file import ImageFile
from songlens_training.model.precision import agreement_of
from songlens_workers.embedded import EmbeddedBroker

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def url(module_broker: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with a vision worker and a job worker."""
    logs = tmp_path_factory.mktemp("workers")
    with vision_worker(module_broker.url, logs), job_worker(module_broker.url, logs / "jobs.log"):
        yield module_broker.url


def rejects(built: Built) -> list[dict[str, object]]:
    """Return the refused images; a path names the folder of its own test."""
    return [json.loads(line) for line in built.rejects.read_text("utf-8").splitlines()]


def test_it_is_the_model_that_a_local_build_makes(url: str, tmp_path: Path) -> None:
    """Same configuration, images, features and rejects; the build's own machine has only looked at the broken file."""
    catalogue = make_catalogue(tmp_path)
    here = build(catalogue, tmp_path / "here")
    there = build(catalogue, tmp_path / "there", distribution(url))
    assert there.manifest.config_sha256 == here.manifest.config_sha256
    assert there.manifest.images == here.manifest.images == 24
    np.testing.assert_allclose(indexed(there), indexed(here), atol=1e-6)
    assert rejects(there) == rejects(here)
    assert [str(row["row"]["path"]).endswith(REJECTED) for row in rejects(there)] == [True]  # type: ignore[index]
    assert there.report["features"]["elsewhere"] == 24
    assert there.report["features"]["computed"] == 1
    with connect(url) as connection:
        left = [key for key in connection.scan_iter("sl:{*") if b":replies:features-" in key]
    assert left == []


def test_what_was_refused_is_not_asked_for_again(url: str, tmp_path: Path) -> None:
    """The next build of the same catalogue needs nobody elsewhere: a Redis that is not there makes no difference."""
    catalogue = make_catalogue(tmp_path)
    build(catalogue, tmp_path / "out", distribution(url))
    again = build(catalogue, tmp_path / "out", distribution("redis://127.0.0.1:1"))
    assert again.report["features"] | {"images_per_s": 0} == {"computed": 1, "elsewhere": 0, "images_per_s": 0}


def test_float16_finds_the_same_neighbours(url: str, tmp_path: Path) -> None:
    """Features are rounded once, kept in half the space, and make a model that is told from one of float32."""
    catalogue = make_catalogue(tmp_path, 40, broken=False)
    here = build(catalogue, tmp_path / "here")
    there = build(catalogue, tmp_path / "there", distribution(url, shard_images=60), features_dtype="float16")
    assert there.manifest.config_sha256 != here.manifest.config_sha256
    assert {shard.name[-12:] for shard in store_in(tmp_path / "there").folder.glob("*.npz")} == {".float16.npz"}
    np.testing.assert_allclose(indexed(there), indexed(here), rtol=2**-11, atol=1e-6)
    assert agreement_of(indexed(here), indexed(there)).recall_at_5 >= 0.98
    assert there.report["features"]["elsewhere"] == 120
    assert list(store_in(tmp_path / "there").folder.glob("distributed/*")) == []


def command(catalogue_folder: Path, url: str, *options: str) -> list[str]:
    return [
        *(sys.executable, "-m", "songlens", "model", "build", "--distributed", "--redis", url),
        *("--songs", str(catalogue_folder / "songs.jsonl"), "--images", str(catalogue_folder / "images")),
        *("--models", str(catalogue_folder / "models"), "--features", str(catalogue_folder / "features")),
        *("--backbone", "tiny", "--device", "cpu", "--samples", "20000", "--shard-size", "10", *options),
    ]


@contextmanager
def building(catalogue_folder: Path, url: str) -> Iterator[subprocess.Popen[str]]:
    """Run the build, and end it with the test."""
    process = subprocess.Popen(
        command(catalogue_folder, url), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_it_goes_on_after_ctrl_c_and_a_killed_job_worker(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """The job worker is killed, and the build interrupted; the same build asks for what is missing, and only that."""
    make_catalogue(tmp_path, 40, broken=False)
    features, url = tmp_path / "features", broker.url
    with vision_worker(url, tmp_path / "vision"):
        with building(tmp_path, url) as first:
            with job_worker(url, tmp_path / "jobs.log", SONGLENS_TAKEOVER_S="5") as worker:
                while len(rows_kept(features)) < 20:
                    assert first.poll() is None
                    time.sleep(0.02)
                assert worker.pid is not None
                kill_tree(worker.pid)
            first.send_signal(signal.SIGINT)
            _, told = first.communicate(timeout=30)
        assert first.returncode == 130
        assert "go on without this build; the same build takes up what they have done" in told
        before = set(rows_kept(features))
        assert 20 <= len(before) < 120
        with building(tmp_path, url) as second:
            assert second.stdout is not None
            told = next(line for line in second.stdout if line.startswith("Features "))
            assert f": {120 - len(before)} images in" in told
            assert "under way" in told
            with job_worker(url, tmp_path / "jobs2.log", SONGLENS_TAKEOVER_S="5"):
                second.communicate(timeout=120)
    assert second.returncode == 0
    assert len(rows_kept(features)) == len(set(rows_kept(features))) == 120


def image_in(folder: Path) -> ImageFile:
    """Return an image of a catalogue there."""
    path = make_catalogue(folder, 1, broken=False).images / KEYWORDS[0] / "000.png"
    return ImageFile(path, hashlib.sha256(path.read_bytes()).digest())


def test_another_backbone_is_refused_before_anything_is_queued(url: str, tmp_path: Path) -> None:
    """The sentence names both."""
    other = SPEC.model_copy(update={"precision": "bf16"})
    store = FeatureStore(tmp_path / "features", other)
    with pytest.raises(NotGiven, match=rf"this vision worker has {SPEC.fingerprint}.*wants features of") as raised:
        distribution(url)([image_in(tmp_path)], store)
    assert other.fingerprint in raised.value.message


def test_a_job_that_meets_another_backbone_fails_once(url: str, tmp_path: Path) -> None:
    """As where vision workers are exchanged in the middle of a build: it is not tried again, and says why."""
    store = FeatureStore(tmp_path / "features", SPEC.model_copy(update={"precision": "bf16"}))
    plan = FeaturePlan.write(store, "0123456789ab", [image_in(tmp_path)], 10)
    with connect(url) as connection:
        line = ShardLine(connection, plan)
        assert line.queue({0: 1}, 1) == 1
        assert line.queue({0: 1}, 1) == 0
        while line.look([0])[0].active:
            time.sleep(0.05)
        assert f"this vision worker has {SPEC.fingerprint}" in line.why(0)
        key = f"rq:job:{shard_job(plan.id, 0)}"
        assert connection.hget(key, "description") == b"features 0123456789ab: shard 1 of 1, 1 images"
        assert connection.hget(key, "retries_left") == b"0"


def test_images_that_the_job_worker_does_not_see(url: str, tmp_path: Path) -> None:
    """The build fails with the job's sentence, what it did get is kept, and once they are there it goes on."""
    seen, hidden = image_in(tmp_path / "seen"), image_in(tmp_path / "hidden")
    hidden = ImageFile(hidden.path, bytes(32))
    hidden.path.parent.parent.rename(tmp_path / "away")
    store, ask = FeatureStore(tmp_path / "features", SPEC), distribution(url, shard_images=1)
    with pytest.raises(ExtractionFailed, match=r"1 of 2 images have no features: 1 of 2 shards") as raised:
        ask([seen, hidden], store)
    assert "job workers need the catalogue's images at the same path as the build" in raised.value.message
    assert store.held() == {seen.digest}


def test_a_folder_of_features_that_the_job_worker_does_not_see(url: str, tmp_path: Path) -> None:
    """The job says which folder must be shared."""
    store = FeatureStore(tmp_path / "features", SPEC)
    plan = FeaturePlan.write(store, "ba9876543210", [image_in(tmp_path)], 10)
    plan.folder.rename(tmp_path / "away")
    with connect(url) as connection:
        line = ShardLine(connection, plan)
        line.queue({0: 1}, 1)
        while line.look([0])[0].active:
            time.sleep(0.05)
        assert "job workers need the build's folder of features (`--features`) at the same path" in line.why(0)


def test_no_vision_worker(broker: EmbeddedBroker, tmp_path: Path) -> None:
    """The sentence says what to start; nothing is queued."""
    store = FeatureStore(tmp_path / "features", SPEC)
    with pytest.raises(NotServing, match=r"no vision worker gives features.*songlens worker vision --backbone tiny"):
        distribution(broker.url, answer_s=0.5)([image_in(tmp_path)], store)
    with connect(broker.url) as connection:
        assert not list(connection.scan_iter("rq:job:*"))


def test_int8_is_refused(tmp_path: Path) -> None:
    """Before anything is read."""
    make_catalogue(tmp_path, 1)
    done = subprocess.run(
        command(tmp_path, "redis://127.0.0.1:1", "--precision", "int8"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "int8 cannot be distributed: it is calibrated while the model is built" in done.stderr
