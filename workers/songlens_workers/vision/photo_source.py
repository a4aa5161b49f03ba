"""Where the bytes of a request's photo come from: the request itself, or the uri that it names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from songlens_shared.errors import BadImage, BadRequest, ConfigError
from songlens_shared.messages import Request
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.uri.files import FilePhotos
from songlens_workers.vision.uri.prefixes import DEFAULT_PORTS, FILE, NotAllowed, Place, parse_prefix, parse_uri
from songlens_workers.vision.uri.reading import NotFetched
from songlens_workers.vision.uri.stores import StorePhotos
from songlens_workers.vision.uri.time_limit import Aside, TimeLimit
from songlens_workers.vision.uri.web import Resolve, WebPhotos, resolve

_ADVICE = "send the photo's bytes as image"
# Fetches that were given up and still hang in a name server, a file system or an object store.
_MOST_LEFT_BEHIND = 16


class _Photos(Protocol):
    def read(self, place: Place, limits: ImageLimits, limit: TimeLimit) -> bytes:
        """Return a photo's bytes; raises a `RequestError`, `NotFetched` or `TimeoutError`."""


class PhotoSource:
    """Gives the bytes of photos. Uris are off until prefixes allow some. Thread-safe; no uri is in any message."""

    def __init__(
        self,
        prefixes: Sequence[str] = (),
        *,
        limits: ImageLimits,
        timeout_s: float = 5.0,
        private: bool = False,
        threads: int = 1,
        resolve: Resolve = resolve,
    ) -> None:
        """`timeout_s` is for a whole fetch; `threads` is how many of them run at once.

        Raises `ConfigError` for a prefix that is none, or whose store cannot be opened.
        """
        self._limits = limits
        self._timeout_s = timeout_s
        self._aside = Aside(threads + _MOST_LEFT_BEHIND)
        self._allowed = [(place, _photos(place, private, resolve)) for place in _places(prefixes)]

    def bytes_of(self, request: Request) -> bytes:
        """Return the photo of a request, within the time limit.

        Raises `BadRequest` for a uri that is not allowed, `BadImage` for one that cannot be fetched, `ImageTooLarge`.
        """
        if request.image is not None:
            return request.image
        place, photos = self._find(request.uri or "")
        limit = TimeLimit(self._timeout_s)
        try:
            return self._aside.call(lambda: photos.read(place, self._limits, limit), limit)
        except NotFetched as error:
            raise BadImage(f"the photo of the uri could not be fetched: {error}. Otherwise, {_ADVICE}.") from None
        except TimeoutError:
            raise BadImage(
                f"the photo of the uri was not there within {self._timeout_s:g} s; send it again later, or {_ADVICE}."
            ) from None

    def _find(self, uri: str) -> tuple[Place, _Photos]:
        if not self._allowed:
            raise BadRequest(f"requests by uri are switched off here; {_ADVICE}.")
        try:
            place = parse_uri(uri)
        except NotAllowed as error:
            raise BadRequest(f"the uri is refused: {error}. Mend it, or {_ADVICE}.") from None
        for prefix, photos in self._allowed:
            if place.is_within(prefix):
                return place, photos
        raise BadRequest(f"the uri is beneath none of the uri_prefixes that the vision workers allow; {_ADVICE}.")


def _places(prefixes: Sequence[str]) -> list[Place]:
    try:
        return [parse_prefix(text) for text in prefixes]
    except NotAllowed as error:
        raise ConfigError(
            f"a prefix of uri_prefixes is refused: {error}. Write them like https://cdn.example.com/photos/, "
            "file:///srv/photos/ or s3://bucket/photos/, with spaces between them."
        ) from None


def _photos(place: Place, private: bool, resolve: Resolve) -> _Photos:
    if place.scheme in DEFAULT_PORTS:
        return WebPhotos(private=private, resolve=resolve)
    if place.scheme == FILE:
        return FilePhotos(place)
    return StorePhotos(place)
