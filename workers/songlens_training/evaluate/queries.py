"""Query images: photos whose keyword is known, and that are neither in the index nor in the graph.

They come from a file, or are held out of the catalogue's own images.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from songlens_shared.errors import ConfigError, DataError
from songlens_training.catalogue.images import CatalogueImage
from songlens_training.catalogue.tables import (
    RejectLog,
    Row,
    RowRefused,
    checked_records,
    checked_text,
    read_rows,
    text_field,
)
from songlens_training.keywords.folding import fold, fold_words

COPY = "the same file is in the catalogue"
NO_KEYWORD = "no keyword of the model"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryImage:
    """A photo and what is to be seen in it."""

    id: str
    path: Path
    keyword: str
    """In simplified characters, as lyrics are read."""


class Split(NamedTuple):
    """The images of a catalogue in two parts."""

    kept: list[CatalogueImage]
    held_out: list[CatalogueImage]


def read_queries(path: Path, rejects: RejectLog) -> list[QueryImage]:
    """Return the query images of a .jsonl, .csv or .parquet file with the columns `path` and `keyword`.

    Paths are absolute or relative to the file. A row without keyword, as of a photo that nobody has described, is
    refused into `rejects`, and so is one whose image file is missing. Raises `DataError` when no row is left.
    """

    def parse(row: Row) -> QueryImage:
        name = text_field(row, "path")
        keyword = checked_text(row.fields.get("keyword") or "", "keyword")
        if not keyword:
            raise RowRefused("query image without keyword")
        if not (path.parent / name).is_file():
            raise RowRefused("image file missing")
        return QueryImage(id=name, path=path.parent / name, keyword=fold(keyword))

    return list(checked_records(str(path), read_rows(path, rejects), parse, rejects))


def hold_out(images: Sequence[CatalogueImage], share: float, seed: int) -> Split:
    """Hold out a share (0 < share < 1) of the images of each keyword, drawn by `seed`; order is kept.

    An image counts for its heaviest keyword. Of a keyword with two images or more at least one is held out, and at
    least one stays. An image whose very file is in the catalogue twice is never held out. Raises `ConfigError` for
    another share and `DataError` when no image can be held out.
    """
    if not 0 < share < 1:
        raise ConfigError(f"The share of images to hold out must be between 0 and 1, not {share}.")
    copied = _copied(images)
    by_keyword: dict[str, list[CatalogueImage]] = defaultdict(list)
    for image in images:
        by_keyword[heaviest(image.keywords)].append(image)
    random = np.random.default_rng(seed)
    held: set[str] = set()
    for _, group in sorted(by_keyword.items()):
        unique = [image.id for image in group if image.id not in copied]
        count = min(len(unique), len(group) - 1, max(1, round(share * len(group))))
        held.update(unique[row] for row in random.choice(len(unique), count, replace=False).tolist())
    if not held:
        raise DataError("No image can be held out: no keyword has two images that differ.")
    return Split([image for image in images if image.id not in held], [image for image in images if image.id in held])


def heaviest(keywords: Mapping[str, float]) -> str:
    """Return the keyword of the greatest weight; among equals the first by name."""
    return min(keywords, key=lambda word: (-keywords[word], word))


def queries_of(held_out: Iterable[CatalogueImage], keywords: Collection[str]) -> list[QueryImage]:
    """Return held-out images as query images, each for its heaviest among the model's `keywords`.

    One that bears none of them is left out, as the catalogue leaves it out.
    """
    wanted = fold_words(keywords)
    bags = [(image, {fold(word): weight for word, weight in image.keywords.items()}) for image in held_out]
    known = [(image, {word: weight for word, weight in bag.items() if word in wanted}) for image, bag in bags]
    return [QueryImage(id=image.id, path=image.path, keyword=heaviest(bag)) for image, bag in known if bag]


def without_copies(queries: Sequence[QueryImage], catalogue: Iterable[Path]) -> list[QueryImage]:
    """Leave out the query images whose very file is among the files of the catalogue, wherever it lies.

    A file of the catalogue that is no longer there is passed over.
    """
    files = [path for path in catalogue if path.is_file()]
    sizes = {query.path.stat().st_size for query in queries}
    digests = {_digest(path) for path in files if path.stat().st_size in sizes}
    return [query for query in queries if _digest(query.path) not in digests]


def _copied(images: Sequence[CatalogueImage]) -> set[str]:
    """Return the ids of images whose file is there twice; only files of one size are read."""
    by_size: dict[int, list[CatalogueImage]] = defaultdict(list)
    for image in images:
        by_size[image.path.stat().st_size].append(image)
    by_content: dict[bytes, list[str]] = defaultdict(list)
    for group in by_size.values():
        for image in group if len(group) > 1 else ():
            by_content[_digest(image.path)].append(image.id)
    return {id for ids in by_content.values() if len(ids) > 1 for id in ids}


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
