"""From a candidate to a checked image on the disk, each place once, whatever happens in between."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from collections import defaultdict
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx

from songlens_training.collect.checks import CheckedImage, ImageChecks, ImageRefused, check_image
from songlens_training.collect.journal import Journal, Outcome, Refusal
from songlens_training.collect.sources import Candidate
from songlens_training.collect.web import FetchFailed, Web
from songlens_workers.vision.cpus import available_cpus

T = TypeVar("T")

_TOO_LARGE = "more bytes than allowed"


class Downloads:
    """Fetches candidates into `folder`/fetched, named by content. Use it in a `with`; belongs to one event loop.

    A file has its final name only when it is whole, checked and on the disk; until then it lies in `folder`/partial,
    which is emptied at the start.
    """

    def __init__(self, folder: Path, journal: Journal, web: Web, checks: ImageChecks) -> None:
        self.fetched = folder / "fetched"
        self._partial = folder / "partial"
        self._journal = journal
        self._web = web
        self._checks = checks
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._threads = ThreadPoolExecutor(available_cpus(), "check")

    def __enter__(self) -> Self:
        shutil.rmtree(self._partial, ignore_errors=True)
        for folder in (self.fetched, self._partial):
            folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(cancel_futures=True)
        shutil.rmtree(self._partial, ignore_errors=True)

    async def outcome(self, candidate: Candidate) -> Outcome:
        """Return what became of the candidate, now or before. Raises `OSError` when the disk cannot be written."""
        place = _identity(candidate)
        async with self._locks[place]:
            known = self._journal.outcome(place)
            if isinstance(known, CheckedImage):
                known = self._still_good(known)
            if known is not None:
                return known
            partial = self._partial / hashlib.sha256(place.encode("utf-8", "surrogateescape")).hexdigest()
            try:
                return await self._fetch(candidate, place, partial)
            finally:
                partial.unlink(missing_ok=True)

    def _still_good(self, image: CheckedImage) -> Outcome | None:
        """Return what a kept image is worth to this run; None when its file is gone or damaged."""
        path = self.fetched / image.file_name
        if not path.is_file() or path.stat().st_size != image.image_bytes:
            return None
        if min(image.width, image.height) < self._checks.min_side:
            return Refusal(reason=f"short side under {self._checks.min_side} pixels", passing=False)
        limits = self._checks.limits
        if image.image_bytes > limits.max_image_bytes or image.width * image.height > limits.max_pixels:
            return Refusal(reason="more bytes or pixels than allowed", passing=False)
        return image

    async def _fetch(self, candidate: Candidate, place: str, partial: Path) -> Outcome:
        try:
            if candidate.path is not None:
                path = candidate.path
                await self._in_thread(lambda: self._copy(path, partial))
            else:
                await self._web.get(candidate.place, self._saver(partial))
        except FetchFailed as failure:
            refusal = Refusal(reason=failure.reason, passing=failure.passing)
            await self._in_thread(lambda: self._journal.record(place, refusal))
            return refusal
        return await self._in_thread(lambda: self._keep(place, partial))

    def _saver(self, partial: Path) -> Callable[[httpx.Response], Awaitable[None]]:
        limit_bytes = self._checks.limits.max_image_bytes

        async def save(response: httpx.Response) -> None:
            size_bytes = 0
            with partial.open("wb") as file:
                async for chunk in response.aiter_raw():
                    size_bytes += len(chunk)
                    if size_bytes > limit_bytes:
                        raise FetchFailed(_TOO_LARGE)
                    file.write(chunk)

        return save

    def _copy(self, path: Path, partial: Path) -> None:
        try:
            content = path.open("rb")
        except OSError:
            raise FetchFailed("file cannot be read", passing=True) from None
        with content:
            if os.fstat(content.fileno()).st_size > self._checks.limits.max_image_bytes:
                raise FetchFailed(_TOO_LARGE)
            with partial.open("wb") as copy:
                shutil.copyfileobj(content, copy)

    def _keep(self, place: str, partial: Path) -> Outcome:
        """Check the whole file and give it its final name, then note that it is there."""
        outcome: Outcome
        try:
            outcome = check_image(partial.read_bytes(), self._checks)
            _sync(partial)
            partial.replace(self.fetched / outcome.file_name)
            _sync(self.fetched)
        except ImageRefused as refusal:
            outcome = Refusal(reason=str(refusal), passing=False)
        self._journal.record(place, outcome)
        return outcome

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _identity(candidate: Candidate) -> str:
    """Return the place; of a file also its size and time, for its content may be another the next time."""
    if candidate.path is None:
        return candidate.place
    try:
        about = candidate.path.stat()
    except OSError:
        return candidate.place
    return f"{candidate.path.absolute()}#{about.st_size}-{about.st_mtime_ns}"


def _sync(path: Path) -> None:
    """Wait until a file or a folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
