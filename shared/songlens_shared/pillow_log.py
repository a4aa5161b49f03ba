"""Pillow's log, in so far as it would tell what is written in a photo."""

from __future__ import annotations

import logging


def keep_exif_out_of_logs() -> None:
    """Let Pillow not log the values of EXIF tags, such as where a photo was taken, which it does at DEBUG.

    Whoever has set a level for that very logger keeps it.
    """
    logger = logging.getLogger("PIL.TiffImagePlugin")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
