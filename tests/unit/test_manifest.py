"""The manifest of a model version."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from songlens_shared.errors import ModelDamaged, ModelMismatch
from songlens_workers.models.manifest import BackboneSpec, FileEntry, Manifest, config_sha256, file_entry

BACKBONE = BackboneSpec(
    name="tiny", weights_sha256="a" * 64, dimensions=64, precision="fp32", preprocessing={"resize": 64, "crop": 56}
)


def manifest(**changes: Any) -> Manifest:
    fields: dict[str, Any] = {
        "version": "20260101-000000-abc",
        "created_at": "2026-01-01T00:00:00Z",
        "songlens": "0.1.0",
        "backbone": BACKBONE,
        "ne_dimensions": 16,
        "images": 3,
        "songs": 5,
        "keywords": ["雪", "海"],
        "image_buckets": 1,
        "song_buckets": 1,
        "config": {"seed": 1},
        "config_sha256": config_sha256({"seed": 1}),
        "files": {"songs.parquet": FileEntry(size_bytes=10, sha256="b" * 64)},
    }
    return Manifest(**(fields | changes))


def test_json_round_trip() -> None:
    """A manifest is the same after it was in a file or in Redis."""
    assert Manifest.from_json(manifest().to_json(), where="here") == manifest()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "Invalid JSON"),
        (b"\xff\xfe\x00", "Invalid JSON"),
        (b"[]", "object"),
        (b"{}", "version"),
        (manifest().to_json()[:200].encode(), "Invalid JSON"),
        (manifest().to_json().replace('"format": 1', '"format": 2').replace('"format":1', '"format":2'), "format"),
        (manifest().to_json().replace("songs.parquet", "../../etc/passwd"), "passwd"),
        (manifest().to_json().replace("songs.parquet", "/etc/passwd"), "passwd"),
    ],
)
def test_what_is_no_manifest_is_refused(text: str | bytes, reason: str) -> None:
    """Cut short, not JSON, of another format, or pointing out of its folder: a sentence says where and why."""
    with pytest.raises(ModelDamaged, match=rf"manifest of version 7 cannot be used \(.*{reason}"):
        Manifest.from_json(text, where="of version 7")


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("name", "vgg19"),
        ("weights_sha256", "c" * 64),
        ("dimensions", 4096),
        ("precision", "fp16"),
        ("preprocessing", {"resize": 256}),
    ],
)
def test_a_backbone_must_agree_in_every_field(field: str, other: Any) -> None:
    """Vectors of another network cannot be compared; the message names the field and both values."""
    BACKBONE.check(BACKBONE)
    with pytest.raises(ModelMismatch, match=field):
        BACKBONE.check(BACKBONE.model_copy(update={field: other}))


@pytest.mark.parametrize(
    ("field", "other"),
    [("weights_sha256", "c" * 64), ("precision", "fp16"), ("preprocessing", {"resize": 256}), ("dimensions", 4096)],
)
def test_a_fingerprint_is_of_every_field(field: str, other: Any) -> None:
    """The name and twelve hex digits, the same in every process, and others for whatever differs."""
    assert re.fullmatch(rf"{BACKBONE.name}-[0-9a-f]{{12}}", BACKBONE.fingerprint)
    assert BACKBONE.model_copy().fingerprint == BACKBONE.fingerprint
    assert BACKBONE.model_copy(update={field: other}).fingerprint != BACKBONE.fingerprint
    spec = BackboneSpec(name="x", weights_sha256="0" * 64, dimensions=6, precision="fp32", preprocessing={})
    assert spec.fingerprint == "x-5629e9c53c82"  # folders of earlier releases bear it


def test_config_hash_ignores_order() -> None:
    """The same options have the same hash in whatever order they were given; other options another."""
    assert config_sha256({"a": 1, "b": "雪"}) == config_sha256({"b": "雪", "a": 1})
    assert config_sha256({"a": 1, "b": "雪"}) != config_sha256({"a": 1, "b": "海"})


def test_file_entry_is_size_and_sha256(tmp_path: Path) -> None:
    """The checksum is the plain SHA-256 of the bytes, so that sha256sum can check a version too."""
    (tmp_path / "file").write_bytes(b"songs" * 1000)
    assert file_entry(tmp_path / "file") == FileEntry(
        size_bytes=5000, sha256=hashlib.sha256(b"songs" * 1000).hexdigest()
    )
