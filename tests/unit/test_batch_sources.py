"""What a SOURCE lists: folders, manifests and tars, on this machine and in a store; and what is said of bad ones."""

from __future__ import annotations

import io
import itertools
import json
import os
import string
import sys
import tarfile
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pillow_heif import register_heif_opener

from songlens_batch.sources.addresses import shown
from songlens_batch.sources.item import SourceItem, id_problem
from songlens_batch.sources.manifest_rows import MOST_LINE_CHARACTERS
from songlens_batch.sources.opening import open_source
from songlens_batch.sources.patterns import expanded
from songlens_batch.sources.photo_names import PHOTO_SUFFIXES
from songlens_batch.sources.stamps import stamp_of
from songlens_shared.errors import DataError
from songlens_workers.vision.decode import read_header
from songlens_workers.vision.limits import ImageLimits

Write = Callable[[str, bytes], str]


@pytest.fixture(params=["local", "memory"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty place: a folder, or a prefix in a store."""
    if request.param == "local":
        return str(tmp_path)
    return f"memory://bucket-{uuid.uuid4()}/photos"


@pytest.fixture
def write(base: str) -> Write:
    """Writes a file below the place and returns its address."""

    def written(name: str, content: bytes) -> str:
        address = f"{base}/{name}"
        filesystem, path = fsspec.core.url_to_fs(address)
        filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
        with filesystem.open(path, "wb") as file:
            file.write(content)
        return address

    return written


def items(source: str | Path) -> list[SourceItem]:
    return list(open_source(str(source)).items())


def ids(source: str | Path) -> list[str]:
    return [item.id for item in items(source)]


def refusal(source: str | Path) -> str:
    """What is said of a source that cannot be used; exit status 5."""
    with pytest.raises(DataError) as raised:
        items(source)
    assert raised.value.exit_status == 5
    assert raised.value.message.endswith((".", ")"))
    assert "\n" not in raised.value.message
    return raised.value.message


def tar(*members: tuple[str, bytes] | tarfile.TarInfo, **options: Any) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", **options) as made:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                made.addfile(member)
                continue
            about = tarfile.TarInfo(member[0])
            about.size = len(member[1])
            made.addfile(about, io.BytesIO(member[1]))
    return content.getvalue()


def jsonl(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


# Folders


def test_a_folder(base: str, write: Write) -> None:
    """Photos in any depth, in the order of their ids; others are counted, hidden ones are not there."""
    for name in ["b/2.PNG", "a.jpg", "b-1.jpeg", "b/deep/3.heic", "b/1.tiff", "照片 1.webp"]:
        write(name, b"photo")
    for name in ["b/notes.txt", "readme", ".hidden.jpg", ".git/a.jpg", "b/._1.jpg"]:
        write(name, b"other")
    source = open_source(base)
    found = list(source.items())
    assert [item.id for item in found] == ["a.jpg", "b-1.jpeg", "b/1.tiff", "b/2.PNG", "b/deep/3.heic", "照片 1.webp"]
    assert [item.path for item in found] == [f"{base}/{item.id}" for item in found]
    assert {(item.size, item.offset) for item in found} == {(5, None)}
    assert all(item.stamp for item in found)
    assert (source.skipped, source.described) == (2, f"folder {base}")
    assert list(source.items()) == found
    assert source.skipped == 2


def test_a_slash_at_the_end(base: str, write: Write) -> None:
    """It makes no difference."""
    write("sub/a.jpg", b"photo")
    assert items(f"{base}/sub/") == items(f"{base}/sub")


def test_relative_paths_and_file_urls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Items have absolute paths, however the folder is named; a file URL is percent-decoded."""
    folder = tmp_path / "my photos 100%"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"photo")
    monkeypatch.chdir(tmp_path)
    for text in ("my photos 100%", "./my photos 100%/", folder.as_uri(), str(folder)):
        assert [item.path for item in items(text)] == [str(folder / "a.jpg")]


def test_every_suffix_is_of_a_format_that_workers_decode(tmp_path: Path) -> None:
    """A file of each suffix, written as Pillow does by that suffix, is a photo for the worker's decoder."""
    register_heif_opener()
    for suffix in PHOTO_SUFFIXES:
        path = tmp_path / f"a.{suffix}"
        Image.new("RGB", (64, 48), "teal").save(path)
        header = read_header(path.read_bytes(), ImageLimits())
        assert (header.width, header.height) == (64, 48)
    assert ids(tmp_path) == sorted(f"a.{suffix}" for suffix in PHOTO_SUFFIXES)


def test_links(tmp_path: Path) -> None:
    """Links to photos and folders are followed, but not one to a folder that it lies in; one to nothing is listed."""
    photos = tmp_path / "photos"
    (photos / "sub").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.jpg").write_bytes(b"photo")
    (photos / "a.jpg").symlink_to(tmp_path / "elsewhere" / "b.jpg")
    (photos / "away").symlink_to(tmp_path / "elsewhere")
    (photos / "sub" / "up").symlink_to(photos)
    (photos / "gone.jpg").symlink_to(tmp_path / "nothing")
    (photos / "circle.jpg").symlink_to("circle.jpg")
    os.mkfifo(photos / "pipe.jpg")
    found = {item.id: item.size for item in items(photos)}
    assert found == {"a.jpg": 5, "away/b.jpg": 5, "circle.jpg": None, "gone.jpg": None, "pipe.jpg": None}


def test_a_folder_that_is_not_there(base: str) -> None:
    """It is named, with what a source may be."""
    said = refusal(f"{base}/nothing")
    assert f"{base}/nothing does not exist" in said
    assert ".parquet" in said


def test_a_folder_without_photos(base: str, write: Write) -> None:
    """The error says which files count, and how many others there were."""
    write("sub/a.txt", b"text")
    said = refusal(f"{base}/sub")
    assert f"{base}/sub holds no photo: files that end in .jpg, .jpeg, .png" in said
    assert "other files skipped: 1." in said


def test_an_empty_folder(tmp_path: Path) -> None:
    """Nothing to score is an error."""
    assert "other files skipped: 0." in refusal(tmp_path)


@pytest.mark.parametrize("unreadable", ["", "b"])
def test_a_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unreadable: str) -> None:
    """Neither the source nor a folder beneath it is passed over; the error names it."""
    (tmp_path / "b").mkdir()
    (tmp_path / "a.jpg").write_bytes(b"photo")
    refused, scandir = str(tmp_path / unreadable), os.scandir

    def scan(path: str) -> Any:
        if path.rstrip("/") == refused:
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    assert f"{refused} cannot be read: Permission denied. Let this user read it" in refusal(tmp_path)


