"""Where image features are kept and computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from songlens_training.progress import Progress

if TYPE_CHECKING:
    from songlens_training.distributed.distribution import Distribution

_option = partial(typer.Option, rich_help_panel="Image features")
_DISTRIBUTED = "Distributed build"
_distributed = partial(typer.Option, rich_help_panel=_DISTRIBUTED)


@dataclass(frozen=True, kw_only=True)
class FeatureFlags:
    """The features' options of the command line."""

    features: Annotated[
        Path | None, _option(help="Folder where features are kept; by default in SONGLENS_HOME.", file_okay=False)
    ] = None
    features_dtype: Annotated[
        Literal["float32", "float16"],
        _option(help="What features are kept in until the index is built; float16 rounds them, in half the space."),
    ] = "float32"
    distributed: Annotated[
        bool,
        _distributed(
            help="Let `songlens worker jobs` and `songlens worker vision --backbone NAME` compute the features. They "
            "need the images and the folder of features at the same paths as this build. The same build again goes on "
            "where it stood."
        ),
    ] = False
    shard_size: Annotated[int, _distributed(help="Images in one job.", min=1, max=100_000)] = 1000
    redis: Annotated[str | None, _distributed("--redis", help="Address of Redis or Valkey.")] = None
    jobs_redis: Annotated[
        str | None, _distributed("--jobs-redis", help="Address of the Redis that holds the jobs, where it is another.")
    ] = None

    def elsewhere(self, precision: str, progress: Progress, say: Callable[[str], None]) -> Distribution | None:
        """Return who computes the features for a build, and None for the build itself.

        Raises `ConfigError` for a precision that cannot be distributed, `BrokerError` for an unusable Redis.
        """
        if not self.distributed:
            return None
        from songlens_training.distributed.distribution import Distribution, check_precision
        from songlens_workers.settings import JobsSettings, load_settings

        check_precision(precision)
        settings = load_settings(JobsSettings, redis_url=self.redis, jobs_redis_url=self.jobs_redis)
        distribution = Distribution(settings, shard_images=self.shard_size, progress=progress, say=say)
        distribution.check()
        return distribution
