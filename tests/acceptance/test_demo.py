"""The demo: one command from nothing to songs."""

from __future__ import annotations

import re
from pathlib import Path

from .conftest import songlens


def test_the_demo_shows_songs_and_uses_what_it_made_before(tmp_path: Path) -> None:
    """`songlens demo` ends with 0 when every photo got songs; a second run builds nothing anew."""
    arguments = ("demo", "--photos", "2", "--songs", "200", "--images-per-theme", "2")
    first = songlens(*arguments, SONGLENS_HOME=str(tmp_path))
    assert first.returncode == 0, first.stdout + first.stderr
    assert "2 of 2 photos got songs" in first.stdout
    assert first.stdout.count("Nearest catalogue images") == 2
    assert "Extracting image features" in first.stdout
    second = songlens(*arguments, SONGLENS_HOME=str(tmp_path))
    assert second.returncode == 0, second.stdout + second.stderr
    assert "Extracting image features" not in second.stdout
    versions = [re.search(r"Model (\S+):", run.stdout) for run in (first, second)]
    assert versions[0] and versions[1] and versions[0][1] == versions[1][1]
