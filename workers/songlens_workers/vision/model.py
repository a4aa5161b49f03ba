"""One model version as the vision stage holds it: backbone, image index, and the ids and keywords of its rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from songlens_shared.errors import ModelDamaged, ModelMismatch
from songlens_workers.models.manifest import IMAGES, BackboneSpec, Manifest
from songlens_workers.models.store import ModelStore
from songlens_workers.vision.backbone import Backbone
from songlens_workers.vision.index.gpu import SearchOptions, gpus_found
from songlens_workers.vision.index.opening import open_index
from songlens_workers.vision.index.protocol import ImageIndex


def backbone_spec(backbone: Backbone) -> BackboneSpec:
    """Return what a manifest says of a backbone."""
    return BackboneSpec(
        name=backbone.name,
        weights_sha256=backbone.weights_sha256,
        dimensions=backbone.dimensions,
        precision=backbone.precision,
        calibration_sha256=None if backbone.calibration is None else backbone.calibration.sha256,
        preprocessing=backbone.preprocessing.to_dict(),
    )


@dataclass(frozen=True)
class Embedder:
    """A backbone, and the fingerprint that its features are known by."""

    backbone: Backbone
    fingerprint: str

    @classmethod
    def of(cls, backbone: Backbone) -> Embedder:
        """Return the embedder of a backbone."""
        return cls(backbone, backbone_spec(backbone).fingerprint)


@dataclass(frozen=True)
class VisionModel:
    """An open version."""

    embedder: Embedder
    index: ImageIndex
    image_ids: list[str]
    keywords: list[tuple[str, ...]]
    """Of each image, heaviest first."""

    @property
    def backbone(self) -> Backbone:
        """What embeds photos."""
        return self.embedder.backbone


class VisionModels:
    """Opens versions from a store. The backbone stays loaded from one version to the next where it is the same.

    A backbone is loaded by what its manifest says, and by the calibration file of the version where it has one.
    """

    def __init__(
        self,
        store: ModelStore,
        *,
        load_backbone: Callable[[BackboneSpec, Path | None], Backbone],
        search: SearchOptions | None = None,
    ) -> None:
        """Without `search`, indexes are searched where the backbone runs."""
        self._store = store
        self._load_backbone = load_backbone
        self._search = search or SearchOptions()
        self._backbone: Backbone | None = None

    def open(self, version: str) -> VisionModel:
        """Open a version; raises `ModelNotFound`, `ModelDamaged`, `ModelMismatch`, or `ConfigError` for its GPUs."""
        folder, manifest = self._store.open(version)
        backbone = self._matching_backbone(manifest, manifest.calibration(folder))
        gpus = self._search.gpus(backbone.device, found=gpus_found())
        index = open_index(folder, manifest.index, gpus, self._search)
        image_ids, keywords = _image_table(folder / IMAGES)
        if not len(index) == len(image_ids) == manifest.images:
            raise ModelDamaged(
                f"model version {version} has {len(index)} image vectors and {len(image_ids)} images where its "
                f"manifest says {manifest.images}; build it again."
            )
        if index.dimensions != backbone.dimensions:
            raise ModelMismatch(
                f"the index of model version {version} has {index.dimensions} dimensions and the backbone "
                f"{backbone.name} makes {backbone.dimensions}; build the model again."
            )
        return VisionModel(embedder=Embedder.of(backbone), index=index, image_ids=image_ids, keywords=keywords)

    def _matching_backbone(self, manifest: Manifest, calibration: Path | None) -> Backbone:
        backbone = self._backbone
        if backbone is None or _told_apart(backbone_spec(backbone)) != _told_apart(manifest.backbone):
            backbone = self._load_backbone(manifest.backbone, calibration)
        manifest.backbone.check(backbone_spec(backbone))
        self._backbone = backbone
        return backbone


def _told_apart(spec: BackboneSpec) -> tuple[str, str, str | None]:
    """Return what a worker can load another backbone by; weights are its own, and only checked."""
    return spec.name, spec.precision, spec.calibration_sha256


def _image_table(path: Path) -> tuple[list[str], list[tuple[str, ...]]]:
    from pyarrow import ArrowException, parquet

    try:
        table = parquet.read_table(path, columns=["id", "keywords"])
    except (ArrowException, OSError) as error:
        raise ModelDamaged(f"the table of images {path} is missing or damaged; build the model again.") from error
    keywords = [tuple(item["keyword"] for item in row) for row in table.column("keywords").to_pylist()]
    return table.column("id").to_pylist(), keywords
