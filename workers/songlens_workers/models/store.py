"""Where model versions lie: a folder, or an object-store prefix from which they are copied before they are opened."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from songlens_shared.address import home
from songlens_shared.errors import ConfigError, ModelDamaged, ModelError, ModelNotFound
from songlens_workers.models.manifest import MANIFEST, VERSION_PATTERN, FileEntry, Manifest, file_entry
from songlens_workers.models.verified import VerifiedFiles, stamps_path


class ModelStore:
    """The versions under one root: a path, or any URL that fsspec opens (s3://, gs://, file://, memory://)."""

    def __init__(self, root: str, *, cache: Path | None = None) -> None:
        self._remote = root.rstrip("/") if "://" in root else None
        self.folder = (cache or home() / "models-cache") if self._remote else Path(root).expanduser()

    def __str__(self) -> str:
        return self._remote or str(self.folder)

    def versions(self) -> list[str]:
        """Return the complete versions, oldest first (a version's name begins with its time)."""
        if self._remote:
            with self._object_store() as (filesystem, path):
                found = [str(file).split("/")[-2] for file in filesystem.glob(f"{path}/*/{MANIFEST}")]
        else:
            found = [file.parent.name for file in self.folder.glob(f"*/{MANIFEST}")]
        return sorted(name for name in found if VERSION_PATTERN.fullmatch(name) and not name.endswith(".partial"))

    def manifest(self, version: str) -> Manifest:
        """Return a version's manifest; raises `ModelNotFound` or `ModelDamaged`."""
        path = self._local(version) / MANIFEST
        manifest = Manifest.from_json(path.read_bytes(), where=f"of version {version}")
        if manifest.version != version:
            raise ModelDamaged(f"the manifest of version {version} is that of {manifest.version}; copy it again.")
        return manifest

    def open(self, version: str, *, check: bool = True, afresh: bool = False) -> tuple[Path, Manifest]:
        """Return the version's local folder and manifest, every file checked against its checksum.

        A file that was found whole here before, and has not changed since, is not read again unless `afresh`.
        Raises `ModelNotFound`, or `ModelDamaged` naming the file that is missing, cut short or altered.
        """
        folder = self._local(version)
        try:
            return folder, self._checked(version, check=check, afresh=afresh)
        except ModelDamaged:
            if self._remote is None:
                raise
            shutil.rmtree(folder, ignore_errors=True)  # our copy may be what is damaged
            return folder, self._checked(version, check=check, afresh=afresh)

    def _checked(self, version: str, *, check: bool, afresh: bool) -> Manifest:
        manifest = self.manifest(version)
        if check:
            verified = VerifiedFiles(stamps_path(self.folder / version))
            for name, expected in manifest.files.items():
                _check(self.folder / version / name, expected, version, verified, afresh=afresh)
            verified.keep()
        return manifest

    def _local(self, version: str) -> Path:
        if not VERSION_PATTERN.fullmatch(version):
            raise ConfigError(f"{version!r} is not a model version; `songlens model list` shows them.")
        folder = self.folder / version
        if self._remote and not (folder / MANIFEST).is_file():
            self._download(version, folder)
        if not (folder / MANIFEST).is_file():
            raise ModelNotFound(f"there is no model version {version} in {self}; `songlens model list` shows what is.")
        return folder

    def _download(self, version: str, folder: Path) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=self.folder) as scratch:
            partial = Path(scratch) / version
            partial.mkdir()
            with self._object_store() as (filesystem, path):
                if not filesystem.exists(f"{path}/{version}/{MANIFEST}"):
                    return
                filesystem.get(f"{path}/{version}/", f"{partial}/", recursive=True)
            if not (folder / MANIFEST).is_file():
                shutil.rmtree(folder, ignore_errors=True)
            try:
                partial.rename(folder)
            except OSError:
                # Another worker with this cache was faster; whether its copy is whole, its checksums will tell.
                if not folder.is_dir():
                    raise

    def upload(self, folder: Path) -> None:
        """Copy a finished version to the object store, its manifest last; nothing to do for a folder."""
        if not self._remote:
            return
        with self._object_store() as (filesystem, path):
            names = sorted((file.name for file in folder.iterdir()), key=lambda name: name == MANIFEST)
            filesystem.makedirs(f"{path}/{folder.name}", exist_ok=True)
            for name in names:
                filesystem.put_file(str(folder / name), f"{path}/{folder.name}/{name}")

    @contextmanager
    def _object_store(self) -> Iterator[tuple[Any, str]]:
        import fsspec

        try:
            filesystem, path = fsspec.core.url_to_fs(self._remote)
        except (ImportError, ValueError) as error:
            raise ConfigError(f"{self._remote} cannot be opened: {error}") from error
        try:
            yield filesystem, str(path)
        except Exception as error:  # every store has errors of its own
            raise ModelError(f"{self._remote} cannot be used: {error or type(error).__name__}") from error


def _check(path: Path, expected: FileEntry, version: str, verified: VerifiedFiles, *, afresh: bool) -> None:
    if not path.is_file():
        raise ModelDamaged(f"{path.name} of model version {version} is missing; build or copy the model again.")
    found = path.stat().st_size
    if not afresh and found == expected.size_bytes and verified.holds(path, expected.sha256):
        return
    before = verified.state(path)
    if found != expected.size_bytes or file_entry(path).sha256 != expected.sha256:
        raise ModelDamaged(
            f"{path.name} of model version {version} is not what was built ({found} bytes of {expected.size_bytes}, or "
            "other content); build or copy the model again."
        )
    verified.add(path, before, expected.sha256)
