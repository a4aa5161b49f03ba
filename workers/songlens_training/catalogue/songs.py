"""Songs: what one is, and how they are read from a file with every row checked."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from songlens_training.catalogue.tables import (
    RejectLog,
    Row,
    RowRefused,
    checked_records,
    checked_text,
    finite_number,
    id_field,
    read_rows,
    text_field,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Song:
    """One song of the catalogue. `popularity` is a number >= 0, or None when unknown."""

    id: str
    title: str
    artist: str
    lyrics: str
    """Lines separated by newlines."""
    popularity: float | None = None

    @property
    def lines(self) -> list[str]:
        """The lyric lines, stripped; blank ones left out."""
        return lyric_lines(self.lyrics)


def lyric_lines(lyrics: str) -> list[str]:
    """Return the lines of a text, stripped; blank ones left out."""
    return [line for line in map(str.strip, lyrics.splitlines()) if line]


def read_songs(path: Path, rejects: RejectLog, *, held: Collection[str] = frozenset()) -> Iterator[Song]:
    """Yield the good songs of a .jsonl, .csv or .parquet file; refuse bad rows into `rejects`.

    Columns: `id` (text or whole number), `title`, `lyrics` (lines separated by newlines), and optionally
    `artist` and `popularity` (a number >= 0). Counts are at `rejects.summary(str(path))` afterwards.
    Songs whose ids are in `held` are refused. Raises `DataError` when the file cannot be read or has no good row.
    """
    return checked_records(str(path), read_rows(path, rejects), _song, rejects, held=held)


def _song(row: Row) -> Song:
    return Song(
        id=id_field(row, "id"),
        title=text_field(row, "title"),
        artist=checked_text(row.fields.get("artist") or "", "artist"),
        lyrics=text_field(row, "lyrics"),
        popularity=_popularity(row),
    )


def _popularity(row: Row) -> float | None:
    value = row.fields.get("popularity")
    if value is None:
        return None
    popularity = finite_number(value)
    if popularity is None or popularity < 0:
        raise RowRefused("popularity is not a number >= 0")
    return popularity
