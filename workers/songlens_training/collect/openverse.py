"""Openverse: openly licensed images by keyword. Interface: https://api.openverse.org/v1/, GET /v1/images/."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlencode

import httpx

from songlens_shared.errors import ConfigError, DataError
from songlens_training.catalogue.tables import RejectLog, Row, RowRefused, checked_text, text_field
from songlens_training.collect.licences import licence_name
from songlens_training.collect.listed import checked_url
from songlens_training.collect.sources import Candidate, SourceFailed
from songlens_training.collect.wanted import Queries
from songlens_training.collect.web import FetchFailed, HostUnavailable, Web

BASE_URL = "https://api.openverse.org"
NAME = "openverse"

ANONYMOUS_PAGE_SIZE = 20
"""The largest page that is given without a token."""

_MAX_ANSWER_BYTES = 16 << 20
_FIELDS = (
    "id", "title", "url", "license", "license_version", "license_url", "attribution", "creator",
    "foreign_landing_url", "source", "filetype",
)  # fmt: skip
_NO_PHOTO = frozenset({"svg", "pdf", "djvu", "webm", "ogv", "mp4"})


@dataclass(frozen=True, kw_only=True)
class OpenverseOptions:
    """How Openverse is asked. Raises `ConfigError` for values out of range."""

    base_url: str = BASE_URL
    token: str | None = field(default=None, repr=False)
    """An access token (OAuth 2 bearer). Without one there are fewer requests a day and smaller pages."""
    page_size: int = ANONYMOUS_PAGE_SIZE
    interval_s: float = 1.0
    """At least so long from one search to the next."""

    def __post_init__(self) -> None:
        if not self.base_url.startswith(("http://", "https://")):
            raise ConfigError(f"{self.base_url!r} is not the http or https URL of an Openverse service.")
        if not 1 <= self.page_size <= 500 or self.interval_s < 0:
            raise ConfigError("Pages have 1 to 500 results, and the interval is 0 seconds or more.")
        if self.page_size > ANONYMOUS_PAGE_SIZE and not self.token:
            raise ConfigError(f"Without a token Openverse gives at most {ANONYMOUS_PAGE_SIZE} results a page.")


class Pages(Protocol):
    """Keeps pages of search results from run to run, by URL. `Journal` is one."""

    def page(self, url: str) -> Any:
        """Return what was kept; None when nothing was."""
        ...

    def keep_page(self, url: str, content: Any) -> None:
        """Keep what JSON can hold."""
        ...


class MemoryPages:
    """Keeps pages for as long as it lives."""

    def __init__(self) -> None:
        self._pages: dict[str, Any] = {}

    def page(self, url: str) -> Any:
        return self._pages.get(url)

    def keep_page(self, url: str, content: Any) -> None:
        self._pages[url] = content


@dataclass(frozen=True)
class _Page:
    results: Sequence[Any]
    page_count: int


class Openverse:
    """The image source that searches Openverse.

    A keyword is searched by its `queries`, or as it is when it has none. `licences` are codes to ask for; none: any.
    Results that are no candidates go into `rejects` under the name `openverse`.
    """

    def __init__(
        self,
        web: Web,
        options: OpenverseOptions,
        *,
        queries: Queries,
        licences: Collection[str] = (),
        pages: Pages,
        rejects: RejectLog,
    ) -> None:
        self._web = web
        self._options = options
        self._queries = queries
        self._licences = licences
        self._pages = pages
        self._rejects = rejects
        self._unavailable: str | None = None

    @property
    def name(self) -> str:
        """Always `openverse`; a candidate's own source is the site that Openverse found it on."""
        return NAME

    def keywords(self) -> Sequence[str]:
        """Return nothing: it searches for any word."""
        return ()

    def queries(self, keyword: str) -> tuple[str, ...]:
        """Return what is searched for the keyword."""
        return self._queries.get(keyword, (keyword,))

    async def candidates(self, keyword: str) -> AsyncGenerator[Candidate]:
        """Yield the results of the keyword's queries, in the order of their relevance.

        Raises `SourceFailed` when the answers are useless, or Openverse cannot be reached or asks to be left alone for
        longer than a run waits; and `DataError` when it refuses the token.
        """
        places: set[str] = set()
        for query in self.queries(keyword):
            async for result in self._results(query):
                row = Row(line=None, fields=_present(result), raw=result)
                try:
                    candidate = self._candidate(row, keyword)
                except RowRefused as refusal:
                    self._rejects.refuse(NAME, row, str(refusal))
                    continue
                if candidate.place not in places:
                    places.add(candidate.place)
                    self._rejects.accept(NAME)
                    yield candidate

    async def _results(self, query: str) -> AsyncIterator[Any]:
        """Yield the results page by page; stop at the last page, or at one that brings nothing new."""
        seen: set[str] = set()
        for number in itertools.count(1):
            page = await self._page(query, number)
            new = {key: result for result in page.results if (key := _key(result)) not in seen}
            seen.update(new)
            for result in new.values():
                yield result
            if not new or number >= page.page_count:
                return

    async def _page(self, query: str, number: int) -> _Page:
        parameters = {"q": query, "page": number, "page_size": self._options.page_size}
        if self._licences:
            parameters["license"] = ",".join(sorted(self._licences))
        url = f"{self._options.base_url.rstrip('/')}/v1/images/?{urlencode(parameters)}"
        content = self._pages.page(url)
        if content is None:
            if self._unavailable is not None:
                raise SourceFailed(f"search failed: {self._unavailable}")
            content = await self._fetch(url, number)
            self._pages.keep_page(url, content)
        return _Page(**content)

    async def _fetch(self, url: str, number: int) -> dict[str, Any]:
        headers = {"Accept": "application/json"}
        if self._options.token:
            headers["Authorization"] = f"Bearer {self._options.token}"
        try:
            return await self._web.get(
                url, _read_page, robots=False, headers=headers, interval_s=self._options.interval_s
            )
        except HostUnavailable as failure:
            self._unavailable = failure.reason
            raise SourceFailed(f"search failed: {failure.reason}") from failure
        except FetchFailed as failure:
            if failure.status in (401, 403) and number == 1:
                base_url = self._options.base_url
                raise DataError(f"{base_url} refuses to be searched ({failure.reason}): check the token.") from failure
            if failure.status is not None and not failure.passing and number > 1:
                # The number of pages that it states may be more than it gives to one client.
                return {"results": [], "page_count": number}
            raise SourceFailed(f"search failed: {failure.reason}") from failure

    def _candidate(self, row: Row, keyword: str) -> Candidate:
        url = checked_url(text_field(row, "url"))
        code = text_field(row, "license").lower()
        if _text(row, "filetype").lower() in _NO_PHOTO:
            raise RowRefused("not a photo by its file type")
        return Candidate(
            keywords={keyword: 1.0},
            source=_text(row, "source") or NAME,
            url=url,
            licence=licence_name(code, _text(row, "license_version")),
            licence_url=_text(row, "license_url"),
            attribution=_text(row, "attribution"),
            creator=_text(row, "creator"),
            title=_text(row, "title"),
            landing_page=_text(row, "foreign_landing_url"),
        )


async def _read_page(response: httpx.Response) -> dict[str, Any]:
    """Return {results, page_count} of an answer, of each result only the fields that are used."""
    content = bytearray()
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) > _MAX_ANSWER_BYTES:
            raise FetchFailed("the answer is too large")
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        raise FetchFailed("the answer is not JSON", passing=True) from None
    results = answer.get("results") if isinstance(answer, dict) else None
    page_count = answer.get("page_count") if isinstance(answer, dict) else None
    if not isinstance(results, list) or not isinstance(page_count, int):
        raise FetchFailed("the answer lacks `results` or `page_count`", passing=True, retry=False)
    return {"results": [_used(result) for result in results], "page_count": page_count}


def _used(result: Any) -> Any:
    """Return the fields that are used; what is no object stays, to be refused by name."""
    return {name: result[name] for name in _FIELDS if name in result} if isinstance(result, dict) else result


def _present(result: Any) -> Mapping[str, Any]:
    return {name: value for name, value in result.items() if value is not None} if isinstance(result, dict) else {}


def _key(result: Any) -> str:
    return json.dumps(result, sort_keys=True)


def _text(row: Row, name: str) -> str:
    return checked_text(row.fields.get(name, ""), name)
