"""ops/docker/Dockerfile: no lint, no root, and what it copies is there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from dockerfile import DOCKERFILE, ROOT, Dockerfile, ignored

TARGETS = ("worker", "client", "dashboard")


@pytest.mark.parametrize("path", sorted(DOCKERFILE.parent.glob("Dockerfile*")), ids=lambda path: path.name)
def test_no_lint(path: Path) -> None:
    """hadolint finds nothing, with every rule of its switched on."""
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert hadolint
    done = subprocess.run(
        [hadolint, "--no-color", "--config", str(DOCKERFILE.with_name("hadolint.yaml")), str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.parametrize("target", TARGETS)
def test_images_run_without_rights(target: str) -> None:
    """As a user of a number, stopped by a signal that its program obeys, and with a version of Python to the patch."""
    images = Dockerfile()
    assert images.last(target, "USER") == "10001:10001"
    assert images.last(target, "STOPSIGNAL") in {"SIGTERM", "SIGINT"}
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", images.chain(target)[0].base)


def test_the_worker_is_what_is_built_by_default() -> None:
    """`docker build` without a target takes the last stage."""
    assert list(Dockerfile().stages)[-1] == "worker"


@pytest.mark.parametrize("target", TARGETS)
def test_no_tool_of_the_build_is_in_an_image(target: str) -> None:
    """What runs stands on the plain base, and takes nothing from the build but an environment."""
    images = Dockerfile()
    assert [stage.name for stage in images.chain(target)] == ["base", target]
    taken = [value for value in images.stages[target].values("COPY") if value.startswith("--from=")]
    assert [value.split()[0] for value in taken] == [f"--from={target}-build"]
    assert all(value.split()[1].startswith("/opt/") for value in taken)
    for stage in images.chain(target):
        assert not any(re.search(r"\b(pip|apt|uv)\b", value) for value in stage.values("RUN"))


def test_what_is_copied_is_there_and_sent() -> None:
    """Every file of ours that a stage takes exists, and .dockerignore lets it through."""
    sources = [
        source
        for stage in Dockerfile().stages.values()
        for value in stage.values("COPY")
        if not value.startswith("--")
        for source in value.split()[:-1]
    ]
    assert len(sources) > 8
    for source in sources:
        path = ROOT / source
        files = [path] if path.is_file() else [one for one in path.rglob("*.py") if "__pycache__" not in one.parts]
        sent = [one for one in files if not ignored(one.relative_to(ROOT).as_posix())]
        assert sent, source
        if source != "benchmarks":
            assert sent == files, source
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    for package in packages["packages"]:
        assert not ignored(f"{package}/__init__.py"), package
        assert any(package.startswith(source) for source in sources), f"the wheel needs {package}"


@pytest.mark.parametrize(
    "path",
    [
        "secrets/vision",
        ".env",
        ".git/config",
        "models/v1/index.faiss",
        "photos/a.jpg",
        "tests/conftest.py",
        "ops/redis/users.acl",
        "ops/docker/Dockerfile",
        ".venv/bin/python",
        "workers/songlens_workers/__pycache__/log.cpython-311.pyc",
        "benchmarks/results/serving.jsonl",
    ],
)
def test_what_is_not_sent(path: str) -> None:
    """Secrets, models and photos never get into an image, nor does anything that was not named."""
    assert ignored(path)


def test_patterns_of_dockerignore(tmp_path: Path) -> None:
    """The reading of it, here, is that of the builder: the last pattern that fits decides, folders hold their files."""
    file = tmp_path / ".dockerignore"
    file.write_text("# all\n*\n!a\n!b/c\n**/*.pyc\na/secret*\n")
    sent = [
        path
        for path in ("a/x", "a/d/x", "b/c/x", "b/x", "x", "a/x.pyc", "y.pyc", "a/secret1")
        if not ignored(path, file)
    ]
    assert sent == ["a/x", "a/d/x", "b/c/x"]
