"""Logs of libraries, in so far as they would tell what is private."""

from __future__ import annotations

import logging

EXIF = "PIL.TiffImagePlugin"
"""Pillow logs the values of EXIF tags at DEBUG, such as where a photo was taken."""

CLUSTER_COMMANDS = ("redis.cluster", "redis.asyncio.cluster")
"""redis-py logs commands that have failed on a cluster at DEBUG, with their arguments: photos, users."""


def keep_silent(*loggers: str) -> None:
    """Let these loggers tell nothing below INFO. Whoever has set a level for that very logger keeps it."""
    for name in loggers:
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)
