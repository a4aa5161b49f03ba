"""Builds the wheel, installs it alone into an empty environment, and imports the client there."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

IN_THE_EMPTY_ENVIRONMENT = """
import importlib.util, subprocess, sys
absent = ("torch", "torchvision", "numpy", "rq", "faiss", "jieba", "PIL", "typer", "opentelemetry")
present = [name for name in absent if importlib.util.find_spec(name)]
assert not present, f"installing the client brought {present}"
from songlens import AsyncClient, BadImage, Client, Recommendation
client = Client("redis://127.0.0.1:1")
try:
    client.submit(b"")
except BadImage as error:
    assert "0 bytes" in str(error)
else:
    raise AssertionError("an empty photo was taken")
command = subprocess.run([sys.executable, "-m", "songlens", "send"], capture_output=True, text=True)
assert command.returncode == 1 and "songlens[cli]" in command.stderr, command
print("the client imports alone")
"""


def run(*command: str | Path, cwd: Path = ROOT) -> None:
    """Run a command, or end with its status."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    finished = subprocess.run([str(part) for part in command], cwd=cwd, env=environment, check=False)
    if finished.returncode:
        sys.exit(f"{command[0]} ended with status {finished.returncode}")


def main() -> None:
    """Build, install, import."""
    uv = Path(sys.executable).with_name("uv")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        run(uv, "build", "--quiet", "--wheel", "--out-dir", folder / "dist", ROOT)
        (wheel,) = (folder / "dist").glob("*.whl")
        venv.create(folder / "empty", with_pip=False)
        python = folder / "empty" / "bin" / "python"
        run(uv, "pip", "install", "--quiet", "--python", python, wheel)
        run(uv, "pip", "list", "--python", python)
        run(python, "-c", IN_THE_EMPTY_ENVIRONMENT, cwd=folder)


if __name__ == "__main__":
    main()
