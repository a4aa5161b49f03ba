"""The bytes of a batch's photos: files, tars, a store and web servers, and why a row has none."""

from __future__ import annotations

import errno
import io
import os
import tarfile
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from image_site import ImageSite, content, cut_short, endless, redirect, running_site, stalled, status

from songlens_batch.sources import open_files, reading_files
from songlens_batch.sources.item import SourceItem
from songlens_batch.sources.open_files import OpenFiles
from songlens_batch.sources.opening import open_source
from songlens_batch.sources.reading import PhotoReader, RowFailed
from songlens_batch.sources.reading_stores import StorePhotos
from songlens_batch.sources.row_failed import (
    CODES,
    IMAGE_TOO_LARGE,
    NOT_FETCHED,
    NOT_FOUND,
    SOURCE_CHANGED,
    UNREADABLE,
)
from songlens_workers.vision.limits import ImageLimits

LIMIT = 100_000
PHOTO = bytes(range(256)) * 300
TOKEN = "token=s3cr3t"


def reader_of(**options: Any) -> PhotoReader:
    return PhotoReader(limits=ImageLimits(max_image_bytes=LIMIT), **{"private": True, "timeout_s": 5, **options})


@pytest.fixture
def reader() -> Iterator[PhotoReader]:
    with reader_of() as opened:
        yield opened


@pytest.fixture
def site() -> Iterator[ImageSite]:
    with running_site() as running:
        running.answers["/a.jpg"] = content(PHOTO)
        yield running


@pytest.fixture
def prefix() -> str:
    """An empty prefix in a store."""
    return f"memory://bucket-{uuid.uuid4()}"


def put(address: str, photo: bytes) -> str:
    fsspec.filesystem("memory").pipe(address, photo)
    return address


def at(path: str | Path, **fields: Any) -> SourceItem:
    return SourceItem(id="photo", path=str(path), **fields)


def failure(reader: PhotoReader, item: SourceItem) -> tuple[str, bool, str]:
    """Code, `again` and message of a photo that cannot be read; the message is a sentence without the address."""
    with pytest.raises(RowFailed) as raised:
        reader.read(item)
    failed = raised.value
    assert failed.code in CODES
    assert failed.message.endswith((".", ")"))
    assert item.path not in failed.message
    assert "s3cr3t" not in failed.message
    return failed.code, failed.again, failed.message


def listed(source: str | Path) -> list[SourceItem]:
    return list(open_source(str(source)).items())


def tar_of(*photos: bytes) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as made:
        for number, photo in enumerate(photos):
            about = tarfile.TarInfo(f"{number}.jpg")
            about.size = len(photo)
            made.addfile(about, io.BytesIO(photo))
    return written.getvalue()


def rewrite(path: Path, photo: bytes) -> None:
    """Write a file anew, as if a second later."""
    before = path.stat().st_mtime_ns
    path.write_bytes(photo)
    os.utime(path, ns=(before, before + 1_000_000_000))


# Files


def test_a_file(reader: PhotoReader, tmp_path: Path) -> None:
    """By path or file URL, with and without what planning knows of it; an empty one is for the decoder to judge."""
    (tmp_path / "照片 1.jpg").write_bytes(PHOTO)
    (tmp_path / "empty.jpg").write_bytes(b"")
    empty, photo = listed(tmp_path)
    assert reader.read(photo) == PHOTO
    assert reader.read(empty) == b""
    assert reader.read(at(tmp_path / "照片 1.jpg")) == PHOTO
    assert reader.read(at((tmp_path / "照片 1.jpg").as_uri())) == PHOTO


def test_a_file_that_has_changed(reader: PhotoReader, tmp_path: Path) -> None:
    """Another size or another time of writing: the row says so, and no other photo is taken for the planned one."""
    path = tmp_path / "a.jpg"
    path.write_bytes(PHOTO)
    (item,) = listed(tmp_path)
    rewrite(path, PHOTO[::-1])
    code, again, message = failure(reader, item)
    assert (code, again) == (SOURCE_CHANGED, False)
    assert message == "the file has changed since the batch was planned; submit it again."
    assert reader.read(at(path)) == PHOTO[::-1]


