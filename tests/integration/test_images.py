"""The images' build steps without a builder: each RUN line of the Dockerfile in a folder instead of a container."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from dockerfile import ROOT, Dockerfile, ignored

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]

_UNREACHABLE = re.compile(r"error sending request|dns error|failed to lookup|Network connectivity is disabled")
_VENV_BIN = Path(sys.executable).parent


class Build:
    """Stages, each with a root folder of its own. `uv` is ours, and fetches packages from the index of this machine."""

    def __init__(self, folder: Path, **arguments: str) -> None:
        self._folder = folder
        self._arguments = arguments
        self._images = Dockerfile()

    def stage(self, name: str, *, dry: bool = False) -> Path:
        """Run a stage's steps, those of the stages that it copies from first; return its root folder.

        `dry` resolves packages and installs none.
        """
        root = self._folder / name
        (root / "source").mkdir(parents=True)
        (root / "opt").mkdir()
        for instruction, value in self._images.stages[name].instructions:
            if instruction == "COPY":
                self._copy(root, value)
            elif instruction == "RUN":
                self._run(root, name, f"{value} --dry-run" if dry and "uv pip install" in value else value)
                if dry and "uv pip install" in value:
                    break
        return root

    def _copy(self, root: Path, value: str) -> None:
        flag, *rest = value.split() if value.startswith("--from=") else ("", *value.split())
        *sources, to = rest
        place = root / "source" / to
        if flag:
            shutil.copytree(self.stage(flag.removeprefix("--from=")) / sources[0].lstrip("/"), place)
            return
        for source in sources:
            path = ROOT / source
            for file in [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]:
                if not ignored(file.relative_to(ROOT).as_posix()):
                    copy = place / (path.name if path.is_file() else file.relative_to(path))
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(file, copy)

    def _run(self, root: Path, name: str, value: str) -> None:
        command = re.sub(r"^(--\S+ )+", "", value).replace("python -m", f"{sys.executable} -m")
        command = re.sub(r"(?<![\w.])/(opt|source)(?=/)", lambda found: f"{root}/{found[1]}", command)
        done = subprocess.run(
            ["/bin/sh", "-ec", command],
            cwd=root / "source",
            capture_output=True,
            text=True,
            env={
                "PATH": f"{_VENV_BIN}:/usr/bin:/bin",
                "HOME": os.environ.get("HOME", "/"),
                **{
                    key: value
                    for key, value in os.environ.items()
                    if key.startswith(("UV_", "PIP_", "SSL_", "http", "HTTP"))
                },
                **self._images.environment(name),
                **self._arguments,
            },
            timeout=240,
            check=False,
        )
        if _UNREACHABLE.search(done.stderr):
            pytest.skip("no package index can be reached from here")
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        self.said = done.stderr


def versions(python: Path) -> set[str]:
    """Return the packages of an environment, pinned."""
    done = subprocess.run(
        [str(_VENV_BIN / "uv"), "pip", "freeze", "--python", str(python)], capture_output=True, text=True, check=True
    )
    return {line for line in done.stdout.splitlines() if "==" in line}


def pins() -> set[str]:
    return set((ROOT / "constraints.txt").read_text("utf-8").splitlines())


def test_the_client_s_image(tmp_path: Path) -> None:
    """The command runs with tested versions of light packages and our wheel; it is small."""
    root = Build(tmp_path).stage("client-build")
    found = versions(root / "opt/songlens/bin/python")
    assert found <= pins()
    assert {one.partition("==")[0] for one in found} >= {"redis", "msgpack", "typer", "rich", "pillow", "pillow-heif"}
    assert not {"torch", "numpy", "rq", "pyarrow", "pydantic-settings"} & {one.partition("==")[0] for one in found}
    done = subprocess.run(
        [root / "opt/songlens/bin/songlens", "send", "--redis", "redis://127.0.0.1:1", ROOT / "README.md"],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "COLUMNS": "200"},
        check=False,
    )
    assert "is no photo" in done.stdout + done.stderr or "no Redis answers" in done.stderr, done.stdout + done.stderr
    size_bytes = sum(file.stat().st_size for file in (root / "opt").rglob("*") if file.is_file())
    assert size_bytes < 150 * 2**20


def test_the_dashboard_s_image(tmp_path: Path) -> None:
    """rq-dashboard with what it needs, none of ours."""
    root = Build(tmp_path).stage("dashboard-build")
    found = versions(root / "opt/dashboard/bin/python")
    assert found <= pins()
    assert {one.partition("==")[0] for one in found} >= {"rq-dashboard", "rq", "six", "redis"}
    done = subprocess.run(
        [root / "opt/dashboard/bin/rq-dashboard", "--help"], capture_output=True, text=True, check=True
    )
    assert "--redis-url" in done.stdout


def test_the_worker_s_image(tmp_path: Path) -> None:
    """Its packages can be had, all in tested versions where the versions are pinned; nothing is fetched here."""
    build = Build(tmp_path, TORCH_BACKEND="")
    build.stage("worker-build", dry=True)
    wanted = set(re.findall(r"^ \+ (\S+==\S+)$", build.said, re.MULTILINE))
    names = {one.partition("==")[0] for one in pins()}
    assert {one for one in wanted if one.partition("==")[0] in names} <= pins()
    assert {"torch", "faiss-gpu", "rq", "jieba"} <= {one.partition("==")[0] for one in wanted}


@pytest.mark.parametrize(("backend", "options"), [("cpu", ["--torch-backend", "cpu"]), ("", [])])
def test_which_torch_an_image_has(tmp_path: Path, backend: str, options: list[str]) -> None:
    """The build argument becomes an option of uv; an empty one is left out, and the index's own build taken."""
    asked = tmp_path / "uv"
    asked.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    asked.chmod(0o755)
    (line,) = [one for one in Dockerfile().stages["worker-build"].values("RUN") if "--constraints" in one]
    done = subprocess.run(
        ["/bin/sh", "-ec", re.sub(r"^(--\S+ )+", "", line)],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "TORCH_BACKEND": backend},
        capture_output=True,
        text=True,
        check=True,
    )
    words = done.stdout.splitlines()
    assert words[:4] == ["pip", "install", "--python", "/opt/songlens/bin/python"]
    assert words[4:-10] == options