def test_names_that_cannot_be_ids(tmp_path: Path) -> None:
    """A name with a control character, one that is not UTF-8 and one too long are refused, shown on one line."""
    for name, reason in [
        (b"a\nb.jpg", r"'a\\nb.jpg' of a photo"),
        (b"a\xff.jpg", "is not UTF-8"),
        (b"/".join([b"d" * 200] * 3) + b"/a.jpg", "has 608 characters, and 512 are allowed"),
    ]:
        folder = tmp_path / uuid.uuid4().hex
        path = Path(os.fsdecode(os.fsencode(folder) + b"/" + name))
        path.parent.mkdir(parents=True)
        path.write_bytes(b"photo")
        said = refusal(folder)
        assert reason in said
        assert "in a manifest with an id" in said


def test_a_folder_of_photos_and_tars(base: str, write: Write) -> None:
    """It is refused, with how to name either; the pattern that the error gives works."""
    write("a.jpg", b"photo")
    write("b.tar", tar(("c.jpg", b"photo")))
    said = refusal(base)
    assert "holds both photos (a.jpg) and tars (b.tar)" in said
    assert f"submit {base}/*.tar" in said
    assert ids(f"{base}/*.tar") == ["b/c"]


# Manifests


def test_a_manifest_of_json_lines(base: str, write: Write) -> None:
    """Paths are relative to the manifest or absolute, URLs stay as they are; ids are given or the place as written."""
    manifest = write(
        "lists/all.jsonl",
        b"\xef\xbb\xbf"
        + jsonl(
            {"path": "a.jpg", "tags": ["x"]},
            {"path": "", "url": "https://cdn.example/b.jpg?size=big", "id": "b"},
            {"uri": "s3://bucket/c.jpg", "id": 7, "path": None},
        )
        + b"  \n"
        + jsonl({"path": "../d.jpg", "id": ""}, {"path": "/srv/e.jpg"}, {"path": "file:///srv/f%20g.jpg"}),
    )
    found = items(manifest)
    up = f"{base}/lists/../d.jpg" if base.startswith("/") else f"{base}/d.jpg"
    assert [(item.id, item.path) for item in found] == [
        ("a.jpg", f"{base}/lists/a.jpg"),
        ("b", "https://cdn.example/b.jpg?size=big"),
        ("7", "s3://bucket/c.jpg"),
        ("../d.jpg", up),
        ("/srv/e.jpg", "/srv/e.jpg"),
        ("file:///srv/f%20g.jpg", "/srv/f g.jpg"),
    ]
    assert {(item.size, item.offset, item.stamp) for item in found} == {(None, None, "")}


