"""Photos in object stores, through fsspec."""

from __future__ import annotations

from io import BytesIO

from songlens_shared.errors import ConfigError
from songlens_workers.vision.limits import ImageLimits
from songlens_workers.vision.uri.prefixes import Place
from songlens_workers.vision.uri.reading import NotFetched, read_all
from songlens_workers.vision.uri.time_limit import TimeLimit


class StorePhotos:
    """Reads objects beneath one prefix, with the credentials that the store's package finds in its usual places."""

    def __init__(self, prefix: Place) -> None:
        """Raises `ConfigError` where fsspec cannot open the prefix."""
        import fsspec
        from fsspec.implementations.local import LocalFileSystem

        text = f"{prefix.scheme}://{'/'.join([prefix.host, *prefix.segments])}"
        try:
            self._filesystem, self._root = fsspec.core.url_to_fs(text)
        except Exception as error:  # every store has errors of its own
            raise ConfigError(f"uri_prefixes: {text} cannot be opened: {error or type(error).__name__}") from None
        if isinstance(self._filesystem, LocalFileSystem):
            raise ConfigError(f"uri_prefixes: {text} is a folder of this machine; write file:///FOLDER/.")
        self._depth = len(prefix.segments)

    def read(self, place: Place, limits: ImageLimits, limit: TimeLimit) -> bytes:
        """Return the object's bytes. Raises `NotFetched`, `ImageTooLarge` or `TimeoutError`."""
        # A request's uri is never given to fsspec as a URL, which could name another store inside it.
        path = "/".join([str(self._root).rstrip("/"), *place.segments[self._depth :]])
        try:
            size = self._filesystem.size(path)
            content = b""
            if size is None or size <= limits.max_image_bytes:
                # One bounded request; a file object would read ahead by megabytes.
                content = self._filesystem.cat_file(path, start=0, end=limits.max_image_bytes + 1)
        except TimeoutError:
            raise
        except Exception:
            raise NotFetched("there is no such object that may be read") from None
        limits.check_bytes(size or 0)
        return read_all(BytesIO(content).read, limits, limit)
