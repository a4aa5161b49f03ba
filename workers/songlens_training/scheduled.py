"""Retraining as a job: build where the data have changed, and publish. A job worker calls it by dotted path.

Its options are those of `songlens model build`, by the same names with underscores, and `models` and `publish`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import redis
import structlog
from pydantic import TypeAdapter, ValidationError

from songlens_batch.batches import absolute_source
from songlens_batch.jobs.failing import noting_failure
from songlens_shared.broker import broker_errors, open_redis
from songlens_shared.errors import ConfigError, DataError
from songlens_training.commands.options.backbone import BackboneFlags
from songlens_training.commands.options.embedding import EmbeddingFlags
from songlens_training.commands.options.index import IndexFlags
from songlens_training.commands.options.keywords import KeywordFlags
from songlens_training.commands.options.listening import ListeningFlags
from songlens_training.commands.stores import open_store
from songlens_training.progress import silent
from songlens_workers.models.manifest import Manifest
from songlens_workers.models.published import PublishedModels
from songlens_workers.models.store import ModelStore
from songlens_workers.settings import JobsSettings, load_settings

_log = structlog.get_logger()
G = TypeVar("G")


@dataclass(frozen=True, kw_only=True)
class DataFlags:
    """Where the data are, where the versions go, and whether one is made live."""

    songs: Path
    images: Path
    models: str | None = None
    embedding_device: str = "auto"
    publish: bool = True


_PATHS = ("songs", "images", "listening", "models", "weights", "dictionary", "allow_file", "deny_file")
_GROUPS = (DataFlags, BackboneFlags, KeywordFlags, EmbeddingFlags, ListeningFlags, IndexFlags)


class Retraining:
    """What one retraining is asked for."""

    def __init__(self, options: dict[str, Any]) -> None:
        """Raises `ConfigError` for an option that is unknown, missing or out of range, `DataError` for a word file."""
        names = [field.name for group in _GROUPS for field in fields(group)]
        if unknown := sorted(options.keys() - set(names)):
            raise ConfigError(f"unknown key {unknown[0]!r}; there are name, cron, {', '.join(names)}.")
        self.data = _group(DataFlags, options)
        self.vision = _group(BackboneFlags, options)
        self.embedding = _group(EmbeddingFlags, options)
        self.listening = _group(ListeningFlags, options)
        self.words = _group(KeywordFlags, options)
        self.index = _group(IndexFlags, options)

    def check(self) -> None:
        """Raise what `songlens model build` would before it begins, but for data that may yet be made."""
        self.embedding.options(self.data.embedding_device)
        self.words.options()

    def find_or_build(self, store: ModelStore) -> tuple[Manifest, bool]:
        """Return the version of the data as they are, and whether it had to be built."""
        from songlens_training.model.build import build_config, build_model, find_built
        from songlens_training.model.learn import BuildOptions, Catalogue

        catalogue = Catalogue(songs=self.data.songs, images=self.data.images, listening=self.listening.listening)
        options = BuildOptions(
            keywords=self.words.options(),
            embedding=self.embedding.options(self.data.embedding_device),
            listening=self.listening.options(),
            index=self.index.options(),
        )
        network = self.vision.open_chosen(self.embedding.threads, silent)
        same = find_built(store, build_config(catalogue, network, options))
        if same is not None:
            return same, False
        return build_model(catalogue, store, network, options).manifest, True


def _group(group: type[G], options: dict[str, Any]) -> G:
    given = {field.name: options[field.name] for field in fields(group) if field.name in options}  # type: ignore[arg-type]
    try:
        return TypeAdapter(group).validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else ""
        if first["type"].startswith("missing"):
            raise ConfigError(f"the key {key!r} is missing.") from None
        raise ConfigError(f"{key}: {first['msg']}; got {first['input']!r}.") from None


def checked_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a schedule, with paths from the root on; raises what `Retraining` does."""
    Retraining(options).check()
    return {name: _absolute(value) if name in _PATHS else value for name, value in options.items()}


def _absolute(path: str | list[str]) -> str | list[str]:
    if isinstance(path, list):
        return [absolute_source(one) for one in path]
    return absolute_source(path)


def retrain(options: dict[str, Any], due: str) -> dict[str, Any]:
    """Build a version where the data have changed since the last, and make it live.

    Where they have not, nothing is done: a version that somebody has rolled back from stays where it is.
    """
    with noting_failure(hopeless=(ConfigError, DataError), songs=options.get("songs"), due=due):
        asked = Retraining(options)
        store = open_store(asked.data.models)
        manifest, built = asked.find_or_build(store)
        published = asked.data.publish and _publish(store, manifest.version)
    _log.info("retrained", version=manifest.version, built=built, published=published, due=due)
    return {"version": manifest.version, "built": built, "published": published}


def _publish(store: ModelStore, version: str) -> bool:
    from songlens_training.model.publish import publish_model

    url = load_settings(JobsSettings).redis_url
    with broker_errors(url), open_redis(url) as connection:
        if not _never_published(version, connection):
            return False
        publish_model(store, version, connection)
    return True


def _never_published(version: str, connection: redis.Redis) -> bool:
    """Versions' names sort by the time of their build. Also true of one whose job died before it was published."""
    return version > max(PublishedModels(connection).versions(), default="")