@pytest.mark.parametrize(("name", "mark"), [("all.csv", ","), ("ALL.CSV", ","), ("all.tsv", "\t")])
def test_a_manifest_of_csv(base: str, write: Write, name: str, mark: str) -> None:
    """Columns in any order; cells may be quoted and empty; blank lines and other columns do not matter."""
    rows = [" note ,id,path", '"two\nlines",1,"a, b.jpg"', "", ",,照片.jpg"]
    text = "\r\n".join(row.replace(",", mark).replace(f"a{mark}", "a,") for row in rows)
    found = items(write(name, b"\xef\xbb\xbf" + text.encode()))
    assert [(item.id, item.path) for item in found] == [("1", f"{base}/a, b.jpg"), ("照片.jpg", f"{base}/照片.jpg")]


def parquet(**columns: Any) -> bytes:
    content = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), content, row_group_size=2)
    return content.getvalue()


def test_a_manifest_of_parquet(base: str, write: Write) -> None:
    """Row group by row group, only the columns that matter; nulls are as if they were not there."""
    content = parquet(
        url=pyarrow.array(["https://cdn.example/a.jpg", None, "b.jpg"]).dictionary_encode(),
        uri=[None, "s3://bucket/c.jpg", None],
        id=[1, 2, None],
        other=[[1], [2], [3]],
    )
    found = items(write("all.parquet", content))
    assert [(item.id, item.path) for item in found] == [
        ("1", "https://cdn.example/a.jpg"),
        ("2", "s3://bucket/c.jpg"),
        ("b.jpg", f"{base}/b.jpg"),
    ]


def test_a_manifest_is_streamed(tmp_path: Path) -> None:
    """Good rows come before a later line is looked at; and a broken one ends the listing."""
    manifest = tmp_path / "all.jsonl"
    manifest.write_bytes(jsonl({"path": "a.jpg"}) + b"{broken\n")
    listing = open_source(str(manifest)).items()
    assert next(listing).id == "a.jpg"
    with pytest.raises(DataError, match=r"all\.jsonl:2: the line is not JSON"):
        next(listing)


GOOD = jsonl({"path": "a.jpg"})

