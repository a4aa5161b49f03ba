"""From the text that names a SOURCE to what lists its photos."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Protocol

from songlens_batch.sources.addresses import WEB, is_chained, is_local, local_path, scheme_of, shown
from songlens_batch.sources.files import Files
from songlens_batch.sources.folder import FolderSource
from songlens_batch.sources.item import SourceItem
from songlens_batch.sources.local_files import LocalFiles
from songlens_batch.sources.manifest import ManifestSource, rows_reader
from songlens_batch.sources.patterns import is_pattern
from songlens_batch.sources.photo_names import is_photo, is_tar
from songlens_batch.sources.store_files import StoreFiles, open_store
from songlens_batch.sources.tars import TarSource
from songlens_shared.errors import DataError

_KINDS = (
    "a folder or prefix of photos, a manifest (.jsonl, .ndjson, .csv, .tsv or .parquet), a .tar, "
    "or a pattern such as photos-{00000..00099}.tar"
)


class Source(Protocol):
    """Lists the photos of a batch, always in the same order as long as nothing changes."""

    described: str
    """What it is, in a few words, without passwords."""

    skipped: int
    """Files that are no photos, among those that the last listing has come by."""

    def items(self) -> Iterator[SourceItem]:
        """List the photos one at a time, from the first; ids may occur twice.

        Raises `DataError` as soon as it comes by what cannot be used, and at the end where there was no photo.
        """


def open_source(text: str) -> Source:
    """Return the source that a text names, by what is there. Nothing is listed yet.

    Raises `DataError` for what does not exist, cannot be read, or is of no kind that can be a source.
    """
    files, address = _located(text)
    kind = files.kind(address)
    if kind == "folder":
        return FolderSource(files, address)
    if kind == "file":
        return _file_source(files, address)
    if kind == "other":
        raise DataError(f"{shown(address)} is neither a file nor a folder; name {_KINDS}.")
    if is_pattern(address):
        return TarSource(files, address, pattern=True)
    raise DataError(f"{shown(address)} does not exist; name {_KINDS}.")


def _located(text: str) -> tuple[Files, str]:
    """Return the file system of a source, and its address there: an absolute path, or a URL."""
    if not text.strip() or "\0" in text:
        raise DataError(f"the source is {'empty' if not text.strip() else 'no name of a file'}; name {_KINDS}.")
    if is_local(text):
        return LocalFiles(), _absolute(local_path(text))
    if scheme_of(text) in WEB:
        raise DataError(
            f"{shown(text)} lies on a web server, which cannot be searched; download the manifest or the tars, or "
            "list the URLs of the photos in a manifest on this machine."
        )
    if is_chained(text):
        raise DataError(f"{shown(text)} holds another address after ::, which is not followed; unpack it first.")
    filesystem, _ = open_store(text)
    return StoreFiles(filesystem), text


def _absolute(path: str) -> str:
    absolute = os.path.abspath(path)  # noqa: PTH100 - links stay as they are written
    try:
        absolute.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"the name {shown(absolute)} is not UTF-8, and a batch cannot keep it; rename it.") from error
    return absolute


def _file_source(files: Files, address: str) -> Source:
    rows = rows_reader(address)
    if rows is not None:
        return ManifestSource(files, address, rows)
    if is_tar(address):
        return TarSource(files, address, pattern=False)
    if is_photo(address):
        raise DataError(f"{shown(address)} is one photo; name its folder, or a manifest that lists it.")
    raise DataError(f"{shown(address)} is of no known kind; name {_KINDS}.")
