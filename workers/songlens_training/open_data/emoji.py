"""Google's emoji images joined to the Chinese labels and tags of the emoji data."""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from songlens_training.open_data.archives import read_members

_INDEX = "package/emoji.json"
_NAMES = "package/zh/data.json"
_PICTURES = "package/img/google/64/"
_NOT_PICTURES = {"Flags", "Symbols", "Component"}
PICTURE_SHARE = 0.7
"""Side of the drawing, as a share of the square it is put on."""

_PRESENTATION = "-FE0F"
_SAME_PICTURE = ("2640", "2642", "27A1")
"""Endings of the woman, man and facing-right forms of an emoji: the same scene once more."""


@dataclass(frozen=True, kw_only=True)
class Emoji:
    """One emoji that has a Google image and Chinese names."""

    id: str
    """Code points in hexadecimal, joined by hyphens."""
    sign: str
    label: str
    tags: tuple[str, ...]
    picture: str
    """File name of its image."""


def read_emoji(images_archive: Path, names_archive: Path) -> list[Emoji]:
    """Return the emoji that picture a thing, in Unicode order: no flags, symbols, or variants of one picture.

    Raises `DataError` when an archive cannot be read.
    """
    names = {_plain(row["hexcode"]): row for row in _read_json(names_archive, _NAMES)}
    index = sorted(_read_json(images_archive, _INDEX), key=lambda row: row["sort_order"])
    return [
        Emoji(
            id=code,
            sign=names[code]["emoji"],
            label=names[code]["label"],
            tags=tuple(names[code].get("tags", ())),
            picture=row["image"],
        )
        for row in index
        if (code := _plain(row["unified"])) in names
        and row["has_img_google"]
        and row["category"] not in _NOT_PICTURES
        and not code.endswith(_SAME_PICTURE)
    ]


def read_pictures(images_archive: Path, names: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Yield (file name, PNG bytes) for each of the named 64-pixel images, in the order of the archive."""
    wanted = {_PICTURES + name for name in names}
    for member, content in read_members(images_archive, wanted.__contains__):
        yield member.removeprefix(_PICTURES), content


def draw(png: bytes, pixels: int) -> Image.Image:
    """Return the emoji, enlarged (bicubic), in the middle of a white square: RGB, `pixels` a side.

    White, and a margin as around the subject of a photo. Among the fillings, filters and grounds that were tried
    on 14 labelled photographs none stood out: they differ by a photo or two, which is chance.
    """
    side = round(pixels * PICTURE_SHARE)
    with Image.open(io.BytesIO(png)) as picture:
        drawing = picture.convert("RGBA").resize((side, side), Image.Resampling.BICUBIC)
    square = Image.new("RGBA", (pixels, pixels), "white")
    margin = (pixels - side) // 2
    square.alpha_composite(drawing, (margin, margin))
    return square.convert("RGB")


def _plain(code: str) -> str:
    """Return the code points without presentation selectors, on which the two packages do not agree."""
    return code.upper().replace(_PRESENTATION, "")


def _read_json(archive: Path, member: str) -> list[Any]:
    return [row for _, content in read_members(archive, member.__eq__) for row in json.loads(content)]