BROKEN_MANIFESTS: dict[str, tuple[str, bytes, str]] = {
    "no JSON": ("m.jsonl", GOOD + b"{path\n", "m.jsonl:2: the line is not JSON; write one object a line"),
    "endless nesting": ("m.jsonl", b"[" * 100_000, "m.jsonl:1: the line is not JSON"),
    "no object": ("m.ndjson", GOOD + b'\n"a.jpg"\n', "m.ndjson:3: the line is not an object"),
    "not UTF-8": ("m.jsonl", GOOD + b'{"path": "\xff.jpg"}\n', "m.jsonl:2: the line is not UTF-8; save"),
    "no place": ("m.jsonl", GOOD + jsonl({"image": "a.jpg"}), "m.jsonl:2: neither path, url nor uri tells"),
    "place is no text": ("m.jsonl", jsonl({"path": 7}), "m.jsonl:1: path is not text"),
    "half a character": ("m.jsonl", jsonl({"path": "\ud800.jpg"}), "m.jsonl:1: path is not UTF-8"),
    "null character": ("m.jsonl", jsonl({"path": "a\0.jpg"}), "m.jsonl:1: path is not UTF-8, or holds a null"),
    "id is no text": ("m.jsonl", jsonl({"path": "a", "id": True}), "m.jsonl:1: id is neither text nor a whole number"),
    "id is a list": ("m.jsonl", jsonl({"path": "a", "id": ["a"]}), "m.jsonl:1: id is neither text nor a whole number"),
    "id with a line end": ("m.jsonl", jsonl({"path": "a", "id": "a\nb"}), "m.jsonl:1: the id of the photo has a"),
    "place too long as an id": ("m.jsonl", jsonl({"url": "https://a/" + "b" * 600}), "has 610 characters, and 512 are"),
    "chained URL": ("m.jsonl", jsonl({"url": "zip://a.jpg::s3://b/c.zip"}), "m.jsonl:1: the URL holds another one"),
    "file on another machine": (
        "m.jsonl",
        jsonl({"url": "file://host/a"}),
        "m.jsonl:1: file://host/a is not file:///PATH",
    ),
    "empty": ("m.jsonl", b"", "m.jsonl lists no photo"),
    "blank": ("m.jsonl", b"\n \n", "m.jsonl lists no photo"),
    "empty CSV": ("m.csv", b"", "m.csv has no column path, url or uri; its first line names nothing"),
    "CSV with a header only": ("m.csv", b"path\n", "m.csv lists no photo"),
    "CSV without the column": ("m.csv", b"file,id\na,b\n", "no column path, url or uri; its first line names file, id"),
    "CSV without a header": ("m.csv", b"a.jpg\nb.jpg\n", "its first line names a.jpg. Name one of them so"),
    "CSV with a row too long": ("m.csv", b"path,id\na,1\nb,c,2\n", "m.csv:3: the row has 3 cells and the header 2"),
    "CSV without a place": ("m.csv", b"path,id\na,1\n,2\n", "m.csv:3: neither path, url nor uri tells"),
    "CSV with an open quote": ("m.csv", b'path\na\n"b\nc\n', "m.csv:3: the line cannot be read as CSV"),
    "CSV of another encoding": ("m.csv", "path\n照片.jpg\n".encode("gb18030"), "m.csv:2: path is not UTF-8"),
    "no Parquet": ("m.parquet", GOOD, "m.parquet cannot be read as Parquet ("),
    "empty Parquet": ("m.parquet", b"", "m.parquet cannot be read as Parquet ("),
    "Parquet without the column": (
        "m.parquet",
        parquet(file=["a"]),
        "no column path, url or uri; its schema names file",
    ),
    "Parquet without rows": ("m.parquet", parquet(path=pyarrow.array([], "string")), "m.parquet lists no photo"),
    "Parquet without a place": ("m.parquet", parquet(path=["a", "b", None]), "m.parquet, row 3: neither path, url"),
    "Parquet of photos": ("m.parquet", parquet(path=[b"\xff\xd8"]), "m.parquet, row 1: path is not text"),
}


@pytest.mark.parametrize("fault", BROKEN_MANIFESTS)
def test_broken_manifests(write: Write, fault: str) -> None:
    """The error names file and line, and what to do."""
    name, content, said = BROKEN_MANIFESTS[fault]
    assert said in refusal(write(name, content))


