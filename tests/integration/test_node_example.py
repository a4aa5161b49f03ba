"""The Node.js client under examples/: a second implementation of the wire protocol, run as its reader would run it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import pytest
import redis
from PIL import Image

from songlens_shared import functions
from songlens_shared.codec import decode_request, encode_reply
from songlens_shared.errors import BadImage
from songlens_shared.keys import INTERACTIVE, VISION_GROUP, PartitionKeys
from songlens_shared.messages import NeighbourImage, Reply, Request, Song, Via, error_reply
from songlens_workers.embedded import EmbeddedBroker
from songlens_workers.runtime.claims import Claims, Inlet

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "node"
VECTORS = ROOT / "tests" / "contract" / "protocol_vectors.json"
KEYS = PartitionKeys(0)
LEAST_NODE = 20

SONG = Song(
    id="song-1",
    title="雪夜",
    artist="林间",
    distance=0.25,
    score=0.8,
    via=Via(image="snow/1.jpg", keyword="雪", line="雪落在旧巷的灯下"),
)
IMAGE = NeighbourImage(id="snow/1.jpg", distance=12.5, keywords=("雪", "冬"))


def _node_version(folder: Path) -> int:
    shown = subprocess.run([folder / "node", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.", shown)
    return int(found[1]) if found else 0


def _node_folder() -> Path | None:
    """The machine's own Node.js where it is new enough, or else the one that the training extra brings."""
    on_path = shutil.which("npm")
    folders = [*([Path(on_path).parent] if on_path else []), Path(sys.executable).parent]
    return next(
        (folder for folder in folders if (folder / "npm").exists() and _node_version(folder) >= LEAST_NODE), None
    )


