"""The file of schedules, TOML, checked as a whole before anything is queued.

[[batch]]
name = "nightly"
cron = "0 2 * * *"
source = "/srv/photos/{date}"
out = "/srv/scored/{date}"

[[retrain]]
name = "sundays"
cron = "0 4 * * sun"
songs = "/srv/catalogue/songs.parquet"
images = "/srv/catalogue/images"
"""

from __future__ import annotations

import pkgutil
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

from croniter import croniter
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from songlens_batch.schedule.batch import ScheduledBatch
from songlens_shared.errors import ConfigError, SonglensError

SUBMIT = "songlens_batch.jobs.scheduled.submit_batch"
RETRAIN = "songlens_training.scheduled.retrain"
"""Named only: batches run where training is not installed."""

_CHECK_RETRAINING = "songlens_training.scheduled:checked_options"
_SUBMIT_TIMEOUT_S = 600
_RETRAIN_TIMEOUT_S = 24 * 3600

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What is queued, and when."""

    name: str
    cron: str
    """Five fields, in UTC."""

    function: str
    """Dotted path of what runs; it gets the options, and the moment at which it was due, as ISO 8601."""

    options: Mapping[str, Any]
    timeout_s: int


class _Named(BaseModel):
    """What every schedule has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    cron: str


def read_schedules(file: Path) -> list[Schedule]:
    """Return the schedules of a file; raises `ConfigError` that names the schedule and the key at fault."""
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    if unknown := sorted(found.keys() - _KINDS.keys()):
        raise ConfigError(f"{file}: unknown table {', '.join(unknown)}; there are [[batch]] and [[retrain]].")
    schedules = [
        _schedule(kind, table, f"{file}: {kind} {number}")
        for kind in _KINDS
        for number, table in enumerate(_tables(found, kind, file), 1)
    ]
    if not schedules:
        raise ConfigError(f"{file} has no schedule: neither [[batch]] nor [[retrain]].")
    _check_names(schedules, file)
    return schedules


def _tables(found: Mapping[str, Any], kind: str, file: Path) -> list[dict[str, Any]]:
    tables = found.get(kind, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigError(f"{file}: {kind} is a list of tables; begin each with [[{kind}]].")
    return tables


def _check_names(schedules: list[Schedule], file: Path) -> None:
    names = [schedule.name for schedule in schedules]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"{file}: the name {twice[0]!r} is there twice; jobs are known by it.")


def _schedule(kind: str, table: dict[str, Any], where: str) -> Schedule:
    if isinstance(name := table.get("name"), str):
        where = f"{where} ({name})"
    own = {key: value for key, value in table.items() if key in _Named.model_fields}
    others = {key: value for key, value in table.items() if key not in own}
    with_name = _valid(_Named, own, where)
    _check_cron(with_name.cron, where)
    function, timeout_s, check = _KINDS[kind]
    return Schedule(
        name=with_name.name,
        cron=with_name.cron,
        function=function,
        options=check(others, where),
        timeout_s=timeout_s,
    )


def _check_cron(cron: str, where: str) -> None:
    fields = len(cron.split())
    if fields != 5 and not cron.startswith("@"):
        raise ConfigError(f"{where}: cron has five fields (minute hour day month weekday), not {fields}: {cron!r}.")
    try:
        croniter(cron, datetime.now(UTC)).get_next(datetime)
    except ValueError as error:
        raise ConfigError(f"{where}: {cron!r} is no cron expression that ever comes due: {error}.") from None


def _batch_options(table: dict[str, Any], where: str) -> dict[str, Any]:
    batch = _valid(ScheduledBatch, table, where)
    try:
        batch.check(datetime.now(UTC))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error.message}") from None
    return batch.absolute().model_dump()


def _retrain_options(table: dict[str, Any], where: str) -> dict[str, Any]:
    try:
        check: Callable[[dict[str, Any]], dict[str, Any]] = pkgutil.resolve_name(_CHECK_RETRAINING)
    except ImportError as error:
        raise ConfigError(f"{where}: retraining needs songlens[training], which is not here ({error}).") from None
    try:
        return check(table)
    except SonglensError as error:
        raise ConfigError(f"{where}: {error.message}") from None


def _valid(kind: type[M], table: dict[str, Any], where: str) -> M:
    try:
        return kind(**table)
    except ValidationError as error:
        known = [name for name in kind.model_fields if name not in _Named.model_fields]
        raise ConfigError(f"{where}: {'; '.join(_sentences(error, known))}.") from None


def _sentences(error: ValidationError, known: list[str]) -> Iterator[str]:
    for one in error.errors():
        key = ".".join(map(str, one["loc"]))
        if one["type"] == "extra_forbidden":
            yield f"unknown key {key!r}; there are name, cron, {', '.join(known)}"
        elif one["type"] == "missing":
            yield f"the key {key!r} is missing"
        elif one["type"] == "string_pattern_mismatch":
            yield f"{key} is small letters, digits and dashes, and not {one['input']!r}"
        else:
            yield f"{key + ': ' if key else ''}{one['msg'].removeprefix('Value error, ')}"


_KINDS: dict[str, tuple[str, int, Callable[[dict[str, Any], str], dict[str, Any]]]] = {
    "batch": (SUBMIT, _SUBMIT_TIMEOUT_S, _batch_options),
    "retrain": (RETRAIN, _RETRAIN_TIMEOUT_S, _retrain_options),
}
