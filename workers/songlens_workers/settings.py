"""Every setting of a worker, documented field by field (docs/configuration.md is generated from here).

Order of precedence: command line, environment (SONGLENS_...), the TOML file named by SONGLENS_CONFIG, default.
"""

from __future__ import annotations

import os
import socket
import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from songlens_shared.address import home, resolve_url
from songlens_shared.errors import ConfigError
from songlens_shared.keys import BULK, DEAD_TTL_S, INTERACTIVE

CONFIG_VARIABLE = "SONGLENS_CONFIG"


def _consumer_name() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


def _models_folder() -> str:
    return str(home() / "models")


class StageSettings(BaseSettings):
    """Settings that both stages share."""

    model_config = SettingsConfigDict(env_prefix="SONGLENS_", extra="ignore", frozen=True)

    redis_url: str = Field(default_factory=resolve_url, description="Address of Redis or Valkey.")
    partitions: int = Field(1, ge=1, le=1024, description="Partitions of the queue; the same for clients and workers.")
    consumer: str = Field(
        default_factory=_consumer_name, description="Name in the consumer group; unique to each running worker."
    )
    max_batch: int = Field(16, ge=1, le=4096, description="Images in one batch at most.")
    max_batch_bytes: int = Field(256 * 2**20, ge=2**20, description="Prepared bytes in one batch at most.")
    max_delay_ms: float = Field(
        5.0, ge=0, le=10_000, description="How long the first image of a batch waits for others at most."
    )
    target_ms_interactive: float = Field(
        300.0,
        ge=0,
        le=60_000,
        description="How long a batch with interactive photos may run: it is made as large as meets this, at least 1 "
        "and max_batch at most. 0 bounds it by max_batch alone. Hits bear no lane and count as interactive.",
    )
    target_ms_bulk: float = Field(
        1000.0,
        ge=0,
        le=60_000,
        description="The same for a batch of bulk alone, which interactive photos may have to wait for.",
    )
    max_in_flight: int = Field(
        48,
        ge=1,
        description="Entries claimed and not yet finished at most; bounds this worker's memory. With both targets set, "
        "no more are claimed than two batches, or a quarter of a second's work if that is more.",
    )
    prepare_threads: int = Field(2, ge=1, le=256, description="Threads that prepare entries ahead of the batch.")
    start_wait_s: float = Field(
        30.0, ge=0, description="How long a starting worker waits for a Redis that does not answer yet."
    )
    heartbeat_ms: int = Field(2000, ge=50, description="How often the entries in flight are renewed.")
    takeover_ms: int = Field(
        8000, ge=200, description="An entry that nobody renewed for so long is taken over by another worker."
    )
    max_deliveries: int = Field(3, ge=1, description="Deliveries after which an entry becomes a dead letter.")
    dead_payloads: bool = Field(
        True, description="Keep the photo in a dead letter, so that it can be replayed; off keeps the error alone."
    )
    dead_ttl_s: int = Field(DEAD_TTL_S, ge=1, description="Seconds that a dead letter is kept.")
    drain_s: float = Field(30.0, ge=0, description="How long a stopping worker may finish what it holds.")
    stuck_s: float = Field(
        60.0, gt=0, description="A step that takes longer hangs: the worker is not ready, and the entries go to others."
    )
    metrics_port: int | None = Field(
        None, ge=0, le=65535, description="Port of /metrics, /live and /ready; 0 takes a free one, none serves nothing."
    )
    metrics_host: str = Field("127.0.0.1", description="Address that /metrics, /live and /ready listen on.")
    model_poll_s: float = Field(2.0, gt=0, description="How often a newly published model version is looked for.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.takeover_ms < 3 * self.heartbeat_ms:
            raise ValueError(
                "takeover_ms must be at least three times heartbeat_ms, or live workers lose their entries"
            )
        if self.max_in_flight < self.max_batch:
            raise ValueError("max_in_flight must be at least max_batch")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line, environment, TOML file."""
        file = os.environ.get(CONFIG_VARIABLE)
        if not file:
            return init_settings, env_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file)


class VisionSettings(StageSettings):
    """Settings of a vision worker."""

    models: str = Field(
        default_factory=_models_folder, description="Folder or object-store prefix that holds the model versions."
    )
    weights: Path | None = Field(None, description="Local file of the backbone's pretrained weights.")
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N.")
    threads: int | None = Field(None, ge=1, description="Threads of the forward pass; none takes the cores we may use.")
    precision: str | None = Field(
        None,
        description="Arithmetic of the forward pass; none takes what the model was built in, and any other is refused.",
    )
    bulk_share: float = Field(
        0.1, ge=0, le=1, description="Share of claims that bulk gets while interactive requests wait."
    )
    interactive_depth: int = Field(1000, ge=1, description="Requests that may wait in the interactive lane.")
    interactive_bytes: int = Field(256 * 2**20, ge=2**20, description="Bytes that may wait in the interactive lane.")
    bulk_depth: int = Field(10_000, ge=1, description="Requests that may wait in the bulk lane.")
    bulk_bytes: int = Field(2**30, ge=2**20, description="Bytes that may wait in the bulk lane.")
    max_image_pixels: int = Field(
        120_000_000, ge=1, description="Photos with more pixels are refused before they are decoded."
    )
    cache_entries: int = Field(
        10_000,
        ge=0,
        description="Photos whose neighbour images are remembered by content, so that the same bytes are answered "
        "without decoding, forward pass and search. Each takes 0.6 KB, and 1.8 KB at most. 0 switches it off.",
    )
    cache_ttl_s: float = Field(600.0, gt=0, description="How long a photo's neighbour images are remembered.")

    uri_prefixes: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Where photos that requests name by uri may lie: prefixes with spaces between them "
        "(`https://cdn.example.com/photos/ file:///srv/photos/ s3://bucket/photos/`), in TOML also a list. Each "
        "holds what lies beneath it, by whole segments of the path. None refuses every uri.",
    )
    uri_timeout_s: float = Field(
        5.0,
        gt=0,
        le=60,
        description="Seconds that fetching one photo by uri may take in all; it holds a prepare thread.",
    )
    uri_private: bool = Field(
        False,
        description="Let the http and https hosts of uri_prefixes have addresses that are not public, as those of your "
        "own network.",
    )

    @field_validator("uri_prefixes", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(value.split()) if isinstance(value, str) else value

    def lane_limits(self) -> dict[str, int]:
        """Return the fields of the limits hash that the submit function reads."""
        return {
            f"{INTERACTIVE}.depth": self.interactive_depth,
            f"{INTERACTIVE}.bytes": self.interactive_bytes,
            f"{BULK}.depth": self.bulk_depth,
            f"{BULK}.bytes": self.bulk_bytes,
        }


class SongsSettings(StageSettings):
    """Settings of a song worker."""

    max_batch: int = Field(256, ge=1, le=4096, description="Requests in one batch at most.")
    max_in_flight: int = Field(512, ge=1, description="Entries claimed and not yet finished at most.")
    max_delay_ms: float = Field(0.0, ge=0, le=10_000, description="How long the first of a batch waits for others.")
    prepare_threads: int = Field(1, ge=1, le=256, description="Threads that decode hits ahead of the batch.")
    vector_cache: int = Field(100_000, ge=0, description="NE vectors of images kept in memory.")
    card_cache: int = Field(20_000, ge=0, description="Song cards kept in memory.")
    user_cache: int = Field(100_000, ge=0, description="NE vectors of users kept in memory.")
    user_weight: float = Field(
        0.4,
        ge=0,
        le=1,
        description="Share of the user's taste in the ranking of songs for a request that names a user and no weight.",
    )


Stage = Literal["vision", "songs"]


def load_settings(kind: type[StageSettings], **given: object) -> StageSettings:
    """Return the settings, `given` ones first; raises `ConfigError` that names each bad one."""
    _check_file()
    try:
        return kind(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])) or kind.__name__}: {e['msg']}" for e in error.errors()]
        raise ConfigError("bad settings: " + "; ".join(lines)) from None


def _check_file() -> None:
    """Raise `ConfigError` for a file that cannot be read, or that holds what no worker knows: a slip of the pen."""
    file = os.environ.get(CONFIG_VARIABLE)
    if not file:
        return
    try:
        found = tomllib.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{CONFIG_VARIABLE} names {file}, which cannot be read: {error}") from None
    # One file may serve both stages, so that a worker passes over what is the other stage's.
    known = set(VisionSettings.model_fields) | set(SongsSettings.model_fields)
    if unknown := sorted(set(found) - known):
        raise ConfigError(f"{file} sets {', '.join(unknown)}, which no worker knows; see docs/configuration.md.")
