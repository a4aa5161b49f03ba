"""What the verbs of `songlens model` share: which store is meant, and how a version is described."""

from __future__ import annotations

from typing import Annotated

import typer

from songlens_shared.address import home
from songlens_shared.errors import ModelNotFound
from songlens_workers.models.manifest import Manifest
from songlens_workers.models.store import ModelStore

Redis = Annotated[str | None, typer.Option("--redis", help="Address of Redis or Valkey.")]
Models = Annotated[str | None, typer.Option("--models", help="Folder or object-store prefix of model versions.")]
Version = Annotated[str | None, typer.Argument(help="Model version; without it, the newest.")]


def open_store(models: str | None) -> ModelStore:
    """Return the store that is meant, by default the one in SONGLENS_HOME."""
    return ModelStore(models or str(home() / "models"))


def newest_version(store: ModelStore) -> str:
    """Return the newest version of a store; raises `ModelNotFound` where there is none."""
    versions = store.versions()
    if not versions:
        raise ModelNotFound(f"there is no model version in {store}; `songlens model build` makes one.")
    return versions[-1]


def _precision(manifest: Manifest) -> str:
    if manifest.backbone.precision == "fp32":
        return ""
    found = manifest.agreement
    if found is None:
        return f" in {manifest.backbone.precision}"
    return (
        f" in {manifest.backbone.precision} (recall@5 of fp32's neighbours {found.recall_at_5:.1%}, on {found.queries} "
        f"held-out images among {found.images})"
    )


def described(manifest: Manifest, precision: float) -> str:
    """Return a version in one sentence, marked up for the screen; `precision` is its precision@10."""
    users = f"{manifest.users} users, " if manifest.users else ""
    return (
        f"[bold]{manifest.version}[/]: {manifest.songs} songs, {manifest.images} images, {users}"
        f"{len(manifest.keywords)} keywords, {manifest.backbone.name}{_precision(manifest)}; of the 10 songs nearest "
        f"to an image {precision:.1%} bear its keyword"
    )


def described_index(manifest: Manifest) -> str:
    """Return in one sentence how the version's images are searched, and why so."""
    index = manifest.index
    if index is None:
        return "image index: flat, exact"
    return (
        f"image index: {index.kind}, {index.memory_bytes / 1e6:,.0f} MB in memory and {index.disk_bytes / 1e6:,.0f} on "
        f"disk, recall@5 {index.recall_at_5:.3f}; {index.why}"
    )
