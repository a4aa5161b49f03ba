"""What a batch was asked to do: written into its folder when it is submitted, and the same ever after."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from songlens_shared.errors import ConfigError, DataError
from songlens_shared.keys import BULK, LANES
from songlens_shared.messages import BOUNDS
from songlens_workers.models.manifest import config_sha256

ID_PATTERN = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")


class BatchConfig(BaseModel):
    """What the output depends on, beside the model. Two batches of one config score the same photos alike."""

    model_config = ConfigDict(frozen=True)

    source: str
    shard_size: int = Field(1000, ge=1, le=1_000_000)
    top_k: int = 10
    images_k: int = 5
    songs_per_image: int = 2

    def sha256(self) -> str:
        """Return the hash of all of it."""
        return config_sha256(self.model_dump())


class BatchRecord(BaseModel):
    """A batch's identity and orders."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    id: str = Field(pattern=ID_PATTERN)
    created_at: str
    """ISO 8601, UTC."""

    songlens: str
    """The release that it was submitted by."""

    config: BatchConfig
    config_sha256: str
    lane: str = BULK
    error_limit: float = Field(0.5, ge=0, le=1)
    """Share of a shard's rows that may be errors: with more, something else is wrong than some photos."""

    photo_timeout_s: float = Field(600.0, ge=1, le=86_400)
    """How long one photo may wait in the queue and be worked on, each time that it is tried."""

    @classmethod
    def new(
        cls, config: BatchConfig, *, lane: str, error_limit: float, photo_timeout_s: float, now: datetime | None = None
    ) -> Self:
        """Return the record of a batch that nobody has seen yet; raises `ConfigError` for an option out of bounds."""
        moment = now or datetime.now(UTC)
        if lane not in LANES:
            raise ConfigError(f"--lane must be one of {', '.join(LANES)}; got {lane!r}.")
        try:
            return cls(
                id=f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
                created_at=moment.isoformat(timespec="seconds"),
                songlens=version("songlens"),
                config=config,
                config_sha256=config.sha256(),
                lane=lane,
                error_limit=error_limit,
                photo_timeout_s=photo_timeout_s,
            )
        except ValidationError as error:
            raise _out_of_bounds(error) from None

    @classmethod
    def from_json(cls, text: bytes, *, where: str) -> Self:
        """Read a record; raises `DataError` saying what is wrong with it."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise DataError(f"{where} is not the record of a batch ({error.errors()[0]['msg']}).") from None

    def to_json(self) -> str:
        """Return the record as it stands in batch.json."""
        return self.model_dump_json(indent=1)


def batch_config(
    source: str, *, shard_size: int = 1000, top_k: int = 10, images_k: int = 5, songs_per_image: int = 2
) -> BatchConfig:
    """Return the config; raises `ConfigError` for a number out of bounds."""
    given = {"top_k": top_k, "images_k": images_k, "songs_per_image": songs_per_image}
    for name, value in given.items():
        least, most = BOUNDS[name]
        if not least <= value <= most:
            raise ConfigError(f"--{name.replace('_', '-')} must lie between {least} and {most}; got {value}.")
    try:
        return BatchConfig(source=source, shard_size=shard_size, **given)
    except ValidationError as error:
        raise _out_of_bounds(error) from None


def _out_of_bounds(error: ValidationError) -> ConfigError:
    first = error.errors()[0]
    name = "-".join(str(part).replace("_", "-") for part in first["loc"])
    return ConfigError(f"--{name}: {first['msg'].lower()}; got {first['input']}.")
