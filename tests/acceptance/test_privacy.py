"""Camera rolls are private: marks in photos, file names and user ids are looked for everywhere that they must not be.

Real workers with everything logged, a real server that logs everything, and every byte of every key.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import redis
from PIL import Image, PngImagePlugin
from two_listeners import SEA_LOVER, write_catalogue, write_log

from songlens import BadImage, Cancelled, Client, Handle, InternalError
from songlens_shared.broker import connect
from songlens_shared.keys import INTERACTIVE, MODEL_CURRENT, VISION_GROUP, ModelKeys, PartitionKeys
from songlens_shared.messages import Personal
from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.model.build import build_model
from songlens_training.model.learn import BuildOptions, Catalogue
from songlens_training.model.publish import publish_model
from songlens_workers.commands.processes import WorkerProcess, stop_all
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.models.forgotten import ForgottenUsers
from songlens_workers.models.store import ModelStore
from songlens_workers.vision.registry import load_backbone

from .conftest import START_LIMIT_S, songlens

AT = PartitionKeys()
LANE = AT.requests(INTERACTIVE)
DEAD_TTL_S = 600
POLLS_S = 0.5
"""Five times as long as workers take to look whether somebody was forgotten."""

CONFIGURATION = Path(__file__).parents[2] / "ops" / "redis" / "redis.conf"


def mark(name: str) -> str:
    """Return what cannot stand anywhere by chance."""
    return f"{name}-{secrets.token_hex(12)}"


@dataclass
class Private:
    """What must not be told. Each photo bears a mark of its own in its metadata, or where it has none, in its bytes."""

    user: str = field(default_factory=lambda: mark("listener"))
    file: str = field(default_factory=lambda: mark("who-is-on-it"))
    good: str = field(default_factory=lambda: mark("good"))
    png: str = field(default_factory=lambda: mark("png"))
    broken: str = field(default_factory=lambda: mark("broken"))
    no_photo: str = field(default_factory=lambda: mark("no-photo"))
    cancelled: str = field(default_factory=lambda: mark("cancelled"))
    deadly: str = field(default_factory=lambda: mark("deadly"))
    unlucky: str = field(default_factory=lambda: mark("unlucky"))

    @property
    def photos(self) -> set[str]:
        return {self.good, self.png, self.broken, self.no_photo, self.cancelled, self.deadly, self.unlucky}

    @property
    def all(self) -> set[str]:
        return {self.user, self.file, *self.photos}

    def found_in(self, *texts: bytes) -> set[str]:
        """Return the marks that stand anywhere in the texts."""
        return {name for name in self.all if any(name.encode() in text for text in texts)}


def jpeg(marked: str) -> bytes:
    """A photo that says where it was taken, in its EXIF data and in a comment."""
    exif = Image.Exif()
    exif[0x010E] = marked  # ImageDescription
    out = BytesIO()
    Image.effect_noise((96, 80), 60).convert("RGB").save(out, "JPEG", exif=exif, comment=marked.encode())
    return out.getvalue()


def png(marked: str) -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", marked)
    out = BytesIO()
    Image.new("RGB", (40, 40), "green").save(out, "PNG", pnginfo=text)
    return out.getvalue()


class Talkative(EmbeddedBroker):
    """A server that logs all it can, and whose DUMP shows what a key holds as it is."""

    def _arguments(self) -> list[str]:
        return [*super()._arguments(), "--loglevel", "debug", "--rdbcompression", "no"]


class WithItsOwnDefaults(EmbeddedBroker):
    """A server that nobody has set up."""

    def _arguments(self) -> list[str]:
        return [*super()._arguments(), "--stream-node-max-entries", "100"]


def everything(connection: redis.Redis) -> bytes:
    """Return every key with all of its bytes, deleted entries and consumer groups too, and what the server tells."""
    keys: Any = list(connection.scan_iter(count=1000))
    dumped = b"\n".join(key + b" " + (connection.dump(key) or b"") for key in keys)
    told = connection.slowlog_get(1000), connection.client_list(), connection.info("everything")
    return dumped + repr(told).encode()


@dataclass
class Watched:
    """A queue whose workers are not running yet, and whoever submits to it."""

    private: Private
    folder: Path
    url: str
    connection: redis.Redis
    client: Client
    workers: list[WorkerProcess]

    def kept(self) -> set[str]:
        """Return the marks that Redis holds."""
        return self.private.found_in(everything(self.connection))

    def until_kept(self, expected: set[str], limit_s: float = 30) -> None:
        """Wait until Redis holds these marks and no others."""
        until_s = time.monotonic() + limit_s
        while (kept := self.kept()) != expected:
            assert time.monotonic() < until_s, f"Redis holds {kept}, not {expected}"
            time.sleep(0.1)

    def logged(self) -> dict[str, bytes]:
        """Return what each worker and the server have logged."""
        return {path.name: path.read_bytes() for path in self.folder.rglob("*.log")}

    def metrics(self) -> bytes:
        """Return the metrics page of every worker."""
        pages = b""
        for name in ("vision.log", "songs.log"):
            served = [line for line in self.logged()[name].splitlines() if b'"health_served"' in line]
            with urllib.request.urlopen(f"http://127.0.0.1:{json.loads(served[0])['port']}/metrics") as page:
                pages += page.read()
        return pages

    def submit(self, photo: bytes | Path, *, user: str | None = None) -> Handle:
        return self.client.submit(photo, user=user or self.private.user, timeout_s=START_LIMIT_S)


@pytest.fixture(params=[True, False], ids=["letters_keep_photos", "letters_keep_none"])
def watched(request: pytest.FixtureRequest, tmp_path: Path, redis_server: Path | None) -> Iterator[Watched]:
    """A system of two workers that log everything, with a model that knows the user."""
    private = Private()
    write_catalogue(tmp_path)
    write_log(tmp_path / "log.csv")
    log = (tmp_path / "log.csv").read_text("utf-8").replace(SEA_LOVER, private.user)
    (tmp_path / "log.csv").write_text(log, "utf-8")
    store = ModelStore(str(tmp_path / "models"))
    parts = Catalogue(songs=tmp_path / "songs.csv", images=tmp_path / "images", listening=tmp_path / "log.csv")
    options = BuildOptions(embedding=EmbeddingOptions(dimensions=16, samples=20_000, threads=1))
    built = build_model(parts, store, load_backbone("tiny"), options)
    settings = {
        "dead_payloads": request.param,
        "dead_ttl_s": DEAD_TTL_S,
        "heartbeat_ms": 100,
        "takeover_ms": 400,
        "model_poll_s": 0.1,
        "consumer": "a-worker-by-name",
        "metrics_port": 0,
    }
    common = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    with ExitStack() as stack:
        broker = stack.enter_context(Talkative(tmp_path / "server", persistent=False, binary=redis_server))
        connection = stack.enter_context(connect(broker.url))
        publish_model(store, built.manifest.version, connection)
        client = stack.enter_context(Client(broker.url, name="app"))
        talk = ["--redis", broker.url, "--debug", "--log-format", "json"]
        workers = [
            WorkerProcess("vision", ["vision", *talk, *common, "--models", str(store)], log=tmp_path / "vision.log"),
            WorkerProcess("songs", ["songs", *talk, *common], log=tmp_path / "songs.log"),
        ]
        stack.callback(stop_all, workers)
        yield Watched(private, tmp_path, broker.url, connection, client, workers)


def give_up_on(connection: redis.Redis, handle: Handle) -> None:
    """Make a waiting request look as if it had killed three workers."""
    connection.xgroup_create(LANE, VISION_GROUP, id="0")
    stream, entry = (connection.get(AT.place(handle.id)) or b"").split(b" ")
    connection.xreadgroup(VISION_GROUP, "died", {stream: ">"})
    connection.xclaim(LANE, VISION_GROUP, "died", 0, [entry], idle=600_000, retrycount=3)


@dataclass
class Sent:
    """What became of which photo."""

    deadly: Handle
    answered: list[Handle]
    bad: list[Handle]
    cancelled: Handle


def send_before_workers_run(watched: Watched) -> Sent:
    """Everything waits, and the search that is to find nothing later finds every mark."""
    private, here = watched.private, watched.kept
    deadly = watched.submit(jpeg(private.deadly), user="somebody else")
    give_up_on(watched.connection, deadly)
    path = watched.folder / f"{private.file}.jpg"
    path.write_bytes(jpeg(private.good))
    answered = [watched.submit(path), watched.submit(png(private.png))]
    bad = [watched.submit(photo) for photo in (jpeg(private.broken)[:-900], b"no photo " + private.no_photo.encode())]
    cancelled = watched.submit(jpeg(private.cancelled))
    waiting = private.all - {private.unlucky, private.file}
    assert here() == waiting
    assert cancelled.cancel()
    assert here() == waiting - {private.cancelled}
    return Sent(deadly, answered, bad, cancelled)


def wait_for(sent: Sent) -> None:
    """Wait for every answer, each what it ought to be."""
    assert [handle.result().personal for handle in sent.answered] == [Personal(user_weight=0.4, known=True)] * 2
    errors: list[tuple[Handle, type[Exception]]] = [
        *((handle, BadImage) for handle in sent.bad),
        (sent.cancelled, Cancelled),
        (sent.deadly, InternalError),
    ]
    for handle, error in errors:
        with pytest.raises(error):
            handle.result()


def fail_in_the_song_stage(watched: Watched) -> None:
    """Let reading a user's vector fail until the hits are a dead letter; the worker logs each time what went wrong."""
    connection = watched.connection
    users = ModelKeys((connection.get(MODEL_CURRENT) or b"").decode()).user_vectors(0)
    connection.rename(users, "meanwhile")
    connection.set(users, "no hash")
    ForgottenUsers(connection).tell_workers()  # or what they hold in memory would do
    time.sleep(POLLS_S)
    with pytest.raises(InternalError):
        watched.submit(jpeg(watched.private.unlucky)).result()
    connection.rename("meanwhile", users)


