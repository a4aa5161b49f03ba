"""Photos that a worker fetches: from real web servers, files and a store, with every bad habit that they may have."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
import trustme
from fsspec.implementations.memory import MemoryFileSystem
from image_site import Answer, ImageSite, Request, content, cut_short, endless, redirect, running_site, stalled, status

from songlens_shared.errors import BadImage, BadRequest, ConfigError, ImageTooLarge, RequestError
from songlens_shared.messages import Request as SonglensRequest
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.photo_source import PhotoSource
from songlens_workers.vision.uri.time_limit import Aside, TimeLimit

PHOTO = bytes(range(256)) * 300
LIMITS = ImageLimits(max_image_bytes=100_000)
TOKEN = "token=s3cr3t"


@pytest.fixture
def site() -> Iterator[ImageSite]:
    with running_site() as running:
        running.answers["/photos/a.jpg"] = content(PHOTO)
        yield running


def source(*prefixes: str, **options: Any) -> PhotoSource:
    return PhotoSource(prefixes, limits=LIMITS, **{"timeout_s": 5.0, "private": True, **options})


def fetch(photos: PhotoSource, uri: str) -> bytes:
    return photos.bytes_of(SonglensRequest(id="r1", client="app", uri=uri))


def refusal(photos: PhotoSource, uri: str) -> RequestError:
    """The error, which holds nothing of the uri, nor does any error before it that a log could show."""
    with pytest.raises(RequestError) as raised:
        fetch(photos, uri)
    assert not any(part in raised.value.message for part in uri.split("/") if len(part) > 5)
    logged = "".join(traceback.format_exception(raised.value))
    assert uri.partition("://")[2] not in logged
    assert TOKEN not in logged
    return raised.value


def fetching_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "photo-fetch"]


def until(condition: Callable[[], bool]) -> None:
    until_s = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.01)


def test_a_request_with_its_photo_needs_no_fetching() -> None:
    """Bytes come back as they are, whatever is allowed."""
    assert source().bytes_of(SonglensRequest(id="r1", client="app", image=PHOTO)) is PHOTO


@pytest.mark.parametrize("uri", ["http://127.0.0.1/a.jpg", "file:///etc/passwd", "memory://a/b"])
def test_off_by_default(uri: str) -> None:
    """Without prefixes every uri is refused, with what to do instead."""
    refused = refusal(source(), uri)
    assert isinstance(refused, BadRequest)
    assert "switched off here; send the photo's bytes as image" in refused.message


def test_a_photo_of_a_web_server(site: ImageSite) -> None:
    """The body of the answer, asked for once, with its query, and without anything that names the user."""
    assert fetch(source(site.url("/photos/")), site.url(f"/photos/a.jpg?{TOKEN}")) == PHOTO
    ((path, headers),) = site.requests
    assert path == f"/photos/a.jpg?{TOKEN}"
    assert headers["host"] == site.address.removeprefix("http://")
    assert headers["accept-encoding"] == "identity"
    assert headers["user-agent"].startswith("Songlens/")


@pytest.mark.parametrize("uri", ["/other/a.jpg", "/photos/../other/a.jpg", "/photos/%2e%2e/other/a.jpg", "/photosx/a"])
def test_what_is_not_allowed_is_not_asked_for(site: ImageSite, uri: str) -> None:
    """A refused uri causes no connection at all."""
    assert isinstance(refusal(source(site.url("/photos/")), site.url(uri)), BadRequest)
    assert site.requests == []


def test_private_addresses_are_refused(site: ImageSite) -> None:
    """Without `private`, a host that resolves to an address of this machine or network is never connected to."""
    named = f"http://localhost:{site.server_address[1]}/photos/"
    for prefix in (named, site.url("/photos/")):
        refused = refusal(source(prefix, private=False), prefix + "a.jpg")
        assert isinstance(refused, BadRequest)
        assert "not public" in refused.message
    assert site.requests == []
    assert fetch(source(named), named + "a.jpg") == PHOTO


def resolver(*addresses: str, port: int) -> tuple[Callable[..., Any], list[str]]:
    """A name server that gives these addresses for every name, and the names that it was asked for."""
    asked: list[str] = []

    def resolve(host: str, _: int) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET6 if ":" in one else socket.AF_INET, (one, port)) for one in addresses]

    return resolve, asked


@pytest.mark.parametrize(
    "addresses",
    [
        ("127.0.0.1",),
        ("10.0.0.1",),
        ("169.254.169.254",),
        ("::ffff:127.0.0.1",),
        ("64:ff9b::7f00:1",),
        ("fe80::1%1",),
        ("93.184.216.34", "127.0.0.1"),
    ],
)
def test_a_name_with_a_private_address_is_refused(site: ImageSite, addresses: tuple[str, ...]) -> None:
    """What counts is what the name resolves to; one private address among public ones is enough."""
    resolve, asked = resolver(*addresses, port=site.server_address[1])
    photos = source("http://cdn.example.com/photos/", private=False, resolve=resolve)
    assert isinstance(refusal(photos, "http://cdn.example.com/photos/a.jpg"), BadRequest)
    assert asked == ["cdn.example.com"]
    assert site.requests == []


def test_the_connection_goes_to_the_address_that_was_checked(site: ImageSite) -> None:
    """The name is resolved once, by the resolver whose answer was checked: here nobody else knows the name."""
    resolve, asked = resolver("127.0.0.1", port=site.server_address[1])
    photos = source("http://cdn.invalid/photos/", resolve=resolve)
    assert fetch(photos, "http://cdn.invalid/photos/a.jpg") == PHOTO
    assert asked == ["cdn.invalid"]
    assert site.requests[0][1]["host"] == "cdn.invalid"


def test_the_next_address_is_tried(site: ImageSite) -> None:
    """A host whose first address does not answer is reached by its second."""
    resolve, _ = resolver("::1", "127.0.0.1", port=site.server_address[1])
    photos = source("http://cdn.invalid/photos/", resolve=resolve)
    assert fetch(photos, "http://cdn.invalid/photos/a.jpg") == PHOTO


def test_no_proxy_is_used(site: ImageSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would resolve names itself, past the check."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert fetch(source(site.url("/photos/")), site.url("/photos/a.jpg")) == PHOTO


def not_http(request: Request) -> None:
    request.wfile.write(b"220 mail.example.com ESMTP\r\n")


def without_length(request: Request) -> None:
    request.send_response(200)
    request.end_headers()
    request.wfile.write(PHOTO)


def chunked(*, whole: bool) -> Answer:
    def answer(request: Request) -> None:
        request.protocol_version = "HTTP/1.1"
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        request.wfile.write(b"%x\r\n" % len(PHOTO) + PHOTO + (b"\r\n0\r\n\r\n" if whole else b"\r\n10\r\n"))
        request.close_connection = True

    return answer


@pytest.mark.parametrize("answer", [without_length, chunked(whole=True)], ids=["until the end", "chunked"])
def test_bodies_without_a_length(site: ImageSite, answer: Answer) -> None:
    """A server need not say how long its answer is."""
    site.answers["/photos/b.jpg"] = answer
    assert fetch(source(site.url("/photos/")), site.url("/photos/b.jpg")) == PHOTO


FAILING: dict[str, tuple[Answer, type[RequestError], str]] = {
    "missing": (status(404), BadImage, "status 404"),
    "forbidden": (status(403), BadImage, "status 403"),
    "empty success": (status(204), BadImage, "status 204"),
    "redirect inside": (redirect("/photos/a.jpg"), BadImage, "redirects"),
    "redirect to a private address": (redirect("http://169.254.169.254/latest/meta-data"), BadImage, "redirects"),
    "redirect to a file": (redirect("file:///etc/passwd"), BadImage, "redirects"),
    "cut short": (cut_short(PHOTO), BadImage, "cut short"),
    "cut short, chunked": (chunked(whole=False), BadImage, "cut short"),
    "not HTTP": (not_http, BadImage, "not HTTP"),
    "too large by its own word": (lambda request: request.send(200, b"", length=100_001), ImageTooLarge, "smaller"),
    "too large without a word": (endless(b"start"), ImageTooLarge, "more than 100000 bytes"),
}


@pytest.mark.parametrize("habit", FAILING)
def test_servers_that_do_not_give_a_photo(site: ImageSite, habit: str) -> None:
    """Each gets its code and a reason; nothing else is asked for because of it."""
    answer, error, reason = FAILING[habit]
    site.answers["/photos/b.jpg"] = answer
    refused = refusal(source(site.url("/photos/")), site.url(f"/photos/b.jpg?{TOKEN}"))
    assert (type(refused), reason in refused.message) == (error, True), refused.message
    assert len(site.requests) == 1


@pytest.mark.parametrize(("length", "given"), [(len(PHOTO) - 10, PHOTO[:-10]), (0, b"")])
def test_a_length_that_is_too_small(site: ImageSite, length: int, given: bytes) -> None:
    """What comes after the promised length is not read; the decoder says what the rest is worth."""
    site.answers["/photos/b.jpg"] = lambda request: request.send(200, PHOTO, length=length)
    assert fetch(source(site.url("/photos/")), site.url("/photos/b.jpg")) == given


def test_a_photo_of_exactly_the_limit(site: ImageSite) -> None:
    """The limit itself is allowed, one byte more is not, whether the length is told or not."""
    photos = source(site.url("/photos/"))
    for size, answer in ((100_000, bytes), (100_001, None)):
        body = bytes(size)
        site.answers["/photos/told"] = content(body)
        site.answers["/photos/untold"] = lambda request, body=body: (  # type: ignore[misc]
            request.send_response(200),
            request.end_headers(),
            request.wfile.write(body),
        )
        for path in ("/photos/told", "/photos/untold"):
            if answer is None:
                assert isinstance(refusal(photos, site.url(path)), ImageTooLarge)
            else:
                assert fetch(photos, site.url(path)) == body


def dripping(head: bytes) -> Answer:
    """Write the head, and then a byte again and again: no single wait is ever long."""

    def answer(request: Request) -> None:
        request.wfile.write(head)
        while not request.server.ended.wait(0.05):
            request.wfile.write(b"x")

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"),
        dripping(b"HTTP/1.1 200 OK\r\nX-Slow: "),
        dripping(b"HTT"),
        stalled(PHOTO),
        dripping(b"HTTP/1.1 100 Continue\r\n\r\n" * 100 + b"HTTP/1.1 100 Continue\r\nX: "),
    ],
    ids=["body", "head", "first line", "nothing", "interim answers"],
)
def test_slow_servers(site: ImageSite, answer: Answer) -> None:
    """The time limit is for the whole fetch, however steadily a server drips, and no thread is left behind."""
    site.answers["/photos/b.jpg"] = answer
    photos = source(site.url("/photos/"), timeout_s=0.5)
    started_s = time.monotonic()
    refused = refusal(photos, site.url("/photos/b.jpg"))
    assert 0.4 < time.monotonic() - started_s < 3
    assert (type(refused), "was not there within 0.5 s" in refused.message) == (BadImage, True)
    until(lambda: not fetching_threads())


def test_a_server_that_never_answers_the_handshake() -> None:
    """TLS counts, too."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        prefix = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        assert "within 0.5 s" in refusal(source(prefix, timeout_s=0.5), prefix + "a.jpg").message
    until(lambda: not fetching_threads())