def test_files_that_are_not_there(reader: PhotoReader, tmp_path: Path) -> None:
    """Missing, below a file, a link to nothing or to itself, a name that can be none: there is no point in trying."""
    (tmp_path / "file").write_bytes(PHOTO)
    (tmp_path / "nowhere").symlink_to("nothing")
    (tmp_path / "circle").symlink_to("circle")
    for name in ("nothing", "file/a.jpg", "nowhere", "circle", "n" * 300, "a\0b"):
        assert failure(reader, at(tmp_path / name))[:2] == (NOT_FOUND, False)
    assert failure(reader, at("file://host/a.jpg"))[:2] == (NOT_FOUND, False)


def test_what_is_no_file(reader: PhotoReader, tmp_path: Path) -> None:
    """A folder, a pipe that nobody writes to, a device: refused at once."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        code, again, message = failure(reader, at(path))
        assert (code, again, "no regular file" in message) == (UNREADABLE, False, True)


@pytest.mark.parametrize(
    ("number", "again", "said"),
    [(errno.EACCES, False, "may not be read"), (errno.EIO, True, "Input/output error"), (errno.EMFILE, True, "open")],
)
def test_files_that_cannot_be_opened(
    reader: PhotoReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, again: bool, said: str
) -> None:
    """A file that this user may not read stays so; a network's file system, and room for open files, may come back."""

    def refuse(path: str) -> int:
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr(reading_files, "open_descriptor", refuse)
    code, told, message = failure(reader, at(tmp_path / "a.jpg"))
    assert (code, told, said in message) == (UNREADABLE, again, True)


def test_the_limit(reader: PhotoReader, tmp_path: Path, prefix: str, site: ImageSite) -> None:
    """A photo of exactly the limit is read, one byte more is not, wherever it lies and whatever is known of it."""
    for size in (LIMIT, LIMIT + 1):
        photo = bytes(size)
        (tmp_path / "a.jpg").write_bytes(photo)
        (tmp_path / "a.tar").write_bytes(tar_of(photo))
        site.answers["/b.jpg"] = content(photo)
        stored = put(f"{prefix}/{size}/a.jpg", photo)
        put(f"{prefix}/{size}/t/a.tar", tar_of(photo))
        found = [at(tmp_path / "a.jpg"), *listed(tmp_path / "a.tar"), at(site.url("/b.jpg"))]
        found += [at(stored), at(stored, size=size), *listed(f"{prefix}/{size}/t")]
        for item in found:
            if size == LIMIT:
                assert reader.read(item) == photo
            else:
                assert failure(reader, item)[:2] == (IMAGE_TOO_LARGE, False)


