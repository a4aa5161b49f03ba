"""The demo: one command from nothing to songs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from songlens_training.generated.catalogue import GeneratedOptions, generate

from .conftest import songlens


def end_in_the_middle(arguments: tuple[str, ...], home: Path) -> int:
    """Run the command, end it by SIGTERM when the first photo has been answered, and return its exit status."""
    command = [sys.executable, "-u", "-m", "songlens", *arguments]
    environment = {**os.environ, "SONGLENS_HOME": str(home)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "Nearest catalogue images" in line:
                demo.send_signal(signal.SIGTERM)
                break
        demo.stdout.read()
        return demo.wait(60)


def test_the_demo_shows_songs_and_uses_what_it_made_before(tmp_path: Path) -> None:
    """The demo ends with 0 when every photo got songs, builds nothing twice, and leaves nothing running when ended."""
    arguments = ("demo", "--photos", "3", "--songs", "200", "--images-per-theme", "2")
    first = songlens(*arguments, SONGLENS_HOME=str(tmp_path))
    assert first.returncode == 0, first.stdout + first.stderr
    assert "3 of 3 photos got songs" in first.stdout
    assert first.stdout.count("Nearest catalogue images") == 3
    assert "Extracting image features" in first.stdout
    second = songlens(*arguments, SONGLENS_HOME=str(tmp_path))
    assert second.returncode == 0, second.stdout + second.stderr
    assert "Extracting image features" not in second.stdout
    ended = end_in_the_middle(arguments, tmp_path)
    assert ended == 128 + signal.SIGTERM
    for stage in ("vision", "songs"):
        assert (tmp_path / "logs" / f"demo-{stage}.log").read_text().count("worker_stopped") == 3
    versions = [re.search(r"Model (\S+):", run.stdout) for run in (first, second)]
    assert versions[0] and versions[1] and versions[0][1] == versions[1][1]


def test_the_demo_fails_when_a_photo_gets_no_songs(tmp_path: Path) -> None:
    """One photo that gets no songs makes the exit status 1; the others are still shown."""
    arguments = ("demo", "--photos", "2", "--songs", "200", "--images-per-theme", "2")
    generate(
        tmp_path / "catalogues" / "generated", GeneratedOptions(songs=200, images_per_theme=2), lambda done, total: None
    )
    broken = sorted((tmp_path / "catalogues" / "generated" / "queries" / "snow").iterdir())[0]
    broken.write_bytes(b"no photo")
    ended = songlens(*arguments, SONGLENS_HOME=str(tmp_path))
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "bad_image" in ended.stdout
    assert "1 of 2 photos got songs" in ended.stdout
