"""Every setting of a worker, documented field by field (docs/configuration.md is generated from here).

Order of precedence: command line, environment (SONGLENS_...), the TOML file named by SONGLENS_CONFIG, default.
"""

from __future__ import annotations

import os
import socket
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from songlens_shared.address import home, resolve_url, with_password
from songlens_shared.errors import ConfigError
from songlens_shared.keys import BULK, DEAD_TTL_S, INTERACTIVE

CONFIG_VARIABLE = "SONGLENS_CONFIG"


def _consumer_name() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


def _models_folder() -> str:
    return str(home() / "models")


RedisUrl = Annotated[str, AfterValidator(with_password)]
"""An address that was given; the password may be in a file of its own."""


class Settings(BaseSettings):
    """What all of them share: where values come from."""

    model_config = SettingsConfigDict(env_prefix="SONGLENS_", extra="ignore", frozen=True)

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


class StageSettings(Settings):
    """Settings that both stages share."""

    redis_url: RedisUrl = Field(default_factory=resolve_url, description="Address of Redis or Valkey.")
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


class VisionSettings(StageSettings):
    """Settings of a vision worker."""

    models: str = Field(
        default_factory=_models_folder, description="Folder or object-store prefix that holds the model versions."
    )
    backbone: str | None = Field(
        None,
        description="Backbone to load at once (`vgg19`, `efficientnet_lite2`), in `precision` or else fp32, so that "
        "features can be asked for before any model is published. A model of another backbone is then refused. None "
        "takes the model's, whichever that is.",
    )
    weights: Path | None = Field(None, description="Local file of the backbone's pretrained weights.")
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N.")
    processes: int | None = Field(
        None,
        ge=1,
        le=256,
        description="Processes of this worker, each with its own model in memory; none takes one for each of devices. "
        "One that ends is started again. With a metrics_port, the first listens there and each other one port higher.",
    )
    devices: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Devices that processes take in turns, with commas between them (`cuda:0,cuda:1`), in TOML also a "
        "list. Instead of device.",
    )
    threads: int | None = Field(
        None,
        ge=1,
        description="Threads of the forward pass and of the search; none takes the cores we may use, shared among "
        "processes.",
    )
    precision: str | None = Field(
        None,
        description="Arithmetic of the forward pass; none takes what the model was built in, and any other is refused.",
    )
    warm_up: bool = Field(
        True,
        description="On a GPU, make ready for batches of every size up to max_batch before the first photo is claimed; "
        "off makes the first batch of each size wait.",
    )
    search_devices: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="GPUs that search the image index, with commas between them (`cuda:0,cuda:1`), or `cpu`; none "
        "takes the device of the forward pass.",
    )
    search_float16: bool = Field(
        False,
        description="Hold the image index as float16 on GPUs: half of the memory, and the same images are found.",
    )
    search_shard: bool = Field(
        True,
        description="Divide the image index among several search_devices; off, each holds all of it, and they divide "
        "the photos of a batch.",
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

    @field_validator("devices", "search_devices", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("uri_prefixes", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(value.split()) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _every_process_has_its_own(self) -> Self:
        if self.devices and self.device != "auto":
            raise ValueError("give device or devices, not both")
        if self.process_count < len(self.devices):
            raise ValueError("processes must be at least as many as devices")
        if self.metrics_port and self.metrics_port + self.process_count > 2**16:
            raise ValueError("metrics_port must leave a port for each of the processes, up to 65535")
        return self

    @property
    def process_count(self) -> int:
        """How many processes this worker is."""
        return self.processes or len(self.devices) or 1

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
    ranking_threads: int = Field(
        1,
        ge=1,
        description="Threads of the matrix products that rank songs. More than one pay where cores are idle: "
        "among busy ones they wait for each other, and take time from the forward pass.",
    )
    vector_cache: int = Field(100_000, ge=0, description="NE vectors of images kept in memory.")
    card_cache: int = Field(20_000, ge=0, description="Song cards kept in memory.")
    user_cache: int = Field(100_000, ge=0, description="NE vectors of users kept in memory.")
    user_weight: float = Field(
        0.4,
        ge=0,
        le=1,
        description="Share of the user's taste in the ranking of songs for a request that names a user and no weight.",
    )


class JobsSettings(Settings):
    """Settings of a job worker."""

    redis_url: RedisUrl = Field(default_factory=resolve_url, description="Address of Redis or Valkey.")
    partitions: int = Field(1, ge=1, le=1024, description="Partitions of the queue; the same for clients and workers.")
    jobs_redis_url: RedisUrl | None = Field(
        None,
        description="Address of the Redis that holds the jobs, which may not be a cluster; none takes redis_url.",
    )
    job_processes: int = Field(
        2,
        ge=1,
        le=256,
        description="Jobs that one job worker runs at once. With one, the vision workers have nothing to do for "
        "about a second at the end of each shard.",
    )
    photos_in_flight: int = Field(
        64,
        ge=1,
        le=10_000,
        description="Photos that one job has read and that are not yet answered, at most; bounds its memory.",
    )
    patience_s: float = Field(
        600.0, gt=0, description="How long a job waits for a Redis that is away or a lane that is full."
    )
    source_private: bool = Field(
        False,
        description="Let the http and https hosts of photos in a manifest have addresses that are not public, as those "
        "of your own network.",
    )
    source_timeout_s: float = Field(30.0, gt=0, description="Seconds that reading one photo from its source may take.")
    takeover_s: int = Field(
        30, ge=5, description="A job whose worker has not been heard of for so long is given to another."
    )
    metrics_port: int | None = Field(
        None, ge=0, le=65535, description="Port of /metrics, /live and /ready; 0 takes a free one, none serves nothing."
    )
    metrics_host: str = Field("127.0.0.1", description="Address that /metrics, /live and /ready listen on.")

    @property
    def jobs_url(self) -> str:
        """The Redis that holds the jobs."""
        return self.jobs_redis_url or self.redis_url


class MetricsSettings(Settings):
    """Settings of `songlens metrics`."""

    redis_url: RedisUrl = Field(default_factory=resolve_url, description="Address of Redis or Valkey.")
    partitions: int = Field(1, ge=1, le=1024, description="Partitions of the queue; the same for clients and workers.")
    metrics_port: int = Field(
        9465, ge=0, le=65535, description="Port of /metrics, /live and /ready; 0 takes a free one."
    )
    metrics_host: str = Field("127.0.0.1", description="Address that /metrics, /live and /ready listen on.")


Stage = Literal["vision", "songs"]
S = TypeVar("S", bound=Settings)


def known_settings() -> set[str]:
    """Return the names of the settings of all workers."""
    return {
        name for kind in (VisionSettings, SongsSettings, JobsSettings, MetricsSettings) for name in kind.model_fields
    }


def load_settings(kind: type[S], **given: object) -> S:
    """Return the settings, `given` ones first; raises `ConfigError` that names each bad one."""
    _check_file()
    chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    try:
        return kind(**chosen)
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
    # One file may serve all workers, so that each passes over what is another's.
    if unknown := sorted(set(found) - known_settings()):
        raise ConfigError(f"{file} sets {', '.join(unknown)}, which no worker knows; see docs/configuration.md.")