def test_a_parquet_file_that_is_damaged_inside(write: Write) -> None:
    """Pages that cannot be read end the listing; the error says after which row."""
    content = bytearray(parquet(path=[f"{number}.jpg" for number in range(40_000)]))
    content[len(content) // 2 : len(content) // 2 + 4000] = bytes(4000)
    assert "m.parquet cannot be read as Parquet" in refusal(write("m.parquet", bytes(content)))


@pytest.mark.parametrize("name", ["m.jsonl", "m.csv"])
def test_a_line_without_an_end(tmp_path: Path, name: str) -> None:
    """It is refused before it fills the memory."""
    with (tmp_path / name).open("wb") as file:
        file.truncate(MOST_LINE_CHARACTERS * 2)
    assert f"{name}:1: the line has more than {MOST_LINE_CHARACTERS} characters" in refusal(tmp_path / name)


# Tars


def test_a_tar(base: str, write: Write) -> None:
    """Photos by offset and size, with WebDataset's keys; the bytes there are the photos'."""
    photos = {"./000001": b"one", "deep/000002": b"two" * 500, "IMG.2020.01": b"", "長い名前" * 30: b"four"}
    members: list[Any] = [(f"{name}.jpg", content) for name, content in photos.items()]
    address = write("a.tar", tar(*members, ("000001.json", b"{}"), ("deep/._000002.jpg", b"x")))
    source = open_source(address)
    found = list(source.items())
    assert [item.id for item in found] == [name.removeprefix("./") for name in photos]
    assert {item.path for item in found} == {address}
    assert len({item.stamp for item in found}) == 1
    assert found[0].stamp
    content = fsspec.open(address).open().read()
    for item, photo in zip(found, photos.values(), strict=True):
        assert item.offset is not None
        assert item.size == len(photo)
        assert content[item.offset : item.offset + item.size] == photo
    assert (source.skipped, source.described) == (2, f"tar {address}")


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_that_are_no_photos(tmp_path: Path, form: int) -> None:
    """Folders, links, devices and pipes are skipped, whatever they are called; long names are whole."""
    odd = []
    for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
        member = tarfile.TarInfo(f"odd-{kind.decode()}.jpg")
        member.type, member.linkname = kind, "a.jpg"
        odd.append(member)
    long = "d" * 90 + "/" + "b" * 90
    (tmp_path / "a.tar").write_bytes(tar(("a.jpg", b"a"), *odd, (f"{long}.jpg", b"b"), format=form))
    source = open_source(str(tmp_path / "a.tar"))
    assert [item.id for item in source.items()] == ["a", long]
    assert source.skipped == 4


def test_sparse_members(tmp_path: Path) -> None:
    """A member whose holes are left out is not one run of bytes; it is skipped."""
    sparse = tarfile.TarInfo("sparse.jpg")
    sparse.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(sparse.tobuf(tarfile.GNU_FORMAT))
    header[483:495] = b"%011o\0" % 4096  # the real size
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * 32 + sum(header[156:]))
    (tmp_path / "a.tar").write_bytes(bytes(header) + tar(("a.jpg", b"a")))
    source = open_source(str(tmp_path / "a.tar"))
    assert [item.id for item in source.items()] == ["a"]
    assert source.skipped == 1


def test_tars_by_a_pattern(base: str, write: Write) -> None:
    """Braces and wildcards; ids begin with the tar's name, however many match, so that they are unique."""
    for name in ["x/p-08", "x/p-09", "x/p-10", "y/p-08"]:
        write(f"{name}.tar", tar(("1.jpg", b"photo"), ("1.txt", b"text")))
    assert ids(f"{base}/x/p-{{08..10}}.tar") == ["p-08/1", "p-09/1", "p-10/1"]
    assert ids(f"{base}/x/p-*.tar") == ["p-08/1", "p-09/1", "p-10/1"]
    assert ids(f"{base}/x/p-?0.tar") == ["p-10/1"]
    assert ids(f"{base}/{{y,x}}/p-0[8].tar") == ["y/p-08/1", "x/p-08/1"]
    source = open_source(f"{base}/*/*.tar")
    assert [item.id for item in source.items()] == ["x/p-08/1", "x/p-09/1", "x/p-10/1", "y/p-08/1"]
    assert (source.skipped, source.described) == (4, f"tars {base}/*/*.tar")


def test_a_folder_of_tars(base: str, write: Write) -> None:
    """As by a pattern; other files beside the tars are counted."""
    write("a.tar", tar(("1.jpg", b"photo")))
    write("b/c.tar", tar(("1.jpg", b"photo"), ("1.cls", b"7")))
    write("index.json", b"{}")
    source = open_source(base)
    assert [item.id for item in source.items()] == ["a/1", "b/c/1"]
    assert source.skipped == 2


