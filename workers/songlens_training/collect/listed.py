"""Image sources that are lists: a folder per keyword, or a manifest of paths and URLs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

from songlens_shared.errors import DataError
from songlens_training.catalogue.images import checked_file, checked_keywords, folder_of, image_rows
from songlens_training.catalogue.tables import RejectLog, Row, RowRefused, checked_text, text_field
from songlens_training.collect.sources import Candidate

_TEXTS = ("licence", "licence_url", "attribution", "creator", "title", "landing_page")


class ListedSource:
    """The images of a list, held in memory. `read_listed` makes it."""

    def __init__(self, name: str, candidates: Sequence[Candidate]) -> None:
        self._name = name
        self._by_keyword: dict[str, dict[str, Candidate]] = {}
        for candidate in candidates:
            for keyword in candidate.keywords:
                # A place may be listed twice; for one keyword the first row counts.
                self._by_keyword.setdefault(keyword, {}).setdefault(candidate.place, candidate)

    @property
    def name(self) -> str:
        """The path of the list."""
        return self._name

    def keywords(self) -> Sequence[str]:
        """Return the keywords in the order of their first images."""
        return list(self._by_keyword)

    async def candidates(self, keyword: str) -> AsyncGenerator[Candidate]:
        """Yield the keyword's candidates, heaviest first, in the order of the list where they weigh the same."""
        found = self._by_keyword.get(keyword, {}).values()
        for candidate in sorted(found, key=lambda candidate: -candidate.keywords[keyword]):
            yield candidate


def read_listed(path: Path, rejects: RejectLog) -> ListedSource:
    """Read a folder per keyword, or a .jsonl, .csv, .tsv or .parquet manifest.

    A manifest has the columns `keywords` (as in a catalogue), `path` (relative to the manifest, or absolute) or `url`
    (http or https; where there is a path too, only kept as the origin), and optionally `licence`, `licence_url`,
    `attribution`, `creator`, `title`, `landing_page` and `source`. Bad rows go into `rejects`. Raises `DataError` when
    nothing can be read or no row is good.
    """
    source = str(path)
    candidates = []
    for row in image_rows(path, rejects):
        try:
            candidates.append(_candidate(row, folder_of(path), path.name))
        except RowRefused as refusal:
            rejects.refuse(source, row, str(refusal))
        else:
            rejects.accept(source)
    if not candidates:
        reasons = "; ".join(f"{reason} ({n})" for reason, n in rejects.summary(source).refused.items())
        raise DataError(f"{source} has no usable row: {reasons or 'it is empty'}.")
    return ListedSource(source, candidates)


def _candidate(row: Row, folder: Path, source: str) -> Candidate:
    if row.problem is not None:
        raise RowRefused(row.problem)
    texts: dict[str, Any] = {name: checked_text(row.fields.get(name) or "", name) for name in _TEXTS}
    return Candidate(
        keywords=checked_keywords(row),
        source=checked_text(row.fields.get("source") or "", "source") or source,
        **_place(row, folder),
        **texts,
    )


def _place(row: Row, folder: Path) -> dict[str, Any]:
    url = checked_url(text_field(row, "url")) if "url" in row.fields else None
    if "path" in row.fields:
        return {"path": checked_file(folder / text_field(row, "path")), "url": url}
    if url is None:
        raise RowRefused("neither path nor url")
    return {"url": url}


def checked_url(url: str) -> str:
    """Return an http or https URL without its fragment. Raises `RowRefused`."""
    if not url.lower().startswith(("http://", "https://")):
        raise RowRefused("url is neither http nor https")
    return url.partition("#")[0]
