"""Workers that cannot serve say why; models are published, swapped and rolled back; a killed worker loses nothing."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from songlens import Client, NoModel
from songlens_shared.broker import connect, open_redis
from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.model.build import build_model
from songlens_training.model.learn import BuildOptions, Catalogue
from songlens_training.model.publish import publish_model
from songlens_workers.commands.processes import WorkerProcess, stop_all
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.models.published import PublishedModels
from songlens_workers.models.store import ModelStore
from songlens_workers.vision.forward.int8 import can_quantise
from songlens_workers.vision.registry import load_backbone

from .conftest import Model, kill, running_system, songlens


def a_photo(model: Model) -> Path:
    return next((model.catalogue / "images").rglob("*.jpg"))


def test_without_a_model_photos_are_answered_no_model(tmp_path: Path, broker: EmbeddedBroker, model: Model) -> None:
    """Before anything is published a photo gets `no_model` at once, and songs as soon as a model is published."""
    common = ["--redis", broker.url, "--set", "model_poll_s=0.2"]
    workers = [
        WorkerProcess("vision", ["vision", *common, "--models", str(model.store)], log=tmp_path / "vision.log"),
        WorkerProcess("songs", ["songs", *common], log=tmp_path / "songs.log"),
    ]
    try:
        for worker in workers:
            worker.start()
        with Client(broker.url) as client:
            with pytest.raises(NoModel, match="No model version is published"):
                client.recommend(a_photo(model), timeout_s=90)
            with connect(broker.url) as connection:
                publish_model(model.store, model.version, connection)
            until = time.monotonic() + 60
            while True:
                try:
                    assert len(client.recommend(a_photo(model), timeout_s=60).songs) == 10
                    break
                except NoModel:
                    assert time.monotonic() < until
    finally:
        stop_all(workers)
    assert [worker.exit_status() for worker in workers] == [0, 0]


def test_a_worker_of_another_backbone_refuses_the_model(tmp_path: Path, broker: EmbeddedBroker, model: Model) -> None:
    """A worker whose weights are not those of the model ends with status 4 and names what differs."""
    store = ModelStore(str(tmp_path / "models"))
    built = build_model(
        Catalogue(songs=model.catalogue / "songs.jsonl", images=model.catalogue / "images.jsonl"),
        store,
        load_backbone("tiny"),
        BuildOptions(embedding=EmbeddingOptions(samples=1000)),
    )
    path = built.folder / "manifest.json"
    path.write_text(path.read_text().replace(built.manifest.backbone.weights_sha256, "0" * 64))
    with connect(broker.url) as connection:
        publish_model(store, built.manifest.version, connection)
    refused = songlens("worker", "vision", "--redis", broker.url, "--models", str(store))
    assert refused.returncode == 4
    assert "weights_sha256 is" in refused.stderr
    assert "Start the worker with the model's backbone" in refused.stderr


@pytest.mark.skipif(not can_quantise(torch.device("cpu")), reason="int8 needs an x86 processor with VNNI")
def test_a_worker_takes_the_models_precision(tmp_path: Path, broker: EmbeddedBroker, model: Model) -> None:
    """A model built in int8 is served without being told, and `model show` says how near it is to fp32.

    A worker set to fp32 refuses it, naming how to re-index; and any worker refuses a damaged calibration.
    """
    catalogue = [
        *("--songs", str(model.catalogue / "songs.jsonl")),
        *("--images", str(model.catalogue / "images.jsonl")),
    ]
    store = ModelStore(str(tmp_path / "models"))
    built = songlens(
        "model", "build", *catalogue, "--models", str(store), "--backbone", "tiny", "--precision", "int8",
        "--samples", "1000", "--device", "cpu",
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    assert re.search(r"tiny in int8 \(recall@5 of fp32's\s+neighbours \d+\.\d%", built.stdout)
    (version,) = store.versions()
    manifest = store.manifest(version)
    assert manifest.agreement is not None
    assert manifest.agreement.recall_at_5 > 0.5
    with connect(broker.url) as connection:
        publish_model(store, version, connection)
    own = Model(catalogue=model.catalogue, store=store, built=replace(model.built, manifest=manifest))
    photo = a_photo(model)
    workers = [
        WorkerProcess("vision", ["vision", "--redis", broker.url, "--models", str(store)], log=tmp_path / "vision.log"),
        WorkerProcess("songs", ["songs", "--redis", broker.url], log=tmp_path / "songs.log"),
    ]
    try:
        for worker in workers:
            worker.start()
        with Client(broker.url) as client:
            found = client.recommend(photo, timeout_s=90)
        assert found.model == own.version
        assert found.images[0].distance == pytest.approx(0, abs=1e-3), "the photo is in the index, computed alike"
    finally:
        stop_all(workers)
    worker = ("worker", "vision", "--redis", broker.url, "--models", str(store), "--device", "cpu")
    refused = songlens(*worker, "--set", "precision=fp32")
    assert refused.returncode == 4
    assert "set to fp32 and the model was built in int8" in refused.stderr
    assert "songlens model build --precision fp32" in " ".join(refused.stderr.split())
    (store.folder / version / "calibration.json").write_text('{"format": 1, "scales": [0.5]}')
    refused = songlens(*worker)
    assert refused.returncode == 4
    assert "calibration.json of model version" in refused.stderr


def test_damaged_weights_are_named(tmp_path: Path, model: Model) -> None:
    """A weights file that is none ends the command with status 4 and a sentence, not a stack trace."""
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"no weights")
    refused = songlens(
        "model", "build", "--songs", str(model.catalogue / "songs.jsonl"), "--images",
        str(model.catalogue / "images.jsonl"), "--models", str(tmp_path), "--weights", str(weights),
    )  # fmt: skip
    assert refused.returncode == 4
    assert "weights.pth is not a torch file" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_damaged_version_is_refused_and_the_old_one_serves(
    tmp_path: Path, redis_server: Path | None, model: Model, kind: str
) -> None:
    """A version whose index was altered cannot be published; one altered after that is refused by the worker."""
    store = ModelStore(str(tmp_path / "models"))
    shutil.copytree(model.built.folder, store.folder / model.version)
    damaged = Model(catalogue=model.catalogue, store=store, built=model.built)
    with running_system(tmp_path, redis_server, damaged, "model_poll_s=0.2", kind=kind) as system:
        copy = store.folder / "20990101-000000-copy"
        shutil.copytree(model.built.folder, copy)
        manifest = copy / "manifest.json"
        manifest.write_text(manifest.read_text().replace(model.version, copy.name))
        with open_redis(system.url) as connection:
            publish_model(store, copy.name, connection)
            with Client(system.url) as client:
                until = time.monotonic() + 60
                while client.recommend(a_photo(model)).model != copy.name:
                    assert time.monotonic() < until
            assert PublishedModels(connection).rollback() == model.version
            index = copy / "image_index.faiss"
            index.write_bytes(index.read_bytes()[:-100])
            refused = system.command("model", "publish", copy.name, "--models", str(store))
            assert refused.returncode == 4
            assert "image_index.faiss of model version" in refused.stderr
            PublishedModels(connection).make_current(copy.name)
            log = tmp_path / "vision.log"
            while "model_refused" not in log.read_text():
                time.sleep(0.05)
            with Client(system.url) as client:
                assert len(client.recommend(a_photo(model)).songs) == 10


def test_a_killed_worker_loses_nothing(tmp_path: Path, redis_server: Path | None, model: Model, kind: str) -> None:
    """Photos that a vision worker held when it was killed are answered by another, each once."""
    settings = ["heartbeat_ms=100", "takeover_ms=400", "max_batch=4", "cache_entries=0"]
    with running_system(tmp_path, redis_server, model, *settings, kind=kind) as system:
        with Client(system.url) as client:
            handles = [client.submit(a_photo(model), timeout_s=120) for _ in range(40)]
            while not handles[2].done():
                time.sleep(0.01)
            kill(system.vision)
            system.vision.start()
            assert all(len(handle.result().songs) == 10 for handle in handles)
            assert len({received.id for received in client.replies(quiet_s=0.5)}) == 41 - 1
        with open_redis(system.url) as connection:
            assert connection.xlen("sl:{0}:requests:interactive") == 0


def test_up_runs_everything_until_it_is_interrupted(tmp_path: Path, model: Model) -> None:
    """`songlens up` starts its own server and workers, other commands find them, and Ctrl-C ends it with 0."""
    home = {"SONGLENS_HOME": str(tmp_path), "SONGLENS_REDIS_URL": ""}
    with (tmp_path / "up.log").open("w") as log:
        up = subprocess.Popen(
            [sys.executable, "-m", "songlens", "up", "--models", str(model.store)],
            env={**os.environ, **home},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            until = time.monotonic() + 60
            while not (tmp_path / "run" / "broker.json").exists():
                assert time.monotonic() < until
                time.sleep(0.05)
            published = songlens("model", "publish", "--models", str(model.store), **home)
            assert published.returncode == 0, published.stderr
            sent = songlens("send", str(a_photo(model)), "--timeout", "90", **home)
            while sent.returncode and "no_model" in sent.stderr:
                sent = songlens("send", str(a_photo(model)), "--timeout", "90", **home)
            assert sent.returncode == 0, sent.stderr
            second = songlens("up", **home)
            assert second.returncode == 3
            assert "is running here already" in second.stderr
            os.killpg(up.pid, signal.SIGINT)
            assert up.wait(60) == 0
        finally:
            if up.poll() is None:
                os.killpg(up.pid, signal.SIGKILL)
                up.wait()
    assert not (tmp_path / "run" / "broker.json").exists()


def test_model_list_show_and_rollback(tmp_path: Path, broker: EmbeddedBroker, model: Model) -> None:
    """The model command publishes, lists and shows a version, and says when there is none to go back to."""
    environment = {"SONGLENS_REDIS_URL": broker.url}
    published = songlens("model", "publish", "--models", str(model.store), **environment)
    assert published.returncode == 0, published.stderr
    listed = songlens("model", "list", "--models", str(model.store), **environment)
    assert re.search(rf"{model.version}.*yes.*yes.*live", listed.stdout)
    shown = songlens("model", "show", "--models", str(model.store), **environment)
    assert "雪花" in shown.stdout
    back = songlens("model", "rollback", **environment)
    assert back.returncode == 4
    assert "no earlier version" in back.stderr
    missing = songlens("model", "publish", "20000101-000000-nothing", "--models", str(model.store), **environment)
    assert missing.returncode == 4
    assert "songlens model list" in missing.stderr
