"""A batch that is submitted again and again, each time into a folder of its own."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from songlens_batch.batches import absolute_source
from songlens_batch.folder import resolve_out
from songlens_batch.record import BatchConfig, BatchRecord, batch_config
from songlens_shared.keys import BULK

_PLACEHOLDERS = {"{date}": "%Y-%m-%d", "{time}": "%H%M"}


def dated(text: str, slot: datetime) -> str:
    """Return a path with {date} and {time} as the slot's, in UTC. Other braces stay: sources may have them."""
    for placeholder, form in _PLACEHOLDERS.items():
        text = text.replace(placeholder, f"{slot:{form}}")
    return text


class ScheduledBatch(BaseModel):
    """What `songlens batch submit` takes, but --replace: a run that is submitted twice must be one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(min_length=1)
    """As job workers see it; {date} and {time} are those of the run."""

    out: str
    """The same; it has one of the two, for a folder holds one batch."""

    shard_size: int = 1000
    top_k: int = 10
    images_k: int = 5
    songs_per_image: int = 2
    lane: str = BULK
    error_limit: float = 0.5
    photo_timeout_s: float = 600.0

    @model_validator(mode="after")
    def _a_folder_for_each_run(self) -> Self:
        if not any(placeholder in self.out for placeholder in _PLACEHOLDERS):
            raise ValueError(
                "out must hold {date} or {time}: a folder holds one batch, and later runs would do nothing"
            )
        if "{" in dated(self.out, datetime.min):
            raise ValueError("out may hold {date} and {time}, and no other braces")
        return self

    def absolute(self) -> Self:
        """Return it with paths that job workers elsewhere know, too."""
        return self.model_copy(update={"source": absolute_source(self.source), "out": resolve_out(self.out)})

    def config(self, slot: datetime) -> BatchConfig:
        """Return what is submitted at one moment; raises `ConfigError` for a number out of bounds."""
        return batch_config(
            dated(self.source, slot),
            shard_size=self.shard_size,
            top_k=self.top_k,
            images_k=self.images_k,
            songs_per_image=self.songs_per_image,
        )

    def check(self, now: datetime) -> None:
        """Raise `ConfigError` for what a submission would refuse."""
        BatchRecord.new(
            self.config(now), lane=self.lane, error_limit=self.error_limit, photo_timeout_s=self.photo_timeout_s
        )
