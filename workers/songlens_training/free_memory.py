"""How much memory this process may still take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_CGROUP_ROOT = Path("/sys/fs/cgroup")


def free_memory_bytes(proc: Path = _PROC, cgroup_root: Path = _CGROUP_ROOT) -> int | None:
    """Return the bytes that the machine and the container's limits leave; None where neither says.

    `MemAvailable` of /proc/meminfo (proc(5)) counts caches that the kernel would give back. Of a control group
    (cgroup-v2 `memory.max`, `memory.current`; v1 `memory.limit_in_bytes`, `memory.usage_in_bytes`) and of those above
    it, the least is taken, and what it holds of inactive files counts as free.
    """
    return min([*_machine(proc), *_control_groups(proc, cgroup_root)], default=None)


def _machine(proc: Path) -> Iterator[int]:
    fields = _fields(proc / "meminfo")
    if "MemAvailable:" in fields:
        yield fields["MemAvailable:"] * 1024


def _control_groups(proc: Path, root: Path) -> Iterator[int]:
    for line in _text(proc / "self" / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            yield from _groups(root, root / path.lstrip("/"), "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            top = root / "memory"
            group = top / path.lstrip("/")
            yield from _groups(top, group, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def _groups(top: Path, group: Path, limit: str, usage: str, inactive: str) -> Iterator[int]:
    """Yield what each group from `group` up to `top` leaves; one without a limit leaves all."""
    for folder in (group, *group.parents):
        limit_text, usage_text = _text(folder / limit).strip(), _text(folder / usage).strip()
        if limit_text.isdigit() and usage_text.isdigit():
            reclaimable = _fields(folder / "memory.stat").get(inactive, 0)
            yield max(0, int(limit_text) - int(usage_text) + reclaimable)
        if folder == top:
            return


def _fields(path: Path) -> dict[str, int]:
    """Return a file of `name number` lines."""
    rows = (line.split() for line in _text(path).splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) >= 2 and row[1].isdigit()}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
