"""What kustomize makes of ops/k8s, and what of it is a pod."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ops_tools import tool

K8S = Path(__file__).parents[1] / "ops" / "k8s"
OVERLAYS = sorted(path.name for path in (K8S / "overlays").iterdir())
WORKLOADS = ("Deployment", "StatefulSet")

Manifest = dict[str, Any]


@cache
def built(folder: str) -> tuple[Manifest, ...]:
    """Return every object of a kustomization of ops/k8s; skips the test where there is no kustomize."""
    made = subprocess.run(
        [tool("kustomize"), "build", str(K8S / folder)], capture_output=True, text=True, check=False, timeout=60
    )
    assert made.returncode == 0, made.stderr
    assert not made.stderr, made.stderr  # it warns of what it will no longer understand
    return tuple(yaml.safe_load_all(made.stdout))


def overlay(name: str) -> tuple[Manifest, ...]:
    return built(f"overlays/{name}")


def of_kind(objects: tuple[Manifest, ...], *kinds: str) -> list[Manifest]:
    return [one for one in objects if one["kind"] in kinds]


@dataclass(frozen=True)
class Workload:
    """A Deployment or StatefulSet and its one container, with the settings that reach it."""

    name: str
    manifest: Manifest
    settings: dict[str, str]

    @property
    def template(self) -> Manifest:
        found: Manifest = self.manifest["spec"]["template"]
        return found

    @property
    def pod(self) -> Manifest:
        found: Manifest = self.template["spec"]
        return found

    @property
    def labels(self) -> dict[str, str]:
        found: dict[str, str] = self.template["metadata"]["labels"]
        return found

    @property
    def container(self) -> Manifest:
        [found] = self.pod["containers"]
        assert isinstance(found, dict)
        return found

    @property
    def ours(self) -> bool:
        return str(self.container["image"]).startswith("songlens-worker")


def workloads(name: str) -> list[Workload]:
    """Return the workloads of an overlay."""
    objects = overlay(name)
    maps = {one["metadata"]["name"]: one["data"] for one in of_kind(objects, "ConfigMap")}

    def settings(container: Manifest) -> Iterator[tuple[str, str]]:
        for source in container.get("envFrom", ()):
            yield from maps[source["configMapRef"]["name"]].items()
        for variable in container.get("env", ()):
            yield variable["name"], variable["value"]

    return [
        Workload(one["metadata"]["name"], one, dict(settings(one["spec"]["template"]["spec"]["containers"][0])))
        for one in of_kind(objects, *WORKLOADS)
    ]


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    """Say whether a label selector selects a pod with these labels."""
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    rules = selector.get("matchExpressions", ())
    assert all(rule["operator"] == "In" for rule in rules)
    return all(labels.get(rule["key"]) in rule["values"] for rule in rules)


def seconds(probe: Manifest) -> int:
    """Return after how long a probe has failed for good."""
    return int(probe["periodSeconds"]) * int(probe["failureThreshold"])
