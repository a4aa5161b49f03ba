"""A batch's folder: its record, its plan, a file for each finished shard, and at the end manifest and summary.

    DIR/batch.json              what was asked for; who has it, has the folder
    DIR/models.json             the model versions that rows may come from, that which the batch began with first
    DIR/plan.parquet            every photo, a row group for each shard
    DIR/shards/shard-00012.parquet
    DIR/manifest.json           only when every shard is there
    DIR/summary.md

The folder is the truth about a batch: Redis may forget everything. Each file is written beside its place and renamed
(on an object store: uploaded whole): what bears its name is complete, and what is written twice is there once.
"""

from __future__ import annotations

import errno
import json
import os
import re
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import fsspec

from songlens_batch.errors import NoRoom, OutputTaken, OutputUnusable
from songlens_batch.record import BatchRecord

RECORD = "batch.json"
MODELS = "models.json"
PLAN = "plan.parquet"
MANIFEST = "manifest.json"
SUMMARY = "summary.md"

_SHARDS = "shards"
_SHARD = re.compile(r"shard-(\d{5,})\.[a-z]+")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def resolve_out(out: str) -> str:
    """Return a folder as every process knows it: an absolute path, or the URL of an object-store prefix."""
    if out.startswith("file://"):
        out = out.removeprefix("file://")
    return out.rstrip("/") if "://" in out else str(Path(out).expanduser().absolute())


class BatchFolder:
    """The files of one batch, in a local folder or beneath a prefix that fsspec opens."""

    def __init__(self, out: str) -> None:
        """Raises `OutputUnusable` for a kind of store that is not installed here."""
        self.out = resolve_out(out)
        self._local = "://" not in self.out
        try:
            self._files, self._root = fsspec.core.url_to_fs(self.out)
        except (ImportError, ValueError) as error:
            raise OutputUnusable(f"{self.out} cannot be opened: {error}.") from None

    def __str__(self) -> str:
        return self.out

    def shard_name(self, shard: int) -> str:
        """Return the name of a shard's rows."""
        return f"{_SHARDS}/shard-{shard:05d}.parquet"

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def claim(self, record: BatchRecord) -> None:
        """Put the record into a folder that is empty; raises `OutputTaken` or `OutputUnusable`."""
        with self._telling("written to"):
            self._files.makedirs(self._root, exist_ok=True)
            if self._files.ls(self._root, detail=False):
                raise OutputTaken(f"{self} is not empty; give a folder of its own to the batch.")
            self._write_new(RECORD, record.to_json().encode())

    def _write_new(self, name: str, content: bytes) -> None:
        """Two that claim one local folder at once: the later fails. An object store offers no such thing everywhere."""
        if not self._local:
            self._files.pipe_file(self._path(name), content)
            return
        try:
            with Path(self._path(name)).open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            raise OutputTaken(f"{self} has just been taken by another batch; give another folder.") from None

    def record(self) -> BatchRecord | None:
        """Return the record of the batch that has this folder, if any; raises `DataError` for a damaged one."""
        if not self.exists(RECORD):
            return None
        return BatchRecord.from_json(self.read(RECORD), where=f"{self}/{RECORD}")

    def models(self) -> list[str]:
        """Return the model versions that rows may come from; none before the batch is planned."""
        return list(json.loads(self.read(MODELS))) if self.exists(MODELS) else []

    def begin_model(self, version: str) -> None:
        """Let rows come from this version alone."""
        self.write(MODELS, json.dumps([version]).encode())

    def allow_model(self, version: str) -> None:
        """Let rows come from this version too."""
        models = self.models()
        if version not in models:
            self.write(MODELS, json.dumps([*models, version]).encode())

    def exists(self, name: str) -> bool:
        """Say whether a file is there, whole."""
        with self._telling("read"):
            self._files.invalidate_cache()
            return bool(self._files.exists(self._path(name)))

    def read(self, name: str) -> bytes:
        """Return the content of a file; raises `OutputUnusable`."""
        with self._telling("read"):
            content: bytes = self._files.cat_file(self._path(name))
            return content

    @contextmanager
    def reading(self, name: str) -> Iterator[IO[bytes]]:
        """Give a file to read at any place."""
        with self._telling("read"), self._files.open(self._path(name), "rb") as file:
            yield file

    def finished(self) -> dict[int, str]:
        """Return the files of the shards that are there, by number."""
        with self._telling("read"):
            self._files.invalidate_cache()
            try:
                listed = self._files.ls(self._path(_SHARDS), detail=False)
            except FileNotFoundError:
                return {}
        names = (str(path).rsplit("/", 1)[-1] for path in listed)
        found = ((name, _SHARD.fullmatch(name)) for name in names)
        return {int(match[1]): f"{_SHARDS}/{name}" for name, match in found if match}

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """Give a file to write, which takes its place at the end, whole; where anything fails, nothing is left.

        Raises `NoRoom` where the disk is full, `OutputUnusable` where it cannot be written for another reason.
        """
        with self._telling("written to"), self._partial(name) as partial:
            with partial.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if self._local:
                partial.replace(self._path(name))
            else:
                self._files.put_file(str(partial), self._path(name))

    @contextmanager
    def _partial(self, name: str) -> Iterator[Path]:
        """Give the path of a file that nobody else writes; it is removed at the end if it is still there."""
        if self._local:
            folder = Path(self._path(name)).parent
            folder.mkdir(parents=True, exist_ok=True)
        else:
            folder = Path(tempfile.gettempdir())
        partial = folder / f".{name.rsplit('/', 1)[-1]}.{uuid.uuid4().hex}.partial"
        try:
            yield partial
        finally:
            with suppress(OSError):
                partial.unlink()

    def write(self, name: str, content: bytes) -> None:
        """Write a whole file."""
        with self.writing(name) as file:
            file.write(content)

    def clear(self) -> None:
        """Remove all that a batch has left here, its record first: whoever still works on it stops."""
        with self._telling("written to"):
            for name in (RECORD, MANIFEST, SUMMARY, MODELS, PLAN):
                if self._files.exists(self._path(name)):
                    self._files.rm_file(self._path(name))
            if self._files.exists(self._path(_SHARDS)):
                self._files.rm(self._path(_SHARDS), recursive=True)

    def sweep(self) -> None:
        """Remove the partial files of writers that were killed, once every shard is done.

        One that still writes does what has been done; it fails, and nothing is lost.
        """
        if self._local:
            for partial in Path(self._root).glob("**/.*.partial"):
                with suppress(OSError):
                    partial.unlink()

    @contextmanager
    def _telling(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                raise NoRoom(
                    f"there is no space left in {self}: make room, then `songlens batch resume {self}`."
                ) from error
            raise OutputUnusable(f"{self} cannot be {what}: {_reason(error)}.") from error


def _reason(error: OSError) -> Any:
    return error.strerror or error