def test_a_file_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    """What is there under this very name is meant."""
    (tmp_path / "a[1].tar").write_bytes(tar(("1.jpg", b"photo")))
    assert ids(tmp_path / "a[1].tar") == ["1"]


def test_a_tar_in_the_root_of_a_store() -> None:
    """A pattern needs no folder."""
    name = uuid.uuid4().hex
    fsspec.filesystem("memory").pipe(f"/{name}-1.tar", tar(("1.jpg", b"photo")))
    (item,) = items(f"memory://{name}-*.tar")
    assert (item.id, item.path) == (f"{name}-1/1", f"memory://{name}-1.tar")


WHOLE = tar(("a.jpg", b"a" * 700), ("b.jpg", b"b" * 700), ("c.jpg", b"c" * 700))
"""Members at 0, 1536 and 3072; the end mark at 4608."""


@pytest.mark.parametrize(
    ("length", "whole"),
    [
        *[(4608, "'c.jpg': 3 members are"), (4607, "'c.jpg': 3 members are"), (4283, "'b.jpg': 2 members are")],
        *[(3584, "'b.jpg': 2 members are"), (3100, "'b.jpg': 2 members are"), (3072, "'b.jpg': 2 members are")],
        *[(1600, "'a.jpg': 1 member is"), (1536, "'a.jpg': 1 member is")],
    ],
)
def test_a_tar_that_is_cut_short(write: Write, length: int, whole: str) -> None:
    """Wherever it is cut, also between two members: the error says after which member, and how many are whole."""
    said = refusal(write("a.tar", WHOLE[:length]))
    assert f"a.tar is cut short or damaged after {whole} whole; copy or pack it again." in said


def test_every_photo_of_a_tar_that_is_cut_short_is_whole(tmp_path: Path) -> None:
    """No item reaches past the end of the file, wherever it is cut."""
    for length in range(512, len(WHOLE), 97):
        (tmp_path / "a.tar").write_bytes(WHOLE[:length])
        found: list[SourceItem] = []
        listing = open_source(str(tmp_path / "a.tar")).items()
        if length < 4608 + 512:
            with pytest.raises(DataError, match="cut short"):
                found.extend(listing)
        assert all((item.offset or 0) + (item.size or 0) <= length for item in found)


def test_a_tar_that_is_damaged_inside(tmp_path: Path) -> None:
    """A header that makes no sense is not taken for the end."""
    content = bytearray(WHOLE)
    content[1536 + 100] ^= 1
    (tmp_path / "a.tar").write_bytes(content)
    assert "damaged after 'a.jpg': 1 member is whole" in refusal(tmp_path / "a.tar")


