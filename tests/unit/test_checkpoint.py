"""Training that is cut off goes on from its checkpoint as if nothing had happened, or says why it cannot."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from songlens_shared.errors import ConfigError, DataError
from songlens_training.embedding.checkpoint import Checkpointing, read_checkpoint
from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.embedding.sampling import HPE, LINE, SMORE
from songlens_training.embedding.train import TrainingProgress, train_embedding
from songlens_training.embedding.vectors import Embedding
from songlens_training.graph.edge_list import read_edge_list, write_edge_list
from songlens_training.graph.graph import Graph, VertexType, build_graph

QUICK = EmbeddingOptions(dimensions=8, samples=20_000, threads=1)


class Cut(Exception):
    """The training is cut off here."""


@pytest.fixture
def graph() -> Graph:
    """Sixty songs on twelve keywords."""
    random = np.random.default_rng(2)
    songs = {f"s{song}": {str(keyword): float(keyword + 1) for keyword in random.choice(12, 3)} for song in range(60)}
    return build_graph({VertexType.SONG: songs})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the checkpoint goes."""
    return tmp_path / "ne.checkpoint"


def cut_after(rounds: int) -> Callable[[TrainingProgress], None]:
    """Return a progress that ends the training in so many rounds, before their last is saved."""
    left = rounds

    def count(_: TrainingProgress) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Cut

    return count


def train_cut_and_resumed(graph: Graph, options: EmbeddingOptions, path: Path) -> Embedding:
    """Train in two parts, the first cut off in round 41."""
    saved = Checkpointing(path=path, every_s=0)
    with pytest.raises(Cut):
        train_embedding(graph, options, cut_after(41), checkpointing=saved)
    return train_embedding(graph, options, checkpointing=replace(saved, resume=True))


@pytest.mark.parametrize(
    "change",
    [{}, {"start": "random"}, {"order": 1}, {"sampling": LINE}, {"sampling": SMORE}, {"sampling": HPE}],
    ids=str,
)
def test_a_resumed_run_equals_an_uninterrupted_one(graph: Graph, path: Path, change: dict[str, Any]) -> None:
    """With one thread vectors and contexts are the same bit for bit, whatever the sampling, order and start."""
    options = replace(QUICK, **change)
    whole, resumed = train_embedding(graph, options), train_cut_and_resumed(graph, options, path)
    assert resumed.vectors.tobytes() == whole.vectors.tobytes()
    assert resumed.contexts.tobytes() == whole.contexts.tobytes()


def test_several_threads_resume_too(graph: Graph, path: Path) -> None:
    """Lock-free threads do not repeat, but go on from the samples done, and end at the number asked for."""
    options = replace(QUICK, threads=3)
    with pytest.raises(Cut):
        train_embedding(graph, options, cut_after(11), checkpointing=Checkpointing(path=path, every_s=0))
    reports: list[TrainingProgress] = []
    train_embedding(graph, options, reports.append, checkpointing=Checkpointing(path=path, resume=True))
    assert len(reports) == 90
    assert (reports[0].samples_done, reports[-1].samples_done) == (11 * 200, 20_000)


def test_saving_changes_nothing(graph: Graph, path: Path) -> None:
    """Training with checkpoints comes to the same vectors as without; the last one holds the end."""
    saved = train_embedding(graph, QUICK, checkpointing=Checkpointing(path=path))
    assert saved.vectors.tobytes() == train_embedding(graph, QUICK).vectors.tobytes()
    assert read_checkpoint(path).samples_done == 20_000
    again = train_embedding(graph, QUICK, checkpointing=Checkpointing(path=path, resume=True))
    assert again.vectors.tobytes() == saved.vectors.tobytes()


def test_a_killed_process_resumes(graph: Graph, path: Path, tmp_path: Path) -> None:
    """SIGKILL at any moment leaves a whole checkpoint, and what follows equals an uninterrupted run."""
    write_edge_list(graph, tmp_path / "net.txt")
    options = replace(QUICK, samples=4_000_000)
    trained = "EmbeddingOptions(dimensions=8, samples=4_000_000, threads=1)"
    process = python(
        f"train_embedding(read_edge_list(Path({str(tmp_path / 'net.txt')!r})), {trained}, "
        f"checkpointing=Checkpointing(path=Path({str(path)!r}), every_s=0))"
    )
    while not path.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.kill()
    process.communicate()
    read = read_edge_list(tmp_path / "net.txt")
    assert 0 < read_checkpoint(path).samples_done < 4_000_000
    resumed = train_embedding(read, options, checkpointing=Checkpointing(path=path, resume=True))
    assert resumed.vectors.tobytes() == train_embedding(read, options).vectors.tobytes()


