"""Why a photo of a batch could not be read, as its row in the results says."""

from __future__ import annotations

NOT_FOUND = "not_found"
"""There is no such file or object."""

UNREADABLE = "unreadable"
"""It is there and cannot be read."""

SOURCE_CHANGED = "source_changed"
"""It is another than when the batch was planned."""

NOT_FETCHED = "not_fetched"
"""The store or web server did not give it."""

IMAGE_TOO_LARGE = "image_too_large"
"""It has more bytes than the published limit."""

CODES = frozenset({NOT_FOUND, UNREADABLE, SOURCE_CHANGED, NOT_FETCHED, IMAGE_TOO_LARGE})


class RowFailed(Exception):
    """One photo cannot be read; the others of the batch can.

    `code` is one of `CODES`. `message` is a sentence without the photo's address, which may hold a password. `again`
    says that another try may go well: the reason lies in the connection or in a server, not in the photo.
    """

    def __init__(self, code: str, message: str, *, again: bool = False) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.again = again


def changed(what: str = "the file") -> RowFailed:
    """Return the failure of a photo whose file is not the planned one any more."""
    return RowFailed(SOURCE_CHANGED, f"{what} has changed since the batch was planned; submit it again.")
