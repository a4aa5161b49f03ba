"""Compiled functions are kept on disk, and what is kept there never keeps them from running."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SOURCE = """
from typing import NamedTuple
from songlens_training.jit import compiled

class {name}(NamedTuple):
    number: int

@compiled
def doubled(pair):
    return 2 * pair.number

print(doubled({name}(21)), sum(doubled.stats.cache_hits.values()))
"""


def run(folder: Path, name: str = "Pair") -> list[str]:
    """Run the module in a process of its own; return what it printed: the result, and hits of the cache."""
    module = folder / "module.py"
    source = SOURCE.format(name=name)
    if not module.exists() or module.read_text() != source:
        module.write_text(source)
    command = [sys.executable, "-c", "import module"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.split()


def test_a_compiled_function_is_kept(tmp_path: Path) -> None:
    """The second process loads what the first has compiled."""
    assert run(tmp_path) == ["42", "0"]
    assert run(tmp_path) == ["42", "1"]


def test_a_cache_of_another_release_is_compiled_anew(tmp_path: Path) -> None:
    """An index that names a type which is no longer there is dropped, and the next process finds a good one."""
    run(tmp_path)
    assert run(tmp_path, "Renamed") == ["42", "0"]
    assert run(tmp_path, "Renamed") == ["42", "1"]


def test_a_damaged_cache_is_compiled_anew(tmp_path: Path) -> None:
    """Files that were cut short are as if they were not there."""
    run(tmp_path)
    for kept in tmp_path.rglob("*.nb?"):
        kept.write_bytes(kept.read_bytes()[:-10])
    assert run(tmp_path) == ["42", "0"]
    assert run(tmp_path) == ["42", "1"]
