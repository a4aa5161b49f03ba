"""A catalogue image's bytes as a job reads them: those of the plan, or none."""

from __future__ import annotations

import hashlib
import socket

from songlens_batch.sources.row_failed import IMAGE_TOO_LARGE, NOT_FOUND, UNREADABLE, RowFailed, changed
from songlens_shared.messages import MAX_IMAGE_BYTES
from songlens_training.distributed.errors import NotShared
from songlens_training.model.image_file import ImageFile


def read_planned(image: ImageFile) -> bytes:
    """Return the bytes, which have the planned digest: the feature is kept under it.

    Raises `RowFailed` for what is wrong with this image alone, and `NotShared` where more is out of reach.
    """
    try:
        content = image.path.read_bytes()
    except FileNotFoundError:
        if not image.path.parent.is_dir():
            raise NotShared(_not_shared(image, "there is no such folder")) from None
        raise RowFailed(NOT_FOUND, "the file is not there.") from None
    except PermissionError as error:
        raise NotShared(_not_shared(image, str(error.strerror))) from None
    except OSError as error:
        raise RowFailed(UNREADABLE, f"the file cannot be read: {error.strerror or error}.", again=True) from None
    if len(content) > MAX_IMAGE_BYTES:
        raise RowFailed(IMAGE_TOO_LARGE, f"the file has {len(content)} bytes; the limit is {MAX_IMAGE_BYTES}.")
    if hashlib.sha256(content).digest() != image.digest:
        raise changed()
    return content


def _not_shared(image: ImageFile, reason: str) -> str:
    return (
        f"{image.path} cannot be read on {socket.gethostname()} ({reason}): job workers need the catalogue's images at "
        "the same path as the build, shared and readable."
    )
