"""A web site on this machine for tests of collecting: images, robots.txt, Openverse's search, and every bad habit."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from PIL import Image

Answer = Callable[["Request"], None]


def picture(seed: int, *, side: int = 160, shape: str = "JPEG", quality: int = 90) -> bytes:
    """An image file of soft random patches; another seed looks different, another side or quality alike."""
    patches = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    image = Image.fromarray(patches).resize((side, side), Image.Resampling.BICUBIC)
    content = io.BytesIO()
    image.save(content, shape, quality=quality)
    return content.getvalue()


class Request(BaseHTTPRequestHandler):
    """One request; answers are written with its methods."""

    server: ImageSite

    def do_GET(self) -> None:
        """Answer as the site was told to; 404 for what it does not know."""
        self.server.note(self)
        path = urlsplit(self.path).path
        answer = self.server.answers.get(path, status(404))
        answer(self)

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the URL."""
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.path).query).items()}

    def send(self, code: int, body: bytes = b"", length: int | None = None, **headers: str) -> None:
        """Write head and body; `length` is what the head says, by default the truth."""
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


class ImageSite(ThreadingHTTPServer):
    """Serves `answers` by path and remembers who asked for what. Stalled answers end with the site."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.answers: dict[str, Answer] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.ended = Event()
        self._lock = Lock()

    @property
    def address(self) -> str:
        """http://127.0.0.1:port"""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def url(self, path: str) -> str:
        """The full URL of a path."""
        return self.address + path

    def note(self, request: Request) -> None:
        with self._lock:
            self.requests.append((request.path, {name.lower(): value for name, value in request.headers.items()}))

    def asked(self) -> Counter[str]:
        """How often each path, with its query, was asked for."""
        with self._lock:
            return Counter(path for path, _ in self.requests)

    def images(self, prefix: str, count: int, *, first_seed: int = 0) -> list[str]:
        """Serve so many different images and return their paths."""
        paths = [f"/{prefix}/{number}.jpg" for number in range(count)]
        for number, path in enumerate(paths):
            self.answers[path] = content(picture(first_seed + number))
        return paths

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are what is tested here."""


@contextmanager
def running_site() -> Iterator[ImageSite]:
    """A site that answers until the block ends."""
    with ImageSite() as site:
        thread = Thread(target=site.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield site
        finally:
            site.ended.set()
            site.shutdown()
            thread.join()


def content(body: bytes, content_type: str = "image/jpeg", **headers: str) -> Answer:
    """Answer 200 with this body."""
    return lambda request: request.send(200, body, Content_Type=content_type, **headers)


def status(code: int, **headers: str) -> Answer:
    """Answer with a status and no body."""
    return lambda request: request.send(code, **headers)


def redirect(location: str) -> Answer:
    """Answer 302."""
    return lambda request: request.send(302, Location=location)


def in_turn(*answers: Answer) -> Answer:
    """Give each answer once, and then the last one for ever."""
    left = list(answers)

    def answer(request: Request) -> None:
        turn = left.pop(0) if len(left) > 1 else left[0]
        turn(request)

    return answer


def cut_short(body: bytes) -> Answer:
    """Promise the whole body, send half of it and hang up."""
    return lambda request: request.send(200, body[: len(body) // 2], length=len(body), Content_Type="image/jpeg")


def stalled(body: bytes) -> Answer:
    """Send half of the body and then nothing, until the site ends."""

    def answer(request: Request) -> None:
        request.send(200, body[: len(body) // 2], length=len(body), Content_Type="image/jpeg")
        request.wfile.flush()
        request.server.ended.wait()

    return answer


def endless(start: bytes) -> Answer:
    """Send a body without a length and never stop."""

    def answer(request: Request) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "image/jpeg")
        request.end_headers()
        request.wfile.write(start)
        while not request.server.ended.is_set():
            request.wfile.write(bytes(65536))

    return answer


def openverse(results: dict[str, list[Any]], *, page_count: int | None = None) -> Answer:
    """Search as https://api.openverse.org/v1/ documents GET /v1/images/; `page_count` replaces the true one.

    A page past the last is answered 404, as the service does; with a `page_count` of one's own it is empty.
    """

    def answer(request: Request) -> None:
        query = request.query
        size, number = int(query.get("page_size", "20")), int(query.get("page", "1"))
        if size > 20 and "authorization" not in {name.lower() for name in request.headers}:
            request.send(401, b'{"detail": "page_size may not exceed 20 for anonymous requests"}')
            return
        wanted = set(filter(None, query.get("license", "").split(",")))
        found = [one for one in results.get(query["q"], []) if not wanted or one.get("license") in wanted]
        pages = -(-len(found) // size)
        shown = found[(number - 1) * size : number * size]
        if page_count is None and number > max(pages, 1):
            request.send(404, b'{"detail": "Invalid page"}')
            return
        body = {
            "result_count": len(found),
            "page_count": pages if page_count is None else page_count,
            "page_size": size,
            "page": number,
            "results": shown,
        }
        request.send(200, json.dumps(body).encode(), Content_Type="application/json")

    return answer


def result(number: int, url: str, **fields: Any) -> dict[str, Any]:
    """One search result with all documented fields."""
    licence = fields.get("license") or "by"
    return {
        "id": f"00000000-0000-0000-0000-{number:012}",
        "title": f"Photo {number}",
        "indexed_on": "2020-01-01T00:00:00Z",
        "foreign_landing_url": f"https://photos.example/{number}",
        "url": url,
        "creator": "A. Photographer",
        "creator_url": "https://photos.example/people/a",
        "license": licence,
        "license_version": "4.0",
        "license_url": f"https://creativecommons.org/licenses/{licence}/4.0/",
        "provider": "photos",
        "source": "photos",
        "category": None,
        "filesize": None,
        "filetype": "jpg",
        "tags": [{"name": "snow", "accuracy": None}],
        "attribution": f'"Photo {number}" by A. Photographer is licensed under CC {licence.upper()} 4.0.',
        "fields_matched": ["title"],
        "mature": False,
        "height": 160,
        "width": 160,
        "thumbnail": f"https://api.openverse.org/v1/images/{number}/thumb/",
        "detail_url": f"https://api.openverse.org/v1/images/{number}/",
        "related_url": f"https://api.openverse.org/v1/images/{number}/related/",
        "unstable__sensitivity": [],
        **fields,
    }