def test_a_file_that_grows_or_shrinks_while_it_is_read(
    reader: PhotoReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a photo never passes as a whole one, planned or not."""
    path = tmp_path / "a.jpg"
    read = os.pread
    for change in (PHOTO + b"more", PHOTO[:100]):
        path.write_bytes(PHOTO)

        def changing(descriptor: int, size: int, offset: int, change: bytes = change) -> bytes:
            rewrite(path, change)
            return read(descriptor, size, offset)

        monkeypatch.setattr(os, "pread", changing)
        assert failure(reader, at(path))[:2] == (SOURCE_CHANGED, False)
        monkeypatch.undo()


def test_short_reads(reader: PhotoReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system may give a file in pieces."""
    (tmp_path / "a.tar").write_bytes(tar_of(b"x", PHOTO))
    read = os.pread
    monkeypatch.setattr(os, "pread", lambda descriptor, size, offset: read(descriptor, min(size, 999), offset))
    assert [reader.read(item) for item in listed(tmp_path / "a.tar")] == [b"x", PHOTO]


# Tars


def test_photos_of_tars(reader: PhotoReader, tmp_path: Path, prefix: str) -> None:
    """Each member's own bytes, in any order, from this machine and from a store."""
    photos = [b"", b"one", PHOTO, PHOTO[::-1]]
    (tmp_path / "a.tar").write_bytes(tar_of(*photos))
    put(f"{prefix}/a.tar", tar_of(*photos))
    for source in (tmp_path / "a.tar", f"{prefix}/a.tar"):
        found = listed(source)
        assert [reader.read(item) for item in reversed(found)] == photos[::-1]


def test_many_threads_and_more_tars_than_stay_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every thread gets its photo's bytes while tars are closed for others; in the end no file is open."""
    monkeypatch.setattr(reading_files, "_MOST_TARS", 2)
    descriptors: list[int] = []

    def opening(path: str) -> int:
        descriptors.append(os.open(path, os.O_RDONLY))
        return descriptors[-1]

    monkeypatch.setattr(open_files, "open_descriptor", opening)
    for number in range(6):
        (tmp_path / f"{number}.tar").write_bytes(tar_of(*(f"{number}-{one}".encode() * 500 for one in range(20))))
    found = listed(tmp_path)
    with reader_of() as reader, ThreadPoolExecutor(8) as threads:
        mixed = sorted(found * 3, key=lambda item: hash((item.offset, item.id)))
        for item, photo in zip(mixed, threads.map(reader.read, mixed), strict=True):
            assert photo == item.id.replace("/", "-").encode() * 500
    assert len(descriptors) > 6
    for descriptor in set(descriptors):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


def test_a_tar_that_has_changed(reader: PhotoReader, tmp_path: Path, prefix: str) -> None:
    """Whether it was read before or not; a tar that is put back is read again."""
    path = tmp_path / "a.tar"
    path.write_bytes(tar_of(PHOTO))
    (item,) = listed(path)
    assert reader.read(item) == PHOTO
    before = path.stat()
    rewrite(path, tar_of(PHOTO[::-1]))
    code, again, message = failure(reader, item)
    assert (code, again, message.startswith("the tar has changed since")) == (SOURCE_CHANGED, False, True)
    path.unlink()
    path.write_bytes(tar_of(PHOTO))
    os.utime(path, ns=(0, before.st_mtime_ns))
    assert reader.read(item) == PHOTO

    stored = put(f"{prefix}/a.tar", tar_of(PHOTO))
    (item,) = listed(stored)
    put(stored, tar_of(PHOTO[::-1]))
    assert failure(reader, item)[:2] == (SOURCE_CHANGED, False)


def test_a_tar_that_is_shorter_than_planned(reader: PhotoReader, tmp_path: Path, prefix: str) -> None:
    """Less than the whole photo is no photo, even where no stamp tells."""
    (tmp_path / "a.tar").write_bytes(PHOTO)
    stored = put(f"{prefix}/a.tar", PHOTO)
    for path in (tmp_path / "a.tar", stored):
        code, again, message = failure(reader, at(path, offset=512, size=len(PHOTO)))
        assert (code, again, "shorter than it was" in message) == (SOURCE_CHANGED, False, True)


def test_a_closed_reader_keeps_nothing_open(tmp_path: Path) -> None:
    """A photo that is still asked for is read, and its tar closed at once."""
    (tmp_path / "a.tar").write_bytes(tar_of(PHOTO))
    (item,) = listed(tmp_path / "a.tar")
    reader = reader_of()
    reader.close()
    assert reader.read(item) == PHOTO


def test_a_lent_descriptor_is_never_closed(tmp_path: Path) -> None:
    """Not when others take its place, not when it is forgotten, not on close; but then, as soon as it is back."""
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode())
    files = OpenFiles(1)
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    with files.lend(a) as first:
        with files.lend(b) as second, files.lend(a) as third:
            assert len({first, second, third}) == 3
            files.forget(a)
            files.close()
            assert [os.pread(one, 9, 0) for one in (first, second, third)] == [b"a", b"b", b"a"]
        assert os.pread(first, 9, 0) == b"a"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(first)


