"""Files of results: each is there whole or not at all."""

from __future__ import annotations

import tempfile
from pathlib import Path

from songlens_shared.errors import DataError
from songlens_training.whole_file import whole_file


def open_results(folder: Path) -> None:
    """Make the folder of results. Raises `DataError` where nothing can be written into it: before hours of work."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _failure(folder, error) from error


def write_result(path: Path, content: bytes) -> Path:
    """Write a file and return its path. Raises `DataError` where it cannot be written; an earlier one then stays."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write(content)
    except OSError as error:
        raise _failure(path, error) from error
    return path


def _failure(path: Path, error: OSError) -> DataError:
    return DataError(f"{path} cannot be written: {error.strerror or error}.")
