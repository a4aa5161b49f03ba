"""Training takes the memory that was stated, and is refused where there is less."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from songlens_shared.errors import ConfigError
from songlens_training.embedding.memory import check_memory, memory_need
from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.free_memory import free_memory_bytes

VERTICES, EDGES = 120_000, 900_000
MARGIN = 0.15

TRAIN = """
import sys
from pathlib import Path
from pyarrow import compute, csv
from songlens_training.embedding.options import EmbeddingOptions
from songlens_training.embedding.train import train_embedding
from songlens_training.graph.edge_list import read_foreign_edge_list
from songlens_training.graph.graph import VertexType, build_graph

def peak_bytes():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024

dimensions, order = int(sys.argv[2]), int(sys.argv[3])
options = EmbeddingOptions(dimensions=dimensions, order=order, samples=1000, threads=2)
train_embedding(build_graph({VertexType.SONG: {"a": {"b": 1.0}}}), options)  # code, libraries' too, and thread stacks
before = peak_bytes()
train_embedding(read_foreign_edge_list(Path(sys.argv[1])), options)
print(peak_bytes() - before)
"""


@pytest.fixture(scope="module")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An edge list in which every vertex has an edge."""
    random = np.random.default_rng(4)
    ends = random.integers(0, VERTICES // 2, (EDGES, 2))
    ends[: VERTICES // 2] = np.arange(VERTICES // 2)[:, None]
    path = tmp_path_factory.mktemp("edges") / "net.txt"
    path.write_text("".join(f"song{a} keyword{b} 1\n" for a, b in ends.tolist()), "utf-8")
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
@pytest.mark.parametrize(("dimensions", "order"), [(8, 2), (128, 2), (128, 1)])
def test_a_process_takes_what_was_stated(edges: Path, dimensions: int, order: int) -> None:
    """The peak of a process that reads and trains a graph is within 15 % of graph and training as stated.

    With few dimensions tables are most of it, with many the vectors.
    """
    run = subprocess.run(
        [sys.executable, "-c", TRAIN, str(edges), str(dimensions), str(order)],
        capture_output=True,
        text=True,
        check=True,
    )
    need = memory_need(VERTICES, EDGES, EmbeddingOptions(dimensions=dimensions, order=order))
    assert int(run.stdout) == pytest.approx(need.graph + need.training, rel=MARGIN)


def test_ten_million_edges_take_less_than_two_gigabytes_without_vectors() -> None:
    """Graph and tables of ten million edges between a million vertices."""
    need = memory_need(1_000_000, 10_000_000, EmbeddingOptions())
    assert need.graph + need.tables + need.table_work < 2e9


def test_training_that_cannot_fit_is_refused() -> None:
    """The message says what is needed, what there is, and what can be done."""
    need = memory_need(10_000_000, 100_000_000, EmbeddingOptions())
    check_memory(need, need.training)
    check_memory(need, None)
    with pytest.raises(ConfigError, match=r"takes 14\.08 GB more memory, but 8\.00 GB are free.*fewer dimensions"):
        check_memory(need, 8_000_000_000)
    with pytest.raises(ConfigError, match=r"more GPU memory, but 1\.00 GB are free"):
        check_memory(need, None, 1_000_000_000)


def write(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, "utf-8")


MEMINFO = "MemTotal:       8000000 kB\nMemFree: 10 kB\nMemAvailable:    4000000 kB\n"


def test_free_memory_of_a_bare_machine(tmp_path: Path) -> None:
    """What the kernel calls available; nothing where there is no /proc."""
    write(tmp_path, {"proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/\n"})
    assert free_memory_bytes(tmp_path / "proc", tmp_path / "cgroup") == 4_000_000 * 1024
    assert free_memory_bytes(tmp_path / "none", tmp_path / "cgroup") is None


def test_free_memory_in_a_container(tmp_path: Path) -> None:
    """The tightest of the control groups counts, less what it holds but for inactive files."""
    write(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "0::/pod/job\n",
            "cgroup/pod/memory.max": "1000000\n",
            "cgroup/pod/memory.current": "600000\n",
            "cgroup/pod/memory.stat": "anon 500000\ninactive_file 50000\n",
            "cgroup/pod/job/memory.max": "max\n",
            "cgroup/pod/job/memory.current": "1\n",
        },
    )
    assert free_memory_bytes(tmp_path / "proc", tmp_path / "cgroup") == 450_000


def test_free_memory_under_the_first_version_of_control_groups(tmp_path: Path) -> None:
    """Its limit is found whether the container sees its own path or only the top."""
    write(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n",
            "cgroup/memory/memory.limit_in_bytes": "900000\n",
            "cgroup/memory/memory.usage_in_bytes": "200000\n",
        },
    )
    assert free_memory_bytes(tmp_path / "proc", tmp_path / "cgroup") == 700_000


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says so in files")
def test_free_memory_here() -> None:
    """This machine has some."""
    free = free_memory_bytes()
    assert free is not None
    assert free > 0
