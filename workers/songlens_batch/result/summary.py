"""The summary of a finished batch, for people: what the photos got most, what went wrong, how fast it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

import pyarrow.compute as pc
import pyarrow.parquet as pq

from songlens_batch.folder import BatchFolder
from songlens_batch.record import BatchRecord
from songlens_batch.result.manifest import BatchManifest

_MOST_SONGS = 20
_MOST_EXAMPLES = 3


def summary(folder: BatchFolder, record: BatchRecord, manifest: BatchManifest, state: Mapping[str, str]) -> str:
    """Return the summary in Markdown; reads every row once."""
    songs, titles, examples = _read(folder)
    parts = [_head(record, manifest, state), _songs(songs, titles, manifest.ok)]
    if manifest.errors:
        parts.append(_errors(manifest, examples))
    return "\n".join(parts)


def _read(folder: BatchFolder) -> tuple[Counter[str], dict[str, str], dict[str, list[str]]]:
    """Return how often each song was given, the songs' names, and some photos of each error."""
    songs: Counter[str] = Counter()
    titles: dict[str, str] = {}
    examples: dict[str, list[str]] = {}
    for _, name in sorted(folder.finished().items()):
        with folder.reading(name) as file:
            table = pq.read_table(file, columns=["id", "status", "error", "songs"])
        given = pc.list_flatten(table["songs"]).combine_chunks()
        ids = given.field("id").to_pylist()
        songs.update(ids)
        names = zip(ids, given.field("title").to_pylist(), given.field("artist").to_pylist(), strict=True)
        titles.update((id, f"{title} ({artist})") for id, title, artist in names)
        failed = table.filter(pc.equal(table["status"], "error"))
        for id, error in zip(failed["id"].to_pylist(), failed["error"].to_pylist(), strict=True):
            found = examples.setdefault(error["code"], [])
            if len(found) < _MOST_EXAMPLES:
                found.append(f"`{id}`: {error['message']}")
    return songs, titles, examples


def _head(record: BatchRecord, manifest: BatchManifest, state: Mapping[str, str]) -> str:
    lines = [
        f"# Batch {record.id}",
        "",
        f"- source: `{record.config.source}`",
        f"- submitted {record.created_at}, ended {manifest.ended_at}{_speed(manifest, state)}",
        f"- {manifest.images:,} photos in {manifest.shards:,} shards: {manifest.ok:,} got songs, "
        f"{sum(manifest.errors.values()):,} did not",
        *(f"- model version {model}: {count:,} photos" for model, count in manifest.models.items()),
        "",
    ]
    return "\n".join(lines)


def _speed(manifest: BatchManifest, state: Mapping[str, str]) -> str:
    """What is known of a batch that was resumed later is the time of its last run alone, which says nothing."""
    begun_ms, submitted_ms = state.get("begun_ms"), state.get("submitted_ms")
    if begun_ms is None or submitted_ms is None or int(begun_ms) - int(submitted_ms) > 1000:
        return ""
    seconds = datetime.fromisoformat(manifest.ended_at).timestamp() - int(begun_ms) / 1000
    return f": {manifest.images / max(seconds, 1e-3):,.1f} photos a second" if seconds > 0 else ""


def _songs(songs: Counter[str], titles: Mapping[str, str], photos: int) -> str:
    rows = [(titles[id], f"{count:,}", f"{count / max(1, photos):.1%}") for id, count in songs.most_common(_MOST_SONGS)]
    return f"## Top songs, of {len(songs):,}\n\n" + _table(("song", "photos", "share of photos"), rows)


def _errors(manifest: BatchManifest, examples: Mapping[str, list[str]]) -> str:
    rows = [
        (code, f"{count:,}", "<br>".join(_cell(text) for text in examples[code]))
        for code, count in manifest.errors.items()
    ]
    return "## Errors\n\n" + _table(("code", "photos", "some of them"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *((_cell(cell) for cell in row) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
