"""Tars of photos, as WebDataset packs them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from songlens_batch.sources.addresses import shown
from songlens_batch.sources.files import Files
from songlens_batch.sources.item import SourceItem
from songlens_batch.sources.patterns import expanded, fixed_folder, has_wildcard
from songlens_batch.sources.photo_names import COUNTED, is_tar, without_suffix
from songlens_batch.sources.tar_members import TarMembers
from songlens_shared.errors import DataError


def id_prefix(tar_name: str) -> str:
    """Return what the ids of one of several tars begin with: its name, within the folder of all, without suffix."""
    return f"{without_suffix(tar_name)}/"


class TarSource:
    """The photos of one tar, or of the tars that a pattern names, one tar after another.

    A photo's id is its name in the tar without the suffix, which is WebDataset's key where the name has one dot. Where
    a pattern names the tars, the tar's name stands before it, however many match: `photos-00000/000123`.
    """

    def __init__(self, files: Files, address: str, *, pattern: bool) -> None:
        """`address` is a tar, or a pattern of braces and wildcards."""
        self.described = f"{'tars' if pattern else 'tar'} {shown(address)}"
        self.skipped = 0
        self._files = files
        self._address = address
        self._pattern = pattern

    def items(self) -> Iterator[SourceItem]:
        """Yield the photos. Raises `DataError` for a tar that cannot be used, and where there is no photo."""
        self.skipped = 0
        empty = True
        for address, prefix in self._tars():
            tar = TarMembers(self._files, address, prefix)
            for item in tar.items():
                empty = False
                yield item
            self.skipped += tar.skipped
        if empty:
            raise DataError(f"{shown(self._address)} holds no photo: {COUNTED}; other members skipped: {self.skipped}.")

    def _tars(self) -> Iterable[tuple[str, str]]:
        """Return addresses and the prefixes of their ids."""
        if not self._pattern:
            return [(self._address, "")]
        folder = fixed_folder(self._address)
        return [(tar, id_prefix(tar.removeprefix(f"{folder}/"))) for tar in self._matches()]

    def _matches(self) -> list[str]:
        matches: dict[str, None] = {}
        for name in expanded(self._address):
            found = self._files.glob(name) if has_wildcard(name) else [name]
            if not found:
                raise DataError(f"nothing matches {shown(name)}; correct the pattern.")
            matches.update(dict.fromkeys(found))
        for address in matches:
            if not is_tar(address):
                raise DataError(
                    f"{shown(address)} matches {shown(self._address)} and is no .tar; a pattern names tars only. "
                    "For photos name their folder, or list them in a manifest."
                )
        return list(matches)
