"""What a distributed build plans is found again, and a job keeps nothing under another image's name."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from songlens_batch.scoring.asking import Refused
from songlens_batch.sources.row_failed import RowFailed
from songlens_shared.errors import ConfigError, ModelError
from songlens_training.distributed.distribution import Distribution, check_precision
from songlens_training.distributed.errors import NotShared, TooManyLeftOut
from songlens_training.distributed.extraction import check_left_out
from songlens_training.distributed.image_files import read_planned
from songlens_training.distributed.plan import FeaturePlan, existing_plan, plan_id
from songlens_training.model.feature_store import FeatureStore
from songlens_training.model.image_file import ImageFile
from songlens_workers.models.manifest import BackboneSpec
from songlens_workers.settings import JobsSettings

SPEC = BackboneSpec(name="tiny", weights_sha256="0" * 64, dimensions=4, precision="fp32", preprocessing={})


def image_file(path: Path, content: bytes) -> ImageFile:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return ImageFile(path, hashlib.sha256(content).digest())


@pytest.fixture
def images(tmp_path: Path) -> list[ImageFile]:
    return [image_file(tmp_path / "images" / f"{number}.png", b"%d" % number) for number in range(7)]


def store_in(folder: Path, dtype: str = "float32") -> FeatureStore:
    return FeatureStore(folder / "features", SPEC, dtype=dtype)


def test_an_id_is_that_of_content_backbone_and_dtype(images: list[ImageFile], tmp_path: Path) -> None:
    """Order and paths make no difference to it; one image, or another dtype, does."""
    store = store_in(tmp_path)
    moved = [ImageFile(Path("/elsewhere"), image.digest) for image in reversed(images)]
    assert plan_id(store, images) == plan_id(store, moved)
    others = {plan_id(store, images[1:]), plan_id(store_in(tmp_path, "float16"), images)}
    assert len(others | {plan_id(store, images)}) == 3


def test_a_plan_is_found_again_as_it_was_written(images: list[ImageFile], tmp_path: Path) -> None:
    """Shards, paths, digests, backbone and dtype."""
    store = store_in(tmp_path, "float16")
    assert existing_plan(store, "a" * 12) is None
    FeaturePlan.write(store, "a" * 12, images, 3)
    plan = existing_plan(store, "a" * 12)
    assert plan is not None
    assert (plan.record.backbone, plan.record.dtype) == (SPEC, "float16")
    assert [plan.images(shard) for shard in range(3)] == [images[:3], images[3:6], images[6:]]
    assert plan.digests() == [[image.digest for image in plan.images(shard)] for shard in range(3)]
    assert (plan.store().folder, plan.store().dtype) == (store.folder.absolute(), "float16")
    with pytest.raises(NotShared, match="has no shard 3 any more"):
        plan.images(3)


def test_a_new_plan_takes_the_place_of_an_old_one(images: list[ImageFile], tmp_path: Path) -> None:
    """Nothing half-written is left, nor what was refused before."""
    store = store_in(tmp_path)
    old = FeaturePlan.write(store, "a" * 12, images, 3)
    old.note_refused(0, {images[0].digest: Refused("bad_image", "?")})
    new = FeaturePlan.write(store, "a" * 12, images[:2], 3)
    assert (new.digests(), new.refused(0)) == ([[image.digest for image in images[:2]]], {})
    assert [path.name for path in new.folder.parent.iterdir()] == ["a" * 12]


def test_a_damaged_plan_is_as_if_it_were_not_there(images: list[ImageFile], tmp_path: Path) -> None:
    """It is made anew instead of ending every build."""
    plan = FeaturePlan.write(store_in(tmp_path), "a" * 12, images, 3)
    (plan.folder / "plan.parquet").write_bytes(b"PAR1")
    assert existing_plan(store_in(tmp_path), "a" * 12) is None


def test_a_plan_that_cannot_be_written(images: list[ImageFile], tmp_path: Path) -> None:
    """A file where the folder should be is named."""
    (tmp_path / "features").write_text("in the way")
    with pytest.raises(ModelError, match="the plan cannot be written to"):
        FeaturePlan.write(store_in(tmp_path), "a" * 12, images, 3)


def test_what_was_refused_is_kept(images: list[ImageFile], tmp_path: Path) -> None:
    """With its reason; a damaged file holds nothing."""
    plan = FeaturePlan.write(store_in(tmp_path), "a" * 12, images, 3)
    refused = {images[1].digest: Refused("bad_image", "no photo")}
    plan.note_refused(0, refused)
    assert (plan.refused(0), plan.refused(1)) == (refused, {})
    (plan.folder / "refused-00000.json").write_text("[1]")
    assert plan.refused(0) == {}


def test_a_shard_knows_its_own_rows(images: list[ImageFile], tmp_path: Path) -> None:
    """A job looks at what its shard has put into the store, however large the store is; the build sees all."""
    plan = FeaturePlan.write(store_in(tmp_path), "a" * 12, images, 3)
    for shard in (0, 1):
        plan.store(shard).add([images[shard].digest], np.ones((1, 4), np.float32))
    assert plan.store(0).held() == {images[0].digest}
    assert plan.store(2).held() == set()
    assert store_in(tmp_path).held() == {images[0].digest, images[1].digest}


def test_a_job_reads_what_was_planned(images: list[ImageFile]) -> None:
    """A file that has changed since, or is gone, is left out: its feature would bear another image's digest."""
    assert read_planned(images[0]) == b"0"
    images[1].path.write_bytes(b"another")
    images[2].path.unlink()
    with pytest.raises(RowFailed, match="changed") as changed:
        read_planned(images[1])
    with pytest.raises(RowFailed, match="not there") as gone:
        read_planned(images[2])
    assert (changed.value.code, gone.value.code) == ("source_changed", "not_found")


def test_a_folder_that_is_not_there_is_no_fault_of_an_image(images: list[ImageFile], tmp_path: Path) -> None:
    """The sentence says that it must be shared."""
    (tmp_path / "images").rename(tmp_path / "away")
    with pytest.raises(NotShared, match=r"there is no such folder.*at the same path as the build"):
        read_planned(images[0])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_images_that_may_not_be_read(images: list[ImageFile]) -> None:
    """Whoever runs the job worker lacks the right, for this image and surely others."""
    images[0].path.chmod(0)
    with pytest.raises(NotShared, match="Permission denied"):
        read_planned(images[0])


def test_most_of_a_shard_left_out_is_a_failure() -> None:
    """Unless it is the images' own fault: the build's machine would compute it all, unasked."""

    def refused(code: str, count: int) -> dict[bytes, Refused]:
        return {bytes([number]) * 32: Refused(code, "why not.") for number in range(count)}

    check_left_out(refused("bad_image", 100), 100)
    check_left_out(refused("internal", 10), 10)
    check_left_out(refused("internal", 50), 100)
    with pytest.raises(TooManyLeftOut, match=r"51 of 100 images of a shard got no feature \(51 internal\)"):
        check_left_out(refused("internal", 51), 100)


def test_what_is_held_needs_nobody(images: list[ImageFile], tmp_path: Path) -> None:
    """Neither Redis nor a plan."""
    store = store_in(tmp_path)
    store.add([image.digest for image in images], np.ones((7, 4), np.float32))
    assert Distribution(JobsSettings(redis_url="redis://127.0.0.1:1"))(images, store) == 0
    assert not (store.folder / "distributed").exists()


def test_int8_is_refused() -> None:
    """Others are not."""
    check_precision("bf16")
    with pytest.raises(ConfigError, match="calibrated while the model is built"):
        check_precision("int8")