def test_two_threads_that_open_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both may come at once; one descriptor is kept and the other closed."""
    (tmp_path / "a").write_bytes(b"a")
    files, both, opened = OpenFiles(4), threading.Barrier(2), []

    def open_slowly(path: str) -> int:
        both.wait(5)
        opened.append(os.open(path, os.O_RDONLY))
        return opened[-1]

    monkeypatch.setattr(open_files, "open_descriptor", open_slowly)

    def lent(_: int) -> int:
        with files.lend(str(tmp_path / "a")) as descriptor:
            return descriptor

    with ThreadPoolExecutor(2) as threads:
        assert len(set(threads.map(lent, range(2)))) == 1
    files.close()
    for descriptor in opened:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)


# Stores


def test_an_object(reader: PhotoReader, prefix: str) -> None:
    """With and without what planning knows of it; an empty one is for the decoder to judge."""
    put(f"{prefix}/a.jpg", PHOTO)
    put(f"{prefix}/empty.jpg", b"")
    photo, empty = listed(prefix)
    assert (reader.read(photo), reader.read(empty)) == (PHOTO, b"")
    assert reader.read(at(f"{prefix}/a.jpg")) == PHOTO


def test_an_object_that_has_changed(reader: PhotoReader, prefix: str) -> None:
    """Another version, or another size where no stamp tells."""
    address = put(f"{prefix}/a.jpg", PHOTO)
    (item,) = listed(prefix)
    put(address, PHOTO[::-1])
    assert failure(reader, item)[:2] == (SOURCE_CHANGED, False)
    assert failure(reader, at(address, size=len(PHOTO) + 1))[:2] == (SOURCE_CHANGED, False)


STORE_ERRORS: list[tuple[Exception, str, bool]] = [
    (FileNotFoundError(f"memory://{TOKEN}"), NOT_FOUND, False),
    (IsADirectoryError(TOKEN), NOT_FOUND, False),
    (PermissionError(TOKEN), UNREADABLE, False),
    (TimeoutError(TOKEN), NOT_FETCHED, True),
    (ConnectionResetError(TOKEN), NOT_FETCHED, True),
    (RuntimeError(TOKEN), NOT_FETCHED, True),
]


@pytest.mark.parametrize(("error", "code", "again"), STORE_ERRORS)
def test_stores_that_do_not_give_it(
    reader: PhotoReader, prefix: str, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str, again: bool
) -> None:
    """What is missing or forbidden stays so; whatever else a store's package raises may pass. Its text is not told."""

    def fail(*_: object, **__: object) -> bytes:
        raise error

    monkeypatch.setattr(MemoryFileSystem, "cat_file", fail)
    assert failure(reader, at(f"{prefix}/a.jpg"))[:2] == (code, again)


def test_objects_that_are_not_there(reader: PhotoReader, prefix: str) -> None:
    """Also where planning has seen them."""
    assert failure(reader, at(f"{prefix}/a.jpg"))[:2] == (NOT_FOUND, False)
    assert failure(reader, at(f"{prefix}/a.jpg", size=3, stamp="3"))[:2] == (NOT_FOUND, False)


def test_urls_that_nothing_opens(reader: PhotoReader) -> None:
    """An unknown scheme, and a URL within another, are refused; no package is told of what is in them."""
    assert failure(reader, at("nosuchstore://bucket/a.jpg"))[:2] == (UNREADABLE, False)
    assert failure(reader, at("zip://a.jpg::memory://a.zip"))[:2] == (UNREADABLE, False)


