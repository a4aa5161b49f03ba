"""Features from end to end: clients, a real server and a vision worker process that has a backbone and no model yet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stages import KEYS, wait_until
from vision_stages import build, features, photo

from songlens import AsyncClient, BadImage, BadRequest, Client, NoModel, PhotoFeatures
from songlens_shared.broker import connect
from songlens_shared.keys import FEATURES_TTL_S, MODEL_CURRENT
from songlens_shared.streams import stream_entries
from songlens_workers.commands.processes import WorkerProcess
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.models.store import ModelStore
from songlens_workers.vision import tiny
from songlens_workers.vision.model import backbone_spec

START_LIMIT_S = 90.0
BACKBONE = tiny.load(device="cpu")
FINGERPRINT = backbone_spec(BACKBONE).fingerprint


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    return ModelStore(str(tmp_path_factory.mktemp("models")))


@pytest.fixture(scope="module")
def worker(
    module_broker: EmbeddedBroker, store: ModelStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WorkerProcess]:
    """`songlens worker vision --backbone tiny`, before anything is published."""
    worker = WorkerProcess(
        "vision",
        [
            *("vision", "--redis", module_broker.url, "--models", str(store), "--backbone", "tiny", "--device", "cpu"),
            *("--threads", "1", "--set", "model_poll_s=0.1"),
        ],
        log=tmp_path_factory.mktemp("worker") / "vision.log",
    )
    worker.start()
    try:
        yield worker
    finally:
        worker.ask_to_stop()
        worker.wait()


@pytest.fixture
def client(module_broker: EmbeddedBroker, worker: WorkerProcess) -> Iterator[Client]:
    worker.check()
    with Client(module_broker.url) as connected:
        yield connected


def numbers(found: PhotoFeatures) -> Any:
    return np.frombuffer(found.data, {"float32": "<f4", "float16": "<f2"}[found.dtype])


def test_features_before_any_model(client: Client, tmp_path: Path) -> None:
    """They are those that the backbone gives here for the same file, in either type; songs are not to be had yet."""
    path = tmp_path / "photo.png"
    path.write_bytes(photo(1))
    expected = features(BACKBONE, [photo(1)])[0]
    found = client.features(path, backbone=FINGERPRINT, timeout_s=START_LIMIT_S)
    np.testing.assert_allclose(numbers(found), expected, atol=1e-6)
    assert (found.dtype, found.dimensions, found.backbone, found.model) == ("float32", 64, FINGERPRINT, None)
    assert set(found.timings_ms) == {"queue", "decode", "embed", "total"}
    half = client.features(photo(1), dtype="float16", lane="bulk")
    np.testing.assert_allclose(numbers(half), expected, rtol=2**-11, atol=1e-7)
    with pytest.raises(NoModel, match="No model version is published"):
        client.recommend(photo(1))


async def test_many_at_once(module_broker: EmbeddedBroker, worker: WorkerProcess) -> None:
    """Each photo gets its own feature; one that is none fails alone, with its typed error."""
    async with AsyncClient(module_broker.url) as client:
        photos = [photo(seed) for seed in range(40)]
        asked = [client.features(image, lane="bulk", timeout_s=START_LIMIT_S) for image in photos]
        bad = client.features(b"this is no photo", lane="bulk", timeout_s=START_LIMIT_S)
        *found, refused = await asyncio.gather(*asked, bad, return_exceptions=True)
    assert isinstance(refused, BadImage)
    rows = [numbers(each) for each in found if isinstance(each, PhotoFeatures)]
    np.testing.assert_allclose(np.stack(rows), features(BACKBONE, photos), atol=1e-6)


def test_another_backbone_is_refused(client: Client) -> None:
    """The error says what the worker has."""
    with pytest.raises(BadRequest, match=f"this vision worker has {FINGERPRINT}"):
        client.features(photo(1), backbone="vgg19-0123456789ab", timeout_s=START_LIMIT_S)


def test_features_are_not_kept(client: Client, module_broker: EmbeddedBroker) -> None:
    """The result goes within a minute, and the channel holds no more than a notice."""
    found = client.features(photo(1), timeout_s=START_LIMIT_S)
    with connect(module_broker.url) as connection:
        assert 0 < connection.ttl(KEYS.result(found.id)) <= FEATURES_TTL_S
        [(_, entries)] = stream_entries(connection.xread({KEYS.replies(client.name): "0"}))
        assert [fields for _, fields in entries] == [{b"id": found.id.encode(), b"m": b""}]
        assert connection.xlen(KEYS.requests("interactive")) == 0


def test_songs_come_with_the_first_model(client: Client, module_broker: EmbeddedBroker, store: ModelStore) -> None:
    """A model of the same backbone is loaded beside: features name it, and photos that want songs are searched."""
    build(store, "v1", BACKBONE, range(5))
    with connect(module_broker.url) as connection:
        connection.set(MODEL_CURRENT, "v1")
        until_s = time.monotonic() + START_LIMIT_S
        while client.features(photo(1), timeout_s=START_LIMIT_S).model != "v1":
            assert time.monotonic() < until_s
            time.sleep(0.05)
        handle = client.submit(photo(1))
        wait_until(lambda: connection.xlen(KEYS.hits) == 1, "hits are handed over; nobody ranks them here")
        assert handle.cancel()


def test_a_live_model_of_another_backbone_ends_the_worker(
    broker: EmbeddedBroker, tmp_path: Path, store: ModelStore
) -> None:
    """A worker that would have to serve a model that is not its backbone's does not start."""
    other = backbone_spec(BACKBONE).model_copy(update={"precision": "bf16"})
    build(store, "v2", BACKBONE, range(3), backbone=other)
    with connect(broker.url) as connection:
        connection.set(MODEL_CURRENT, "v2")
    arguments = ["vision", "--redis", broker.url, "--models", str(store), "--backbone", "tiny", "--device", "cpu"]
    worker = WorkerProcess("vision", arguments, log=tmp_path / "vision.log")
    worker.start()
    assert worker.wait() == 4
    assert "precision is fp32 here and bf16 in the model" in (tmp_path / "vision.log").read_text("utf-8")