@pytest.mark.parametrize("size", [-1024, 1 << 62])
def test_a_member_of_an_impossible_size(tmp_path: Path, size: int) -> None:
    """A negative size would go round in a circle, and a huge one past the end."""
    member = tarfile.TarInfo("b.jpg")
    member.size = 700
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = (b"\xff" if size < 0 else b"\x80") + (size % (1 << 88)).to_bytes(11)
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * 32 + sum(header[156:]))
    (tmp_path / "a.tar").write_bytes(WHOLE[:1536] + header + WHOLE[1536:])
    assert "after 'a.jpg': 1 member is whole" in refusal(tmp_path / "a.tar")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.tar", b"", "a.tar has 0 bytes"),
        ("a.tar", b"no tar at all", "a.tar is no tar, or is cut short in its first member"),
        ("a.tar", b"\xff\xd8" * 5000, "a.tar is no tar, or is cut short in its first member"),
        ("a.tar", WHOLE[:800], "a.tar is no tar, or is cut short in its first member"),
        ("a.tar", tar(), "a.tar holds no photo: files that end in .jpg"),
        ("a.tar", tar(("a.txt", b"text")), "other members skipped: 1."),
        ("a.tar", tar(("a\nb.jpg", b"photo")), r"the id 'a\\nb' of a photo in"),
        ("a.tar", tar(("d/.jpg", b"photo"), (".jpg", b"photo")), "other members skipped: 2."),
        ("a.tar", b"\x1f\x8b\x08\0\0\0\0\0", "a.tar is compressed with gzip"),
        ("a.tar", b"\x28\xb5\x2f\xfd\0\0\0\0", "a.tar is compressed with Zstandard"),
        (
            "a.tar.gz",
            b"",
            "is compressed by its name, so that no photo can be read from its middle; unpack it to a plain",
        ),
        ("a.TGZ", b"", "a.TGZ is compressed by its name"),
        ("a.tar.zst", b"", "a.tar.zst is compressed by its name"),
    ],
)
def test_tars_that_cannot_be_used(write: Write, name: str, content: bytes, said: str) -> None:
    """Each is named, with what is wrong."""
    assert said in refusal(write(name, content))


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("p-{0..2}.tar", "p-2.tar does not exist; correct the name"),
        ("q-*.tar", "nothing matches"),
        ("p-*", "p-0.txt matches"),
        ("p-{0}.tar", "hold '0'; write numbers like {00..99}, or names like {a,b}"),
        ("p-{0..1.tar", "braces of"),
        ("p-{0..100000}.tar", "names more than 100000 files"),
        ("p-{0..999}{0..999}.tar", "names more than 100000 files"),
    ],
)
def test_patterns_that_cannot_be_used(base: str, write: Write, pattern: str, said: str) -> None:
    """A tar that braces name must be there; a wildcard must match; only tars may be named so."""
    for number in range(2):
        write(f"p-{number}.tar", tar(("1.jpg", b"photo")))
    write("p-0.txt", b"text")
    refused = refusal(f"{base}/{pattern}")
    assert said in refused
    assert base in refused


def literal(text: str) -> tuple[str, list[str]]:
    return text, [text]


def alternatives(names: list[str]) -> tuple[str, list[str]]:
    return f"{{{','.join(names)}}}", names


def numbers(ends: tuple[int, int, int]) -> tuple[str, list[str]]:
    """A range whose ends are written with so many digits at least, and its numbers."""
    first, last, width = ends
    texts = f"{first:0{width}}", f"{last:0{width}}"
    padded = any(text.startswith("0") and len(text) > 1 for text in texts)
    step = 1 if first <= last else -1
    digits = max(map(len, texts)) if padded else 0
    return f"{{{texts[0]}..{texts[1]}}}", [f"{number:0{digits}}" for number in range(first, last + step, step)]


LITERALS = st.text(string.ascii_letters + "-./", max_size=4).map(literal)
ALTERNATIVES = st.lists(st.text(string.ascii_letters, max_size=3), min_size=2, max_size=4).map(alternatives)
NUMBERS = st.tuples(st.integers(0, 120), st.integers(0, 120), st.integers(1, 4)).map(numbers)


@given(st.lists(st.one_of(LITERALS, ALTERNATIVES, NUMBERS), max_size=2))
def test_braces(parts: list[tuple[str, list[str]]]) -> None:
    """A pattern stands for every choice of each of its braces, the last changing first; numbers keep their width."""
    names = ["".join(choice) for choice in itertools.product(*(choices for _, choices in parts))]
    assert expanded("".join(text for text, _ in parts)) == list(dict.fromkeys(names))


def test_braces_within_braces() -> None:
    """Inner ones are alternatives of the outer; a name that comes twice counts once."""
    assert expanded("{a,{b,c}}-{1..2}") == ["a-1", "a-2", "b-1", "b-2", "c-1", "c-2"]


