"""The run: from keywords to a catalogue of images. Whatever ends it, the same call goes on where it stopped.

For each keyword the candidates are taken in the order of their sources, as many at a time as are still missing, until
enough distinct images have passed. How many come at once, and which is faster, therefore makes no difference to the
result; keywords do not wait for one another.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from songlens_shared.errors import DataError
from songlens_training.catalogue.tables import RejectLog, Row
from songlens_training.collect.checks import CheckedImage
from songlens_training.collect.download import Downloads
from songlens_training.collect.duplicates import DistinctImages
from songlens_training.collect.journal import Journal, Refusal
from songlens_training.collect.licences import licence_code
from songlens_training.collect.listed import read_listed
from songlens_training.collect.openverse import NAME as OPENVERSE
from songlens_training.collect.openverse import MemoryPages, Openverse, Pages
from songlens_training.collect.options import CollectOptions
from songlens_training.collect.report import KeywordReport, Report
from songlens_training.collect.retry import Clock
from songlens_training.collect.sources import Candidate, ImageSource, SourceFailed
from songlens_training.collect.web import Web
from songlens_training.collect.writing import CollectedImage, write_catalogue
from songlens_training.progress import Progress, step

STATE = ".collect"
REJECTS = "collect.rejects.jsonl"

KEYWORDS_AT_ONCE = 4

T = TypeVar("T")


async def collect(
    folder: Path,
    options: CollectOptions,
    progress: Progress,
    *,
    clock: Clock | None = None,
    uniform: Callable[[], float] = random.random,
) -> Report:
    """Collect images into the catalogue `folder`, or go on with what an earlier run has begun there.

    Writes images/, images.jsonl, collect.rejects.jsonl and, last of all, collect.json. The state from which a run
    goes on is in .collect/. Raises `DataError` when there is no keyword, a source cannot be used, nothing could be
    collected, the folder holds something else, or the disk is full.
    """
    _claim(folder)
    try:
        (folder / REJECTS).unlink(missing_ok=True)
        with (
            RejectLog(folder / REJECTS) as rejects,
            Journal(folder / STATE / "journal.jsonl", options.checks) as journal,
        ):
            async with Web(options.web, clock=clock, uniform=uniform) as web:
                sources = _open_sources(options, web, journal, rejects)
                with Downloads(folder / STATE, journal, web, options.checks) as downloads:
                    run = _Run(options, sources, downloads, rejects, progress)
                    return await run.run(folder)
    except OSError as error:
        raise DataError(
            f"{folder} cannot be written: {error.strerror or error}. Nothing is lost: run the same command again."
        ) from error


async def preview(
    options: CollectOptions, *, clock: Clock | None = None, uniform: Callable[[], float] = random.random
) -> dict[str, list[Candidate]]:
    """Return the candidates that would be fetched first for each keyword; fetches search results only.

    Raises `DataError` as `collect` does.
    """
    with RejectLog() as rejects:
        async with Web(options.web, clock=clock, uniform=uniform) as web:
            offers = _Offers(_open_sources(options, web, MemoryPages(), rejects), options, rejects)
            found = {}
            for keyword in offers.keywords:
                async with aclosing(offers.candidates(keyword)) as candidates:
                    found[keyword] = await _take(candidates, options.per_keyword)
            return found


def _claim(folder: Path) -> None:
    """Make the folder ours. Raises `DataError` rather than write into what `collect` has not made."""
    if folder.exists() and not (folder / STATE).is_dir() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} holds something else than a collected catalogue; choose another folder.")
    try:
        (folder / STATE).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder} cannot be made: {error.strerror or error}.") from error


def _open_sources(options: CollectOptions, web: Web, pages: Pages, rejects: RejectLog) -> list[ImageSource]:
    return [_open_source(name, options, web, pages, rejects) for name in dict.fromkeys(options.sources)]


def _open_source(name: str, options: CollectOptions, web: Web, pages: Pages, rejects: RejectLog) -> ImageSource:
    if name == OPENVERSE:
        return Openverse(
            web,
            options.openverse,
            queries=options.queries,
            licences=options.licences,
            pages=pages,
            rejects=rejects,
        )
    return read_listed(Path(name), rejects)


class _Offers:
    """The candidates of all sources, one source after the other, that have a licence asked for."""

    def __init__(self, sources: Sequence[ImageSource], options: CollectOptions, rejects: RejectLog) -> None:
        self._sources = sources
        self._licences = options.licences
        self._rejects = rejects
        listed = dict.fromkeys(keyword for source in sources for keyword in source.keywords())
        self.keywords = tuple(dict.fromkeys(options.keywords or listed))
        self.failed_searches = 0
        if not self.keywords:
            raise DataError("There is no keyword to collect images for: give some.")

    async def candidates(self, keyword: str) -> AsyncGenerator[Candidate]:
        for source in self._sources:
            try:
                async for candidate in source.candidates(keyword):
                    if self._licences and licence_code(candidate.licence, candidate.licence_url) not in self._licences:
                        self.refuse(keyword, candidate, "licence not asked for")
                    else:
                        yield candidate
            except SourceFailed as failure:
                self.failed_searches += 1
                row = Row(line=None, fields={"source": source.name})
                self._rejects.refuse(_section(keyword), row, failure.message)

    def refuse(self, keyword: str, candidate: Candidate, reason: str) -> None:
        row = Row(line=None, fields={"place": candidate.place, "source": candidate.source})
        self._rejects.refuse(_section(keyword), row, reason)


@dataclass(frozen=True)
class _Found:
    candidate: Candidate
    image: CheckedImage


class _Run:
    def __init__(
        self,
        options: CollectOptions,
        sources: Sequence[ImageSource],
        downloads: Downloads,
        rejects: RejectLog,
        progress: Progress,
    ) -> None:
        self._options = options
        self._sources = sources
        self._offers = _Offers(sources, options, rejects)
        self._downloads = downloads
        self._rejects = rejects
        self._progress = step(progress, "Collecting images")
        self._passing: set[str] = set()
        self._distinct = dict.fromkeys(self._offers.keywords, 0)

    async def run(self, folder: Path) -> Report:
        turns = asyncio.Semaphore(KEYWORDS_AT_ONCE)

        async def one(keyword: str) -> list[_Found]:
            async with turns:
                return await self._collect(keyword)

        self._show()
        found = dict(zip(self._distinct, await _all(map(one, self._distinct)), strict=True))
        images, merged = self._merge(found)
        report = self._report(images, merged)
        if not images:
            reasons = sum((Counter(about.refused) for about in report.keywords.values()), Counter[str]())
            told = "; ".join(f"{reason} ({count})" for reason, count in reasons.most_common(5))
            raise DataError(f"Not one image could be collected: {told or 'the sources have none'}.")
        got = sum(self._distinct.values())
        if got < len(self._distinct) * self._options.per_keyword:
            self._progress(got, got)  # there are no more
        write_catalogue(folder, self._downloads.fetched, images, report.to_dict())
        return report

    async def _collect(self, keyword: str) -> list[_Found]:
        """Return the images for a keyword, in the order of the candidates; stop at enough distinct ones."""
        distinct = DistinctImages(self._options.near_duplicate_bits)
        found: list[_Found] = []
        async with aclosing(self._offers.candidates(keyword)) as candidates:
            while batch := await _take(candidates, self._options.per_keyword - len(distinct)):
                outcomes = await _all(map(self._downloads.outcome, batch))
                for candidate, outcome in zip(batch, outcomes, strict=True):
                    if isinstance(outcome, Refusal):
                        self._refuse(keyword, candidate, outcome)
                    else:
                        distinct.add(outcome)
                        found.append(_Found(candidate, outcome))
                self._distinct[keyword] = len(distinct)
                self._show()
        return found

    def _refuse(self, keyword: str, candidate: Candidate, refusal: Refusal) -> None:
        if refusal.passing:
            self._passing.add(candidate.place)
        self._offers.refuse(keyword, candidate, refusal.reason)

    def _show(self) -> None:
        self._progress(sum(self._distinct.values()), len(self._distinct) * self._options.per_keyword)

    def _merge(self, found: Mapping[str, Sequence[_Found]]) -> tuple[list[CollectedImage], Counter[str]]:
        """Return the distinct images with the keywords of all their copies, and how many copies were of which kind."""
        distinct = DistinctImages(self._options.near_duplicate_bits)
        images: list[CollectedImage] = []
        copies: dict[str, str] = {}
        for one in (one for of_keyword in found.values() for one in of_keyword):
            number = distinct.add(one.image)
            if number == len(images):
                images.append(CollectedImage(image=one.image, candidate=one.candidate, keywords={}))
            elif one.candidate.place != images[number].candidate.place:
                same = one.image.sha256 == images[number].image.sha256
                copies[one.candidate.place] = "same" if same else "near"
            weights = images[number].keywords
            for keyword, weight in one.candidate.keywords.items():
                if keyword in self._distinct:
                    weights[keyword] = max(weight, weights.get(keyword, 0.0))
        return images, Counter(copies.values())

    def _report(self, images: Sequence[CollectedImage], merged: Counter[str]) -> Report:
        bearing = Counter(keyword for image in images for keyword in image.keywords)
        searched = any(source.name == OPENVERSE for source in self._sources)
        return Report(
            images=len(images),
            keywords={
                keyword: KeywordReport(
                    wanted=self._options.per_keyword,
                    images=bearing[keyword],
                    refused=self._rejects.summary(_section(keyword)).refused,
                )
                for keyword in self._distinct
            },
            merged_same=merged["same"],
            merged_near=merged["near"],
            licences=dict(Counter(image.candidate.licence for image in images).most_common()),
            untranslated=tuple(word for word in self._distinct if searched and word not in self._options.queries),
            passing=len(self._passing) + self._offers.failed_searches,
            sources=tuple(self._rejects.summary(source.name) for source in self._sources),
        )


def _section(keyword: str) -> str:
    """The name under which the reject log counts the candidates of a keyword."""
    return f"keyword {keyword}"


async def _take(candidates: AsyncIterator[Candidate], count: int) -> list[Candidate]:
    """Return the next candidates, at most `count`, and ask for no more than these."""
    taken: list[Candidate] = []
    while len(taken) < count:
        try:
            taken.append(await anext(candidates))
        except StopAsyncIteration:
            break
    return taken


async def _all(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return all results; the first error cancels the rest and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