@dataclass(frozen=True)
class Example:
    """The example, installed in a folder of its own."""

    folder: Path
    node: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PATH": f"{self.node}{os.pathsep}{os.environ.get('PATH', '')}"}

    def run(self, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run one of the two executables in the example's folder."""
        return subprocess.run(
            [self.node / program, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Example:
    node = _node_folder()
    if node is None:
        pytest.skip(f"no npm with Node.js {LEAST_NODE} or newer, neither on PATH nor beside {sys.executable}")
    folder = tmp_path_factory.mktemp("node") / "example"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules"))
    installed = Example(folder, node)
    result = installed.run("npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error")
    assert result.returncode == 0, f"npm install failed:\n{result.stdout}{result.stderr}"
    return installed


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    buffer = BytesIO()
    Image.new("RGB", (64, 48), "steelblue").save(buffer, "JPEG")
    path = tmp_path / "photo.jpg"
    path.write_bytes(buffer.getvalue())
    return path


@dataclass
class Answering:
    """A vision worker's place in the protocol: claims requests as one does, and gives each the same answer."""

    connection: redis.Redis
    songs: tuple[Song, ...] = ()
    error: BadImage | None = None
    requests: list[Request] = field(default_factory=list)

    def __enter__(self) -> Answering:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        inlet = Inlet(KEYS, KEYS.requests(INTERACTIVE))
        claims = Claims(self.connection, inlets=[inlet], group=VISION_GROUP, consumer="test")
        claims.ensure_groups()
        while not self._stop.is_set():
            for delivery in claims.claim(1, block_ms=50):
                self.requests.append(decode_request(delivery.payload))
                reply = encode_reply(self._reply(delivery.request_id))
                assert functions.finish(delivery, reply).on(self.connection) == 1

    def _reply(self, request_id: str) -> Reply:
        if self.error is not None:
            return error_reply(request_id, self.error)
        timings_ms = {"queue": 1.5, "total": 3.0}
        return Reply(
            id=request_id, status="ok", model="test-1", songs=self.songs, images=(IMAGE,), timings_ms=timings_ms
        )


def send(example: Example, broker: EmbeddedBroker, photo: Path, *options: str) -> subprocess.CompletedProcess[str]:
    given = (photo, "--redis", broker.url, *options)
    return example.run("node", "client.mjs", *given)


def test_songs_are_printed(example: Example, broker: EmbeddedBroker, connection: redis.Redis, photo: Path) -> None:
    """A photo goes out byte for byte, and its songs are shown with title, artist, keyword and line."""
    with Answering(connection, songs=(SONG,)) as worker:
        result = send(example, broker, photo)
    assert result.returncode == 0, result.stderr
    row = next(line for line in result.stdout.splitlines() if SONG.title in line)
    assert all(text in row for text in (SONG.artist, SONG.via.keyword, SONG.via.line))
    assert [request.image for request in worker.requests] == [photo.read_bytes()]


def test_error_reply_ends_with_a_status(
    example: Example, broker: EmbeddedBroker, connection: redis.Redis, photo: Path
) -> None:
    """An error reply is shown with code and sentence, no table is printed, and the exit status is not 0."""
    with Answering(connection, error=BadImage("The photo is cut short; send the whole file.")):
        result = send(example, broker, photo)
    assert result.returncode == 1
    assert result.stderr == "bad_image: The photo is cut short; send the whole file.\n"
    assert result.stdout == ""


def test_full_lane_is_refused_with_a_hint(
    example: Example, broker: EmbeddedBroker, connection: redis.Redis, photo: Path
) -> None:
    """A full lane refuses at once and says when to try again; nothing is queued."""
    connection.hset(KEYS.limits, f"{INTERACTIVE}.depth", "0")
    result = send(example, broker, photo)
    assert result.returncode == 1
    assert re.fullmatch(r"queue_full: 0 requests wait; try again in \d+ ms\.\n", result.stderr)
    assert connection.xlen(KEYS.requests(INTERACTIVE)) == 0


def test_silence_ends_at_the_time_limit(
    example: Example, broker: EmbeddedBroker, connection: redis.Redis, photo: Path
) -> None:
    """Where no worker answers, the client gives up by itself; the request stays queued for whoever comes later."""
    result = send(example, broker, photo, "--timeout", "0.1")
    assert result.returncode == 1
    assert result.stderr.startswith("deadline_exceeded: ")
    assert connection.xlen(KEYS.requests(INTERACTIVE)) == 1


def test_missing_library_is_named(
    example: Example, broker: EmbeddedBroker, connection: redis.Redis, photo: Path
) -> None:
    """A server that no worker has prepared is told apart from every other fault."""
    connection.function_flush()
    result = send(example, broker, photo)
    assert result.returncode == 1
    assert "functions library is missing" in result.stderr


def test_no_server_is_no_stack_trace(example: Example, photo: Path) -> None:
    """A server that is away is reported in one line."""
    result = example.run("node", "client.mjs", photo, "--redis", "redis://127.0.0.1:1")
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "ECONNREFUSED" in result.stderr


@pytest.mark.parametrize("arguments", [(), ("a", "b"), ("a", "--timeout", "soon"), ("a", "--timeout", "0")])
def test_wrong_arguments_show_the_usage(example: Example, arguments: tuple[str, ...]) -> None:
    """What cannot be meant is answered with the usage line, before anything is sent."""
    result = example.run("node", "client.mjs", *arguments)
    assert result.returncode == 1
    assert result.stderr.startswith("usage: ")


READ_VECTORS = """
import { readFileSync } from 'node:fs';
import { decode } from '@msgpack/msgpack';
const plain = (key, value) => (value?.type === 'Buffer' ? { hex: Buffer.from(value.data).toString('hex') } : value);
const vectors = JSON.parse(readFileSync(process.argv[1]));
const messages = vectors.messages.map(({ hex }) => decode(Buffer.from(hex, 'hex')));
for (const message of messages) if (message.image) message.image = Buffer.from(message.image);
console.log(JSON.stringify(messages, plain));
"""


def test_another_library_reads_the_vectors(example: Example) -> None:
    """The test vectors say the same to a msgpack library in another language, with 64-bit numbers and Chinese text."""
    result = example.run("node", "--input-type=module", "--eval", READ_VECTORS, VECTORS)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == [vector["message"] for vector in json.loads(VECTORS.read_text())["messages"]]


def test_versions_are_pinned() -> None:
    """The example installs what was tested, and names no package host."""
    manifest = json.loads((EXAMPLE / "package.json").read_text())
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in manifest["dependencies"].values())
    assert not (EXAMPLE / "package-lock.json").exists()
