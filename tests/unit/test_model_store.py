"""Where model versions lie, and what is found wrong with them."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest

from songlens_shared.errors import ConfigError, ModelDamaged, ModelError, ModelNotFound
from songlens_workers.models.manifest import MANIFEST, BackboneSpec, Manifest, file_entry
from songlens_workers.models.store import ModelStore

VERSION = "20260102-030405-abcdef"
FILES = {"songs.parquet": b"songs" * 100, "image_index.faiss": bytes(range(256)) * 10}


def write_version(folder: Path, *, name: str | None = None) -> Path:
    """Write a whole version: two files, and a manifest with their checksums."""
    folder.mkdir(parents=True)
    for file, content in FILES.items():
        (folder / file).write_bytes(content)
    manifest = Manifest(
        version=name or folder.name,
        created_at="2026-01-02T03:04:05Z",
        songlens="0.1.0",
        backbone=BackboneSpec(name="tiny", weights_sha256="0" * 64, dimensions=64, precision="fp32", preprocessing={}),
        ne_dimensions=4,
        images=1,
        songs=1,
        keywords=["雪"],
        image_buckets=1,
        song_buckets=1,
        config={},
        config_sha256="0" * 64,
        files={file: file_entry(folder / file) for file in FILES},
    )
    (folder / MANIFEST).write_text(manifest.to_json())
    return folder


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """A folder with one whole version."""
    write_version(tmp_path / "models" / VERSION)
    return ModelStore(str(tmp_path / "models"))


@pytest.fixture(params=["file", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The prefix of an empty object store that fsspec opens."""
    return f"file://{tmp_path}/bucket/models" if request.param == "file" else f"memory://bucket-{uuid.uuid4()}/models"


def assert_whole(folder: Path) -> None:
    assert {file.name: file.read_bytes() for file in folder.iterdir() if file.name != MANIFEST} == FILES


def test_a_whole_version_opens(store: ModelStore) -> None:
    """The folder is used where it lies."""
    folder, manifest = store.open(VERSION)
    assert folder == store.folder / VERSION
    assert manifest.version == VERSION
    assert_whole(folder)


def test_versions_are_listed_oldest_first(store: ModelStore) -> None:
    """Only whole versions count: no folder without a manifest, and none that is still being written."""
    for name in ("20250101-000000-old", "20270101-000000-new", "20280101-000000-next.partial"):
        write_version(store.folder / name)
    (store.folder / "20290101-000000-empty").mkdir()
    assert store.versions() == ["20250101-000000-old", VERSION, "20270101-000000-new"]


def test_a_folder_that_does_not_exist_has_no_versions(tmp_path: Path) -> None:
    """Before the first build there is nothing, and nothing fails."""
    assert ModelStore(str(tmp_path / "nowhere")).versions() == []


def test_an_unknown_version_is_not_found(store: ModelStore) -> None:
    """The sentence names the version, the place and the command that lists."""
    with pytest.raises(ModelNotFound, match=r"no-such-version in .*models; `songlens model list`"):
        store.open("no-such-version")


@pytest.mark.parametrize(
    "name", ["..", ".", "", "../secret", "/etc", "a/b", "a\\b", "a b", ".hidden", "v\n", "x" * 101]
)
def test_path_tricks_are_refused(store: ModelStore, name: str) -> None:
    """A version's name never leads out of the store, whoever wrote it into Redis."""
    write_version(store.folder.parent / "secret")
    with pytest.raises(ConfigError, match="is not a model version"):
        store.open(name)


