"""What an image source is: asked for a keyword, it yields candidates."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from songlens_shared.errors import SonglensError


class SourceFailed(SonglensError):
    """An image source could not answer for one keyword; the message is the reason. Never leaves this package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An image that a source offers, at `path` (a local file) or else at `url` (http or https).

    Of an image with both, `url` only says where the file came from. `keywords` are those that the source gives it, each
    with a weight > 0. The other fields are empty where the source does not say.
    """

    keywords: Mapping[str, float]
    source: str
    path: Path | None = None
    url: str | None = None
    licence: str = ""
    licence_url: str = ""
    attribution: str = ""
    creator: str = ""
    title: str = ""
    landing_page: str = ""

    @property
    def place(self) -> str:
        """Where the image lies, as a URL or a path."""
        return str(self.path) if self.path is not None else str(self.url)


class ImageSource(Protocol):
    """Yields candidates for keywords. Every source passes the same contract tests."""

    @property
    def name(self) -> str:
        """What the catalogue and the report call it."""
        ...

    def keywords(self) -> Sequence[str]:
        """Return the keywords that it has images for, in its own order; none when it can search for any word."""
        ...

    def candidates(self, keyword: str) -> AsyncGenerator[Candidate]:
        """Yield the candidates that bear `keyword`, each place once, the best first and always in the same order.

        Rows and search results that are no candidates go into the reject log that the source was made with.
        Raises `SourceFailed` when it cannot answer for this keyword, and `DataError` when it cannot answer at all.
        """
        ...
