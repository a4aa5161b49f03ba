"""Names of versions sort by the order in which they were made, however fast one follows another."""

from __future__ import annotations

from pathlib import Path

from songlens_training.model.built import version_name


def test_names_sort_by_the_order_of_making(tmp_path: Path) -> None:
    """Two versions of one second would sort by their configurations' hash."""
    names = []
    for seed in range(3):
        names.append(version_name({"seed": seed}, tmp_path))
        (tmp_path / names[-1]).mkdir()
    assert names == sorted(names)
    assert len({name.rpartition("-")[0] for name in names}) == 3


def test_one_being_built_counts(tmp_path: Path) -> None:
    """It will be there under the name that it has now."""
    first = version_name({}, tmp_path)
    (tmp_path / f"{first}.partial").mkdir()
    assert version_name({"seed": 1}, tmp_path) > first
