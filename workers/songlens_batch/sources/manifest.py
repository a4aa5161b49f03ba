"""A table that lists photos: JSONL, CSV, TSV or Parquet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from songlens_batch.sources.addresses import folder_of, is_chained, is_local, joined, local_path, scheme_of, shown
from songlens_batch.sources.files import Files
from songlens_batch.sources.item import MAX_ID_CHARACTERS, SourceItem, id_problem
from songlens_batch.sources.manifest_rows import ID, PLACES, ROWS, Rows
from songlens_shared.errors import DataError

_UNFIT_PLACE = re.compile(r"[\x00\ud800-\udfff]")


def rows_reader(name: str) -> Rows | None:
    """Return what reads a manifest of this name; None for what is no manifest."""
    return next((rows for suffix, rows in ROWS.items() if name.lower().endswith(suffix)), None)


class ManifestSource:
    """The photos that a manifest lists, in its order. Whether they are there is found out when they are read.

    Each row has `path`, `url` or `uri` (the first of them that is not empty): a path, relative to the manifest or
    absolute, or a URL. `id` is text or a whole number; without one, a photo's id is the path or URL as it is written.
    """

    def __init__(self, files: Files, address: str, rows: Rows) -> None:
        """`rows` reads the manifest's format."""
        self.described = f"manifest {shown(address)}"
        self.skipped = 0
        self._files = files
        self._address = address
        self._rows = rows

    def items(self) -> Iterator[SourceItem]:
        """Yield the photos. Raises `DataError` at the first row that names none, and where there is no row."""
        folder = folder_of(self._address)
        empty = True
        try:
            with self._files.open(self._address) as file:
                for where, fields in self._rows(file, self._address):
                    empty = False
                    yield _item(fields, folder, where)
        except OSError as error:
            raise DataError(f"{shown(self._address)} cannot be read to its end: {error}. Try again.") from error
        if empty:
            raise DataError(f"{shown(self._address)} lists no photo; write one row for each.")


def _item(fields: Mapping[str, Any], folder: str, where: str) -> SourceItem:
    place = _place(fields, where)
    id_ = _id(fields, where) or place
    problem = id_problem(id_)
    if problem:
        raise DataError(
            f"{where}: the id of the photo {problem}; give it an id of 1 to {MAX_ID_CHARACTERS} characters, "
            "none of them a control character."
        )
    return SourceItem(id=id_, path=_address(place, folder, where))


def _place(fields: Mapping[str, Any], where: str) -> str:
    for name in PLACES:
        value = fields.get(name)
        if value is None or value == "":
            continue
        if not isinstance(value, str):
            raise DataError(f"{where}: {name} is not text; write where the photo lies.")
        if _UNFIT_PLACE.search(value):
            raise DataError(f"{where}: {name} is not UTF-8, or holds a null character; save the manifest as UTF-8.")
        return value
    raise DataError(f"{where}: neither path, url nor uri tells where the photo lies; fill one of them.")


def _id(fields: Mapping[str, Any], where: str) -> str | None:
    value = fields.get(ID)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise DataError(f"{where}: id is neither text nor a whole number; write it as text.")


def _address(place: str, folder: str, where: str) -> str:
    if "://" not in place or not scheme_of(place):
        return place if place.startswith("/") else joined(folder, place)
    if not is_local(place):
        if is_chained(place):
            raise DataError(f"{where}: the URL holds another one after ::, which is not followed; name one file.")
        return place
    try:
        return local_path(place)
    except DataError as error:
        raise DataError(f"{where}: {error.message}") from error
