"""The public client has types, and they say what is true."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_an_app_passes_mypy_strict(tmp_path: Path) -> None:
    """Code of an app, outside this repository, is checked by the types that the installed package brings."""
    app = tmp_path / "app.py"
    app.write_text((Path(__file__).parent / "app.py").read_text())
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", str(tmp_path), str(app)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (0, "Success: no issues found in 1 source file\n")
