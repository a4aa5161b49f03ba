"""What a collection has done so far: a JSONL file that is only appended to, each line on the disk before it counts."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import IO, Any, Self

from songlens_shared.errors import DataError
from songlens_training.collect.checks import CheckedImage, ImageChecks


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a place gave no image. `passing`: it may another time, so a later run tries again."""

    reason: str
    passing: bool


Outcome = CheckedImage | Refusal

_OUTCOMES: Mapping[str, type[CheckedImage] | type[Refusal]] = {"image": CheckedImage, "refusal": Refusal}


class Journal:
    """Remembers, by place, what became of each image, and by URL, each page of search results.

    Use it in a `with`: entering reads the file and locks it against a second run. A line that a power cut has torn is
    skipped, so that its image is fetched again. Refusals are forgotten when they may pass, and when the checks have
    changed since. Raises `DataError` when another run holds the lock.
    """

    def __init__(self, path: Path, checks: ImageChecks) -> None:
        self._path = path
        self._checks = asdict(checks)
        self._lock = Lock()
        self._file: IO[bytes] | None = None
        self._outcomes: dict[str, Outcome] = {}
        self._pages: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._file = self._path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise DataError(f"Another run is collecting into {self._path.parent.parent}; let it end first.") from None
        self._read()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def outcome(self, place: str) -> Outcome | None:
        """Return what became of the image at this place; None when that is not known."""
        return self._outcomes.get(place)

    def record(self, place: str, outcome: Outcome) -> None:
        """Remember it, on the disk first. Thread-safe."""
        kind = next(kind for kind, of in _OUTCOMES.items() if isinstance(outcome, of))
        self._append({"event": kind, "place": place, **asdict(outcome)})
        self._outcomes[place] = outcome

    def page(self, url: str) -> Any:
        """Return the page of search results that `keep_page` kept; None when there is none."""
        return self._pages.get(url)

    def keep_page(self, url: str, content: Any) -> None:
        """Remember a page of search results (anything that JSON can hold), on the disk first. Thread-safe."""
        self._append({"event": "page", "url": url, "content": content})
        self._pages[url] = content

    def _append(self, event: Mapping[str, Any]) -> None:
        assert self._file is not None, "use Journal in a `with`"
        line = json.dumps(event, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
        with self._lock:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())

    def _read(self) -> None:
        assert self._file is not None
        self._file.seek(0)
        line = b"\n"
        known_checks: Any = None
        for line in self._file:
            event = _parsed(line)
            if event.get("event") == "begin":
                known_checks = event.get("checks")
            self._replay(event)
        if not line.endswith(b"\n"):
            self._file.write(b"\n")
        if known_checks != self._checks:
            self._append({"event": "begin", "checks": self._checks})
        self._outcomes = {
            place: outcome
            for place, outcome in self._outcomes.items()
            if isinstance(outcome, CheckedImage) or (not outcome.passing and known_checks == self._checks)
        }

    def _replay(self, event: Mapping[str, Any]) -> None:
        fields = dict(event)
        kind = fields.pop("event", None)
        try:
            if kind == "page":
                self._pages[fields["url"]] = fields["content"]
            elif kind in _OUTCOMES:
                place = fields.pop("place")
                self._outcomes[place] = _OUTCOMES[kind](**fields)
        except (KeyError, TypeError):
            return  # written by another version: as if it were not there


def _parsed(line: bytes) -> Mapping[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}