# Anything else


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "the source is empty; name a folder or prefix of photos, a manifest"),
        ("a\0b", "the source is no name of a file"),
        ("https://me:s3cr3t@cdn.example/photos/?t=s3cr3t", "https://cdn.example/photos/ lies on a web server"),
        ("zip://a.jpg::memory://a.zip", "holds another address after ::"),
        ("nosuchstore://bucket/a", "is of no kind of store that fsspec knows"),
        ("s3://bucket/photos", "s3:// needs a package that is not installed (Install s3fs to access S3)"),
        ("file://host/photos", "file://host/photos is not file:///PATH"),
        ("file:///photos/%FF", "is not UTF-8 once decoded"),
        ("/dev/null", "/dev/null is neither a file nor a folder"),
        ("/tmp/\udcff", "is not UTF-8, and a batch cannot keep it"),
    ],
)
def test_sources_of_no_use(source: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is refused at once, with what to do and without passwords."""
    if source.startswith("s3:"):
        monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(DataError) as raised:
        open_source(source)
    assert said in raised.value.message
    assert "s3cr3t" not in raised.value.message


@pytest.mark.parametrize(("name", "said"), [("a.jpg", "is one photo; name its folder"), ("a.txt", "of no known kind")])
def test_files_of_another_kind(write: Write, name: str, said: str) -> None:
    """One photo, and any other file, is no source."""
    assert said in refusal(write(name, b"content"))


def test_a_file_that_may_not_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason of the system is told."""
    (tmp_path / "m.jsonl").write_bytes(GOOD)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    source = open_source(str(tmp_path / "m.jsonl"))
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"m\.jsonl cannot be read: Permission denied\. Let this user read it"):
        list(source.items())


@pytest.mark.parametrize("base", ["memory"], indirect=True)
def test_a_store_that_fails(base: str, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a store's package raises, the error names the address and what to check."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("401: token expired\nand more")

    write("a.jpg", b"photo")
    source = open_source(base)
    monkeypatch.setattr(type(fsspec.filesystem("memory")), "find", fail)
    monkeypatch.setattr(type(fsspec.filesystem("memory")), "info", fail)
    with pytest.raises(DataError, match=r"cannot be read: 401: token expired\. Check its name, and the store's cred"):
        list(source.items())
    assert "401" in refusal(base)


# Ids and stamps


@given(st.text(max_size=600))
def test_ids(text: str) -> None:
    """An id that is accepted can be written as UTF-8, on one line, and has 1 to 512 characters."""
    if id_problem(text) is None:
        assert 1 <= len(text) <= 512
        assert text.encode("utf-8").decode() == text
        assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in text)


def test_ids_that_are_refused() -> None:
    """Empty, too long, with a control character, or not UTF-8; nothing else."""
    assert [id_problem(text) is None for text in ("", "a" * 513, "a\tb", "\x9f", "\udcff")] == [False] * 5
    assert [id_problem(text) for text in ("a" * 512, "a b/照片\u00a0\u2028.jpg")] == [None, None]


def test_an_offset_needs_a_size() -> None:
    """Without one, nobody would know where the photo ends."""
    with pytest.raises(ValueError, match="needs its size"):
        SourceItem(id="a", path="/a.tar", offset=512)


def test_stamps_of_stores() -> None:
    """A listing and a look at one object give the same stamp; another size, version or time another one."""
    assert stamp_of({"size": 7, "ETag": '"abc"', "LastModified": 1}) == stamp_of({"size": 7, "ETag": "abc"}) == "7-abc"
    assert stamp_of({"size": 8, "ETag": '"abc"'}) != stamp_of({"size": 7, "ETag": '"abd"'})
    assert stamp_of({"size": 7, "mtime": 1.5}) != stamp_of({"size": 7, "mtime": 1.25})
    moment = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    assert stamp_of({"created": moment}) == stamp_of({"created": moment.replace(tzinfo=None)})
    assert stamp_of({"created": moment}) == stamp_of({"created": moment.timestamp()})
    assert (stamp_of({"size": 0}), stamp_of({})) == ("0", "")


def test_a_rewritten_file_has_another_stamp(base: str, write: Write) -> None:
    """Also where its size is the same."""
    write("a.jpg", b"photo")
    before = items(base)[0].stamp
    address = write("a.jpg", b"other")
    if address.startswith("/"):
        os.utime(address, ns=(0, 1))
    assert items(base)[0].stamp != before


def test_addresses_as_they_are_shown() -> None:
    """Without passwords and queries, on one line; a container of Azure stays."""
    assert shown("https://me:pw@host/a?t=pw") == "https://host/a"
    assert shown("sftp://me:pw@host/a") == "sftp://host/a"
    assert shown("abfs://container@account/a") == "abfs://container@account/a"
    assert shown("/a\nb?c@d") == r"/a\nb?c@d"
