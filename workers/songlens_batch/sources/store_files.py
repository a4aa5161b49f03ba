"""Objects of a store, through fsspec."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

from songlens_batch.sources.addresses import scheme_of, shown
from songlens_batch.sources.files import Found, Kind
from songlens_batch.sources.photo_names import is_hidden
from songlens_batch.sources.stamps import stamp_of
from songlens_shared.errors import DataError


def open_store(address: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URL, and the URL's path in it.

    Credentials are those that the store's package finds in its usual places. Raises `DataError` where no package for
    it is installed, or the store cannot be opened.
    """
    import fsspec

    try:
        filesystem, path = fsspec.core.url_to_fs(address)
    except ImportError as error:
        raise DataError(
            f"{scheme_of(address)}:// needs a package that is not installed ({error}); install it beside Songlens."
        ) from error
    except ValueError as error:
        raise DataError(f"{shown(address)} is of no kind of store that fsspec knows: {error}.") from error
    except Exception as error:  # every store has errors of its own
        raise _unreadable(address, error) from error
    return filesystem, str(path)


class StoreFiles:
    """Objects by their URLs; errors as in `Files`."""

    def __init__(self, filesystem: Any) -> None:
        """`filesystem` is fsspec's, and opens all the addresses that are asked for."""
        self._filesystem = filesystem

    def kind(self, address: str) -> Kind | None:
        """Return what is there; None for nothing."""
        with _store_errors(address):
            try:
                found = self._filesystem.info(self._path(address))
            except FileNotFoundError:
                return None
        return {"file": "file", "directory": "folder"}.get(found["type"], "other")  # type: ignore[return-value]

    def open(self, address: str) -> IO[bytes]:
        """Open an object for reading from its beginning to its end, or nearly so."""
        with _store_errors(address):
            return cast(IO[bytes], self._filesystem.open(self._path(address), "rb"))

    def facts(self, address: str) -> tuple[int, str]:
        """Return the size of an object in bytes, and its stamp."""
        with _store_errors(address):
            about = self._filesystem.info(self._path(address))
        if about.get("size") is None:
            raise DataError(f"the store does not tell the size of {shown(address)}; copy it to this machine.")
        return about["size"], stamp_of(about)

    def walk(self, folder: str) -> Iterator[Found]:
        """Yield all objects beneath a prefix, the hidden ones left out, in the order of their names."""
        base, root = folder.rstrip("/"), self._path(folder).rstrip("/") + "/"
        for name, size, stamp in self._listed(folder, root):
            yield Found(name=name, address=f"{base}/{name}", size=size, stamp=stamp)

    def _listed(self, folder: str, root: str) -> list[tuple[str, int | None, str]]:
        """Return name, size and stamp; all that a store tells of a million objects would be a gigabyte."""
        with _store_errors(folder):
            found = self._filesystem.find(self._path(folder), detail=True)
            listed = [
                (name, info.get("size"), stamp_of(info))
                for name, info in _within(root, found.items())
                if info["type"] == "file" and not is_hidden(name)
            ]
            self._filesystem.invalidate_cache()  # where the store's package keeps every listing
        listed.sort()
        return listed

    def glob(self, pattern: str) -> list[str]:
        """Return the URLs that match a pattern, in order."""
        fixed = pattern[: min(pattern.find(mark) for mark in "*?[" if mark in pattern)].rpartition("/")[0]
        with _store_errors(pattern):
            found = self._filesystem.glob(self._path(pattern))
            root = self._path(f"{fixed}/").rstrip("/") + "/"
            return sorted(f"{fixed}/{name}" for name, _ in _within(root, ((path, None) for path in found)))

    def _path(self, address: str) -> str:
        return str(self._filesystem._strip_protocol(address))


def _within(root: str, found: Any) -> Iterator[tuple[str, Any]]:
    """Yield what was found by its name within the root.

    URLs are made of the source's text and these names, since fsspec's own paths may lack the host.
    """
    for path, info in found:
        name = str(path).removeprefix(root)
        if name != str(path) or root == "/":
            yield name.lstrip("/"), info


@contextmanager
def _store_errors(address: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{shown(address)} does not exist; correct the name.") from None
    except Exception as error:  # every store has errors of its own
        raise _unreadable(address, error) from error


def _unreadable(address: str, error: Exception) -> DataError:
    reason = (str(error).splitlines() or [""])[0] or type(error).__name__
    return DataError(f"{shown(address)} cannot be read: {reason}. Check its name, and the store's credentials.")
