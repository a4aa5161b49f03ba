"""Files are read for their checksums once on each machine, and again whenever they may have changed."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

import pytest

from songlens_workers.models.verified import VerifiedFiles

LATER_NS = 10**18
CONTENT = b"vectors" * 100
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of a version."""
    path = tmp_path / "image_index.faiss"
    path.write_bytes(CONTENT)
    return path


def verified(folder: Path) -> VerifiedFiles:
    """The stamps, opened as by another worker, long after the file was written."""
    return VerifiedFiles(folder / ".verified" / "v.json", clock_ns=lambda: 4 * LATER_NS)


def stamp(folder: Path, file: Path) -> None:
    stamps = verified(folder)
    stamps.add(file, stamps.state(file), SHA256)
    stamps.keep()


def test_a_file_is_known_to_the_next_worker(tmp_path: Path, file: Path) -> None:
    """Only with the checksum that it was found to have."""
    assert not verified(tmp_path).holds(file, SHA256)
    stamp(tmp_path, file)
    assert verified(tmp_path).holds(file, SHA256)
    assert not verified(tmp_path).holds(file, "0" * 64)
    assert [path.name for path in (tmp_path / ".verified").iterdir()] == ["v.json"]


def rewritten(file: Path) -> None:
    found = file.stat()
    file.write_bytes(CONTENT[::-1])
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))


def replaced(file: Path) -> None:
    shutil.copy2(file, file.with_suffix(".copy"))
    file.with_suffix(".copy").replace(file)


def longer(file: Path) -> None:
    file.write_bytes(CONTENT + b"x")


@pytest.mark.parametrize("change", [rewritten, replaced, longer])
def test_a_file_that_changed_is_not_known(tmp_path: Path, file: Path, change: object) -> None:
    """Other content of the same size with its time set back, another file of the same name, one byte more."""
    stamp(tmp_path, file)
    assert callable(change)
    change(file)
    assert not verified(tmp_path).holds(file, SHA256)


def test_a_file_that_changes_while_it_is_read_gets_no_stamp(tmp_path: Path, file: Path) -> None:
    """What was read may be half old and half new."""
    stamps = verified(tmp_path)
    before = stamps.state(file)
    longer(file)
    stamps.add(file, before, SHA256)
    assert not stamps.holds(file, SHA256)


def test_a_file_that_changed_just_now_gets_no_stamp(tmp_path: Path, file: Path) -> None:
    """It could change again within the same tick of a slow clock."""
    changed_ns = file.stat().st_ctime_ns
    stamps = VerifiedFiles(tmp_path / "v.json", clock_ns=lambda: changed_ns + 1)
    stamps.add(file, stamps.state(file), SHA256)
    assert not stamps.holds(file, SHA256)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"image_index.faiss": 3}'])
def test_damaged_stamps_are_no_stamps(tmp_path: Path, file: Path, content: bytes) -> None:
    """Whatever lies there, files are read again, and the stamps are mended."""
    (tmp_path / ".verified").mkdir()
    (tmp_path / ".verified" / "v.json").write_bytes(content)
    assert not verified(tmp_path).holds(file, SHA256)
    stamp(tmp_path, file)
    assert verified(tmp_path).holds(file, SHA256)


@pytest.mark.skipif(sys.platform == "win32", reason="no folder can be a file's child")
def test_where_stamps_cannot_be_kept_nothing_fails(tmp_path: Path, file: Path) -> None:
    """A model folder that workers may only read costs them time and nothing else."""
    (tmp_path / ".verified").write_bytes(b"in the way")
    stamp(tmp_path, file)
    assert not verified(tmp_path).holds(file, SHA256)