def missing(file: Path) -> None:
    file.unlink()


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def altered(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("harm", [missing, cut, altered])
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_file_is_named(store: ModelStore, file: str, harm: Callable[[Path], None]) -> None:
    """One file missing, one byte short or one bit altered: the version does not open, and the file is named."""
    harm(store.folder / VERSION / file)
    with pytest.raises(ModelDamaged, match=file):
        store.open(VERSION)


def test_checksums_can_be_left_out(store: ModelStore) -> None:
    """Listing versions need not read gigabytes."""
    altered(store.folder / VERSION / "songs.parquet")
    assert store.open(VERSION, check=False)[1].version == VERSION


def test_an_unreadable_manifest_is_damaged(store: ModelStore) -> None:
    """A manifest cut short is a damaged version, not a stack trace."""
    cut(store.folder / VERSION / MANIFEST)
    with pytest.raises(ModelDamaged, match=f"manifest of version {VERSION}"):
        store.open(VERSION)


def test_a_renamed_version_is_damaged(store: ModelStore) -> None:
    """Its vectors lie in Redis under its own name, so that another name would find those of another version."""
    write_version(store.folder / "renamed", name=VERSION)
    with pytest.raises(ModelDamaged, match=f"is that of {VERSION}"):
        store.open("renamed")


def test_round_trip_through_an_object_store(store: ModelStore, url: str, tmp_path: Path) -> None:
    """What one machine uploads, another opens from a copy of its own, and lists."""
    builder = ModelStore(url, cache=tmp_path / "builder")
    builder.upload(write_version(tmp_path / "build" / VERSION))
    worker = ModelStore(url, cache=tmp_path / "worker")
    assert worker.versions() == [VERSION]
    folder, manifest = worker.open(VERSION)
    assert folder == tmp_path / "worker" / VERSION
    assert manifest == store.manifest(VERSION)
    assert_whole(folder)
    assert [path.name for path in (tmp_path / "worker").iterdir()] == [VERSION]


def test_an_open_copy_needs_no_object_store(url: str, tmp_path: Path) -> None:
    """A worker that has the version starts while the object store is away."""
    ModelStore(url, cache=tmp_path / "builder").upload(write_version(tmp_path / "build" / VERSION))
    worker = ModelStore(url, cache=tmp_path / "worker")
    worker.open(VERSION)
    filesystem, path = fsspec.core.url_to_fs(url)
    filesystem.rm(path, recursive=True)
    assert_whole(worker.open(VERSION)[0])


def test_a_damaged_copy_is_fetched_again(url: str, tmp_path: Path) -> None:
    """Our copy may be what is damaged: it mends itself from the object store."""
    ModelStore(url, cache=tmp_path / "builder").upload(write_version(tmp_path / "build" / VERSION))
    worker = ModelStore(url, cache=tmp_path / "worker")
    worker.open(VERSION)
    altered(tmp_path / "worker" / VERSION / "songs.parquet")
    assert_whole(worker.open(VERSION)[0])


def test_damage_in_the_object_store_is_named(url: str, tmp_path: Path) -> None:
    """Where the original is damaged a second copy does not help, and the file is named."""
    build = write_version(tmp_path / "build" / VERSION)
    altered(build / "songs.parquet")
    ModelStore(url, cache=tmp_path / "builder").upload(build)
    with pytest.raises(ModelDamaged, match=r"songs\.parquet"):
        ModelStore(url, cache=tmp_path / "worker").open(VERSION)


def test_a_copy_that_was_cut_off_is_made_anew(url: str, tmp_path: Path) -> None:
    """A folder without a manifest, as a full disk leaves it, is no obstacle."""
    ModelStore(url, cache=tmp_path / "builder").upload(write_version(tmp_path / "build" / VERSION))
    worker = ModelStore(url, cache=tmp_path / "worker")
    worker.open(VERSION)
    (tmp_path / "worker" / VERSION / MANIFEST).unlink()
    assert_whole(worker.open(VERSION)[0])


def test_an_upload_that_was_cut_off_is_no_version(url: str, tmp_path: Path) -> None:
    """The manifest goes last: until it is there, nobody sees the version."""
    build = write_version(tmp_path / "build" / VERSION)
    (build / MANIFEST).unlink()
    store = ModelStore(url, cache=tmp_path / "worker")
    store.upload(build)
    assert store.versions() == []
    with pytest.raises(ModelNotFound):
        store.open(VERSION)


def test_upload_to_a_folder_does_nothing(store: ModelStore, tmp_path: Path) -> None:
    """A store that is a folder holds what was built in it already."""
    build = write_version(tmp_path / "build" / "20300101-000000-x")
    store.upload(build)
    assert store.versions() == [VERSION]
    assert_whole(build)


def test_an_unknown_kind_of_url_is_a_bad_setting(tmp_path: Path) -> None:
    """The sentence names the URL."""
    store = ModelStore("nosuch://bucket/models", cache=tmp_path)
    with pytest.raises(ConfigError, match="nosuch://bucket/models"):
        store.versions()


def test_an_object_store_that_fails_is_a_model_error(tmp_path: Path) -> None:
    """Each kind of object store has errors of its own; a worker sees one, with the address."""
    (tmp_path / "bucket").write_text("not a folder")
    store = ModelStore(f"file://{tmp_path}/bucket", cache=tmp_path / "cache")
    with pytest.raises(ModelError, match=r"file://.*/bucket"):
        store.upload(write_version(tmp_path / "build" / VERSION))


def test_home_is_understood(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """~ in a setting means what it means in a shell."""
    monkeypatch.setenv("HOME", str(tmp_path))
    write_version(tmp_path / "models" / VERSION)
    assert ModelStore("~/models").versions() == [VERSION]
    shutil.rmtree(tmp_path / "models")
    assert ModelStore("~/models").versions() == []


def test_a_file_is_read_for_its_checksum_once(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The next worker on the machine does not read it again, unless it is asked to, or the file changed."""
    read: list[str] = []
    monkeypatch.setattr("songlens_workers.models.verified._SETTLED_NS", 0)
    monkeypatch.setattr(
        "songlens_workers.models.store.file_entry", lambda path: (read.append(path.name), file_entry(path))[1]
    )
    for worker in (store, ModelStore(str(store.folder))):
        worker.open(VERSION)
    assert sorted(read) == sorted(FILES)
    store.open(VERSION, afresh=True)
    assert len(read) == 2 * len(FILES)
    altered(store.folder / VERSION / "songs.parquet")
    with pytest.raises(ModelDamaged, match=r"songs\.parquet"):
        store.open(VERSION)
    assert store.versions() == [VERSION]
