"""Similar words from ConceptNet 5's dump of assertions (`conceptnet-assertions-5.7.0.csv.gz`), read as a stream.

Each line has five columns, separated by tabs: the assertion's URI, relation, start, end, and JSON with its weight.
https://github.com/commonsense/conceptnet5/wiki/Downloads

The paper takes "the top n conceptually similar words" and does not say how it ranks them. Here: by the closest relation
that joins the two words (`RELATIONS`), then by the sum of the weights of all assertions between them, then by name.
Only assertions between two Chinese terms count.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

from songlens_shared.errors import DataError
from songlens_training.evaluate.similar.source import Fold, unfolded

RELATIONS: tuple[tuple[str, ...], ...] = (
    ("Synonym", "SimilarTo"),
    ("RelatedTo", "IsA", "InstanceOf", "FormOf", "DerivedFrom", "EtymologicallyRelatedTo", "MannerOf", "DefinedAs"),
    (
        *("SymbolOf", "PartOf", "HasA", "MadeOf", "AtLocation", "LocatedNear", "HasProperty", "HasContext", "UsedFor"),
        *("CapableOf", "CreatedBy", "ReceivesAction", "Causes", "CausesDesire", "MotivatedByGoal", "Desires"),
        *("Entails", "HasSubevent", "HasFirstSubevent", "HasLastSubevent", "HasPrerequisite"),
    ),
)
"""From close to loose. Left out are links, and what sets words apart (Antonym, DistinctFrom, the Not... relations)."""

_CLOSENESS = {f"/r/{name}".encode(): tier for tier, names in enumerate(RELATIONS) for name in names}
_CHINESE = b"/c/zh/"
_COLUMNS = 5
_GZIP_MAGIC = b"\x1f\x8b"
_DEFAULT_WEIGHT = 1.0
_LINES_A_STEP = 200_000


class Assertion(NamedTuple):
    """One assertion between two Chinese terms."""

    closeness: int
    """Index into `RELATIONS`."""
    start: str
    end: str
    info: bytes
    """JSON, not parsed yet."""
    line: int


@dataclass(slots=True)
class _Tie:
    """How a word is tied to another."""

    closeness: int
    weight: float


@dataclass(frozen=True)
class ConceptNet:
    """Similar words by the assertions of a dump. Memory is bounded by the neighbours of the words asked for."""

    path: Path
    """The dump, compressed with gzip or not."""
    fold: Fold = unfolded
    progress: Callable[[int, int], None] | None = None
    """Called with the bytes of the file that have been read, and all of them."""
    name: str = field(default="conceptnet", init=False)

    def similar(self, words: Collection[str], limit: int) -> Mapping[str, tuple[str, ...]]:
        """Read the whole dump once; see `SimilarWords.similar`."""
        ties: dict[str, dict[str, _Tie]] = {self.fold(word): {} for word in words}
        for assertion in read_assertions(self.path, self.progress):
            start, end = self.fold(assertion.start), self.fold(assertion.end)
            if start == end or not (start in ties or end in ties):
                continue
            weight = _weight(assertion, self.path)
            for one, other in ((start, end), (end, start)):
                if one in ties:
                    _strengthen(ties[one], other, assertion.closeness, weight)
        ranked = {word: _ranked(ties[self.fold(word)], limit) for word in words}
        return {word: similar for word, similar in ranked.items() if similar}


def _strengthen(ties: dict[str, _Tie], word: str, closeness: int, weight: float) -> None:
    tie = ties.setdefault(word, _Tie(closeness, 0.0))
    tie.closeness = min(tie.closeness, closeness)
    tie.weight += weight


def _ranked(ties: Mapping[str, _Tie], limit: int) -> tuple[str, ...]:
    order = sorted(ties.items(), key=lambda item: (item[1].closeness, -item[1].weight, item[0]))
    return tuple(word for word, _ in order[:limit])


def _weight(assertion: Assertion, path: Path) -> float:
    """Return the weight of an assertion, 1 where the dump gives none."""
    try:
        info = json.loads(assertion.info)
        return float(info.get("weight", _DEFAULT_WEIGHT))
    except (ValueError, AttributeError, TypeError):
        raise DataError(f"{path}, line {assertion.line}: the last column is not JSON with a weight.") from None


def read_assertions(path: Path, progress: Callable[[int, int], None] | None = None) -> Iterator[Assertion]:
    """Yield the assertions between two Chinese terms by one of `RELATIONS`.

    Raises `DataError` when the file cannot be read, is cut short, or has another format.
    """
    try:
        with path.open("rb") as raw:
            size = path.stat().st_size
            for number, line in enumerate(_decompressed(raw), 1):
                if number % _LINES_A_STEP == 0 and progress is not None:
                    progress(raw.tell(), size)
                if number == 1 and not line.startswith(b"/a/"):
                    raise DataError(f"{path} is not ConceptNet's dump of assertions; its lines begin with /a/.")
                if _CHINESE in line and (found := _assertion(line, number, path)) is not None:
                    yield found
            if progress is not None:
                progress(size, size)
    except EOFError as error:
        raise DataError(f"{path} is cut short; download it again.") from error
    except (OSError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error


def _decompressed(raw: IO[bytes]) -> IO[bytes]:
    magic = raw.read(len(_GZIP_MAGIC))
    raw.seek(0)
    return gzip.GzipFile(fileobj=raw) if magic == _GZIP_MAGIC else raw  # type: ignore[return-value]


def _assertion(line: bytes, number: int, path: Path) -> Assertion | None:
    columns = line.rstrip(b"\r\n").split(b"\t")
    if len(columns) != _COLUMNS:
        raise DataError(f"{path}, line {number}: expected {_COLUMNS} columns, found {len(columns)}.")
    _, relation, start, end, info = columns
    closeness = _CLOSENESS.get(relation)
    if closeness is None or not (start.startswith(_CHINESE) and end.startswith(_CHINESE)):
        return None
    try:
        return Assertion(closeness, _term(start), _term(end), info, number)
    except UnicodeDecodeError:
        raise DataError(f"{path}, line {number}: not UTF-8.") from None


def _term(uri: bytes) -> str:
    """Return 下雪 of /c/zh/下_雪/v: Chinese is written without spaces."""
    return uri.split(b"/", 4)[3].decode("utf-8").replace("_", "")
