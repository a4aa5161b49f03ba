"""A folder on this machine, or a prefix of an object store."""

from __future__ import annotations

from collections.abc import Iterator

from songlens_batch.sources.addresses import shown
from songlens_batch.sources.files import Files, Found
from songlens_batch.sources.item import SourceItem, id_problem, shown_id
from songlens_batch.sources.photo_names import COUNTED, is_photo, is_tar
from songlens_batch.sources.tar_members import TarMembers
from songlens_batch.sources.tars import id_prefix
from songlens_shared.errors import DataError


class FolderSource:
    """The photos beneath a folder in the order of their names; or those of the tars beneath it.

    A photo's id is its path within the folder, with forward slashes; for one in a tar, the tar's path without suffix
    stands before its name there. Hidden files are left out; `skipped` counts the others that are no photos.
    """

    def __init__(self, files: Files, address: str) -> None:
        """`address` is the folder's path or URL."""
        self.described = f"folder {shown(address)}"
        self.skipped = 0
        self._files = files
        self._address = address

    def items(self) -> Iterator[SourceItem]:
        """Yield the photos.

        Raises `DataError` for what cannot be read, a folder without photos, and one with both photos and tars.
        """
        self.skipped = 0
        photo = tar = ""
        empty = True
        for found in self._files.walk(self._address):
            if is_photo(found.name):
                photo = found.name
            elif is_tar(found.name):
                tar = found.name
            else:
                self.skipped += 1
                continue
            if photo and tar:
                raise self._mixed(photo, tar)
            for item in self._items_of(found):
                empty = False
                yield item
        if empty:
            raise DataError(f"{shown(self._address)} holds no photo: {COUNTED}; other files skipped: {self.skipped}.")

    def _items_of(self, found: Found) -> Iterator[SourceItem]:
        if is_tar(found.name):
            tar = TarMembers(self._files, found.address, id_prefix(found.name))
            yield from tar.items()
            self.skipped += tar.skipped
            return
        problem = id_problem(found.name)
        if problem:
            raise DataError(
                f"the name {shown_id(found.name)!r} of a photo in {shown(self._address)} {problem}; "
                "rename it, or list the photos in a manifest with an id for each."
            )
        yield SourceItem(id=found.name, path=found.address, size=found.size, stamp=found.stamp)

    def _mixed(self, photo: str, tar: str) -> DataError:
        return DataError(
            f"{shown(self._address)} holds both photos ({shown_id(photo)}) and tars ({shown_id(tar)}); "
            f"for the tars submit {shown(self._address).rstrip('/')}/*.tar, and for the photos move the tars elsewhere."
        )