def python(code: str) -> subprocess.Popen[str]:
    """Start a process of its own that runs `code` with what it needs imported."""
    imports = (
        "import resource\n"
        "from pathlib import Path\n"
        "from songlens_training.embedding.checkpoint import Checkpointing, read_checkpoint, write_checkpoint\n"
        "from songlens_training.embedding.options import EmbeddingOptions\n"
        "from songlens_training.embedding.train import train_embedding\n"
        "from songlens_training.graph.edge_list import read_edge_list\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", imports + code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture
def whole(graph: Graph, path: Path) -> bytes:
    """The bytes of a checkpoint at `path`."""
    train_embedding(graph, QUICK, checkpointing=Checkpointing(path=path))
    return path.read_bytes()


def test_a_full_disk_leaves_the_checkpoint_before_whole(path: Path, whole: bytes) -> None:
    """A process that may write no more bytes than half a checkpoint says so, and nothing half-written stays."""
    process = python(
        f"path = Path({str(path)!r})\n"
        "checkpoint = read_checkpoint(path)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({len(whole) // 2}, resource.RLIM_INFINITY))\n"
        "write_checkpoint(path, checkpoint)\n"
    )
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "DataError: The checkpoint" in errors
    assert "cannot be written: File too large. What was there before is untouched." in errors
    assert path.read_bytes() == whole
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_folder_that_is_not_there_is_named(graph: Graph, tmp_path: Path) -> None:
    """Training does not start when its checkpoints could not be written."""
    nowhere = Checkpointing(path=tmp_path / "nowhere" / "ne.checkpoint")
    with pytest.raises(ConfigError, match="nowhere, for checkpoints, does not exist"):
        train_embedding(graph, QUICK, checkpointing=nowhere)


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda whole: b"", "no checkpoint"),
        (lambda whole: b"PK\x03\x04 something else", "no checkpoint"),
        (lambda whole: whole[:40], "header cannot be read"),
        (lambda whole: whole[: len(whole) // 2], "cut short"),
        (lambda whole: whole[:-1], "checksum does not match"),
        (lambda whole: whole + b"x", "checksum does not match"),
        (lambda whole: whole[:-100] + bytes([whole[-100] ^ 1]) + whole[-99:], "checksum does not match"),
        (lambda whole: whole.replace(b'"samples_done": 20000', b'"samples_done": 10000'), "checksum does not match"),
        (lambda whole: whole.replace(b'"<f4"', b'"|O8"', 1), "header cannot be read|checksum|cut short"),
        (lambda whole: whole.replace(b"[72, 8]", b"[-2, 8]", 1), "header cannot be read"),
    ],
    ids=["empty", "foreign", "in the header", "half", "last byte", "one more", "a bit", "header", "objects", "shape"],
)
def test_a_damaged_checkpoint_is_refused(
    graph: Graph, path: Path, whole: bytes, damage: Callable[[bytes], bytes], fault: str
) -> None:
    """Whatever happened to the file, it is named, with what is wrong, and nothing is trained from it."""
    damaged = damage(whole)
    assert damaged != whole
    path.write_bytes(damaged)
    with pytest.raises(DataError, match=rf"ne\.checkpoint.*({fault})"):
        train_embedding(graph, QUICK, checkpointing=Checkpointing(path=path, resume=True))


def test_a_missing_checkpoint_is_refused(graph: Graph, path: Path) -> None:
    """To resume from nothing is a mistake in the path, not a fresh start."""
    with pytest.raises(DataError, match="cannot be read: No such file"):
        train_embedding(graph, QUICK, checkpointing=Checkpointing(path=path, resume=True))


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"dimensions": 16}, r"dimensions differs \(8 then, 16 now\)"),
        ({"seed": 2}, "seed differs"),
        ({"threads": 2}, r"threads differs \(1 then, 2 now\)"),
        ({"samples": 30_000}, "samples differs"),
        ({"sampling": LINE}, "sampling differs"),
    ],
)
def test_a_checkpoint_of_other_options_is_refused(
    graph: Graph, path: Path, whole: bytes, change: dict[str, Any], difference: str
) -> None:
    """The message names the option, and what it was."""
    with pytest.raises(ConfigError, match=f"another training: the {difference}"):
        train_embedding(graph, replace(QUICK, **change), checkpointing=Checkpointing(path=path, resume=True))


def test_a_checkpoint_of_another_graph_is_refused(graph: Graph, path: Path, whole: bytes) -> None:
    """One weight or one name that differs makes another graph."""
    heavier = replace(graph, weights=graph.weights * np.float32(2))
    renamed = replace(graph, vertices=[*graph.vertices[:-1], graph.vertices[-1]._replace(key="other")])
    for other in (heavier, renamed):
        with pytest.raises(ConfigError, match="another training: the graph differs"):
            train_embedding(other, QUICK, checkpointing=Checkpointing(path=path, resume=True))


def test_a_checkpoint_is_never_overwritten_by_a_fresh_start(graph: Graph, path: Path, whole: bytes) -> None:
    """Forgetting to resume costs no hours of training."""
    with pytest.raises(ConfigError, match="is there already; resume from it, or remove it"):
        train_embedding(graph, QUICK, checkpointing=Checkpointing(path=path))
    assert path.read_bytes() == whole


def test_checkpoints_are_written_no_more_often_than_asked(graph: Graph, path: Path) -> None:
    """Within an hour there is none but the last."""
    with pytest.raises(Cut):
        train_embedding(graph, QUICK, cut_after(41), checkpointing=Checkpointing(path=path, every_s=3600))
    assert not path.exists()


def test_the_header_says_what_is_trained(whole: bytes) -> None:
    """A line of JSON after the first tells people what the file is of."""
    header = json.loads(whole.split(b"\n")[1])
    assert header["training"]["dimensions"] == 8
    assert header["training"]["sampling"]["source_power"] == 0.75
    assert [name for name, _, _ in header["arrays"]] == ["vectors", "generators", "contexts"]