def assert_nothing_was_told(watched: Watched, client_log: str) -> None:
    """No log has any mark, and each log is one that tells much; nor has a metric."""
    private, logs = watched.private, watched.logged()
    assert b"batch_failed" in logs["songs.log"] and b"WRONGTYPE" in logs["songs.log"]
    assert b"STREAM b'IHDR'" in logs["vision.log"]  # Pillow's own lines
    assert "DEBUG" in client_log
    assert b"Accepted 127.0.0.1" in logs["valkey.log"]
    assert private.found_in(*logs.values(), client_log.encode()) == set()
    page = watched.metrics()
    assert b'songlens_requests_total{code="bad_image",stage="vision"} 2.0' in page
    assert private.found_in(page) == set()


@pytest.mark.slow
def test_nothing_private_is_kept_or_told(
    watched: Watched, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    """Photos leave Redis when they are finished but for dead letters, where they are kept, and a user when asked for;
    no log line and no metric ever has any of it."""
    caplog.set_level(logging.DEBUG)
    private, connection = watched.private, watched.connection
    sent = send_before_workers_run(watched)
    for worker in watched.workers:
        worker.start()
    wait_for(sent)
    letters = {private.deadly} if request.node.callspec.params["watched"] else set()
    watched.until_kept({private.user, *letters})  # the user is in the model
    fail_in_the_song_stage(watched)
    watched.until_kept({private.user, *letters})
    assert 0 < connection.ttl(AT.dead) <= DEAD_TTL_S
    assert_nothing_was_told(watched, caplog.text)

    forgotten = songlens("user", "forget", private.user, "--json", SONGLENS_REDIS_URL=watched.url)
    assert forgotten.returncode == 0, forgotten.stderr
    counts = {"vectors": 1, "cancelled": 0, "results": 6, "replies": 6, "dead_letters": 1}
    assert json.loads(forgotten.stdout) == counts
    watched.until_kept(letters)
    somebody_elses = sent.deadly.id.encode()
    assert connection.keys("sl:{0}:result:*") == [AT.result(sent.deadly.id).encode()]
    assert [fields[b"id"] for _, fields in connection.xrange(AT.replies("app"))] == [somebody_elses]

    time.sleep(POLLS_S)
    assert watched.submit(jpeg(private.good)).result().personal == Personal(user_weight=0.0, known=False)
    watched.until_kept(letters)
    assert private.found_in(*watched.logged().values(), caplog.text.encode()) == set()


@pytest.mark.parametrize("watched", [True], ids=["letters_keep_photos"], indirect=True)
def test_the_search_would_find_what_is_told(watched: Watched) -> None:
    """In the log of a worker, of the server and on the metrics page alike: what a worker is called stands there."""
    for worker in watched.workers:
        worker.start()
    watched.submit(png("any")).result()
    watched.private.user = "a-worker-by-name"
    logs = watched.logged()
    assert all(watched.private.found_in(logs[name]) for name in ("vision.log", "songs.log"))
    watched.private.user = "songlens_requests_total"
    assert watched.private.found_in(watched.metrics())


class OfTheFile(EmbeddedBroker):
    """A server as ops/redis/redis.conf sets it up."""

    def _arguments(self) -> list[str]:
        own = super()._arguments()
        place = own[: own.index("--save")]
        return [str(CONFIGURATION), *place]


def test_a_photo_leaves_the_append_only_file_when_it_is_rewritten(tmp_path: Path, redis_server: Path | None) -> None:
    """Not before: deleting is one more line in the file."""
    photo = mark("photo")
    with OfTheFile(tmp_path, binary=redis_server) as broker, connect(broker.url) as connection:
        with Client(broker.url) as client:
            assert client.submit(jpeg(photo)).cancel()

        def in_files() -> bool:
            while True:
                with suppress(FileNotFoundError):  # deleted between two looks
                    files = [path.read_bytes() for path in tmp_path.rglob("appendonly*") if path.is_file()]
                    return any(photo.encode() in file for file in files)

        assert in_files()
        connection.bgrewriteaof()
        until_s = time.monotonic() + 30
        while in_files():
            assert time.monotonic() < until_s
            time.sleep(0.05)
        assert connection.info("persistence")["aof_last_bgrewrite_status"] == "ok"


def test_what_is_deleted_from_a_stream_leaves_memory(tmp_path: Path, redis_server: Path | None) -> None:
    """Also a small entry between others, of which a server with its own defaults keeps the bytes."""
    for settings, kept in ((EmbeddedBroker, False), (OfTheFile, False), (WithItsOwnDefaults, True)):
        with settings(tmp_path / settings.__name__, binary=redis_server) as broker, connect(broker.url) as connection:
            connection.config_set("rdbcompression", "no")
            entries = [connection.xadd("s", {"m": text}) for text in ("before", "private", "after")]
            assert connection.xdel("s", entries[1]) == 1
            assert (b"private" in (connection.dump("s") or b"")) == kept, settings