def test_slow_name_servers() -> None:
    """A lookup, which knows no time limit, is left behind; so many at most; and later ones go well again."""
    answered = threading.Event()

    def resolve(host: str, port: int) -> list[Any]:
        answered.wait(30)
        raise OSError("no such name")

    photos = source("http://cdn.invalid/", timeout_s=0.05, resolve=resolve)
    try:
        for _ in range(25):
            started_s = time.monotonic()
            assert "within 0.05 s" in refusal(photos, "http://cdn.invalid/a.jpg").message
            assert time.monotonic() - started_s < 2
        assert len(fetching_threads()) == 17
    finally:
        answered.set()
    until(lambda: not fetching_threads())
    assert "could not be made" in refusal(photos, "http://cdn.invalid/a.jpg").message


def test_a_call_set_aside_gives_its_outcome() -> None:
    """Value or error, at once."""
    aside = Aside(1)
    assert aside.call(lambda: 7, TimeLimit(5)) == 7
    with pytest.raises(ZeroDivisionError):
        aside.call(lambda: 1 // 0, TimeLimit(5))
    assert aside.call(lambda: 8, TimeLimit(5)) == 8


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """A certificate authority that this process trusts."""
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return made


def guard(site: ImageSite, certificate: trustme.LeafCert) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    site.socket = context.wrap_socket(site.socket, server_side=True, do_handshake_on_connect=False)


def test_tls(site: ImageSite, authority: trustme.CA) -> None:
    """A server with a good certificate for the uri's host, also where the resolver says where it is."""
    guard(site, authority.issue_cert("cdn.invalid"))
    resolve, _ = resolver("127.0.0.1", port=site.server_address[1])
    photos = source("https://cdn.invalid/photos/", resolve=resolve)
    assert fetch(photos, "https://cdn.invalid/photos/a.jpg") == PHOTO
    assert site.requests[0][1]["host"] == "cdn.invalid"


@pytest.mark.parametrize("fault", ["another host", "another authority"])
def test_certificates_that_are_refused(site: ImageSite, authority: trustme.CA, fault: str) -> None:
    """A certificate for another host, or of an authority that is not trusted, ends the fetch before a byte is asked."""
    issuer = trustme.CA() if fault == "another authority" else authority
    guard(site, issuer.issue_cert("evil.org" if fault == "another host" else "cdn.invalid"))
    resolve, _ = resolver("127.0.0.1", port=site.server_address[1])
    refused = refusal(source("https://cdn.invalid/photos/", resolve=resolve), "https://cdn.invalid/photos/a.jpg")
    assert (type(refused), "certificate" in refused.message) == (BadImage, True)
    assert site.requests == []


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that is allowed, with a photo, beside a secret that is not."""
    root = tmp_path / "photos"
    (root / "deep").mkdir(parents=True)
    (root / "a.jpg").write_bytes(PHOTO)
    (root / "deep" / "照片 100%.jpg").write_bytes(PHOTO[::-1])
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "a.jpg").write_bytes(b"secret")
    return root


def test_files(root: Path) -> None:
    """Files of the folder, in any depth and with any name, and links that stay inside."""
    photos = source(root.as_uri())
    assert fetch(photos, (root / "a.jpg").as_uri()) == PHOTO
    assert fetch(photos, (root / "deep" / "照片 100%.jpg").as_uri()) == PHOTO[::-1]
    (root / "link.jpg").symlink_to(root / "a.jpg")
    (root / "deep" / "up.jpg").symlink_to("../a.jpg")
    (root / "way").symlink_to("deep")
    assert fetch(photos, (root / "link.jpg").as_uri()) == PHOTO
    assert fetch(photos, (root / "deep" / "up.jpg").as_uri()) == PHOTO
    assert fetch(photos, (root / "way" / "up.jpg").as_uri()) == PHOTO


def test_the_folder_itself_may_be_a_link(root: Path, tmp_path: Path) -> None:
    """Where the prefix leads is up to whoever set it."""
    (tmp_path / "current").symlink_to(root)
    assert fetch(source((tmp_path / "current").as_uri()), (tmp_path / "current" / "a.jpg").as_uri()) == PHOTO


def test_links_out_of_the_folder(root: Path, tmp_path: Path) -> None:
    """No link, absolute or relative, to a file or a folder, leads out."""
    (root / "out.jpg").symlink_to(tmp_path / "secret" / "a.jpg")
    (root / "relative.jpg").symlink_to("../secret/a.jpg")
    (root / "folder").symlink_to(tmp_path / "secret")
    (root / "self").symlink_to(root)
    (root / "circle").symlink_to("circle")
    (tmp_path / "photos-too").mkdir()
    (tmp_path / "photos-too" / "a.jpg").write_bytes(b"secret")
    (root / "sibling.jpg").symlink_to(tmp_path / "photos-too" / "a.jpg")
    photos = source(root.as_uri())
    for name in ("out.jpg", "relative.jpg", "folder/a.jpg", "self", "circle", "sibling.jpg", "missing"):
        refused = refusal(photos, f"{root.as_uri()}/{name}")
        assert (type(refused), "no such regular file" in refused.message) == (BadImage, True)


def test_a_link_that_is_put_there_between_look_and_opening(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder or file that becomes a link after it was looked at is not followed."""
    from songlens_workers.vision.uri import files

    photos = source(root.as_uri())
    look = os.path.realpath

    def swapped(place: Path) -> Callable[..., str]:
        def realpath(path: Any, **options: Any) -> str:
            found = look(path, **options)
            if Path(path).name == "b.jpg" and not place.is_symlink():
                place.rename(place.with_name(f"{place.name}.gone"))
                place.symlink_to(root.parent / "secret" / (place.name if place.suffix else "."))
            return found

        return realpath

    (root.parent / "secret" / "b.jpg").write_bytes(b"secret")
    for place in (root / "deep", root / "b.jpg"):
        for photo in (root / "b.jpg", root / "deep" / "b.jpg"):
            photo.write_bytes(PHOTO)
        monkeypatch.setattr(files.os.path, "realpath", swapped(place))
        asked = root / "deep" / "b.jpg" if place.name == "deep" else root / "b.jpg"
        assert isinstance(refusal(photos, asked.as_uri()), BadImage)
        assert asked.read_bytes() == b"secret"  # the link was there
        place.unlink()
        place.with_name(f"{place.name}.gone").rename(place)


def test_what_is_no_regular_file(root: Path) -> None:
    """A folder, a FIFO, a socket or a device is refused at once, without a wait for its other end or a leak."""
    os.mkfifo(root / "fifo")
    (root / "terminal").symlink_to("/dev/zero")
    photos = source(root.as_uri())
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(root)  # the names of sockets are short
        try:
            listening.bind("socket")
        finally:
            os.chdir(here)
        before = len(list(Path("/dev/fd").iterdir()))
        for name in ("fifo", "socket", "terminal", "deep"):
            started_s = time.monotonic()
            refused = refusal(photos, f"{root.as_uri()}/{name}")
            assert (type(refused), "no such regular file" in refused.message) == (BadImage, True), name
            assert time.monotonic() - started_s < 2
        assert len(list(Path("/dev/fd").iterdir())) == before


def test_files_that_are_too_large(root: Path) -> None:
    """The size is looked at before a byte is read: this one has a terabyte of nothing."""
    with (root / "huge.jpg").open("wb") as file:
        file.truncate(1 << 40)
    refused = refusal(source(root.as_uri()), (root / "huge.jpg").as_uri())
    assert (type(refused), "1048576.0 MiB" in refused.message) == (ImageTooLarge, True)


@pytest.fixture
def store() -> Iterator[MemoryFileSystem]:
    """Objects in fsspec's memory, which is one for the whole process."""
    filesystem = fsspec.filesystem("memory")
    filesystem.pipe_file("/rolls/2026/a b.jpg", PHOTO)
    filesystem.pipe_file("/rolls/2026/exact.jpg", bytes(100_000))
    filesystem.pipe_file("/rolls/2026/large.jpg", bytes(100_001))
    filesystem.pipe_file("/secret/a.jpg", b"secret")
    yield filesystem
    filesystem.rm("/", recursive=True)


def test_an_object_store(store: MemoryFileSystem) -> None:
    """Objects beneath the prefix, up to the limit; what is missing, a folder or outside is refused."""
    photos = source("memory://rolls/2026/")
    assert fetch(photos, "memory://rolls/2026/a%20b.jpg") == PHOTO
    assert len(fetch(photos, "memory://rolls/2026/exact.jpg")) == 100_000
    assert isinstance(refusal(photos, "memory://rolls/2026/large.jpg"), ImageTooLarge)
    assert "no such object" in refusal(photos, "memory://rolls/2026/none.jpg").message
    assert "no such object" in refusal(source("memory://rolls"), "memory://rolls/2026").message
    for uri in ("memory://secret/a.jpg", "memory://rolls/2026/../../secret/a.jpg", "memory://rolls/2026"):
        assert isinstance(refusal(photos, uri), BadRequest)


class SlowStore(MemoryFileSystem):  # type: ignore[misc]
    """A store that does not know how large its objects are, and hangs."""

    protocol = "slow"
    store: dict[str, Any] = {}  # noqa: RUF012
    answering = threading.Event()

    def size(self, path: str) -> None:
        return None

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        self.answering.wait(30)
        assert end is not None
        return bytes(1 << 20)[start:end]


def test_a_slow_store() -> None:
    """A store that hangs is left behind; one that sends more than it said is cut off."""
    fsspec.register_implementation("slow", SlowStore, clobber=True)
    photos = source("slow://rolls", timeout_s=0.3)
    started_s = time.monotonic()
    assert "within 0.3 s" in refusal(photos, "slow://rolls/a.jpg").message
    assert time.monotonic() - started_s < 2
    SlowStore.answering.set()
    assert isinstance(refusal(source("slow://rolls"), "slow://rolls/a.jpg"), ImageTooLarge)
    until(lambda: not fetching_threads())


@pytest.mark.parametrize(
    ("prefix", "reason"),
    [
        ("photos/", "it is not SCHEME"),
        ("https://user:s3cr3t@cdn.example.com/", "user name"),
        ("nosuchstore://bucket/", "cannot be opened"),
        ("local://srv/photos", "write file:///FOLDER/"),
    ],
)
def test_prefixes_that_are_refused_at_the_start(prefix: str, reason: str) -> None:
    """A prefix that cannot work is a mistake in the settings, which ends a worker before it claims anything."""
    with pytest.raises(ConfigError, match=reason) as raised:
        source(prefix)
    assert "s3cr3t" not in raised.value.message
