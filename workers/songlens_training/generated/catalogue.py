"""Write the generated catalogue: songs, images, photos to try, and the truth that was planted in them.

    songs.jsonl      id, title, artist, lyrics, popularity
    images.jsonl     id, path, keywords, licence, attribution
    queries.jsonl    path, keyword, title: photos of the themes that are not among the images
    truth.jsonl      song, themes: which keywords were planted in which song
    images/ queries/ one folder for each theme, JPEG files of 320 x 240
    catalogue.json   what was asked for and how many there are; written last

Everything follows from the seed: the text is the same everywhere, the pictures are the same bytes for the same
versions of Python, numpy and Pillow. A catalogue is made under another name beside its place and moved there
when it is whole.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from songlens_shared.errors import DataError
from songlens_training.generated.lyrics import song
from songlens_training.generated.picture import Picture, paint
from songlens_training.generated.themes import THEMES

Progress = Callable[[int, int], None]

FORMAT = 1
_REVISION = 1
"""Raise it when scenes or verses change: older folders are then made anew."""
_POOL_FROM = 64
"""Below this many pictures, starting processes costs more than it saves."""


@dataclass(frozen=True, kw_only=True)
class GeneratedOptions:
    """How large the catalogue is, and which of the endless many of that size.

    seed: any integer; the same seed gives the same catalogue.
    themes: how many of THEMES, from the first on (the paper has 72 keywords); songs and pictures are of these alone.
    songs: songs in all, at least 1 (the paper has 62,316).
    images_per_theme: catalogue images for each of the themes, at least 1.
    images: catalogue images in all, at least one for each theme (the paper has 33,459). They are spread over the
        themes as evenly as can be, the first ones getting the rest; `images_per_theme` then has no effect.
    queries_per_theme: photos of each theme to be sent as requests, not among the images; 0 for none.
    mislabelled: share of the catalogue images, from 0 to below 1, that bear the keyword of another theme, as some
        images that were found by searching for a keyword do.
    """

    seed: int = 7
    themes: int = 36
    songs: int = 2400
    images_per_theme: int = 24
    images: int | None = None
    queries_per_theme: int = 1
    mislabelled: float = 0.0

    def check(self) -> None:
        """Raise `DataError` if these numbers make no catalogue."""
        _check_whole("seed", self.seed)
        _check_whole("themes", self.themes, 1, len(THEMES))
        _check_whole("songs", self.songs, 1)
        _check_whole("images_per_theme", self.images_per_theme, 1)
        _check_whole("queries_per_theme", self.queries_per_theme, 0)
        if self.images is not None:
            _check_whole("images", self.images, self.themes)
        if not 0 <= self.mislabelled < 1:
            raise DataError(f"mislabelled must be a share from 0 to below 1, not {self.mislabelled}.")
        if self.mislabelled and self.themes == 1:
            raise DataError("Images of a single theme cannot be mislabelled: there is no other.")

    def images_of(self, theme: int) -> int:
        """Return how many catalogue images theme number `theme` (0-based, below `themes`) gets."""
        if self.images is None:
            return self.images_per_theme
        each, rest = divmod(self.images, self.themes)
        return each + (theme < rest)


def _check_whole(name: str, value: object, least: int | None = None, most: int | None = None) -> None:
    """Raise `DataError` unless the option is a whole number within its bounds."""
    if type(value) is not int or (least is not None and value < least) or (most is not None and value > most):
        bound = "" if least is None else f" of at least {least}" if most is None else f" from {least} to {most}"
        raise DataError(f"{name} must be a whole number{bound}, not {value!r}.")


def generate(folder: Path, options: GeneratedOptions, progress: Progress, *, processes: int | None = None) -> None:
    """Write the catalogue to `folder`, unless exactly this one is already there.

    `progress(done, total)` counts songs and pictures. `processes` paint at a time (as many as there are cores).
    A generated catalogue made with other options is replaced. Raises `DataError` if the options make no
    catalogue, or if `folder` holds something other than a generated catalogue.
    """
    options.check()
    if is_complete(folder, options):
        return
    _refuse_to_replace(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = folder.with_name(f"{folder.name}.unfinished-{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        _write(unfinished, options, progress, processes)
        if folder.exists():
            shutil.rmtree(folder)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def is_complete(folder: Path, options: GeneratedOptions) -> bool:
    """Return whether `folder` holds the whole catalogue of these options."""
    manifest = _manifest(folder)
    return manifest is not None and manifest == _description(options)


def _manifest(folder: Path) -> Any:
    try:
        return json.loads((folder / "catalogue.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _refuse_to_replace(folder: Path) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    manifest = _manifest(folder)
    if not isinstance(manifest, dict) or manifest.get("kind") != "generated":
        raise DataError(f"{folder} holds something else than a generated catalogue; choose another folder.")


def _description(options: GeneratedOptions) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "kind": "generated",
        "options": asdict(options) | {"revision": _REVISION},
        "songs": options.songs,
        "images": sum(map(options.images_of, range(options.themes))),
        "queries": options.queries_per_theme * options.themes,
    }


def _write(folder: Path, options: GeneratedOptions, progress: Progress, processes: int | None) -> None:
    pictures = planned(options)
    total = options.songs + len(pictures)
    for parent in {picture.path.parent for picture in pictures}:
        (folder / parent).mkdir(parents=True, exist_ok=True)
    done = 0
    for done in _write_songs(folder, options):
        progress(done, total)
    for painted in _paint_all(folder, pictures, processes):
        progress(done + painted, total)
    _write_rows(folder / "images.jsonl", (_image_row(p, options) for p in pictures if p.kind == "images"))
    _write_rows(folder / "queries.jsonl", (_query_row(p) for p in pictures if p.kind == "queries"))
    _write_rows(folder / "catalogue.json", [_description(options)])


def _write_rows(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _write_songs(folder: Path, options: GeneratedOptions) -> Iterator[int]:
    """Write songs and truth row by row, yielding how many are done. Ranks are drawn independently of themes."""
    ranks = list(range(1, options.songs + 1))
    random.Random(f"{options.seed}/popularity").shuffle(ranks)
    with ExitStack() as stack:
        songs, truth = (
            stack.enter_context((folder / name).open("w", encoding="utf-8", newline="\n"))
            for name in ("songs.jsonl", "truth.jsonl")
        )
        for number, rank in enumerate(ranks):
            row = asdict(song(options.seed, number, rank, options.themes))
            themes = row.pop("themes")
            songs.write(json.dumps(row, ensure_ascii=False) + "\n")
            truth.write(json.dumps({"song": row["id"], "themes": themes}, ensure_ascii=False) + "\n")
            yield number + 1


def planned(options: GeneratedOptions) -> list[Picture]:
    """Return the pictures of a catalogue; queries are seeded apart, so no size of catalogue contains one."""
    sizes = [("images", theme, options.images_of(theme)) for theme in range(options.themes)]
    sizes += [("queries", theme, options.queries_per_theme) for theme in range(options.themes)]
    return [
        Picture(seed=options.seed, kind=kind, theme=theme, number=number)
        for kind, theme, size in sizes
        for number in range(size)
    ]


def _paint_all(folder: Path, pictures: list[Picture], processes: int | None) -> Iterator[int]:
    """Paint every picture into the folder, yielding how many are done."""
    processes = processes or os.cpu_count() or 1
    folders = [folder] * len(pictures)
    if processes == 1 or len(pictures) < _POOL_FROM:
        painted: Iterable[None] = map(paint, folders, pictures)
        yield from (count for count, _ in enumerate(painted, 1))
        return
    # Spawned, not forked: the caller may hold threads (torch, Redis) that do not survive a fork.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from (count for count, _ in enumerate(pool.map(paint, folders, pictures, chunksize=8), 1))


def _image_row(picture: Picture, options: GeneratedOptions) -> dict[str, Any]:
    """Return the row of an image. Its id tells what it shows, whatever keyword it bears."""
    return {
        "id": f"{THEMES[picture.theme].name}-{picture.number:05d}",
        "path": picture.path.as_posix(),
        "keywords": [THEMES[_labelled_theme(picture, options)].keyword],
        "licence": "CC0-1.0",
        "attribution": "Songlens, generated",
    }


def _labelled_theme(picture: Picture, options: GeneratedOptions) -> int:
    """Return the theme whose keyword an image bears: nearly always its own."""
    draw = random.Random(f"{options.seed}/label/{picture.theme}/{picture.number}")
    if draw.random() >= options.mislabelled:
        return picture.theme
    return (picture.theme + draw.randrange(1, options.themes)) % options.themes


def _query_row(picture: Picture) -> dict[str, Any]:
    theme = THEMES[picture.theme]
    return {"path": picture.path.as_posix(), "keyword": theme.keyword, "title": theme.name.replace("-", " ")}
