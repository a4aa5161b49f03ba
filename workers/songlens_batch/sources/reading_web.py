"""The bytes of photos on web servers."""

from __future__ import annotations

import re

from songlens_batch.sources.row_failed import NOT_FETCHED, NOT_FOUND, RowFailed
from songlens_shared.errors import BadRequest
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.uri.prefixes import NotAllowed, parse_uri
from songlens_workers.vision.uri.reading import NotFetched
from songlens_workers.vision.uri.time_limit import TimeLimit
from songlens_workers.vision.uri.web import WebPhotos as Fetching

_STATUS = re.compile(r"status (\d{3})$", re.ASCII)
_GONE = frozenset({404, 410})
# RFC 9110: what a later request may mend, beside the server's own errors (5xx).
_PASSING = frozenset({408, 425, 429})
_LASTING = ("redirects", "certificate")


class WebPhotos:
    """GETs photos as workers do for requests by uri: no redirects, no proxy, and public addresses only. Thread-safe."""

    def __init__(self, limits: ImageLimits, *, private: bool) -> None:
        """`private` lets hosts have addresses that are not public."""
        self._limits = limits
        self._fetching = Fetching(private=private)

    def read(self, address: str, limit: TimeLimit) -> bytes:
        """Return the photo's bytes. Raises `RowFailed`, `ImageTooLarge` or `TimeoutError`."""
        try:
            return self._fetching.read(parse_uri(address), self._limits, limit)
        except NotAllowed as error:
            raise RowFailed(NOT_FETCHED, f"the URL is refused: {error}.") from None
        except BadRequest:
            raise RowFailed(
                NOT_FETCHED, "the URL's host is not on the public internet, which must be allowed for the batch."
            ) from None
        except NotFetched as error:
            raise _failure(str(error)) from None


def _failure(reason: str) -> RowFailed:
    """Return the failure for one of the reasons that `NotFetched` has, of which a status is the last word."""
    message = f"the photo could not be fetched: {reason}."
    found = _STATUS.search(reason)
    if found is None:
        return RowFailed(NOT_FETCHED, message, again=not any(word in reason for word in _LASTING))
    status = int(found[1])
    code = NOT_FOUND if status in _GONE else NOT_FETCHED
    return RowFailed(code, message, again=status >= 500 or status in _PASSING)
