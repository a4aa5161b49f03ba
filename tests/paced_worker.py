"""A real worker whose batches take as long as a file says: `2.5` seconds more each, `inf` for ever, `0` as they do.

    python paced_worker.py PACE vision --redis URL ...

The arguments after the file are those of `songlens worker`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

_LOOK_EVERY_S = 0.02
_STAGES = {"vision": "VisionStage", "songs": "SongStage"}


def set_pace(file: Path, seconds: float) -> None:
    """Have each batch take so many seconds more; also the one that runs now."""
    partial = file.with_suffix(".partial")
    partial.write_text(str(seconds))
    partial.rename(file)


def paced(kind: type[Any], file: Path) -> type[Any]:
    """Return a stage that waits before each batch."""

    class Paced(kind):  # type: ignore[misc]
        def run(self, items: Sequence[Any]) -> Any:
            _wait(file)
            return super().run(items)

    return Paced


def _wait(file: Path) -> None:
    started_s = time.monotonic()
    while time.monotonic() - started_s < _pace(file):
        time.sleep(_LOOK_EVERY_S)


def _pace(file: Path) -> float:
    with suppress(FileNotFoundError):
        return float(file.read_text())
    return 0.0


def main(pace: Path, stage: str, *arguments: str) -> None:
    """Put the paced stage where the worker looks for its own, and run the command."""
    module, name = import_module(f"songlens_workers.{stage}.worker"), _STAGES[stage]
    setattr(module, name, paced(getattr(module, name), pace))
    from songlens.cli import main as songlens

    sys.argv = ["songlens", "worker", stage, *arguments]
    songlens()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