def test_a_store_that_hangs(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time for a photo is kept, and another try may go well."""
    ended = threading.Event()
    monkeypatch.setattr(MemoryFileSystem, "cat_file", lambda *_, **__: ended.wait(30))
    with reader_of(timeout_s=0.05) as reader:
        code, again, message = failure(reader, at(f"{prefix}/a.jpg"))
    ended.set()
    assert (code, again, message) == (NOT_FETCHED, True, "the photo was not there within 0.05 s.")


def test_a_tar_in_a_store_is_looked_at_now_and_then(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before each of its photos, but often enough that a change does not stay unseen."""
    looks = []
    info = MemoryFileSystem.info

    def looking(self: MemoryFileSystem, path: str, **options: Any) -> Any:
        looks.append(path)
        return info(self, path, **options)

    found = listed(put(f"{prefix}/a.tar", tar_of(b"0", b"1", b"2")))
    monkeypatch.setattr(MemoryFileSystem, "info", looking)
    now_s = 100.0
    photos = StorePhotos(ImageLimits(), clock=lambda: now_s)
    assert [photos.read(item.path, item) for item in found] == [b"0", b"1", b"2"]
    assert len(looks) == 1
    now_s += 11
    assert photos.read(found[0].path, found[0]) == b"0"
    assert len(looks) == 2


# Web servers


def test_a_photo_of_a_web_server(reader: PhotoReader, site: ImageSite) -> None:
    """The body of the answer, asked for once."""
    assert reader.read(at(site.url(f"/a.jpg?{TOKEN}"))) == PHOTO
    assert list(site.asked().elements()) == [f"/a.jpg?{TOKEN}"]


ANSWERS: dict[str, tuple[Callable[..., None], str, bool, str]] = {
    "missing": (status(404), NOT_FOUND, False, "status 404"),
    "gone": (status(410), NOT_FOUND, False, "status 410"),
    "forbidden": (status(403), NOT_FETCHED, False, "status 403"),
    "too many requests": (status(429), NOT_FETCHED, True, "status 429"),
    "out of order": (status(500), NOT_FETCHED, True, "status 500"),
    "busy": (status(503), NOT_FETCHED, True, "status 503"),
    "redirect": (redirect("/a.jpg"), NOT_FETCHED, False, "redirects"),
    "cut short": (cut_short(PHOTO), NOT_FETCHED, True, "cut short"),
    "endless": (endless(b"start"), IMAGE_TOO_LARGE, False, "100000 bytes"),
}


@pytest.mark.parametrize("habit", ANSWERS)
def test_web_servers_that_do_not_give_it(reader: PhotoReader, site: ImageSite, habit: str) -> None:
    """Each gets its code, whether another try may go well, and the reason; nothing is asked for twice here."""
    answer, code, again, reason = ANSWERS[habit]
    site.answers["/b.jpg"] = answer
    told = failure(reader, at(site.url(f"/b.jpg?{TOKEN}")))
    assert (told[:2], reason in told[2]) == ((code, again), True), told
    assert sum(site.asked().values()) == 1


def test_a_slow_web_server(site: ImageSite) -> None:
    """The time is for the whole photo."""
    site.answers["/b.jpg"] = stalled(PHOTO)
    with reader_of(timeout_s=0.3) as reader:
        code, again, message = failure(reader, at(site.url("/b.jpg")))
    assert (code, again, "within 0.3 s" in message) == (NOT_FETCHED, True, True)


def test_nobody_listens(reader: PhotoReader, site: ImageSite) -> None:
    """A server that is away may come back."""
    address = site.url("/a.jpg")
    site.server_close()
    assert failure(reader, at(address))[:2] == (NOT_FETCHED, True)


def test_private_addresses(site: ImageSite) -> None:
    """Unless the batch allows them, a host of this machine or network is never asked."""
    with reader_of(private=False) as reader:
        code, again, message = failure(reader, at(site.url("/a.jpg")))
    assert (code, again, "not on the public internet" in message) == (NOT_FETCHED, False, True)
    assert site.requests == []


@pytest.mark.parametrize("address", ["http://me:s3cr3t@host/a.jpg", "http://host/../a.jpg", "http://host/a b.jpg"])
def test_urls_that_are_refused(reader: PhotoReader, address: str) -> None:
    """What two programs could read differently is not fetched; the row says why."""
    code, again, message = failure(reader, at(address))
    assert (code, again, message.startswith("the URL is refused: ")) == (NOT_FETCHED, False, True)
