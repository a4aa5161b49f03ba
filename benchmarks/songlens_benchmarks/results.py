"""A results file: one JSON line a row, with the benchmark it is of and what it was measured on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from songlens_benchmarks.record import described
from songlens_benchmarks.row import Row
from songlens_shared.errors import DataError


@dataclass(frozen=True)
class Result:
    """A row, and the run that it is of."""

    benchmark: str
    row: Row
    about: dict[str, Any] = field(repr=False)
    """date, commit, machine, versions."""

    @property
    def commit(self) -> str:
        """The commit that was measured, marked `+` where the tree differed from it."""
        return str(self.about.get("commit", "unknown"))


def append(path: Path, benchmark: str, row: Row) -> None:
    """Add a row, measured just now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(described(benchmark, row.to_dict()), ensure_ascii=False) + "\n")


def read(path: Path) -> list[Result]:
    """Return the rows of a file, the last of each name; raises `DataError` where it is not one of ours."""
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        results = [Result(line["benchmark"], Row.from_dict(line), _about(line)) for line in lines]
    except OSError as error:
        raise DataError(f"the results {path} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not a results file of `songlens bench`: {error!r}.") from None
    return list({(result.benchmark, result.row.what): result for result in results}.values())


def read_all(paths: Iterable[Path]) -> list[Result]:
    """Return the rows of several files, the last of each name; raises `DataError` as `read` does."""
    found = (result for path in paths for result in read(path))
    return list({(result.benchmark, result.row.what): result for result in found}.values())


def commits(results: Iterable[Result]) -> list[str]:
    """Return the commits that these were measured on, each once."""
    return list(dict.fromkeys(result.commit for result in results))


def _about(line: dict[str, Any]) -> dict[str, Any]:
    return {name: line[name] for name in ("date", "commit", "machine", "versions") if name in line}
