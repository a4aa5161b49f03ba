"""Where model versions lie: a folder, or an object-store prefix from which they are copied before they are opened."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from songlens_shared.broker import home
from songlens_shared.errors import ConfigError, ModelDamaged, ModelNotFound
from songlens_workers.models.manifest import MANIFEST, VERSION_PATTERN, Manifest, file_entry


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
            filesystem, path = self._filesystem()
            found = [str(file).split("/")[-2] for file in filesystem.glob(f"{path}/*/{MANIFEST}")]
        else:
            found = [file.parent.name for file in self.folder.glob(f"*/{MANIFEST}")]
        return sorted(version for version in found if VERSION_PATTERN.fullmatch(version))

    def manifest(self, version: str) -> Manifest:
        """Return a version's manifest; raises `ModelNotFound` or `ModelDamaged`."""
        path = self._local(version) / MANIFEST
        return Manifest.from_json(path.read_bytes(), where=f"of version {version}")

    def open(self, version: str, *, check: bool = True) -> tuple[Path, Manifest]:
        """Return the version's local folder and manifest, every file checked against its checksum.

        Raises `ModelNotFound`, or `ModelDamaged` naming the file that is missing, cut short or altered.
        """
        folder, manifest = self._local(version), self.manifest(version)
        if check:
            for name, expected in manifest.files.items():
                _check(folder / name, expected.size_bytes, expected.sha256, version)
        return folder, manifest

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
        filesystem, path = self._filesystem()
        if not filesystem.exists(f"{path}/{version}/{MANIFEST}"):
            return
        partial = folder.with_name(f"{version}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        filesystem.get(f"{path}/{version}/", f"{partial}/", recursive=True)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)

    def upload(self, folder: Path) -> None:
        """Copy a finished version to the object store, its manifest last; nothing to do for a folder."""
        if not self._remote:
            return
        filesystem, path = self._filesystem()
        names = sorted((file.name for file in folder.iterdir()), key=lambda name: name == MANIFEST)
        filesystem.makedirs(f"{path}/{folder.name}", exist_ok=True)
        for name in names:
            filesystem.put_file(str(folder / name), f"{path}/{folder.name}/{name}")

    def _filesystem(self) -> tuple[Any, str]:
        import fsspec

        try:
            filesystem, path = fsspec.core.url_to_fs(self._remote)
            return filesystem, str(path)
        except (ImportError, ValueError) as error:
            raise ConfigError(f"{self._remote} cannot be opened: {error}") from error


def _check(path: Path, size_bytes: int, sha256: str, version: str) -> None:
    if not path.is_file():
        raise ModelDamaged(f"{path.name} of model version {version} is missing; build or copy the model again.")
    found = path.stat().st_size
    if found != size_bytes or file_entry(path).sha256 != sha256:
        raise ModelDamaged(
            f"{path.name} of model version {version} is not what was built ({found} bytes of {size_bytes}, or other "
            "content); build or copy the model again."
        )
