"""A batch's folder, on a disk and on an object store."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
import pytest

from songlens_batch.errors import NothingPlanned, OutputTaken, OutputUnusable
from songlens_batch.folder import PLAN, RECORD, BatchFolder, resolve_out
from songlens_batch.plan.plan import PlannedShards, planned, read_shard
from songlens_batch.plan.planning import write_plan
from songlens_batch.record import BatchRecord, batch_config
from songlens_batch.sources.item import SourceItem
from songlens_shared.errors import ConfigError, DataError


def record() -> BatchRecord:
    return BatchRecord.new(batch_config("/photos"), lane="bulk", error_limit=0.5, photo_timeout_s=600)


@pytest.fixture(params=["disk", "store"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> BatchFolder:
    """An empty folder."""
    return BatchFolder(str(tmp_path / "out") if request.param == "disk" else f"memory://bucket/{uuid.uuid4().hex}")


class Listed:
    """A source of these items."""

    described = "a list"
    skipped = 0

    def __init__(self, *ids: str) -> None:
        self._ids = ids

    def items(self) -> list[SourceItem]:  # type: ignore[override]
        return [SourceItem(id=id, path=f"/{number}.jpg") for number, id in enumerate(self._ids)]


def untold(images: int) -> None:
    pass


def test_a_folder_is_claimed_once(folder: BatchFolder) -> None:
    """The record comes back as it was; a second batch is refused."""
    mine = record()
    assert folder.record() is None
    folder.claim(mine)
    assert folder.record() == mine
    with pytest.raises(OutputTaken, match="is not empty"):
        folder.claim(record())
    folder.clear()
    assert folder.record() is None


def test_a_file_is_there_whole_or_not_at_all(folder: BatchFolder) -> None:
    """An error in the middle leaves nothing; what was there before stays."""
    folder.claim(record())
    folder.write(folder.shard_name(3), b"whole")
    with pytest.raises(RuntimeError), folder.writing(folder.shard_name(3)) as file:
        file.write(b"half")
        raise RuntimeError
    with pytest.raises(RuntimeError), folder.writing(folder.shard_name(4)) as file:
        file.write(b"half")
        raise RuntimeError
    assert folder.finished() == {3: "shards/shard-00003.parquet"}
    assert folder.read(folder.shard_name(3)) == b"whole"


def test_without_a_partial_file_half_a_shard_would_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same error, written straight into the file's place: whoever resumes takes the half for the whole."""

    @contextmanager
    def straight(folder: BatchFolder, name: str) -> Iterator[Path]:
        path = Path(str(folder)) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        yield path

    folder = BatchFolder(str(tmp_path / "out"))
    monkeypatch.setattr(BatchFolder, "_partial", straight)
    with pytest.raises(RuntimeError), folder.writing(folder.shard_name(4)) as file:
        file.write(b"half")
        raise RuntimeError
    assert list(folder.finished()) == [4]


def test_only_shards_count_as_finished(folder: BatchFolder) -> None:
    """Whatever else lies in the folder is passed over."""
    assert folder.finished() == {}
    folder.write("shards/notes.txt", b"")
    folder.write("shards/.shard-00001.parquet.abc.partial", b"")
    folder.write(folder.shard_name(123_456), b"")
    assert list(folder.finished()) == [123_456]


def test_models_are_kept_in_their_order(folder: BatchFolder) -> None:
    """The first is what the batch began with."""
    assert folder.models() == []
    folder.begin_model("a")
    folder.allow_model("b")
    folder.allow_model("a")
    assert folder.models() == ["a", "b"]


def test_a_plan_has_a_row_group_for_each_shard(folder: BatchFolder) -> None:
    """Each is read alone, and knows which row of the batch is its first."""
    assert planned(folder) is None
    with pytest.raises(NothingPlanned, match="holds no plan yet"):
        read_shard(folder, 0)
    counted: list[int] = []
    found = write_plan(folder, Listed(*"abcde"), 2, counted.append)
    assert found == planned(folder) == PlannedShards(shards=3, images=5)
    assert counted == [2, 4, 5]
    shards = [read_shard(folder, shard) for shard in range(3)]
    assert [[item.id for item in shard.items] for shard in shards] == [["a", "b"], ["c", "d"], ["e"]]
    assert [shard.first_row for shard in shards] == [0, 2, 4]
    assert shards[0].items[0] == SourceItem(id="a", path="/0.jpg")
    with pytest.raises(NothingPlanned, match="there is no shard 3"):
        read_shard(folder, 3)


def test_no_plan_of_ids_that_are_there_twice(folder: BatchFolder) -> None:
    """Nor of nothing; both leave no file."""
    with pytest.raises(NothingPlanned, match=r"'b' is there twice in a list: /1\.jpg and /3\.jpg"):
        write_plan(folder, Listed(*"abcb"), 2, untold)
    with pytest.raises(NothingPlanned, match="a list holds no photo"):
        write_plan(folder, Listed(), 2, untold)
    assert not folder.exists(PLAN)


def test_a_damaged_plan_or_record_is_told(folder: BatchFolder) -> None:
    """Not a traceback of a library."""
    folder.write(PLAN, b"no Parquet")
    with pytest.raises(NothingPlanned, match="is damaged"):
        planned(folder)
    folder.write(RECORD, b"{}")
    with pytest.raises(DataError, match="is not the record of a batch"):
        folder.record()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """The error names it and the reason."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputUnusable, match="file/out cannot be written to: Not a directory"):
        BatchFolder(str(tmp_path / "file" / "out")).claim(record())
    with pytest.raises(OutputUnusable, match="cannot be opened"):
        BatchFolder("nothing-like-it://bucket/out")


def test_two_that_come_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both saw an empty folder; one has it."""
    folder = BatchFolder(str(tmp_path / "out"))
    folder.claim(record())
    monkeypatch.setattr(fsspec.implementations.local.LocalFileSystem, "ls", lambda *_, **__: [])
    with pytest.raises(OutputTaken, match="has just been taken"):
        folder.claim(record())


@pytest.mark.parametrize(
    ("given", "resolved"),
    [("/a/b/", "/a/b"), ("file:///a/b", "/a/b"), ("s3://bucket/x/", "s3://bucket/x")],
)
def test_a_folder_has_one_name(given: str, resolved: str) -> None:
    """For every process, wherever it was started."""
    assert resolve_out(given) == resolved


def test_options_out_of_bounds() -> None:
    """Named as on the command line."""
    with pytest.raises(ConfigError, match=r"--songs-per-image must lie between 1 and 50; got 51\."):
        batch_config("/photos", songs_per_image=51)
    with pytest.raises(ConfigError, match="--lane must be one of interactive, bulk"):
        BatchRecord.new(batch_config("/photos"), lane="fast", error_limit=0.5, photo_timeout_s=600)
    with pytest.raises(ConfigError, match="--error-limit"):
        BatchRecord.new(batch_config("/photos"), lane="bulk", error_limit=1.5, photo_timeout_s=600)
