"""Builds a model version: songs, images and listening -> keywords -> features -> graph -> NE -> index -> files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from songlens_shared.errors import ModelDamaged
from songlens_shared.keys import bucket_count
from songlens_shared.messages import FLOAT32
from songlens_training.catalogue.tables import RejectLog, RowSummary
from songlens_training.embedding.contexts import kept_contexts
from songlens_training.evaluate.precision import keyword_precision
from songlens_training.graph.statistics import graph_statistics
from songlens_training.keywords.report import keyword_report
from songlens_training.model import artefacts
from songlens_training.model.base import write_fold_in
from songlens_training.model.built import Built, tree_sha256, version_name
from songlens_training.model.features import Elsewhere
from songlens_training.model.image_index import IndexOptions, write_image_index
from songlens_training.model.learn import BuildOptions, Catalogue, Learned, learn
from songlens_training.progress import Progress, silent
from songlens_workers.models.manifest import Manifest, config_sha256
from songlens_workers.models.store import ModelStore
from songlens_workers.vision.backbone import Backbone
from songlens_workers.vision.model import backbone_spec


def build_config(catalogue: Catalogue, backbone: Backbone, options: BuildOptions | None = None) -> dict[str, Any]:
    """Return all that decides what a build comes to; equal configurations make equal models.

    Raises `ConfigError` where songs, images or the listening log are not there.
    """
    options = options or BuildOptions()
    return {
        "songs_sha256": tree_sha256(catalogue.songs),
        "images_sha256": tree_sha256(catalogue.images),
        "backbone": backbone_spec(backbone).model_dump(exclude={"calibration_sha256"}),
        "keywords": options.keywords.as_config(),
        "embedding": _jsonable(asdict(options.embedding)),
        **_listening_config(catalogue, options),
        **_index_config(options.index),
        **_features_config(options.features_dtype),
    }


def _features_config(dtype: str) -> dict[str, Any]:
    """Where features were computed makes no difference; that they are rounded does."""
    return {} if dtype == FLOAT32 else {"features_dtype": dtype}


def _index_config(options: IndexOptions) -> dict[str, Any]:
    """Nothing of the defaults: what is chosen then depends on the machine, and any of it serves."""
    return {} if options == IndexOptions() else {"index": asdict(options)}


def _listening_config(catalogue: Catalogue, options: BuildOptions) -> dict[str, Any]:
    if catalogue.listening is None:
        return {}
    return {"listening_sha256": tree_sha256(catalogue.listening), "listening": asdict(options.listening)}


def _jsonable(options: dict[str, Any]) -> dict[str, Any]:
    return {name: sorted(value) if isinstance(value, frozenset) else value for name, value in options.items()}


def find_built(store: ModelStore, config: dict[str, Any]) -> Manifest | None:
    """Return the newest version that was built from exactly this configuration, or None; damaged ones do not count."""
    wanted = config_sha256(config)
    for version in reversed(store.versions()):
        try:
            _, manifest = store.open(version, check=False)
            if manifest.config_sha256 == wanted:
                store.open(version)
                return manifest
        except ModelDamaged:
            continue
    return None


def build_model(
    catalogue: Catalogue,
    store: ModelStore,
    backbone: Backbone,
    options: BuildOptions | None = None,
    *,
    progress: Progress = silent,
    features_folder: Path | None = None,
    elsewhere: Elsewhere | None = None,
) -> Built:
    """Build one version and put it into the store. Nothing half-built is ever left where a version is looked for.

    Features are kept in `features_folder` (default: in SONGLENS_HOME), and computed `elsewhere` where that is given.

    Raises `DataError` for data that cannot make a catalogue, `ConfigError` for options out of range, `ModelError` where
    the version cannot be written.
    """
    options = options or BuildOptions()
    config = build_config(catalogue, backbone, options)
    name = version_name(config, store.folder)
    rejects_path = store.folder / f"{name}.rejects.jsonl"
    with RejectLog(rejects_path) as rejects:
        learned = learn(
            catalogue, backbone, options, rejects, progress, features_folder=features_folder, elsewhere=elsewhere
        )
        summaries = [rejects.summary(str(path)) for path in catalogue.sources]
    report = _report(learned, summaries)
    with artefacts.partial_version(store.folder / name) as folder:
        manifest = _write(folder, _manifest(name, learned, config), learned, options, report)
    store.upload(store.folder / name)
    return Built(
        manifest=manifest, folder=store.folder / name, summaries=summaries, rejects=rejects_path, report=report
    )


def _manifest(name: str, learned: Learned, config: dict[str, Any]) -> Manifest:
    return Manifest(
        version=name,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        songlens=installed_version("songlens"),
        backbone=backbone_spec(learned.backbone),
        agreement=learned.agreement,
        ne_dimensions=learned.embedding.vectors.shape[1],
        images=len(learned.images),
        songs=len(learned.songs),
        users=len(_users(learned)),
        keywords=[keyword.word for keyword in learned.table.keywords],
        image_buckets=bucket_count(len(learned.images)),
        song_buckets=bucket_count(len(learned.songs)),
        user_buckets=bucket_count(len(_users(learned))) if _users(learned) else 0,
        config=config,
        config_sha256=config_sha256(config),
    )


def _users(learned: Learned) -> list[str]:
    return learned.listening.users if learned.listening else []


def _write(
    folder: Path, manifest: Manifest, learned: Learned, options: BuildOptions, report: Mapping[str, Any]
) -> Manifest:
    artefacts.write_calibration(folder, learned.backbone)
    features = learned.extracted.features
    index = write_image_index(folder, len(features), features.dimensions, features.copy_into, options.index)
    artefacts.write_embedding_files(
        folder, learned.embedding, [image.id for image in learned.images], [song.id for song in learned.songs]
    )
    artefacts.write_songs(folder, learned.songs, learned.table.songs)
    artefacts.write_images(folder, learned.images, learned.table.images)
    if users := _users(learned):
        artefacts.write_users(folder, learned.embedding, users)
    write_fold_in(folder, kept_contexts(learned.embedding, learned.graph, options.embedding), learned.table)
    artefacts.write_report(folder, report)
    return artefacts.write_manifest(folder, manifest.model_copy(update={"index": index}))


def _report(learned: Learned, summaries: Sequence[RowSummary]) -> dict[str, Any]:
    table = learned.table
    return {
        "rows": [asdict(summary) for summary in summaries],
        **keyword_report(table),
        "graph": asdict(graph_statistics(learned.graph)),
        "precision_at_10": keyword_precision(learned.embedding, table, k=10),
        "features": {
            "computed": learned.extracted.computed,
            "elsewhere": learned.extracted.elsewhere,
            "images_per_s": round(learned.extracted.images_per_s, 2),
        },
        "seconds": learned.seconds,
        **_listening_report(learned),
    }


def _listening_report(learned: Learned) -> dict[str, Any]:
    if learned.listening is None:
        return {}
    listening = learned.listening
    weights = learned.graph.weights
    figures = {
        "users": len(listening.users),
        "pairs": len(listening.weights),
        "share_of_weight": round(float(weights[-len(listening.weights) :].sum() / weights.sum()), 4),
    }
    return {"listening": figures | asdict(listening.left_out)}
